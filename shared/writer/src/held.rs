//! `Held`: the entries whose content is still kept, under contiguous numbers.

use std::collections::VecDeque;

use inkwire_model::{
    ClientId, ClientSeq, Digest, Entry, Nack, Rule, ShortDigest, Subject, rule_holds,
};

use crate::{AppendId, Draft, Now};

/// Kept with each payload, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// One entry of this client.
#[derive(Debug, Clone)]
pub(super) struct HeldEntry {
    pub(super) append: AppendId,
    pub(super) draft: Draft,
    /// What was sent under this number before a lost tail was transformed. Any of them may land.
    pub(super) earlier: Vec<Draft>,
    pub(super) first_sent: Option<Now>,
    /// An earlier attempt had no answer that says it did not land, so it may yet.
    pub(super) unsettled: bool,
    /// It was sent, and the log does not have it: the application may transform it.
    pub(super) lost: bool,
    pub(super) acked_at: Option<Now>,
    /// The application was told of the acknowledgement; a healed entry is not told again.
    pub(super) announced: bool,
    /// Refused for good, while an earlier attempt may have landed.
    pub(super) refused: Option<Nack>,
}

/// Whose wording a number has in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    Mine,
    Foreign,
}

impl HeldEntry {
    pub(super) fn new(append: AppendId, draft: Draft) -> Self {
        Self {
            append,
            draft,
            earlier: Vec::new(),
            first_sent: None,
            unsettled: false,
            lost: false,
            acked_at: None,
            announced: false,
            refused: None,
        }
    }

    /// The same append under another number, where nothing of it was ever sent.
    pub(super) fn unsent(self) -> Self {
        let announced = self.announced;
        Self {
            announced,
            ..Self::new(self.append, self.draft)
        }
    }

    /// What it costs to keep.
    pub(super) fn bytes(&self) -> usize {
        let earlier: usize = self.earlier.iter().map(|d| d.payload.len()).sum();
        ENTRY_OVERHEAD_BYTES + self.draft.payload.len() + earlier
    }

    /// The log's wording counts, if it is one of this entry's own.
    pub(super) fn adopt(&mut self, is_in_log: impl Fn(&Draft) -> bool) -> Wording {
        if is_in_log(&self.draft) || !rule_holds(Rule::DigestOfDuplicate) {
            return Wording::Mine;
        }
        let Some(index) = self.earlier.iter().position(is_in_log) else {
            return Wording::Foreign;
        };
        let adopted = self.earlier.swap_remove(index);
        let replaced = std::mem::replace(&mut self.draft, adopted);
        self.earlier.push(replaced);
        self.lost = false;
        Wording::Mine
    }

    pub(super) fn adopt_digest(
        &mut self,
        subject: &Subject,
        client: &ClientId,
        number: ClientSeq,
        digest: ShortDigest,
    ) -> Wording {
        self.adopt(|draft| {
            let Draft {
                kind,
                content_type,
                payload,
                ..
            } = draft;
            Digest::of(subject, client, number, kind, content_type, payload).short() == digest
        })
    }

    pub(super) fn adopt_entry(&mut self, entry: &Entry) -> Wording {
        self.adopt(|draft| draft.is_content_of(entry))
    }
}

/// A queue whose front has the number `from`.
#[derive(Debug)]
pub(super) struct Held {
    from: ClientSeq,
    entries: VecDeque<HeldEntry>,
}

impl Held {
    pub(super) fn starting_at(from: ClientSeq) -> Self {
        Self {
            from,
            entries: VecDeque::new(),
        }
    }

    /// The lowest number that is still held.
    pub(super) fn from(&self) -> ClientSeq {
        self.from
    }

    /// The number that the next append gets.
    pub(super) fn next(&self) -> ClientSeq {
        self.from + self.entries.len() as ClientSeq
    }

    pub(super) fn push(&mut self, entry: HeldEntry) {
        self.entries.push_back(entry);
    }

    pub(super) fn entry_mut(&mut self, number: ClientSeq) -> Option<&mut HeldEntry> {
        let index = self.index(number)?;
        self.entries.get_mut(index)
    }

    pub(super) fn entry(&self, number: ClientSeq) -> Option<&HeldEntry> {
        self.entries.get(self.index(number)?)
    }

    pub(super) fn front(&self) -> Option<&HeldEntry> {
        self.entries.front()
    }

    pub(super) fn release_front(&mut self) -> Option<HeldEntry> {
        let entry = self.entries.pop_front()?;
        self.from += 1;
        Some(entry)
    }

    /// Takes an entry out; those after it move up by one number.
    pub(super) fn remove(&mut self, number: ClientSeq) -> Option<HeldEntry> {
        let index = self.index(number)?;
        self.entries.remove(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientSeq, &HeldEntry)> {
        (self.from..).zip(&self.entries)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ClientSeq, &mut HeldEntry)> {
        (self.from..).zip(&mut self.entries)
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = (ClientSeq, HeldEntry)> {
        (self.from..).zip(self.entries)
    }

    fn index(&self, number: ClientSeq) -> Option<usize> {
        usize::try_from(number.checked_sub(self.from)?).ok()
    }
}
