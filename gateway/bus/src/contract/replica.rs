//! `Replica`: one bus with its recorder, and requests that await their answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use inkwire_model::{DocumentId, Entry, NewEntry, Position};

use super::{Fixture, Recorder};
use crate::{
    Append, AppendOutcome, Asker, Bus, BusEvent, Head, LogPage, PageLimit, PresenceAnswer,
    PresenceCall, PresenceChange, PresenceSet, PresenceVersion, Read, ReadFrom, Retention,
    Suspicion, Ticket, Unavailable,
};

/// A page limit that no test's log reaches.
pub const WIDE: PageLimit = PageLimit {
    entries: 100_000,
    bytes: 64 << 20,
};

/// A document of this name.
pub fn document(name: &str) -> DocumentId {
    match DocumentId::parse(name) {
        Ok(document) => document,
        Err(error) => panic!("{name:?} is no document id: {error}"),
    }
}

/// One replica of a fixture.
#[derive(Clone)]
pub struct Replica {
    pub bus: Arc<dyn Bus>,
    pub recorder: Arc<Recorder>,
    tickets: Arc<AtomicU64>,
    patience: Duration,
}

impl Replica {
    /// Attaches one.
    pub async fn attach(fixture: &impl Fixture) -> Self {
        let recorder = Arc::new(Recorder::default());
        let bus = fixture.attach(recorder.clone()).await;
        Self {
            bus,
            recorder,
            tickets: Arc::default(),
            patience: fixture.patience(),
        }
    }

    /// Attaches one that follows `document`, with the subscription confirmed.
    pub async fn following(fixture: &impl Fixture, document: &DocumentId) -> Self {
        let replica = Self::attach(fixture).await;
        replica.follow(document).await;
        replica
    }

    /// Follows a document, and waits until that is confirmed.
    pub async fn follow(&self, document: &DocumentId) {
        let before = self.confirmations(document);
        self.bus.subscribe(document);
        self.confirmed(document, before + 1).await;
    }

    /// Waits until the subscription of a document was confirmed this often.
    pub async fn confirmed(&self, document: &DocumentId, times: usize) {
        let what = format!("confirmation {times} of {document}");
        self.wait_for(&what, |events| {
            (count_confirmations(events, document) >= times).then_some(())
        })
        .await;
    }

    /// How often the subscription of a document was confirmed.
    pub fn confirmations(&self, document: &DocumentId) -> usize {
        self.recorder
            .look(|events| count_confirmations(events, document))
    }

    /// Waits until this document's subscription was said to be lost this often.
    pub async fn lost(&self, document: &DocumentId, times: usize) {
        let what = format!("loss {times} of {document}");
        self.wait_for(&what, |events| {
            let losses = events.iter().filter(|event| {
                matches!(event, BusEvent::Suspect(Suspicion::Lost(lost)) if lost.contains(document))
            });
            (losses.count() >= times).then_some(())
        })
        .await;
    }

    /// Makes an append, without awaiting the answer.
    pub fn begin_append(&self, document: &DocumentId, entries: Vec<NewEntry>) -> Ticket {
        self.begin_append_as(document, entries, Retention::Everything, false)
    }

    /// The same, to a log that is kept so, or taken whole.
    pub fn begin_append_as(
        &self,
        document: &DocumentId,
        entries: Vec<NewEntry>,
        retention: Retention,
        whole: bool,
    ) -> Ticket {
        let ticket = self.ticket();
        self.bus.append(Append {
            retention,
            whole,
            ..Append::new(ticket, document.clone(), entries)
        });
        ticket
    }

    /// The answer to an append.
    pub async fn appended(&self, ticket: Ticket) -> Result<Vec<AppendOutcome>, Unavailable> {
        self.wait_for("the answer to an append", |events| {
            events.iter().find_map(|event| match event {
                BusEvent::Appended {
                    ticket: of, result, ..
                } if *of == ticket => Some(result.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Appends entries, and awaits what becomes of each.
    pub async fn append(
        &self,
        document: &DocumentId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<AppendOutcome>, Unavailable> {
        self.appended(self.begin_append(document, entries)).await
    }

    /// The outcome of each entry of an append that the log has to hear.
    pub async fn outcomes(
        &self,
        document: &DocumentId,
        entries: Vec<NewEntry>,
    ) -> Vec<AppendOutcome> {
        match self.append(document, entries).await {
            Ok(outcomes) => outcomes,
            Err(error) => panic!("an append to {document} failed: {error}"),
        }
    }

    /// The outcome of one entry.
    pub async fn outcome(&self, document: &DocumentId, entry: NewEntry) -> AppendOutcome {
        match self.outcomes(document, vec![entry]).await.pop() {
            Some(outcome) => outcome,
            None => panic!("an append of one entry to {document} has no outcome"),
        }
    }

    /// The positions of entries that the log has to take.
    pub async fn positions(&self, document: &DocumentId, entries: Vec<NewEntry>) -> Vec<Position> {
        let appended = |outcome| match outcome {
            AppendOutcome::Appended(position) => position,
            other => panic!("an entry was not appended to {document}: {other:?}"),
        };
        let outcomes = self.outcomes(document, entries).await;
        outcomes.into_iter().map(appended).collect()
    }

    /// The position of one entry that the log has to take.
    pub async fn position(&self, document: &DocumentId, entry: NewEntry) -> Position {
        match self.positions(document, vec![entry]).await.pop() {
            Some(position) => position,
            None => panic!("an append of one entry to {document} has no outcome"),
        }
    }

    /// Makes a read, without awaiting the answer.
    pub fn begin_read(
        &self,
        document: &DocumentId,
        from: ReadFrom,
        limit: PageLimit,
        askers: Vec<Asker>,
    ) -> Ticket {
        let ticket = self.ticket();
        self.bus.read(Read {
            ticket,
            document: document.clone(),
            from,
            limit,
            askers,
        });
        ticket
    }

    /// The answer to a read.
    pub async fn page(&self, ticket: Ticket) -> Result<LogPage, Unavailable> {
        self.wait_for("a page", |events| {
            events.iter().find_map(|event| match event {
                BusEvent::Page {
                    ticket: of, result, ..
                } if *of == ticket => Some(result.clone()),
                _ => None,
            })
        })
        .await
    }

    /// One page with these askers' standings, which the log has to give.
    pub async fn read_as(
        &self,
        document: &DocumentId,
        from: ReadFrom,
        limit: PageLimit,
        askers: Vec<Asker>,
    ) -> LogPage {
        let ticket = self.begin_read(document, from, limit, askers);
        match self.page(ticket).await {
            Ok(page) => page,
            Err(error) => panic!("a read of {document} failed: {error}"),
        }
    }

    /// One page.
    pub async fn read(&self, document: &DocumentId, from: ReadFrom, limit: PageLimit) -> LogPage {
        self.read_as(document, from, limit, Vec::new()).await
    }

    /// The whole log as it is held, in one page.
    pub async fn log(&self, document: &DocumentId) -> LogPage {
        let page = self.read(document, ReadFrom::Start, WIDE).await;
        assert!(page.is_last(), "a wide page of {document} ends early");
        page
    }

    /// The heads of these documents, in the order asked for; make one comparison at a time.
    pub async fn heads(&self, documents: &[DocumentId]) -> Vec<Option<Position>> {
        let heads = self.whole_heads(documents).await;
        heads.into_iter().map(|head| head.position).collect()
    }

    /// The same, with all that is told of each.
    pub async fn whole_heads(&self, documents: &[DocumentId]) -> Vec<Head> {
        let seen = self.recorder.look(<[BusEvent]>::len);
        self.bus.compare_heads(documents.to_vec());
        self.wait_for("the heads", |events| {
            let heads = || {
                events.iter().skip(seen).filter_map(|event| match event {
                    BusEvent::Heads(heads) => Some(heads),
                    _ => None,
                })
            };
            let of = |document: &DocumentId| {
                let mut heads = heads().flatten();
                heads.find(|head| head.document == *document).cloned()
            };
            documents.iter().map(of).collect()
        })
        .await
    }

    /// The head of one document.
    pub async fn head(&self, document: &DocumentId) -> Option<Position> {
        let heads = self.heads(std::slice::from_ref(document)).await;
        heads.into_iter().flatten().next()
    }

    /// Makes a call of presence, without awaiting the answer.
    pub fn begin_presence(
        &self,
        document: &DocumentId,
        changes: Vec<PresenceChange>,
        read: bool,
    ) -> Ticket {
        let ticket = self.ticket();
        self.bus.presence(PresenceCall {
            ticket,
            document: document.clone(),
            changes,
            read,
            is_last: false,
        });
        ticket
    }

    /// The answer to a call of presence.
    pub async fn presence_answer(&self, ticket: Ticket) -> Result<PresenceAnswer, Unavailable> {
        self.wait_for("the answer to a call of presence", |events| {
            events.iter().find_map(|event| match event {
                BusEvent::PresenceAnswered {
                    ticket: of, result, ..
                } if *of == ticket => Some(result.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Changes who is in a document, as soon as the store is there and the replica has a lease.
    pub async fn presence(
        &self,
        document: &DocumentId,
        changes: Vec<PresenceChange>,
    ) -> PresenceAnswer {
        let deadline = tokio::time::Instant::now() + self.patience;
        loop {
            let ticket = self.begin_presence(document, changes.clone(), false);
            match self.presence_answer(ticket).await {
                Ok(answer) => return answer,
                Err(error) if tokio::time::Instant::now() > deadline => {
                    panic!("a change of who is in {document} failed: {error}")
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Everybody who is in a document.
    pub async fn presence_read(&self, document: &DocumentId) -> PresenceSet {
        let ticket = self.begin_presence(document, Vec::new(), true);
        match self.presence_answer(ticket).await {
            Ok(PresenceAnswer { set: Some(set), .. }) => set,
            other => panic!("who is in {document}: {other:?}"),
        }
    }

    /// The version of who is in a document, as the heads tell it.
    pub async fn presence_version(&self, document: &DocumentId) -> Option<PresenceVersion> {
        let heads = self.whole_heads(std::slice::from_ref(document)).await;
        heads.into_iter().next().and_then(|head| head.presence)
    }

    /// The entries of this document that were heard so far.
    pub fn heard_so_far(&self, document: &DocumentId) -> Vec<Arc<Entry>> {
        self.recorder.look(|events| entries_heard(events, document))
    }

    /// The entries of this document that were heard, as soon as there are `count`.
    pub async fn heard(&self, document: &DocumentId, count: usize) -> Vec<Arc<Entry>> {
        let what = format!("{count} entries of {document}");
        self.wait_for(&what, |events| {
            let heard = entries_heard(events, document);
            (heard.len() >= count).then_some(heard)
        })
        .await
    }

    /// Waits until an entry with this payload was heard.
    pub async fn heard_text(&self, document: &DocumentId, text: &str) {
        self.wait_for(text, |events| {
            let heard = entries_heard(events, document);
            let is_it = |entry: &Arc<Entry>| *entry.payload == *text.as_bytes();
            heard.iter().any(is_it).then_some(())
        })
        .await;
    }

    /// Waits until `look` finds something in this replica's events.
    pub async fn wait_for<T>(&self, what: &str, look: impl FnMut(&[BusEvent]) -> Option<T>) -> T {
        match self.recorder.wait_for(self.patience, look).await {
            Ok(found) => found,
            Err(error) => panic!("waiting for {what}: {error}"),
        }
    }

    /// How long this replica's tests wait for anything.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }
}

fn count_confirmations(events: &[BusEvent], document: &DocumentId) -> usize {
    let of_document =
        |event: &&BusEvent| matches!(event, BusEvent::Subscribed(of) if of == document);
    events.iter().filter(of_document).count()
}

fn entries_heard(events: &[BusEvent], document: &DocumentId) -> Vec<Arc<Entry>> {
    let entries = events.iter().filter_map(|event| match event {
        BusEvent::Heard {
            document: of,
            entries,
        } if of == document => Some(entries),
        _ => None,
    });
    entries.flatten().cloned().collect()
}
