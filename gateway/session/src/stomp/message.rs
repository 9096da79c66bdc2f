//! MESSAGE frames of entries and signals: a head of each subscription's own, and the rest, which is made
//! once for all subscriptions of one version and kind of framing.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use inkwire_hub::EncodingSlot;
use inkwire_model::{ContentType, DocumentId, Entry, LogClass, PresenceNews, Signal};
use inkwire_protocol::{
    native::{Encoding, ServerPacket},
    stomp::{Command, Version, write_body, write_command, write_header},
};

use super::user_headers;
use crate::{Content, Framing};

/// Behind those of the native protocol.
const FIRST_SLOT: usize = 4;

/// Says in SockJS, which is text, that a body is not as it was sent.
pub(super) const TRANSFER_ENCODING: &str = "content-transfer-encoding";

/// Where what is shared stands for this version and framing. Octets within a WebSocket and a stream
/// are the same.
pub(super) fn slot(version: Version, framing: Framing) -> EncodingSlot {
    let of_version = match version {
        Version::V1_0 => 0,
        Version::V1_1 => 1,
        Version::V1_2 => 2,
    };
    EncodingSlot(FIRST_SLOT + of_version * 2 + usize::from(is_text_alone(framing)))
}

fn is_text_alone(framing: Framing) -> bool {
    matches!(framing, Framing::SockJs | Framing::SockJsWebSocket)
}

/// What every message of a subscription begins with.
pub(super) fn head(subscription: &str, destination: &str, version: Version) -> Vec<u8> {
    let mut head = Vec::with_capacity(64 + destination.len() + subscription.len());
    write_command(&mut head, Command::Message);
    write_header(&mut head, "subscription", subscription, version);
    write_header(&mut head, "destination", destination, version);
    head
}

/// What messages share: one byte that says what the body is, then the rest of the frame.
pub(super) struct Shared(Bytes);

impl Shared {
    pub(super) fn of(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn content(&self) -> Content {
        match self.0.first() {
            Some(&BINARY) => Content::Binary,
            _ => Content::Text,
        }
    }

    pub(super) fn rest(&self) -> Bytes {
        match self.0.is_empty() {
            true => Bytes::new(),
            false => self.0.slice(1..),
        }
    }
}

const TEXT: u8 = 0;
const BINARY: u8 = 1;

pub(super) fn shared_of_entry(
    document: &DocumentId,
    entry: &Entry,
    version: Version,
    framing: Framing,
) -> Bytes {
    let mut out = Vec::with_capacity(320 + entry.payload.len());
    let mut number = String::with_capacity(40);
    let mut header = |name: &str, value: &str| write_header(&mut out, name, value, version);
    // Writing into a text does not fail.
    let _ = write!(number, "{}", entry.position);
    header("message-id", &format!("{document}@{number}"));
    header("position", &number);
    number.clear();
    let _ = write!(number, "{}", entry.position.seq);
    header("seq", &number);
    header("author", entry.author.as_str());
    let mut body = entry.payload.clone();
    match document.class() {
        LogClass::Document => {
            header("kind", entry.kind.as_str());
            number.clear();
            let _ = write!(number, "{}", entry.client);
            header("client-id", &number);
            number.clear();
            let _ = write!(number, "{}", entry.client_seq);
            header("client-seq", &number);
        }
        LogClass::Topic(_) | LogClass::User(_) => {
            if document.is_notifications() {
                header("kind", entry.kind.as_str());
            }
            if let Some((headers, rest)) = user_headers::unpacked(&entry.kind, &entry.payload) {
                for (name, value) in headers {
                    header(name, value);
                }
                body = rest;
            }
        }
    }
    if let Some(traceparent) = &entry.traceparent {
        header("traceparent", traceparent);
    }
    finish(out, &entry.content_type, &body, version, framing)
}

pub(super) fn shared_of_signal(signal: &Signal, version: Version, framing: Framing) -> Bytes {
    let mut out = Vec::with_capacity(256 + signal.payload.len());
    let mut header = |name: &str, value: &str| write_header(&mut out, name, value, version);
    // Nobody acknowledges a signal or asks for it again, so its id is no more than a header that clients expect.
    header("message-id", "signal");
    header("author", signal.author.as_str());
    header("kind", signal.kind.as_str());
    if let Some(client) = &signal.client {
        header("client-id", &client.to_string());
    }
    if let Some(position) = &signal.position {
        header("position", &position.to_string());
    }
    finish(out, &signal.content_type, &signal.payload, version, framing)
}

/// The body is what the native protocol says of it.
pub(super) fn shared_of_presence(
    document: &DocumentId,
    news: &PresenceNews,
    version: Version,
    framing: Framing,
) -> Bytes {
    let (event, at) = match news {
        PresenceNews::Present { version, .. } => ("present", version),
        PresenceNews::Entered { version, .. } => ("entered", version),
        PresenceNews::Left { version, .. } => ("left", version),
    };
    let mut out = Vec::with_capacity(256 + 128 * news.participants_count());
    let mut header = |name: &str, value: &str| write_header(&mut out, name, value, version);
    header("message-id", &format!("presence@{at}"));
    header("event", event);
    let packet = ServerPacket::Presence {
        document: document.clone(),
        news: news.clone(),
    };
    let body = Encoding::Json.encode_server(&packet);
    finish(out, &ContentType::default(), &body, version, framing)
}

/// Something other than an entry that happens to a subscription, with what belongs to it.
pub(super) fn finish(
    mut out: Vec<u8>,
    content_type: &ContentType,
    body: &[u8],
    version: Version,
    framing: Framing,
) -> Bytes {
    write_header(&mut out, "content-type", content_type.as_str(), version);
    let is_text = std::str::from_utf8(body).is_ok();
    let content = match is_text && !is_binary(content_type) {
        true => TEXT,
        false => BINARY,
    };
    if is_text_alone(framing) && !is_text {
        write_header(&mut out, TRANSFER_ENCODING, "base64", version);
        write_body(&mut out, STANDARD.encode(body).as_bytes());
    } else {
        write_body(&mut out, body);
    }
    let within = framing.within(out);
    let mut shared = Vec::with_capacity(within.len() + 1);
    shared.push(content);
    shared.extend_from_slice(&within);
    shared.into()
}

/// Whether the media type is one of octets.
fn is_binary(content_type: &ContentType) -> bool {
    let text = content_type.as_str();
    let essence = text.split_once(';').map_or(text, |(essence, _)| essence);
    let essence = essence.trim().to_ascii_lowercase();
    let (main, sub) = essence.split_once('/').unwrap_or((&essence, ""));
    matches!(main, "image" | "audio" | "video" | "font")
        || matches!(
            sub,
            "octet-stream"
                | "msgpack"
                | "x-msgpack"
                | "vnd.msgpack"
                | "cbor"
                | "protobuf"
                | "x-protobuf"
                | "zip"
                | "gzip"
                | "pdf"
        )
}
