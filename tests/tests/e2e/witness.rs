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
use serde::{Deserialize, de::IgnoredAny};
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
    snapshot: Option<IgnoredAny>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// What one session did and heard of a document.
#[derive(Default)]
struct Facts {
    told: Vec<Fact>,
    /// What the payloads that it was shown make, one after the other; `None` if it said that it has
    /// what comes before them.
    text: Option<String>,
}

impl Witness {
    pub(crate) fn new() -> Self {
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("session {number}").into(),
            messages: Vec::new(),
        }
    }

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
    fn facts(&self, document: &str, name: &Name) -> Facts {
        let mut facts = Vec::new();
        let mut text = Some(String::new());
        let mut client = None;
        // A number that was refused is free for another append.
        let mut submitted: HashMap<u64, (u64, Content)> = HashMap::new();
        let mut appends = 0;
        let packets = self.messages.iter().filter_map(|(direction, message)| {
            let packet = Packet::read(message);
            (packet.document == document).then_some((*direction, packet))
        });
        for (direction, packet) in packets {
            let fact = match (direction, packet.packet_type) {
                (Direction::Sent, "join") => {
                    client = packet.client;
                    text = packet.since.is_none().then(String::new);
                    Fact::Started {
                        reader: name.clone(),
                        position: packet.since,
                    }
                }
                (Direction::Sent, "append") => {
                    let client_seq = packet.client_seq.unwrap();
                    let (writer, content) = (name.clone(), packet.content());
                    match submitted.get_mut(&client_seq) {
                        None => {
                            appends += 1;
                            submitted.insert(client_seq, (appends, content.clone()));
                            Fact::Submitted {
                                writer,
                                append: appends,
                                content,
                            }
                        }
                        Some((_, said)) if *said == content => continue,
                        Some((append, said)) => {
                            said.clone_from(&content);
                            Fact::Reworded {
                                writer,
                                append: *append,
                                content,
                            }
                        }
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
                (Direction::Heard, "entry") => {
                    if let Some(text) = &mut text {
                        text.push_str(packet.payload.unwrap().get());
                    }
                    Fact::Shown {
                        reader: name.clone(),
                        entry: Arc::new(Entry {
                            position: packet.position.unwrap(),
                            author: packet.author.unwrap().into(),
                            client: packet.client.unwrap().into(),
                            client_seq: packet.client_seq.unwrap(),
                            content: packet.content(),
                        }),
                    }
                }
                (Direction::Heard, "reset") => {
                    assert!(packet.snapshot.is_none(), "nobody here makes a text of one");
                    text = Some(String::new());
                    Fact::Reset {
                        reader: name.clone(),
                        cause: packet.cause.unwrap().into(),
                        position: packet.position.unwrap(),
                    }
                }
                (Direction::Heard, "ack") => {
                    let client_seq = packet.client_seq.unwrap();
                    let (append, _) = submitted.get(&client_seq).expect("it was sent");
                    Fact::Acknowledged {
                        writer: name.clone(),
                        append: *append,
                        client_seq,
                        position: packet.position.unwrap(),
                    }
                }
                (Direction::Heard, "nack") => {
                    let writer = name.clone();
                    match packet.code.unwrap() {
                        "gap" => Fact::Told {
                            writer,
                            notice: Notice::Gap,
                        },
                        "client_conflict" => Fact::Told {
                            writer,
                            notice: Notice::Conflict,
                        },
                        // It may be sent again as it is.
                        "throttled" | "unavailable" | "log_full" | "unknown_client" => continue,
                        _ => {
                            let refused = submitted.remove(&packet.client_seq.unwrap());
                            let (append, _) = refused.expect("it was sent");
                            Fact::Refused { writer, append }
                        }
                    }
                }
                (Direction::Heard, "snapshot") => panic!("nobody here makes a text of one"),
                _ => continue,
            };
            facts.push(fact);
        }
        Facts { told: facts, text }
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
        let packet = Packet::read(message);
        if packet.document != document || *direction == Direction::Sent {
            return self;
        }
        match packet.packet_type {
            "entry" | "joined" | "reset" => Self::At(packet.position.unwrap().to_string()),
            "ended" | "left" => Self::Over,
            _ => self,
        }
    }
}

impl<'a> Packet<'a> {
    /// A message that is no packet fails the test.
    fn read(message: &'a str) -> Self {
        serde_json::from_str(message).unwrap_or_else(|fault| panic!("{message}: {fault}"))
    }

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
/// judge. A raw session sends nothing again by itself: what it was not told of need not be there, and
/// is counted as forgotten. Whatever wrote to the document is among the sessions.
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
    let log = late.witness().facts(document, &LOG.into());
    recording.extend(log.told);
    recording.extend(log.text.map(|text| is_text(LOG.into(), text)));
    for mut session in sessions {
        let is_over = hear_until(&mut session, document, &head).await;
        let witness = session.witness();
        let name = witness.name.clone();
        let facts = witness.facts(document, &name);
        recording.extend(facts.told);
        recording.extend(facts.text.map(|text| is_text(name.clone(), text)));
        recording.push(Fact::GaveUp {
            writer: name.clone(),
        });
        if is_over {
            recording.push(Fact::Stopped { reader: name });
        }
    }
    let verdict = check(&recording);
    assert!(verdict.is_clean(), "{document}: {verdict}");
    assert!(
        verdict.counts.entries > 0,
        "{document}: nothing was written"
    );
    verdict
}

fn is_text(reader: Name, text: String) -> Fact {
    let text = text.into();
    Fact::Text { reader, text }
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
