//! A client lives as long as the memory of its counter and its entries: here that memory leaves a
//! process, and enters another one. Only one may use it at a time.

use inkwire_model::{ClientId, ClientSeq, Subject};

use crate::{AppendId, Draft, Now};

use super::{
    Writer, WriterLimits,
    held::{Held, HeldEntry},
};

/// All that a client is. Keep it under an exclusive lock: two who use one are told apart only after
/// they have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    pub client: ClientId,
    pub subject: Option<Subject>,
    /// The number of the first of `entries`.
    pub from: ClientSeq,
    /// The highest number that was ever sent.
    pub mark: ClientSeq,
    pub entries: Vec<MemoryEntry>,
    pub last_append: AppendId,
}

/// One entry of a [`Memory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryEntry {
    pub append: AppendId,
    pub draft: Draft,
    /// Other wordings that were sent under the same number.
    pub earlier: Vec<Draft>,
    pub first_sent_unix_ms: Option<u64>,
    pub acknowledged: bool,
}

impl Writer {
    /// What another process needs to be this client.
    pub fn memory(&self) -> Memory {
        let entries = self.held.iter().map(|(_, entry)| MemoryEntry {
            append: entry.append,
            draft: entry.draft.clone(),
            earlier: entry.earlier.clone(),
            first_sent_unix_ms: entry.first_sent.map(|at| at.unix_ms),
            acknowledged: entry.announced,
        });
        Memory {
            client: self.client.clone(),
            subject: self.subject.clone(),
            from: self.held.from(),
            mark: self.mark,
            entries: entries.collect(),
            last_append: self.last_append,
        }
    }

    /// Goes on as the client of `memory`.
    pub fn remembering(memory: Memory, limits: WriterLimits, now: Now) -> Self {
        let mut writer = Self::under(memory.client, limits);
        writer.subject = memory.subject;
        writer.held = Held::starting_at(memory.from.max(1));
        writer.mark = memory.mark;
        writer.last_append = memory.last_append;
        let mut is_prefix = true;
        for kept in memory.entries {
            let mut entry = HeldEntry::new(kept.append, kept.draft);
            entry.earlier = kept.earlier;
            entry.first_sent = kept
                .first_sent_unix_ms
                .map(|unix_ms| Now { unix_ms, ..now });
            entry.unsettled = entry.first_sent.is_some();
            entry.announced = kept.acknowledged;
            is_prefix &= kept.acknowledged;
            if is_prefix {
                entry.acked_at = Some(now);
                writer.acked = writer.held.next();
            }
            writer.held.push(entry);
        }
        writer.acked = writer.acked.max(writer.held.from() - 1);
        writer.sent = writer.acked;
        writer.settled = writer.acked;
        // Its last calls may be under way still, for as long as any may.
        writer.last_sent = (writer.mark > 0).then_some(now);
        writer.landed_by_ms = Some(now.elapsed_ms + writer.limits.landing_ms);
        writer.recount();
        writer
    }
}
