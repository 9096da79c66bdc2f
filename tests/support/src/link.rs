//! A TCP link that a test can cut: what connects to it goes to one target after the other.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};

use crate::Port;

/// Carries octets to its targets in turn, and ends everything when it is dropped.
#[derive(Debug)]
pub struct Link {
    listen: Port,
    carried: Arc<Carried>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Carried {
    is_over: AtomicBool,
    // Held for as long as one list is looked at.
    connections: Mutex<Vec<[TcpStream; 2]>>,
}

impl Link {
    /// A link to these addresses, in turn for each connection.
    pub fn to(targets: Vec<String>) -> Result<Self> {
        let listen = Port::reserve()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen.number()))
            .context("a link cannot listen")?;
        let carried = Arc::<Carried>::default();
        let accepting = thread::spawn({
            let carried = carried.clone();
            move || {
                for (incoming, target) in listener.incoming().zip(targets.iter().cycle()) {
                    if carried.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    // One that fails is as good as cut: its client tries again.
                    let _failed = incoming.and_then(|client| carried.carry(client, target));
                }
            }
        });
        Ok(Self {
            listen,
            carried,
            accepting: Some(accepting),
        })
    }

    /// `127.0.0.1:<port>`
    pub fn address(&self) -> String {
        self.listen.address()
    }

    /// Ends every connection without a word; how many there were.
    pub fn cut(&self) -> usize {
        self.carried.cut()
    }
}

impl Carried {
    fn carry(&self, client: TcpStream, target: &str) -> io::Result<()> {
        let server = TcpStream::connect(target)?;
        for (from, to) in [(&client, &server), (&server, &client)] {
            from.set_nodelay(true)?;
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            // It ends with its sockets: `cut` ends both.
            thread::spawn(move || {
                let _ended = io::copy(&mut from, &mut to);
                let _gone = to.shutdown(Shutdown::Write);
            });
        }
        self.lock().push([client, server]);
        Ok(())
    }

    fn cut(&self) -> usize {
        let mut cut = 0;
        for [client, server] in self.lock().drain(..) {
            // One that ended by itself is no longer connected.
            cut += usize::from(client.shutdown(Shutdown::Both).is_ok());
            let _gone = server.shutdown(Shutdown::Both);
        }
        cut
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<[TcpStream; 2]>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carried.is_over.store(true, Ordering::Relaxed);
        // Wakes whoever accepts.
        let _woken = TcpStream::connect(self.address());
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
        self.carried.cut();
    }
}
