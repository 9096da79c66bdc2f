//! The least WebSocket client that is one: no masking work, one shared buffer to read into, and
//! frames that are looked at where they lie.

use std::{cell::RefCell, io::ErrorKind, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use inkwire_client::Encoding;
use inkwire_model::{ClientId, DocumentId};
use inkwire_protocol::native::{ClientPacket, ServerPacket};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const SCRATCH_BYTES: usize = 64 << 10;
const HEAD_BYTES_MAX: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// A connection that may be read by one task and written by another.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
}

/// Whether a message is text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Opcode {
    Text,
    Binary,
}

/// Bytes of frames, up to the last whole one that was taken.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<u8>, Form);

/// What the frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Form {
    #[default]
    WebSocket,
    /// Chunks of an answer of HTTP/1.1.
    Chunks,
}

/// Where a session begins, and what it is told there.
pub(super) struct Joined {
    pub(super) wire: Arc<Wire>,
    pub(super) frames: Frames,
    pub(super) heartbeat_ms: u64,
}

/// Connects, says hello and joins, until the `joined` is here.
pub(super) async fn join(
    url: &str,
    encoding: Encoding,
    token: Option<&str>,
    document: &DocumentId,
    client: Option<ClientId>,
) -> anyhow::Result<Joined> {
    let (wire, mut frames) = Wire::connect(url, Some(encoding.sub_protocol())).await?;
    let hello = ClientPacket::Hello {
        token: token.map(str::to_owned),
    };
    wire.send_packet(&hello, encoding).await?;
    let join = ClientPacket::Join {
        document: document.clone(),
        since: None,
        client,
        receive: true,
    };
    let mut heartbeat_ms = 0;
    loop {
        let mut joined = false;
        let mut refused = None;
        let mut welcome = false;
        frames.take(|payload| match encoding.decode_server(payload) {
            Ok(ServerPacket::Welcome {
                heartbeat_ms: ms, ..
            }) => (welcome, heartbeat_ms) = (true, ms),
            Ok(ServerPacket::Joined { .. }) => joined = true,
            Ok(ServerPacket::Error { code, detail, .. }) => refused = Some((code, detail)),
            _ => {}
        })?;
        if let Some((code, detail)) = refused {
            bail!("{url}: {}: {detail}", code.as_str());
        }
        if welcome {
            wire.send_packet(&join, encoding).await?;
        }
        if joined {
            return Ok(Joined {
                heartbeat_ms,
                ..Joined::new(wire, frames)
            });
        }
        wire.read(&mut frames).await?;
    }
}

impl Joined {
    pub(super) fn new(wire: Wire, frames: Frames) -> Self {
        Self {
            wire: Arc::new(wire),
            frames,
            heartbeat_ms: 0,
        }
    }
}

impl Wire {
    pub(super) async fn connect(
        url: &str,
        sub_protocol: Option<&str>,
    ) -> anyhow::Result<(Self, Frames)> {
        let rest = url
            .strip_prefix("ws://")
            .with_context(|| format!("{url}: no ws:// URL"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let stream = TcpStream::connect(host)
            .await
            .with_context(|| url.to_owned())?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n",
            sub_protocol.map_or_else(String::new, |name| format!(
                "Sec-WebSocket-Protocol: {name}\r\n"
            ))
        );
        let (stream, rest) = ask(stream, url, &request, b"HTTP/1.1 101 ").await?;
        Ok((Self { stream }, Frames(rest, Form::WebSocket)))
    }

    /// Asks for an event stream.
    pub(super) async fn stream(url: &str, token: Option<&str>) -> anyhow::Result<(Self, Frames)> {
        let rest = url
            .strip_prefix("ws://")
            .with_context(|| format!("{url}: no ws:// URL"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let stream = TcpStream::connect(host)
            .await
            .with_context(|| url.to_owned())?;
        stream.set_nodelay(true)?;
        let token = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n{token}\r\n");
        let (stream, rest) = ask(stream, url, &request, b"HTTP/1.1 200 ").await?;
        Ok((Self { stream }, Frames(rest, Form::Chunks)))
    }

    pub(super) async fn send_packet(
        &self,
        packet: &ClientPacket,
        encoding: Encoding,
    ) -> anyhow::Result<()> {
        self.send(opcode_of(encoding), &encoding.encode_client(packet))
            .await
    }

    /// False if the socket takes nothing at the moment.
    pub(super) fn try_send_packet(
        &self,
        packet: &ClientPacket,
        encoding: Encoding,
    ) -> anyhow::Result<bool> {
        self.try_send(opcode_of(encoding), &encoding.encode_client(packet))
    }

    pub(super) async fn send(&self, opcode: Opcode, payload: &[u8]) -> anyhow::Result<()> {
        while !self.try_send(opcode, payload)? {
            self.stream.writable().await?;
        }
        Ok(())
    }

    fn try_send(&self, opcode: Opcode, payload: &[u8]) -> anyhow::Result<bool> {
        let opcode = match opcode {
            Opcode::Text => 0x81,
            Opcode::Binary => 0x82,
        };
        let mut frame = Vec::with_capacity(payload.len() + 14);
        frame.push(opcode);
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | u8::try_from(len)?),
            len @ 126..=65_535 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(len)?.to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        // A mask of zeroes is a mask, and changes nothing.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        match self.stream.try_write(&frame) {
            Ok(written) if written == frame.len() => Ok(true),
            Ok(_) => bail!("a frame went out in part: the gateway does not read"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for more bytes.
    pub(super) async fn read(&self, frames: &mut Frames) -> anyhow::Result<()> {
        loop {
            self.stream.readable().await?;
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let read = self.stream.try_read(scratch)?;
                frames
                    .0
                    .extend_from_slice(scratch.get(..read).unwrap_or_default());
                Ok::<_, std::io::Error>(read)
            });
            match read {
                Ok(0) => bail!("closed by the gateway"),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sends a request, and reads the head of its answer; gives what came behind it.
async fn ask(
    mut stream: TcpStream,
    url: &str,
    request: &str,
    expected: &[u8],
) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let end = loop {
        ensure!(
            stream.read_buf(&mut head).await? > 0,
            "{url}: closed in the handshake"
        );
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(
            head.len() < HEAD_BYTES_MAX,
            "{url}: no end of the handshake"
        );
    };
    ensure!(head.starts_with(expected), "{url}: {}", first_line(&head));
    let rest = head.split_off(end);
    Ok((stream, rest))
}

impl Frames {
    /// Gives the payload of every whole message that is here, and keeps the rest.
    pub(super) fn take(&mut self, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut rest = self.0.as_slice();
        let next = match self.1 {
            Form::WebSocket => frame,
            Form::Chunks => chunk,
        };
        while let Some((opcode, payload, after)) = next(rest) {
            match opcode {
                0x1 | 0x2 => each(payload),
                0x8 => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    bail!("closed with {code:?}");
                }
                _ => {}
            }
            rest = after;
        }
        let taken = self.0.len() - rest.len();
        if taken == self.0.len() {
            // An idle connection keeps no buffer.
            self.0 = Vec::new();
        } else {
            self.0.drain(..taken);
        }
        Ok(())
    }
}

/// The first frame of `bytes`, which a gateway neither masks nor splits.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let [first, second] = *head;
    let (len, rest) = match second {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
        }
        len => (usize::from(len), rest),
    };
    let (payload, after) = rest.split_at_checked(len)?;
    Some((first & 0x0f, payload, after))
}

/// The first chunk of `bytes`, as if it were a frame; the last one, which is empty, is a close.
fn chunk(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    let digits = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let len = usize::from_str_radix(digits, 16).ok()?;
    let (payload, after) = bytes.get(end + 2..)?.split_at_checked(len)?;
    let after = after.strip_prefix(b"\r\n")?;
    Some((if len == 0 { 0x8 } else { 0x1 }, payload, after))
}

fn opcode_of(encoding: Encoding) -> Opcode {
    match encoding {
        Encoding::Json => Opcode::Text,
        Encoding::MessagePack => Opcode::Binary,
    }
}

fn first_line(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole_and_in_order() {
        let mut bytes = vec![0x81, 2, b'h', b'i', 0x82, 126, 0, 200];
        bytes.extend([7; 200]);
        bytes.extend([0x8a, 0]);
        let mut frames = Frames::default();
        let mut heard = Vec::new();
        for byte in bytes {
            frames.0.push(byte);
            frames.take(|payload| heard.push(payload.len())).unwrap();
        }
        assert_eq!(heard, [2, 200]);
        assert!(frames.0.is_empty());
        frames.0.extend([0x88, 2, 0x0f, 0xa8]);
        assert!(
            frames
                .take(|_| {})
                .unwrap_err()
                .to_string()
                .contains("4008")
        );
    }
}
