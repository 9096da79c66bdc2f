//! The accept loop: as many connections as permitted, each a tracked task with limits on what it
//! costs before it has said what it wants. No address takes the places of all others.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use inkwire_model::Code;
use inkwire_session::{Place, Tally};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::{
    connection::Ends,
    counters::{Counters, Limit},
    peer::{AddressKey, Proxies, proxy_header},
    socket::SocketConfig,
};

/// How long to wait after a failure that another try would meet again, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A place among the permitted connections, held by whatever the connection becomes.
#[derive(Clone)]
pub struct Slot {
    /// Who connected: a client, or the proxy before it.
    pub peer: SocketAddr,
    /// What the connection is in use for: requests, and sessions on streams of it.
    pub in_use: TaskTracker,
    _held: Arc<(OwnedSemaphorePermit, Option<Place<AddressKey>>)>,
}

/// What connections of a listener become.
pub trait Entrance: Clone + Send + Sync + 'static {
    /// What one hears that comes from an address with too many; nothing if that cannot be said at once.
    fn too_many(&self) -> Vec<u8>;

    /// Serves a connection until it ends, or is somebody else's.
    fn serve(&self, stream: TcpStream, slot: Slot) -> impl Future<Output = ()> + Send + 'static;
}

/// What every accept loop shares.
#[derive(Clone)]
pub struct Acceptor<E> {
    pub entrance: E,
    /// How long a proxy may take to say for whom it speaks.
    pub header_read_timeout: Duration,
    pub socket: SocketConfig,
    pub slots: Arc<Semaphore>,
    pub addresses: Addresses,
    pub counters: Arc<Counters>,
    pub tasks: TaskTracker,
    /// `stopping` ends the loop; connections that are not upgraded finish their request.
    pub ends: Ends,
}

/// How many connections each address has.
#[derive(Clone)]
pub struct Addresses {
    pub proxies: Arc<Proxies>,
    pub tally: Arc<Tally<AddressKey>>,
    pub connections_max: usize,
}

impl<E> Acceptor<E> {
    /// Another kind of listener, which shares the places.
    pub fn with<F>(&self, entrance: F) -> Acceptor<F> {
        Acceptor {
            entrance,
            header_read_timeout: self.header_read_timeout,
            socket: self.socket,
            slots: self.slots.clone(),
            addresses: self.addresses.clone(),
            counters: self.counters.clone(),
            tasks: self.tasks.clone(),
            ends: self.ends.clone(),
        }
    }
}

impl<E: Entrance> Acceptor<E> {
    /// Accepts until the stop.
    pub async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.ends.stopping.cancelled() => return,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, peer, permit)) => self.take_in(stream, peer, permit),
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The next connection and its place; while there is none, connections wait in the kernel.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let slots = self.slots.clone();
        let permit = match slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.counters.breach(Limit::Connections);
                slots.acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let (stream, peer) = listener.accept().await?;
        self.socket.apply(&stream)?;
        Ok((stream, peer, permit))
    }

    fn take_in(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        if self.addresses.proxies.speaks_proxy_protocol(peer.ip()) {
            self.tasks
                .spawn(self.clone().introduce(stream, peer, permit));
        } else if let Some((stream, slot)) = self.place(stream, peer, permit) {
            self.tasks.spawn(self.entrance.serve(stream, slot));
        }
    }

    /// Hears from a proxy for whom it speaks.
    async fn introduce(
        self,
        mut stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        let reading = timeout(self.header_read_timeout, proxy_header::read(&mut stream));
        let read = tokio::select! {
            () = self.ends.stopping.cancelled() => return,
            read = reading => read,
        };
        let client = match read {
            Ok(Ok(client)) => client.unwrap_or(peer),
            Ok(Err(error)) => {
                self.counters.breach(Limit::ProxyHeader);
                debug!(%peer, %error, "a connection was cut: it came from a proxy");
                return;
            }
            Err(_) => {
                self.counters.breach(Limit::ProxyHeader);
                debug!(%peer, "a connection was cut: the proxy did not say for whom it speaks");
                return;
            }
        };
        if let Some((stream, slot)) = self.place(stream, client, permit) {
            self.entrance.serve(stream, slot).await;
        }
    }

    /// A place among those of its address; who has too many is told so and cut.
    fn place(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) -> Option<(TcpStream, Slot)> {
        let addresses = &self.addresses;
        let address = peer.ip();
        // A proxy's connections are those of its clients: they are counted as sessions.
        let is_proxy = addresses.proxies.is_trusted(address)
            || addresses.proxies.speaks_proxy_protocol(address);
        let place = if is_proxy {
            None
        } else {
            let place = addresses
                .tally
                .take(&address.into(), addresses.connections_max);
            let Some(place) = place else {
                self.counters.breach(Limit::ConnectionsPerAddress);
                self.counters.refusals.add(Code::TooManyConnections);
                // As far as it goes without waiting: nothing is owed to a flood.
                let _told = stream.try_write(&self.entrance.too_many());
                return None;
            };
            Some(place)
        };
        let slot = Slot {
            peer,
            in_use: TaskTracker::new(),
            _held: Arc::new((permit, place)),
        };
        Some((stream, slot))
    }
}

/// Whether a failure says nothing about the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::InvalidInput
    )
}
