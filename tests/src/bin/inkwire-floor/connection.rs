//! One client: what was read and is no whole message yet, and what is due to it.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
};

use bytes::{Buf as _, Bytes};
use mio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// As many as one `writev` takes with profit.
const SLICES_MAX: usize = 64;

pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes of a message that is not whole.
    pub(crate) unread: Vec<u8>,
    due: VecDeque<Bytes>,
    pub(crate) is_dirty: bool,
    /// The socket is full: a write waits until it is not.
    pub(crate) is_full: bool,
    pub(crate) is_upgraded: bool,
    /// The client that it named last.
    pub(crate) client: Option<String>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            due: VecDeque::new(),
            is_dirty: false,
            is_full: false,
            is_upgraded: false,
            client: None,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Appends what came to `buffer`; false at the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, scratch: &mut [u8]) -> io::Result<bool> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    buffer.extend_from_slice(scratch.get(..count).unwrap_or_default());
                    if count < scratch.len() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.due.push_back(bytes);
    }

    /// Writes what is due, as far as it goes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.is_full = false;
        while !self.due.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            for (slice, bytes) in slices.iter_mut().zip(&self.due) {
                *slice = IoSlice::new(bytes);
            }
            let count = self.due.len().min(SLICES_MAX);
            match self
                .stream
                .write_vectored(slices.get(..count).unwrap_or_default())
            {
                Ok(written) => self.written(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_full = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        while let Some(first) = self.due.front_mut() {
            if count < first.len() {
                return first.advance(count);
            }
            count -= first.len();
            self.due.pop_front();
        }
    }

    /// Answers a WebSocket handshake; how many bytes it took, or `None` if it is not whole.
    pub(crate) fn upgrade(&mut self, request: &[u8]) -> Option<usize> {
        let text = String::from_utf8_lossy(request);
        let (head, _) = text.split_once("\r\n\r\n")?;
        let header = |wanted: &str| {
            head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let accept = derive_accept_key(header("sec-websocket-key").unwrap_or_default().as_bytes());
        let sub_protocol = match header("sec-websocket-protocol") {
            Some(_) => "Sec-WebSocket-Protocol: inkwire.v1.json\r\n",
            None => "",
        };
        self.push(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{sub_protocol}\r\n"
            )
            .into(),
        );
        self.is_upgraded = true;
        Some(head.len() + 4)
    }
}
