//! The gateway's frames as short texts, which the tables compare: `welcome`, `pong 7`,
//! `error malformed`, `PONG beat`, `CLOSE 1002`, `CLOSE`, `END`, `RESET`. A frame that no server may
//! send is a text of its own and fails its case.

use std::time::Duration;

use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

/// How long an answer may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const END: &str = "END";

/// The next frame, or the end.
pub(crate) async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> String {
    match timeout(DEADLINE, read_frame(stream)).await {
        Ok(Ok(Some((first, payload)))) => render(first, &payload),
        Ok(Ok(None)) => END.to_owned(),
        Ok(Err(error)) => format!("RESET ({error})"),
        Err(_) => "NOTHING IN TIME".to_owned(),
    }
}

/// First byte and payload of the next frame.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 2];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await?;
    let length = match head[1] {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short & 0x7f),
    };
    let is_shortest = match head[1] {
        126 => length > 125,
        127 => length > 65_535,
        _ => true,
    };
    if head[1] & 0x80 != 0 || head[0] & 0xf0 != 0x80 || !is_shortest {
        return Err(std::io::Error::other(format!(
            "not a server's frame: {head:x?}"
        )));
    }
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok(Some((head[0] & 0x0f, payload)))
}

fn render(opcode: u8, payload: &[u8]) -> String {
    match opcode {
        0x1 => match serde_json::from_slice(payload) {
            Ok(packet) => render_packet(packet),
            Err(error) => format!("text that is no JSON: {error}"),
        },
        0x2 => match rmp_serde::from_slice(payload) {
            Ok(packet) => render_packet(packet),
            Err(error) => format!("binary that is no MessagePack: {error}"),
        },
        0x8 => match payload {
            [] => "CLOSE".to_owned(),
            [a, b, reason @ ..] if std::str::from_utf8(reason).is_ok() => {
                format!("CLOSE {}", u16::from_be_bytes([*a, *b]))
            }
            _ => "a close without sense".to_owned(),
        },
        0x9 => format!("PING {}", String::from_utf8_lossy(payload)),
        0xa => format!("PONG {}", String::from_utf8_lossy(payload)),
        other => format!("opcode {other:#x}"),
    }
}

/// What the tables compare of a packet.
#[derive(Deserialize)]
struct Packet {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    detail: Option<String>,
    id: Option<u64>,
}

fn render_packet(packet: Packet) -> String {
    let Packet {
        kind,
        code,
        detail,
        id,
    } = packet;
    match (&*kind, code, detail, id) {
        ("pong", _, _, Some(id)) => format!("pong {id}"),
        ("error", Some(code), Some(_), _) => format!("error {code}"),
        ("nack", Some(code), _, _) => format!("nack {code}"),
        ("pong" | "error" | "nack", ..) => format!("a {kind} without its fields"),
        _ => kind,
    }
}
