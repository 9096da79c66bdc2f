//! The accept loop: as many connections as permitted, each a tracked task with limits on what it
//! costs before it has said what it wants.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::connection::{self, HttpLimits};

/// How long to wait after a failure that another try would meet again, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A place among the permitted connections, held by whatever the connection becomes.
#[derive(Clone)]
pub struct Slot {
    /// Who connected: a client, or the proxy before it.
    pub peer: SocketAddr,
    /// The sessions that the connection carries: over HTTP/2, each on a stream of its own.
    pub sessions: TaskTracker,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// What every accept loop shares.
#[derive(Clone)]
pub struct Acceptor {
    pub router: axum::Router,
    pub limits: HttpLimits,
    pub slots: Arc<Semaphore>,
    pub tasks: TaskTracker,
    /// Ends the loop; connections that are not upgraded finish their request.
    pub stop: CancellationToken,
}

impl Acceptor {
    /// Accepts until the stop.
    pub async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, slot)) => {
                    let serving = connection::serve(
                        stream,
                        slot,
                        self.router.clone(),
                        self.limits,
                        self.tasks.clone(),
                        self.stop.clone(),
                    );
                    self.tasks.spawn(serving);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The next connection and its place; while there is none, connections wait in the kernel.
    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, Slot)> {
        let permit = self
            .slots
            .clone()
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((
            stream,
            Slot {
                peer,
                sessions: TaskTracker::new(),
                _permit: Arc::new(permit),
            },
        ))
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
