//! What raw sessions did and heard, held against the contract by the history checker.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use inkwire_checker::{
    Content, Entry, Event as Fact, LOG, Name, Notice, Position, Recording, Verdict, check,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::raw::{DEADLINE, Heard, Raw};

static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// The messages of one session, as they were written: payloads are bytes, and not what a parser makes
/// of them.
#[derive(Debug)]
pub(crate) struct Witness {
    name: Name,
    messages: Vec<(Direction, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Sent,
    Heard,
}

/// As much of any packet as the checker needs.
#[derive(Deserialize)]
struct Packet<'a> {
    #[serde(rename = "type")]
    packet_type: &'a str,
    #[serde(default)]
    document: &'a str,
    client: Option<&'a str>,
    client_seq: Option<u64>,
    position: Option<Position>,
    since: Option<Position>,
    subject: Option<&'a str>,
    author: Option<&'a str>,
    kind: Option<&'a str>,
    content_type: Option<&'a str>,
    cause: Option<&'a str>,
    code: Option<&'a str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Witness {
    pub(crate) fn new() -> Self {
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("session {number}").into(),
            messages: Vec::new(),
        }
    }

    /// Bad input is no packet, and no fact.
    pub(crate) fn note(&mut self, direction: Direction, message: &str) {
        self.messages.push((direction, message.to_owned()));
    }

    /// Where the session stands.
    fn standing(&self, document: &str) -> Standing {
        let messages = self.messages.iter();
        messages.fold(Standing::Before, |standing, message| {
            standing.after(message, document)
        })
    }

    /// The same, where all but the last message is known.
    fn last_standing(&self, document: &str, before: Standing) -> Standing {
        match self.messages.last() {
            Some(message) => before.after(message, document),
            None => before,
        }
    }

    /// What this session did and heard of one document.
    fn facts(&self, document: &str, name: &Name) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut client = None;
        // A number that was refused may be used for something else.
        let mut submitted: HashMap<u64, Content> = HashMap::new();
        let packets = self.messages.iter().filter_map(|(direction, message)| {
            let packet: Packet<'_> = serde_json::from_str(message).ok()?;
            (packet.document == document).then_some((*direction, packet))
        });
        for (direction, packet) in packets {
            let fact = match (direction, packet.packet_type) {
                (Direction::Sent, "join") => {
                    client = packet.client;
                    Fact::Started {
                        reader: name.clone(),
                        position: packet.since,
                    }
                }
                (Direction::Sent, "append") => {
                    let append = packet.client_seq.unwrap();
                    let (writer, content) = (name.clone(), packet.content());
                    match submitted.insert(append, content.clone()) {
                        None => Fact::Submitted {
                            writer,
                            append,
                            content,
                        },
                        Some(said) if said == content => continue,
                        Some(_) => Fact::Reworded {
                            writer,
                            append,
                            content,
                        },
                    }
                }
                (Direction::Heard, "joined") => {
                    if let (Some(client), Some(author)) = (client, packet.subject) {
                        facts.push(Fact::Client {
                            writer: name.clone(),
                            author: author.into(),
                            client: client.into(),
                        });
                    }
                    Fact::Live {
                        reader: name.clone(),
                        position: packet.position.unwrap(),
                    }
                }
                (Direction::Heard, "entry") => Fact::Shown {
                    reader: name.clone(),
                    entry: Arc::new(Entry {
                        position: packet.position.unwrap(),
                        author: packet.author.unwrap().into(),
                        client: packet.client.unwrap().into(),
                        client_seq: packet.client_seq.unwrap(),
                        content: packet.content(),
                    }),
                },
                (Direction::Heard, "reset") => Fact::Reset {
                    reader: name.clone(),
                    cause: packet.cause.unwrap().into(),
                    position: packet.position.unwrap(),
                },
                (Direction::Heard, "ack") => Fact::Acknowledged {
                    writer: name.clone(),
                    append: packet.client_seq.unwrap(),
                    client_seq: packet.client_seq.unwrap(),
                    position: packet.position.unwrap(),
                },
                (Direction::Heard, "nack") => Fact::Told {
                    writer: name.clone(),
                    notice: match packet.code {
                        Some("gap") => Notice::Gap,
                        Some("client_conflict") => Notice::Conflict,
                        _ => continue,
                    },
                },
                _ => continue,
            };
            facts.push(fact);
        }
        facts
    }
}

/// Where a session stands in a document.
enum Standing {
    Before,
    At(String),
    Over,
}

impl Standing {
    fn after(self, (direction, message): &(Direction, String), document: &str) -> Self {
        let packet = serde_json::from_str::<Packet<'_>>(message).ok();
        let packet = packet.filter(|packet| packet.document == document);
        match packet {
            Some(packet) if *direction == Direction::Heard => match packet.packet_type {
                "entry" | "joined" | "reset" => Self::At(packet.position.unwrap().to_string()),
                "ended" | "left" => Self::Over,
                _ => self,
            },
            _ => self,
        }
    }
}

impl Packet<'_> {
    fn content(&self) -> Content {
        let payload = self.payload.expect("these tests send JSON payloads").get();
        Content::new(
            self.kind.unwrap_or("edit"),
            self.content_type.unwrap_or("application/json"),
            payload,
        )
    }
}

/// Reads the log anew, lets every session that still hears come to its end, and lets the checker
/// judge. A raw session sends nothing again by itself: what it was not told of need not be there.
pub(crate) async fn assert_one_history(
    document: &str,
    url: &str,
    token: Option<&str>,
    sessions: impl IntoIterator<Item = Raw>,
) -> Verdict {
    let mut late = Raw::open(url, token).await;
    late.join(document, None).await;
    let joined = late.until("joined").await;
    let head = joined["position"].as_str().unwrap().to_owned();
    let mut recording = Recording::default();
    recording.extend(late.witness().facts(document, &LOG.into()));
    for mut session in sessions {
        let is_over = hear_until(&mut session, document, &head).await;
        let witness = session.witness();
        let name = witness.name.clone();
        recording.extend(witness.facts(document, &name));
        recording.push(Fact::Forgot {
            writer: name.clone(),
        });
        if is_over {
            recording.push(Fact::Stopped { reader: name });
        }
    }
    let verdict = check(&recording);
    assert!(verdict.is_clean(), "{document}: {verdict}");
    verdict
}

/// Until the session is there, or says nothing more; whether it is over for this document.
async fn hear_until(session: &mut Raw, document: &str, head: &str) -> bool {
    let mut standing = session.witness().standing(document);
    loop {
        match standing {
            Standing::Over => return true,
            Standing::At(position) if position == head => return false,
            _ => {}
        }
        // Shorter than a session waits itself before it fails.
        match timeout(DEADLINE / 2, session.hear()).await {
            Err(_) => return false,
            Ok(Heard::Closed(_)) => return true,
            Ok(Heard::Packet(_)) => standing = session.witness().last_standing(document, standing),
        }
    }
}
