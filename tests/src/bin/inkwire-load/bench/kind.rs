//! What a reader of a bench speaks: each kind gets the same entries of the same document, in its own
//! words, over a WebSocket or an event stream of the same port.

use std::str::FromStr;

use anyhow::bail;
use inkwire_client::Encoding;
use inkwire_model::{ClientId, DocumentId};
use inkwire_protocol::{
    native::{ClientPacket, ServerPacket},
    stomp::{self, Command, Frame, Version},
};
use serde::Serialize;

use super::wire::{Joined, Opcode, Wire};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Native,
    /// STOMP 1.2.
    Stomp,
    /// Native JSON inside SockJS's websocket transport.
    Sockjs,
    /// An event stream over HTTP/1.1.
    Sse,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Native, Self::Stomp, Self::Sockjs, Self::Sse];

    /// Where it connects, on a gateway of which `url` is the native address.
    fn url(self, url: &str, document: &DocumentId) -> String {
        let root = url.strip_suffix("/ws").unwrap_or(url);
        match self {
            Self::Native => url.to_owned(),
            Self::Stomp => format!("{root}/stomp"),
            Self::Sockjs => format!("{root}/sockjs/000/{}/websocket", ClientId::random()),
            // The id has nothing in it that an address would not have.
            Self::Sse => format!("{root}/v1/documents/{document}/events"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "native" => Ok(Self::Native),
            "stomp" => Ok(Self::Stomp),
            "sockjs" => Ok(Self::Sockjs),
            "sse" => Ok(Self::Sse),
            other => Err(format!(
                "{other:?} is none of native, stomp, sockjs and sse"
            )),
        }
    }
}

/// Connects a reader of this kind and joins a document, until it is joined.
pub(super) async fn join(
    kind: Kind,
    url: &str,
    encoding: Encoding,
    token: Option<&str>,
    document: &DocumentId,
) -> anyhow::Result<Joined> {
    let url = kind.url(url, document);
    match kind {
        Kind::Native => super::wire::join(&url, encoding, token, document, None).await,
        Kind::Stomp => join_stomp(&url, token, document).await,
        Kind::Sockjs => join_sockjs(&url, token, document).await,
        Kind::Sse => join_sse(&url, token).await,
    }
}

async fn join_stomp(
    url: &str,
    token: Option<&str>,
    document: &DocumentId,
) -> anyhow::Result<Joined> {
    let (wire, mut frames) = Wire::connect(url, Some("v12.stomp")).await?;
    let mut connect = Frame::new(Command::Connect)
        .with("accept-version", Version::V1_2.as_str())
        .with("host", "bench");
    if let Some(token) = token {
        connect = connect.with("passcode", token);
    }
    let subscribe = Frame::new(Command::Subscribe)
        .with("id", "0")
        .with("destination", &format!("/topic/documents/{document}"))
        .with("receipt", "joined");
    let send = async |frame: &Frame| {
        let octets = stomp::encode(frame, Version::V1_2);
        wire.send(Opcode::Text, &octets).await
    };
    send(&connect).await?;
    loop {
        let (mut connected, mut joined, mut refused) = (false, false, None);
        frames.take(|message| {
            connected |= message.starts_with(b"CONNECTED\n");
            joined |= message.starts_with(b"RECEIPT\n");
            if message.starts_with(b"ERROR\n") {
                refused = Some(String::from_utf8_lossy(message).into_owned());
            }
        })?;
        if let Some(refused) = refused {
            bail!("{url}: {refused}");
        }
        if connected {
            send(&subscribe).await?;
        }
        if joined {
            return Ok(Joined::new(wire, frames));
        }
        wire.read(&mut frames).await?;
    }
}

async fn join_sse(url: &str, token: Option<&str>) -> anyhow::Result<Joined> {
    let (wire, mut frames) = Wire::stream(url, token).await?;
    loop {
        let (mut joined, mut refused) = (false, None);
        frames.take(|event| {
            joined |= event.starts_with(b"event: joined\n");
            if event.starts_with(b"event: error\n") {
                refused = Some(String::from_utf8_lossy(event).into_owned());
            }
        })?;
        if let Some(refused) = refused {
            bail!("{url}: {refused}");
        }
        if joined {
            return Ok(Joined::new(wire, frames));
        }
        wire.read(&mut frames).await?;
    }
}

async fn join_sockjs(
    url: &str,
    token: Option<&str>,
    document: &DocumentId,
) -> anyhow::Result<Joined> {
    let (wire, mut frames) = Wire::connect(url, None).await?;
    let send = async |packet: &ClientPacket| {
        let text = Encoding::Json.encode_client(packet);
        let texts = [std::str::from_utf8(&text)?];
        let message = serde_json::to_vec(&texts)?;
        wire.send(Opcode::Text, &message).await
    };
    let hello = ClientPacket::Hello {
        token: token.map(str::to_owned),
    };
    let join = ClientPacket::Join {
        document: document.clone(),
        since: None,
        client: None,
        receive: true,
    };
    loop {
        let mut open = false;
        let mut packets = Vec::new();
        let mut refused = None;
        frames.take(|message| match message.split_first() {
            Some((b'o', [])) => open = true,
            Some((b'a', texts)) => match serde_json::from_slice::<Vec<String>>(texts) {
                Ok(texts) => packets.extend(texts),
                Err(error) => refused = Some(error.to_string()),
            },
            Some((b'h', [])) => {}
            _ => refused = Some(String::from_utf8_lossy(message).into_owned()),
        })?;
        if open {
            send(&hello).await?;
        }
        for packet in packets {
            match Encoding::Json.decode_server(packet.as_bytes()) {
                Ok(ServerPacket::Welcome { .. }) => send(&join).await?,
                Ok(ServerPacket::Joined { .. }) => return Ok(Joined::new(wire, frames)),
                Ok(ServerPacket::Error { code, detail, .. }) => {
                    refused = Some(format!("{}: {detail}", code.as_str()));
                }
                _ => {}
            }
        }
        if let Some(refused) = refused {
            bail!("{url}: {refused}");
        }
        wire.read(&mut frames).await?;
    }
}
