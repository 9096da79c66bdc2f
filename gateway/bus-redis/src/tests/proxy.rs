//! A proxy between a bus and its Redis that knows subscriber connections by their name, and can
//! silence them or lead them astray.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What the HELLO of a subscriber connection contains.
const MARK: &[u8] = b"-subscriber";

pub(super) struct Proxy {
    address: SocketAddr,
    /// Where new subscriber connections go.
    subscribers_to: Arc<AtomicU16>,
    /// Cancelled to silence the subscriber connections that there are.
    silence: Arc<Mutex<CancellationToken>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Proxy {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            subscribers_to: Arc::new(port.into()),
            silence: Arc::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        };
        let (tasks, closing) = (proxy.tasks.clone(), proxy.closing.clone());
        let (subscribers_to, silence) = (proxy.subscribers_to.clone(), proxy.silence.clone());
        proxy.tasks.spawn(async move {
            while let Some(Ok((client, _))) = closing.run_until_cancelled(listener.accept()).await {
                let silence = silence.lock().unwrap().clone();
                let serving = serve(client, port, subscribers_to.clone(), silence);
                let closing = closing.clone();
                tasks.spawn(async move { closing.run_until_cancelled(serving).await });
            }
        });
        proxy
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From here on nothing passes over today's subscriber connections; they stay open.
    pub(super) fn silence_subscribers(&self) {
        std::mem::take(&mut *self.silence.lock().unwrap()).cancel();
    }

    pub(super) fn lead_subscribers_to(&self, port: u16) {
        self.subscribers_to.store(port, Ordering::Relaxed);
    }

    pub(super) async fn close(self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn serve(
    mut client: TcpStream,
    port: u16,
    subscribers_to: Arc<AtomicU16>,
    silence: CancellationToken,
) {
    let mut first = vec![0; 4_096];
    let Ok(n) = client.read(&mut first).await else {
        return;
    };
    let is_subscriber = first[..n].windows(MARK.len()).any(|window| window == MARK);
    let port = match is_subscriber {
        true => subscribers_to.load(Ordering::Relaxed),
        false => port,
    };
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    if server.write_all(&first[..n]).await.is_err() {
        return;
    }
    let copying = copy_bidirectional(&mut client, &mut server);
    if !is_subscriber {
        let _ = copying.await;
        return;
    }
    if silence.run_until_cancelled(copying).await.is_none() {
        // Both sockets stay open, and nobody moves a byte.
        std::future::pending::<()>().await;
    }
}
