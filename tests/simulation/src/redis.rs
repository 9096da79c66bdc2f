//! `Redis`: the log as the append function keeps it, with the copy that a promotion would bring back.
//!
//! What a function does is the pure `Log`, which the embedded bus runs too and the contract suite
//! compares with the Lua. What is modelled here is the server around it.

use inkwire_bus::{
    Append, AppendOutcome, Asker, LogPage, PageLimit, Read, ReadFrom, Refusal,
    memory::{Appended, Log},
};
use inkwire_model::{ChainHash, ClientId, ClientKey, ClientSeq, Digest, NewEntry, Position};

use crate::rng::Rng;

/// More than any schedule writes.
const ENTRIES_MAX: usize = 100_000;

pub(crate) struct Redis {
    log: Option<Log>,
    /// What a stale replica has, if it was not promoted already.
    saved: Option<Option<Log>>,
    rng: Rng,
}

impl Redis {
    pub(crate) fn new(rng: Rng) -> Self {
        Self {
            log: None,
            saved: None,
            rng,
        }
    }

    /// The log, made if it is not there.
    pub(crate) fn log(&mut self) -> &mut Log {
        let mut identity = || ChainHash::from_random(self.rng.next().to_be_bytes());
        self.log
            .get_or_insert_with(|| Log::new(Position::start(identity()), ENTRIES_MAX))
    }

    pub(crate) fn head(&self) -> Option<Position> {
        self.log.as_ref().map(Log::head)
    }

    /// One call of the append function. After its deadline it does nothing.
    pub(crate) fn append(&mut self, append: &Append, is_late: bool) -> Appended {
        if is_late {
            let expired = AppendOutcome::Refused(Refusal::Expired);
            return Appended {
                outcomes: vec![expired; append.entries.len()],
                entries: Vec::new(),
            };
        }
        let with_digest = |entry: &NewEntry| (entry.digest(), entry.clone());
        let entries: Vec<(Digest, NewEntry)> = append.entries.iter().map(with_digest).collect();
        self.log()
            .append_as(0, entries, append.retention, append.whole)
    }

    /// How far the log knows a client.
    pub(crate) fn row_of(&self, key: ClientKey) -> ClientSeq {
        let nothing = PageLimit {
            entries: 0,
            bytes: 0,
        };
        let ClientKey { subject, client } = key;
        let asker = Asker {
            subject,
            client: Some(client),
        };
        let page = self
            .log
            .as_ref()
            .map(|log| log.read(ReadFrom::Start, nothing, &[asker]));
        let standings = page.into_iter().flat_map(|page| page.standings);
        standings
            .filter_map(|standing| standing.row)
            .map(|row| row.client_seq)
            .next()
            .unwrap_or(0)
    }

    pub(crate) fn read(&mut self, read: &Read) -> LogPage {
        self.log().read(read.from, read.limit, &read.askers)
    }

    /// A replica has everything so far.
    pub(crate) fn save(&mut self) {
        self.saved = Some(self.log.clone());
    }

    /// The stale copy takes over. Says how many entries are gone.
    pub(crate) fn roll_back(&mut self) -> Option<u64> {
        let saved = self.saved.take()?;
        let before = self.head().map_or(0, |head| head.seq);
        self.log = saved;
        Some(before.saturating_sub(self.head().map_or(0, |head| head.seq)))
    }

    /// Everything is gone, and no copy is left.
    pub(crate) fn empty(&mut self) {
        self.log = None;
        self.saved = None;
    }

    /// A row expires, in every copy.
    pub(crate) fn expire(&mut self, key: &ClientKey) -> bool {
        let expired = self.log().forget_row(key);
        self.saved = None;
        expired
    }
}

/// Whether a call changes access, which waits for replicas at every level (C10).
pub(crate) fn changes_access(append: &Append) -> bool {
    let is_access = |entry: &NewEntry| matches!(entry.client, ClientId::Access(_));
    append.entries.iter().any(is_access)
}
