//! What the kernel is asked for each connection: small writes go at once, a peer that vanished is
//! found out, and little waits unsent where no limit of ours would count it.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Probes of a silent connection that may go unanswered.
const PROBES: u32 = 3;

/// How connections are set up.
#[derive(Debug, Clone, Copy)]
pub struct SocketConfig {
    /// Most bytes that wait in the kernel unsent. What is sent and not acknowledged comes on top: that
    /// is as much as the way to the peer holds, and nothing for a peer that reads nothing.
    pub unsent_bytes_max: u32,
    /// A connection that is silent for so long is probed by the kernel.
    pub probe_after: Duration,
    /// A connection whose peer acknowledged nothing for so long is gone.
    pub unacknowledged_max: Duration,
}

impl SocketConfig {
    pub(crate) fn apply(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        // The kernel counts in whole seconds.
        let second = Duration::from_secs(1);
        let keepalive = TcpKeepalive::new()
            .with_time(self.probe_after.max(second))
            .with_interval((self.probe_after / PROBES).max(second))
            .with_retries(PROBES);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        {
            socket.set_tcp_user_timeout(Some(self.unacknowledged_max))?;
            socket.set_tcp_notsent_lowat(self.unsent_bytes_max)?;
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_kernel_has_what_was_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let config = SocketConfig {
            unsent_bytes_max: 65_536,
            probe_after: Duration::from_secs(25),
            unacknowledged_max: Duration::from_secs(85),
        };
        config.apply(&stream).unwrap();
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), 65_536);
        assert!(socket.keepalive().unwrap());
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(25)
        );
        let timeout = socket.tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(Duration::from_secs(85)));
    }
}
