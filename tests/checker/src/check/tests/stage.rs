//! Makes logs and recordings; what is not said about them is as it should be.

use std::sync::Arc;

use crate::{
    Append, Content, Entry, Event, LOG, Notice, Position, Recording, Verdict, Violation,
    chain::extend, check,
};

pub(super) const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
pub(super) const NEW_CLIENT: &str = "00000000-0000-4000-8000-000000000002";
pub(super) const READERS: [&str; 2] = ["reader a", "reader b"];

/// A log that is extended as the contract says.
#[derive(Clone)]
pub(super) struct Chain {
    pub(super) start: Position,
    pub(super) entries: Vec<Arc<Entry>>,
}

impl Chain {
    pub(super) fn new(identity: u64) -> Self {
        Self {
            start: Position {
                seq: 0,
                hash: identity,
            },
            entries: Vec::new(),
        }
    }

    /// Alice's, as `CLIENT`, numbered from 1.
    pub(super) fn of(identity: u64, texts: &[&str]) -> Self {
        let mut chain = Self::new(identity);
        for (number, text) in (1..).zip(texts) {
            chain.append(CLIENT, number, text);
        }
        chain
    }

    pub(super) fn append(&mut self, client: &str, client_seq: u64, text: &str) -> Position {
        self.append_as(
            "alice",
            client,
            client_seq,
            Content::new("edit", "text/plain", text),
        )
    }

    pub(super) fn append_as(
        &mut self,
        author: &str,
        client: &str,
        client_seq: u64,
        content: Content,
    ) -> Position {
        let mut entry = Entry {
            position: self.start,
            author: author.into(),
            client: client.into(),
            client_seq,
            content,
        };
        entry.position = extend(self.head(), &entry);
        let position = entry.position;
        self.entries.push(Arc::new(entry));
        position
    }

    pub(super) fn head(&self) -> Position {
        self.entries.last().map_or(self.start, |e| e.position)
    }

    /// The position of the entry with this seq.
    pub(super) fn at(&self, seq: usize) -> Position {
        self.entries[seq - 1].position
    }
}

/// A recording in the making.
#[derive(Default)]
pub(super) struct Stage(pub(super) Recording);

impl Stage {
    /// Alice submits these, and they are acknowledged as `chain` has them.
    pub(super) fn wrote(texts: &[&str], chain: &Chain) -> Self {
        let mut stage = Self::submitted(texts);
        for (append, entry) in (1..).zip(&chain.entries) {
            stage.acked(append, entry.client_seq, entry.position);
        }
        stage
    }

    pub(super) fn submitted(texts: &[&str]) -> Self {
        let mut stage = Self::default();
        stage.client(CLIENT);
        for (append, text) in (1..).zip(texts) {
            stage.submit(append, text);
        }
        stage
    }

    pub(super) fn client(&mut self, client: &str) {
        self.0.push(Event::Client {
            writer: "alice".into(),
            author: "alice".into(),
            client: client.into(),
        });
    }

    pub(super) fn submit(&mut self, append: Append, text: &str) {
        self.0.push(Event::submitted(
            "alice",
            append,
            "edit",
            "text/plain",
            text,
        ));
    }

    pub(super) fn acked(&mut self, append: Append, client_seq: u64, position: Position) {
        self.0.push(Event::Acknowledged {
            writer: "alice".into(),
            append,
            client_seq,
            position,
        });
    }

    pub(super) fn lost(&mut self, from: Append, to: Append) {
        let writer = "alice".into();
        self.0.push(Event::Lost { writer, from, to });
    }

    /// The log had the former client's entries up to number `last`.
    pub(super) fn renewed(&mut self, client: &str, last: u64) {
        self.0.push(Event::Renewed {
            writer: "alice".into(),
            last: Some(last),
        });
        self.client(client);
    }

    pub(super) fn told(&mut self, notice: Notice) {
        let writer = "alice".into();
        self.0.push(Event::Told { writer, notice });
    }

    pub(super) fn start(&mut self, reader: &str, position: Option<Position>) {
        let reader = reader.into();
        self.0.push(Event::Started { reader, position });
    }

    pub(super) fn show(&mut self, reader: &str, entries: &[Arc<Entry>]) {
        self.0.extend(entries.iter().map(|entry| Event::Shown {
            reader: reader.into(),
            entry: Arc::clone(entry),
        }));
    }

    pub(super) fn reset(&mut self, reader: &str, position: Position) {
        self.0.push(Event::Reset {
            reader: reader.into(),
            cause: "diverged".into(),
            position,
        });
    }

    pub(super) fn snapshot(&mut self, reader: &str, position: Position) {
        let reader = reader.into();
        self.0.push(Event::Snapshot { reader, position });
    }

    pub(super) fn live(&mut self, reader: &str, position: Position) {
        let reader = reader.into();
        self.0.push(Event::Live { reader, position });
    }

    pub(super) fn text(&mut self, reader: &str, text: &str) {
        let (reader, text) = (reader.into(), text.into());
        self.0.push(Event::Text { reader, text });
    }

    /// This is what the log holds at the end.
    pub(super) fn log(&mut self, chain: &Chain) {
        self.start(LOG, Some(chain.start));
        self.show(LOG, &chain.entries);
    }

    /// Both readers are shown it all.
    pub(super) fn read_by_all(&mut self, chain: &Chain) {
        for reader in READERS {
            self.show(reader, &chain.entries);
            self.live(reader, chain.head());
        }
    }

    /// A file changes nothing.
    pub(super) fn verdict(&self) -> Verdict {
        let verdict = check(&self.0);
        let mut file = Vec::new();
        self.0.write(&mut file).unwrap();
        let read = Recording::read(&*file).unwrap();
        assert_eq!(read, self.0);
        assert_eq!(check(&read), verdict);
        verdict
    }

    #[track_caller]
    pub(super) fn assert_clean(&self) -> Verdict {
        let verdict = self.verdict();
        assert!(verdict.is_clean(), "{verdict}");
        verdict
    }

    #[track_caller]
    pub(super) fn assert_found(&self, wanted: &[Violation]) -> Verdict {
        let verdict = self.verdict();
        assert_eq!(verdict.violations, wanted, "{verdict}");
        verdict
    }
}
