//! `HandedWire`: a stream over HTTP/1.1 whose chunks go from the hub's tasks straight to the socket, as
//! WebSocket frames do. hyper wrote the head of the answer and writes its end.

use std::{
    io::{self, IoSlice},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inkwire_hub::Wire;
use tokio::{net::TcpStream, sync::Notify};

use crate::{handover::Handover, transport::LinkWire};

/// A socket that comes once the head of the answer is on its way.
#[derive(Clone)]
pub(super) struct HandedWire {
    place: Arc<Place>,
}

#[derive(Default)]
struct Place {
    // Held for one write, which never blocks.
    socket: Mutex<Socket>,
    came: Notify,
}

#[derive(Default)]
enum Socket {
    #[default]
    Awaited,
    Here(Arc<TcpStream>),
    Gone,
}

impl HandedWire {
    pub(super) fn awaited() -> Self {
        Self {
            place: Arc::default(),
        }
    }

    /// What is to be done when the head of the answer was written.
    pub(super) fn ask(&self, handover: Handover) -> impl FnOnce() + Send + 'static {
        let place = self.place.clone();
        move || {
            handover.ask(move |stream| {
                let mut socket = place.lock();
                if let Socket::Awaited = &*socket {
                    *socket = match stream {
                        Ok(stream) => Socket::Here(Arc::new(stream)),
                        Err(_) => Socket::Gone,
                    };
                }
                drop(socket);
                place.came.notify_one();
            });
        }
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire for HandedWire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &*self.place.lock() {
            Socket::Awaited => Err(io::ErrorKind::WouldBlock.into()),
            Socket::Here(stream) => stream.try_write_vectored(slices),
            Socket::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl LinkWire for HandedWire {
    async fn writable(&self) -> io::Result<()> {
        loop {
            let stream = match &*self.place.lock() {
                Socket::Here(stream) => Some(stream.clone()),
                Socket::Awaited => None,
                Socket::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            match stream {
                Some(stream) => return stream.writable().await,
                None => self.place.came.notified().await,
            }
        }
    }

    /// What comes behind is hyper's.
    fn cut(&self) {
        *self.place.lock() = Socket::Gone;
    }
}
