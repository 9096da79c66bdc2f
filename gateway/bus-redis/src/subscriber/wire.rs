//! Bytes to and from one Redis server, in RESP3.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use redis_protocol::resp3::{decode::complete::decode_bytes_mut, types::BytesFrame};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::config::Checked;

/// Room made for each read.
const READ_BYTES: usize = 64 << 10;
/// A frame that is larger is none that this gateway asked for.
const FRAME_BYTES_MAX: usize = 256 << 20;

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// What was written may wait in TLS.
    is_unflushed: bool,
}

/// What Redis says.
#[derive(Debug)]
pub(super) enum Said {
    /// A push: its kind and what follows.
    Push(Vec<BytesFrame>),
    /// The answer to a PING with this text.
    Pong(Bytes),
    Error(String),
    Other,
}

impl Wire {
    /// Connects and shakes hands.
    pub(crate) async fn open(checked: &Checked) -> io::Result<Self> {
        let within = |time: Duration| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} ms", time.as_millis()),
            )
        };
        let limit = checked.connect_timeout();
        let opened = tokio::time::timeout(limit, Self::shake_hands(checked)).await;
        opened.map_err(|_| within(limit))?
    }

    async fn shake_hands(checked: &Checked) -> io::Result<Self> {
        let stream = TcpStream::connect((checked.host.as_str(), checked.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &checked.tls {
            None => Box::new(stream),
            Some(tls) => {
                let connector = TlsConnector::from(tls.config.clone());
                Box::new(connector.connect(tls.server_name.clone(), stream).await?)
            }
        };
        let mut wire = Self {
            stream,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            is_unflushed: false,
        };
        let mut hello = vec!["HELLO", "3"];
        if let Some(password) = &checked.password {
            let username = checked.username.as_deref().unwrap_or("default");
            hello.extend(["AUTH", username, password]);
        }
        let name = format!("{}-subscriber", checked.config.client_name);
        hello.extend(["SETNAME", name.as_str()]);
        wire.say(&hello);
        loop {
            match wire.hear()? {
                Some(Said::Error(why)) => return Err(io::Error::other(why)),
                Some(_) => return Ok(wire),
                None => wire.turn().await?,
            }
        }
    }

    /// Queues a command.
    pub(super) fn say<T: AsRef<[u8]>>(&mut self, words: &[T]) {
        let mut put = |bytes: &[u8]| self.outgoing.extend_from_slice(bytes);
        put(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            put(format!("${}\r\n", word.as_ref().len()).as_bytes());
            put(word.as_ref());
            put(b"\r\n");
        }
    }

    /// Waits until something was read or written. Cancel safe.
    pub(super) async fn turn(&mut self) -> io::Result<()> {
        self.incoming.reserve(READ_BYTES);
        poll_fn(|context| match self.poll_read(context) {
            Poll::Pending => self.poll_write(context),
            read => read,
        })
        .await
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = Pin::new(&mut self.stream);
        let read = poll_read_buf(stream, context, &mut self.incoming);
        read.map(|read| match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if self.incoming.len() > FRAME_BYTES_MAX => {
                Err(io::Error::other("a frame is too large"))
            }
            _ => Ok(()),
        })
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outgoing.is_empty() {
            self.is_unflushed = true;
            let stream = Pin::new(&mut self.stream);
            let written = poll_write_buf(stream, context, &mut self.outgoing);
            if written.is_ready() {
                return written.map(|written| written.map(drop));
            }
        }
        if self.is_unflushed {
            let flushed = Pin::new(&mut self.stream).poll_flush(context);
            self.is_unflushed = flushed.is_pending();
            if let Poll::Ready(Err(error)) = flushed {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Pending
    }

    /// The next thing that was read in whole.
    pub(super) fn hear(&mut self) -> io::Result<Option<Said>> {
        if self.incoming.is_empty() {
            return Ok(None);
        }
        let frame = decode_bytes_mut(&mut self.incoming).map_err(io::Error::other)?;
        Ok(frame.map(|(frame, ..)| match frame {
            BytesFrame::Push { data, .. } => Said::Push(data),
            BytesFrame::BlobString { data, .. } => Said::Pong(data),
            BytesFrame::SimpleError { data, .. } => Said::Error(data.to_string()),
            BytesFrame::BlobError { data, .. } => {
                Said::Error(String::from_utf8_lossy(&data).into_owned())
            }
            _ => Said::Other,
        }))
    }
}

/// The text of a frame.
pub(super) fn text_of(frame: &BytesFrame) -> Option<&Bytes> {
    match frame {
        BytesFrame::BlobString { data, .. } | BytesFrame::SimpleString { data, .. } => Some(data),
        _ => None,
    }
}
