//! `Entry`: one entry as somebody was shown it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Position;

/// What an entry says, whoever says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    pub kind: Arc<str>,
    pub content_type: Arc<str>,
    pub payload: Payload,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub position: Position,
    pub author: Arc<str>,
    pub client: Arc<str>,
    pub client_seq: u64,
    #[serde(flatten)]
    pub content: Content,
}

/// Opaque bytes; in a file a text where they are one, so that people can read it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Payload(pub Arc<[u8]>);

/// A payload in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

impl Content {
    pub fn new(kind: &str, content_type: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            kind: kind.into(),
            content_type: content_type.into(),
            payload: Payload(payload.as_ref().into()),
        }
    }
}

impl From<Written> for Payload {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::Text(text) => text.into_bytes().into(),
            Written::Bytes { bytes } => bytes.into(),
        })
    }
}

impl From<Payload> for Written {
    fn from(payload: Payload) -> Self {
        match std::str::from_utf8(&payload.0) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes {
                bytes: payload.0.to_vec(),
            },
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}
