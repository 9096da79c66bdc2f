//! What replicas write to one another about requests: parcels, several in a letter. A letter that is not
//! understood is dropped, as if it had been lost.

use bytes::Bytes;
use inkwire_bus::ReplicaAddress;
use inkwire_model::Subject;
use serde::{Deserialize, Serialize};

use super::super::{attachment::Receiver, principal::Principal, reach::SessionRefusal};

/// Raised by whoever changes what a parcel says; a letter of another version is dropped.
const VERSION: u8 = 1;

/// One request that is relayed: drawn at random where it arrived, so that none is taken twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct RequestId(pub(super) u64, pub(super) u64);

impl RequestId {
    pub(super) fn draw() -> Self {
        Self(rand::random(), rand::random())
    }
}

/// One frame on its way to the response. Frames of a request are numbered 1, 2, 3 …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    #[serde(with = "frame_bytes")]
    pub(super) frame: Bytes,
    pub(super) is_last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) request: RequestId,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    /// To the owner.
    Ask(Ask),
    /// To the owner: what of the frames has arrived, and what was written to the response.
    Confirm { received: u64, written: u64 },
    /// To the owner: one more frame, as the last one.
    Leave,
    /// To the owner: the response failed, or nobody knows of it.
    Fail,
    /// To where the request arrived: frames from this number on, none if there are none. The first one of
    /// a request also says that it is the receiver now.
    Frames { first: u64, items: Vec<Item> },
    /// To where the request arrived: what became of it.
    Answer(Result<(), Refused>),
    /// To where the request arrived: it was heard, the answer takes a while.
    Wait,
    /// To the owner, who heard the request: is there an answer?
    Still,
}

/// What a request wants of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) session: String,
    pub(super) from: Sender,
    pub(super) wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wish {
    Send {
        messages: Vec<String>,
    },
    Attach {
        budget_bytes: u64,
        overhead_bytes: u64,
    },
    /// A send may have been taken or not: nothing may come after it.
    End,
}

/// A [`Principal`], as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sender {
    Nobody,
    Token {
        hash: [u8; 32],
        subject: Option<String>,
    },
    Ticket {
        hash: [u8; 32],
    },
}

/// A [`SessionRefusal`], as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refused {
    Unknown,
    OtherPrincipal,
    Closed,
    Unreachable,
}

/// Several parcels and who wrote them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Letter {
    version: u8,
    from: [u8; 16],
    pub(super) parcels: Vec<Parcel>,
}

impl Letter {
    pub(super) fn new(from: ReplicaAddress, parcels: Vec<Parcel>) -> Self {
        Self {
            version: VERSION,
            from: from.0,
            parcels,
        }
    }

    pub(super) fn from(&self) -> ReplicaAddress {
        ReplicaAddress(self.from)
    }

    pub(super) fn pack(&self) -> Result<Bytes, rmp_serde::encode::Error> {
        rmp_serde::to_vec(self).map(Bytes::from)
    }

    /// `None` for what is no letter of this version.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let letter: Self = rmp_serde::from_slice(bytes).ok()?;
        (letter.version == VERSION).then_some(letter)
    }
}

impl Parcel {
    /// About how large it is in a letter.
    pub(super) fn size(&self) -> usize {
        const HEAD: usize = 64;
        HEAD + match &self.content {
            Content::Frames { items, .. } => {
                items.iter().map(|item| item.frame.len() + 8).sum::<usize>()
            }
            Content::Ask(Ask { session, wish, .. }) => {
                let messages = match wish {
                    Wish::Send { messages } => messages.iter().map(|text| text.len() + 5).sum(),
                    Wish::Attach { .. } | Wish::End => 0_usize,
                };
                session.len() + messages + 256
            }
            _ => 0,
        }
    }
}

impl Wish {
    pub(super) fn attach(receiver: Receiver) -> Self {
        let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self::Attach {
            budget_bytes: bytes(receiver.budget_bytes),
            overhead_bytes: bytes(receiver.overhead_bytes),
        }
    }
}

impl From<&Principal> for Sender {
    fn from(principal: &Principal) -> Self {
        match principal {
            Principal::Nobody => Self::Nobody,
            Principal::Token { hash, subject } => Self::Token {
                hash: *hash,
                subject: subject.as_ref().map(ToString::to_string),
            },
            Principal::Ticket { hash } => Self::Ticket { hash: *hash },
        }
    }
}

impl From<Sender> for Principal {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Nobody => Self::Nobody,
            Sender::Token { hash, subject } => Self::Token {
                hash,
                // One that does not parse admits nobody.
                subject: subject.and_then(|subject| Subject::parse(&subject).ok()),
            },
            Sender::Ticket { hash } => Self::Ticket { hash },
        }
    }
}

impl From<SessionRefusal> for Refused {
    fn from(refusal: SessionRefusal) -> Self {
        match refusal {
            SessionRefusal::Unknown => Self::Unknown,
            SessionRefusal::OtherPrincipal => Self::OtherPrincipal,
            SessionRefusal::Closed => Self::Closed,
            SessionRefusal::Unreachable => Self::Unreachable,
        }
    }
}

impl From<Refused> for SessionRefusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::Unknown,
            Refused::OtherPrincipal => Self::OtherPrincipal,
            Refused::Closed => Self::Closed,
            Refused::Unreachable => Self::Unreachable,
        }
    }
}

mod frame_bytes {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        serde_bytes::serialize(bytes.as_ref(), to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        serde_bytes::deserialize::<Vec<u8>, D>(from).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(content: Content) -> Parcel {
        Parcel {
            request: RequestId(1, u64::MAX),
            content,
        }
    }

    #[test]
    fn letters_come_back_as_they_were() {
        let ask = |wish| {
            parcel(Content::Ask(Ask {
                session: "/sockjs/abc".to_owned(),
                from: Sender::Token {
                    hash: [0xff; 32],
                    subject: Some("alice".to_owned()),
                },
                wish,
            }))
        };
        let item = |is_last| Item {
            frame: Bytes::from_static(b"a[\"\x00\xff\"]"),
            is_last,
        };
        let parcels = vec![
            ask(Wish::Send {
                messages: vec!["a".to_owned(), "ä".to_owned()],
            }),
            ask(Wish::attach(Receiver {
                budget_bytes: usize::MAX,
                overhead_bytes: 0,
            })),
            ask(Wish::End),
            parcel(Content::Confirm {
                received: 2,
                written: 1,
            }),
            parcel(Content::Leave),
            parcel(Content::Fail),
            parcel(Content::Frames {
                first: 7,
                items: vec![item(false), item(true)],
            }),
            parcel(Content::Answer(Ok(()))),
            parcel(Content::Answer(Err(Refused::OtherPrincipal))),
            parcel(Content::Wait),
            parcel(Content::Still),
        ];
        let letter = Letter::new(ReplicaAddress([9; 16]), parcels);
        let packed = letter.pack().unwrap();
        assert!(
            packed.len() <= letter.parcels.iter().map(Parcel::size).sum::<usize>(),
            "the estimate is no less"
        );
        assert_eq!(Letter::read(&packed), Some(letter));
        assert_eq!(Letter::read(packed.get(1..).unwrap()), None);
        assert_eq!(Letter::read(b""), None);
    }
}
