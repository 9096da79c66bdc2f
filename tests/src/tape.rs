//! `Tape`: what one user of the client library did and was told, in the words of the history checker.
//!
//! A tape decides nothing. While a run goes on it only keeps what came; the conversion is done when
//! all is over.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use inkwire_checker::{Content, Event as Fact, Name, Notice, Recording};
use inkwire_client::{AppendId, Counts, Draft, Event, State};
use inkwire_model::{ClientId, Entry, Position, ResetCause, Subject};

/// What one user of the library did and was told.
#[derive(Debug)]
pub struct Tape {
    name: Name,
    submissions: Vec<(AppendId, Draft)>,
    events: Vec<Taped>,
    author: Option<Subject>,
    client: Option<ClientId>,
}

#[derive(Debug)]
enum Taped {
    Shown(Arc<Entry>),
    Acknowledged(AppendId, u64, Position),
    Fact(Fact),
}

impl Tape {
    pub fn of(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            submissions: Vec::new(),
            events: Vec::new(),
            author: None,
            client: None,
        }
    }

    /// May be told after the answer is: who appends and who hears may be two.
    pub fn submitted(&mut self, append: AppendId, draft: Draft) {
        self.submissions.push((append, draft));
    }

    /// An event of the library.
    pub fn hear(&mut self, event: &Event) {
        let known = self.name.clone();
        let name = || known.clone();
        let taped = match event {
            Event::Entry(entry) => Taped::Shown(Arc::clone(entry)),
            Event::Snapshot(snapshot) => Taped::Fact(Fact::Snapshot {
                reader: name(),
                position: checked(snapshot.position),
            }),
            Event::Reset {
                cause,
                position,
                snapshot,
            } => {
                let notice = match cause {
                    ResetCause::Deleted => Notice::Deleted,
                    ResetCause::Trimmed | ResetCause::Diverged => Notice::Reset,
                };
                if self.client.is_some() {
                    let writer = name();
                    self.keep(Fact::Told { writer, notice });
                }
                self.keep(Fact::Reset {
                    reader: name(),
                    cause: cause.as_str().into(),
                    position: checked(*position),
                });
                let Some(snapshot) = snapshot else {
                    return;
                };
                Taped::Fact(Fact::Snapshot {
                    reader: name(),
                    position: checked(snapshot.position),
                })
            }
            Event::Acked {
                append,
                client_seq,
                position,
            } => Taped::Acknowledged(*append, *client_seq, *position),
            Event::Nack { append, .. } => Taped::Fact(Fact::Refused {
                writer: name(),
                append: append.0,
            }),
            Event::Lost {
                appends: (first, last),
                ..
            } => Taped::Fact(Fact::Lost {
                writer: name(),
                from: first.0,
                to: last.0,
            }),
            Event::Renewed { client, last } => {
                let (writer, last) = (name(), *last);
                self.keep(Fact::Renewed { writer, last });
                return self.is_now(self.author.clone(), Some(client.clone()));
            }
            Event::Broken(fault) => Taped::Fact(Fact::Complained {
                reader: name(),
                complaint: fault.to_string().into(),
            }),
            Event::State(State::Live {
                position,
                subject,
                client,
                ..
            }) => {
                self.is_now(Some(subject.clone()), client.clone());
                Taped::Fact(Fact::Live {
                    reader: name(),
                    position: checked(*position),
                })
            }
            _ => return,
        };
        self.events.push(taped);
    }

    /// The library drops what comes twice, and only counts it.
    pub fn counted(&mut self, counts: &Counts) {
        if counts.repeats_dropped > 0 {
            self.complain(format!(
                "{} entries were sent to it again",
                counts.repeats_dropped
            ));
        }
    }

    /// Something that must not be, in the reader's own words.
    pub fn complain(&mut self, complaint: impl Into<Name>) {
        let (reader, complaint) = (self.name.clone(), complaint.into());
        self.keep(Fact::Complained { reader, complaint });
    }

    /// The text that came of what it was shown.
    pub fn has_text(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let text = format!("{} bytes, {:016x}", text.len(), hasher.finish());
        let reader = self.name.clone();
        self.keep(Fact::Text {
            reader,
            text: text.into(),
        });
    }

    /// It left before the end.
    pub fn stopped(&mut self) {
        let reader = self.name.clone();
        self.keep(Fact::Stopped { reader });
    }

    fn is_now(&mut self, author: Option<Subject>, client: Option<ClientId>) {
        if client.is_some() && (&self.author, &self.client) != (&author, &client) {
            let text = |text: Option<String>| Name::from(text.unwrap_or_default());
            self.keep(Fact::Client {
                writer: self.name.clone(),
                author: text(author.as_ref().map(ToString::to_string)),
                client: text(client.as_ref().map(ToString::to_string)),
            });
        }
        self.author = author;
        if client.is_some() {
            self.client = client;
        }
    }

    fn keep(&mut self, fact: Fact) {
        self.events.push(Taped::Fact(fact));
    }
}

/// All tapes of one document, for the checker.
pub fn recording(tapes: impl IntoIterator<Item = Tape>) -> Recording {
    let mut recording = Recording::default();
    let mut entries = HashMap::new();
    for tape in tapes {
        let Tape {
            name,
            submissions,
            events,
            ..
        } = tape;
        let submissions = submissions.into_iter();
        recording.extend(submissions.map(|(append, draft)| Fact::Submitted {
            writer: name.clone(),
            append: append.0,
            content: Content::new(
                draft.kind.as_str(),
                draft.content_type.as_str(),
                &draft.payload,
            ),
        }));
        recording.extend(events.into_iter().map(|taped| match taped {
            Taped::Shown(entry) => Fact::Shown {
                reader: name.clone(),
                entry: shared(&mut entries, &entry),
            },
            Taped::Acknowledged(append, client_seq, position) => Fact::Acknowledged {
                writer: name.clone(),
                append: append.0,
                client_seq,
                position: checked(position),
            },
            Taped::Fact(fact) => fact,
        }));
    }
    recording
}

/// The checker's entry; one copy of it, where several readers were shown the same.
fn shared(
    known: &mut HashMap<Position, (Arc<Entry>, Arc<inkwire_checker::Entry>)>,
    entry: &Arc<Entry>,
) -> Arc<inkwire_checker::Entry> {
    let converted = || {
        Arc::new(inkwire_checker::Entry {
            position: checked(entry.position),
            author: entry.author.as_str().into(),
            client: entry.client.to_string().into(),
            client_seq: entry.client_seq,
            content: Content::new(
                entry.kind.as_str(),
                entry.content_type.as_str(),
                &entry.payload,
            ),
        })
    };
    let (first, shared) = known
        .entry(entry.position)
        .or_insert_with(|| (Arc::clone(entry), converted()));
    let is_same = Arc::ptr_eq(first, entry)
        || (first.author == entry.author
            && first.client == entry.client
            && first.client_seq == entry.client_seq
            && first.kind == entry.kind
            && first.content_type == entry.content_type
            && first.payload == entry.payload);
    if is_same {
        Arc::clone(shared)
    } else {
        converted()
    }
}

/// By way of its text, which the checker reads for itself.
#[expect(
    clippy::expect_used,
    reason = "a position that cannot be read fails the test that has it"
)]
fn checked(position: Position) -> inkwire_checker::Position {
    let text = position.to_string();
    text.parse().expect("the text of a position")
}

#[cfg(test)]
mod tests {
    use inkwire_checker::{LOG, Violation, check};
    use inkwire_model::{ChainHash, NewEntry, Role, Snapshot};
    use uuid::Uuid;

    use super::*;

    fn client() -> ClientId {
        ClientId::Uuid(Uuid::from_u128(7))
    }

    fn log(texts: &[&'static str]) -> Vec<Arc<Entry>> {
        let mut last = Position::start(ChainHash::from_random([1; 8]));
        let entries = (1..).zip(texts).map(|(client_seq, text)| {
            let entry = NewEntry {
                at: 0,
                author: Subject::parse("alice").unwrap(),
                client: client(),
                client_seq,
                kind: Default::default(),
                content_type: Default::default(),
                payload: text.as_bytes().into(),
                traceparent: None,
                comment: None,
            };
            last = last.next(&entry.digest());
            Arc::new(entry.at(last))
        });
        entries.collect()
    }

    fn live(position: Position, client: Option<ClientId>) -> Event {
        Event::State(State::Live {
            position,
            role: Role::Writer,
            subject: Subject::parse("alice").unwrap(),
            client,
        })
    }

    /// A writer of two appends, of whom the log has so many entries.
    fn tapes(log: &[Arc<Entry>]) -> [Tape; 2] {
        let start = Position::start(ChainHash::from_random([1; 8]));
        let mut writer = Tape::of("writer");
        writer.hear(&live(start, Some(client())));
        let mut reader = Tape::of(LOG);
        reader.hear(&live(start, None));
        for (append, text) in [(AppendId(1), "a"), (AppendId(2), "b")] {
            writer.submitted(append, Draft::edit(text));
        }
        for (append, entry) in (1..).zip(log) {
            writer.hear(&Event::Entry(Arc::clone(entry)));
            reader.hear(&Event::Entry(Arc::clone(entry)));
            writer.hear(&Event::Acked {
                append: AppendId(append),
                client_seq: append,
                position: entry.position,
            });
        }
        [writer, reader]
    }

    #[test]
    fn what_the_library_tells_is_what_the_checker_reads() {
        let verdict = check(&recording(tapes(&log(&["a", "b"]))));
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!(verdict.counts.acknowledged, 2);
        let missing = check(&recording(tapes(&log(&["a"]))));
        let held = Violation::HeldAndMissing {
            writer: "writer".into(),
            append: 2,
        };
        assert_eq!(missing.violations, [held]);
    }

    #[test]
    fn a_loss_a_new_client_and_a_repeat_are_told() {
        let [mut writer, mut reader] = tapes(&log(&["a"]));
        writer.hear(&Event::Lost {
            client: client(),
            from: 2,
            to: 2,
            appends: (AppendId(2), AppendId(2)),
            cause: inkwire_client::LossCause::NotHeld,
        });
        writer.hear(&Event::Renewed {
            client: ClientId::Uuid(Uuid::from_u128(8)),
            last: Some(1),
        });
        reader.counted(&Counts {
            repeats_dropped: 3,
            ..Counts::default()
        });
        let verdict = check(&recording([writer, reader]));
        assert_eq!((verdict.counts.told_lost, verdict.counts.renewals), (1, 1));
        assert!(matches!(
            verdict.violations[..],
            [Violation::Complaint { .. }]
        ));
    }

    #[test]
    fn a_reset_needs_a_snapshot_or_the_whole_log() {
        let log = log(&["a", "b"]);
        let reset = |snapshot| {
            let mut reader = Tape::of("reader");
            reader.hear(&Event::Reset {
                cause: ResetCause::Trimmed,
                position: log[1].position,
                snapshot,
            });
            let [writer, late] = tapes(&log);
            check(&recording([writer, reader, late])).violations
        };
        let begins_late = reset(None);
        assert!(
            matches!(begins_late[..], [Violation::BeginsLate { .. }]),
            "{begins_late:?}"
        );
        let snapshot = Snapshot {
            position: log[1].position,
            content_type: Default::default(),
            payload: "ab".into(),
        };
        assert_eq!(reset(Some(Arc::new(snapshot))), []);
    }
}
