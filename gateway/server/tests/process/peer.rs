//! A WebSocket peer that does only what it is told: reads nothing by itself, answers no ping, and may
//! come from another loopback address.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::replica::{Answer, PATIENCE, Replica};

/// What its socket takes before it is read.
const RECEIVE_BYTES: usize = 4 * 1024;

pub(crate) struct Peer(pub(crate) TcpStream);

/// A connection from this loopback address.
pub(crate) fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a handshake with these further header lines, and reads the answer.
pub(crate) fn shake_hands(stream: &mut TcpStream, headers: &[&str]) -> Answer {
    let headers: Vec<_> = headers.iter().map(|header| header.as_bytes()).collect();
    shake_hands_in_bytes(stream, &headers)
}

/// The same with lines that are perhaps no text.
pub(crate) fn shake_hands_in_bytes(stream: &mut TcpStream, headers: &[&[u8]]) -> Answer {
    shake_hands_at("/ws", stream, headers)
}

/// The same at another path.
pub(crate) fn shake_hands_at(path: &str, stream: &mut TcpStream, headers: &[&[u8]]) -> Answer {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    .into_bytes();
    for header in headers {
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).unwrap();
    read_answer(stream)
}

/// Reads one HTTP answer and nothing behind it.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    Answer::parse(&format!("{head}{}", String::from_utf8(body).unwrap()))
}

/// The text frame of a packet, masked with zeros.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

impl Peer {
    pub(crate) fn connect(replica: &Replica) -> Self {
        Self::connect_to(replica.address, &[])
    }

    pub(crate) fn connect_to(address: SocketAddr, headers: &[&str]) -> Self {
        let mut stream = connect_from([127, 0, 0, 1], address);
        let answer = shake_hands(&mut stream, headers);
        assert_eq!(answer.status, 101, "{answer:?}");
        Self(stream)
    }

    /// One that said hello.
    pub(crate) fn known(replica: &Replica) -> Self {
        let mut peer = Self::connect(replica);
        peer.say(r#"{"type":"hello"}"#);
        peer.expect("welcome");
        peer
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.try_say(text).unwrap();
    }

    pub(crate) fn try_say(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(&frame(text))
    }

    /// The next packet, or a close as its code.
    pub(crate) fn hear(&mut self) -> Result<Value, u16> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).expect("a frame in time");
            let length = match head[1] {
                126 => {
                    let mut length = [0; 2];
                    self.0.read_exact(&mut length).unwrap();
                    u16::from_be_bytes(length).into()
                }
                127 => {
                    let mut length = [0; 8];
                    self.0.read_exact(&mut length).unwrap();
                    u64::from_be_bytes(length) as usize
                }
                length => length.into(),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).unwrap();
            match head[0] & 0x0f {
                1 => return Ok(serde_json::from_slice(&payload).unwrap()),
                8 => return Err(u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
    }

    pub(crate) fn expect(&mut self, kind: &str) -> Value {
        let packet = self.hear().unwrap();
        assert_eq!(packet["type"], kind, "{packet}");
        packet
    }

    /// The code of the close, whatever comes before it.
    pub(crate) fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.hear() {
                return code;
            }
        }
    }

    pub(crate) fn join(&mut self, document: &str, client: Option<&str>) {
        let client = client.map_or(String::new(), |client| format!(r#","client":"{client}""#));
        self.say(&format!(
            r#"{{"type":"join","document":"{document}"{client}}}"#
        ));
        self.expect("joined");
    }
}

/// Waits until the other side closes, whatever it says before.
pub(crate) fn wait_for_end(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("it is not closed"),
        // A reset is an end, too.
        _ => {}
    }
}

/// Writes bytes one by one with pauses, until all went or the other side closed.
pub(crate) fn trickle(stream: &mut TcpStream, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
}
