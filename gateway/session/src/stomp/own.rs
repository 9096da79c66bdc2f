//! `Own`: entries that the session numbers for its client, under a client that it drew. The writer holds
//! and heals them (C4); here is who waits for them, and which of them are taken whole.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use super::given::Settles;
use inkwire_model::{ClientId, Nack, Position};
use inkwire_writer::{
    AppendId, Draft, Event, Jitter, Now, Numbered, QueueFull, Writer, WriterLimits,
};

/// Entries that may wait for one log.
pub(super) const QUEUE_ENTRIES_MAX: usize = 1_024;

/// Transactions that are remembered, so that a healed one is sent whole again. Those that wait are fewer,
/// so the oldest of so many is in the log.
const WHOLES_MAX: usize = QUEUE_ENTRIES_MAX + 256;

pub(super) struct Own {
    pub(super) writer: Writer,
    /// As whom the document was joined, and when.
    pub(super) joined_as: ClientId,
    pub(super) asked: Now,
    receipts: HashMap<AppendId, String>,
    /// By their first append.
    wholes: BTreeMap<AppendId, Whole>,
}

struct Whole {
    count: u64,
    receipt: Option<String>,
    settles: Settles,
}

/// What became of what was sent.
pub(super) enum Outcome {
    InLog {
        receipt: String,
        position: Position,
        client_seq: u64,
    },
    Refused {
        receipt: Option<String>,
        nack: Nack,
    },
    /// What was received with a transaction is done with.
    Settled(Settles),
    /// Of a transaction, of which nothing is in the log then.
    RefusedWhole {
        receipt: Option<String>,
        nack: Nack,
    },
    /// Whether these are in the log is not known, or was known and is not true any more.
    Lost {
        receipts: Vec<String>,
        entries: u64,
    },
}

/// What may go to the hub now.
pub(super) struct Due {
    pub(super) numbered: Vec<Numbered>,
    pub(super) is_whole: bool,
}

impl Own {
    pub(super) fn new(limits: WriterLimits, jitter: &mut Jitter, now: Now) -> Self {
        let writer = Writer::new(limits, jitter);
        Self {
            joined_as: writer.client().clone(),
            writer,
            asked: now,
            receipts: HashMap::new(),
            wholes: BTreeMap::new(),
        }
    }

    pub(super) fn append(
        &mut self,
        draft: Draft,
        receipt: Option<String>,
    ) -> Result<(), QueueFull> {
        let append = self.writer.append(draft)?;
        if let Some(receipt) = receipt {
            self.receipts.insert(append, receipt);
        }
        Ok(())
    }

    /// All of them in one call. There is room for all, or none is taken.
    pub(super) fn append_whole(
        &mut self,
        drafts: Vec<Draft>,
        receipt: Option<String>,
        settles: Settles,
    ) -> Result<(), QueueFull> {
        let (entries, bytes) = self.writer.queued();
        if entries + drafts.len() > QUEUE_ENTRIES_MAX {
            return Err(QueueFull { entries, bytes });
        }
        let mut first = None;
        let mut count = 0;
        for draft in drafts {
            let append = self.writer.append(draft)?;
            first.get_or_insert(append);
            count += 1;
        }
        if let Some(first) = first {
            if self.wholes.len() == WHOLES_MAX {
                self.wholes.pop_first();
            }
            self.wholes.insert(
                first,
                Whole {
                    count,
                    receipt,
                    settles,
                },
            );
        }
        Ok(())
    }

    /// The next entries that may be sent: one, or all of a transaction.
    pub(super) fn next_due(&mut self, now: Now) -> Option<Due> {
        let next = self.writer.next_append()?;
        let whole = self.wholes.get(&next).map(|whole| whole.count);
        let count = whole.unwrap_or(1);
        if self.writer.room(now) < count {
            return None;
        }
        let numbered: Vec<_> = (0..count)
            .map_while(|_| self.writer.next_draft(now))
            .collect();
        (!numbered.is_empty()).then_some(Due {
            numbered,
            is_whole: whole.is_some(),
        })
    }

    /// What the application is to hear of what the writer told.
    pub(super) fn outcomes(&mut self, events: Vec<Event>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for event in events {
            match event {
                Event::Acked {
                    append,
                    client_seq,
                    position,
                } => {
                    let whole = self.end_of_whole(append);
                    let of_whole = whole.and_then(|whole| {
                        let settles = std::mem::take(&mut whole.settles);
                        if !settles.is_empty() {
                            outcomes.push(Outcome::Settled(settles));
                        }
                        whole.receipt.take()
                    });
                    let receipt = of_whole.or_else(|| self.receipts.remove(&append));
                    outcomes.extend(receipt.map(|receipt| Outcome::InLog {
                        receipt,
                        position,
                        client_seq,
                    }));
                }
                Event::Nack { append, nack } => outcomes.push(match self.whole_of(append) {
                    Some(whole) => Outcome::RefusedWhole {
                        receipt: whole.receipt.take(),
                        nack,
                    },
                    None => Outcome::Refused {
                        receipt: self.receipts.remove(&append),
                        nack,
                    },
                }),
                Event::Lost {
                    from, to, appends, ..
                } => {
                    let receipts = self.receipts_of(appends.0..=appends.1);
                    outcomes.push(Outcome::Lost {
                        receipts,
                        entries: to - from + 1,
                    });
                }
                Event::Waiting { .. } | Event::Renewed { .. } => {}
            }
        }
        outcomes
    }

    /// The transaction that ends with `append`.
    fn end_of_whole(&mut self, append: AppendId) -> Option<&mut Whole> {
        let (first, whole) = self.wholes.range_mut(..=append).next_back()?;
        let is_last = append.0 + 1 == first.0 + whole.count;
        is_last.then_some(whole)
    }

    fn whole_of(&mut self, append: AppendId) -> Option<&mut Whole> {
        let (first, whole) = self.wholes.range_mut(..=append).next_back()?;
        (append.0 < first.0 + whole.count).then_some(whole)
    }

    fn receipts_of(&mut self, appends: RangeInclusive<AppendId>) -> Vec<String> {
        let single = self
            .receipts
            .extract_if(|append, _| appends.contains(append));
        let mut receipts: Vec<_> = single.map(|(_, receipt)| receipt).collect();
        let wholes = self.wholes.range_mut(appends);
        receipts.extend(wholes.filter_map(|(_, whole)| whole.receipt.take()));
        receipts
    }
}
