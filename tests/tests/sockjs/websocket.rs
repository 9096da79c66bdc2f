//! A WebSocket as octets: enough of RFC 6455 for the cases.

use std::{
    io::{BufReader, Read as _, Write as _},
    net::TcpStream,
};

use crate::{
    Servers,
    http::{Connection, get},
};

const MASK: [u8; 4] = [7, 11, 13, 17];

pub(crate) struct WebSocket(BufReader<TcpStream>);

impl WebSocket {
    pub(crate) fn open(servers: &Servers, path: &str) -> Self {
        Self::open_with(servers, path, "Upgrade")
    }

    pub(crate) fn open_with(servers: &Servers, path: &str, connection: &str) -> Self {
        let request = get(path)
            .with("Connection", connection)
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let opened = Connection::to(servers).ask(request);
        assert_eq!(opened.status, 101);
        assert_eq!(
            opened.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        let (_, connection) = opened.whole_kept();
        Self(connection.into_stream())
    }

    pub(crate) fn send(&mut self, text: &str) {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 126);
        let mut frame = vec![0x81, 0x80 | length];
        frame.extend(MASK);
        frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
        self.0.get_mut().write_all(&frame).unwrap();
    }

    /// The next message must be this text.
    pub(crate) fn expect(&mut self, text: &str) {
        assert_eq!(self.frame(), Some((0x1, text.as_bytes().to_vec())));
    }

    /// The connection ends, with a close frame or without.
    pub(crate) fn expect_end(&mut self) {
        match self.frame() {
            None => {}
            Some((0x8, _)) => {}
            Some(other) => panic!("{other:?}"),
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        if self.0.read_exact(&mut head).is_err() {
            return None;
        }
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        Some((head[0] & 0x0f, payload))
    }
}
