//! What the gateway answers to an entry: in the log, not now, or never.

use inkwire_model::{ClientSeq, Nack, Position};

use crate::{Event, Jitter, Now};

use super::{Events, Writer, held::HeldEntry, renewal::Cause};

impl Writer {
    /// `number`, and with it everything before, is in the log.
    pub fn acked(&mut self, number: ClientSeq, position: Position, now: Now, out: &mut Events) {
        // An acknowledgement from before a rewind settles nothing; the resend does.
        if number > self.sent {
            return;
        }
        for acked in self.acked + 1..=number {
            let Some(entry) = self.held.entry_mut(acked) else {
                continue;
            };
            let bytes = entry.bytes();
            entry.acked_at = Some(now);
            self.queued_entries = self.queued_entries.saturating_sub(1);
            self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
            self.retained_bytes += bytes;
            if !std::mem::replace(&mut entry.announced, true) {
                self.counts.acknowledged += 1;
                out.push(Event::Acked {
                    append: entry.append,
                    client_seq: acked,
                    position,
                });
            }
        }
        self.acked = self.acked.max(number);
        self.settled = self.settled.max(number);
        self.pauses.succeeded();
        let due = now.elapsed_ms + self.limits.answer_timeout_ms;
        self.answer_due_ms = (self.sent > self.acked).then_some(due);
        self.release(now);
    }

    /// `number` was refused, and the session drops what came after it; without a number, the
    /// replica found out by itself that the log has less than it acknowledged.
    pub fn nacked(
        &mut self,
        number: Option<ClientSeq>,
        nack: Nack,
        now: Now,
        jitter: &mut Jitter,
        out: &mut Events,
    ) {
        if self.renewal.is_some() {
            return;
        }
        if let Nack::Gap { expected, row } = &nack {
            return match row {
                None if *expected > 1 => self.rejoin = true,
                row => self.rewind(row.as_ref(), now),
            };
        }
        // Refused before the cursor went back: it is sent again anyhow.
        let Some(number) = number.filter(|n| *n <= self.sent && *n >= self.held.from()) else {
            return;
        };
        self.answer_due_ms = None;
        match nack {
            Nack::Gap { .. } => {}
            // The row decides; and the session's gate waits for this number, maybe in vain.
            Nack::UnknownClient => {
                self.sent = number - 1;
                self.rejoin = true;
            }
            Nack::ClientConflict { row } => {
                self.rewind(Some(&row), now);
                self.rejoin |= self.renewal.is_none();
            }
            Nack::Throttled { after_ms } => self.pause(number, nack, after_ms, now, jitter, out),
            Nack::LogFull => self.pause(number, nack, 1_000, now, jitter, out),
            Nack::Unavailable { after_ms } => {
                // One call carries many entries, and its outcome is unknown for all of them.
                for unknown in number..=self.sent {
                    if let Some(entry) = self.held.entry_mut(unknown) {
                        entry.unsettled = true;
                    }
                }
                self.pause(number, nack, after_ms, now, jitter, out);
            }
            Nack::Forbidden { .. }
            | Nack::TooLarge { .. }
            | Nack::Revoked
            | Nack::Invalid { .. } => self.refused(number, nack, now, out),
        }
    }

    /// What `next_draft` just gave is not sent after all: no message that the gateway takes has room
    /// for it.
    pub fn refused_here(&mut self, number: ClientSeq, nack: Nack, now: Now, out: &mut Events) {
        self.counts.sent = self.counts.sent.saturating_sub(1);
        self.refused(number, nack, now, out);
    }

    /// The session ended over `number`, as it seems. It is not sent again; whether an earlier attempt
    /// landed is told by the row, as for any that was refused.
    pub fn give_up(&mut self, number: ClientSeq, nack: Nack, now: Now, out: &mut Events) {
        if self.renewal.is_none() && number <= self.sent {
            if let Some(entry) = self.held.entry_mut(number) {
                entry.unsettled = true;
            }
            self.refused(number, nack, now, out);
        }
    }

    fn pause(
        &mut self,
        number: ClientSeq,
        nack: Nack,
        after_ms: u64,
        now: Now,
        jitter: &mut Jitter,
        out: &mut Events,
    ) {
        let after_ms = after_ms + self.pauses.failed(jitter);
        self.sent = number - 1;
        self.pause_until_ms = Some(now.elapsed_ms + after_ms);
        out.push(Event::Waiting { nack, after_ms });
    }

    /// The number has to be filled, since the log waits for it: the entries after it move up, if
    /// neither it nor they can have landed. Their digests change with their numbers, so one that
    /// landed under the old number as well would be in the log twice.
    fn refused(&mut self, number: ClientSeq, nack: Nack, now: Now, out: &mut Events) {
        self.sent = number - 1;
        let is_open = |(n, e): (ClientSeq, &HeldEntry)| n >= number && e.unsettled;
        // A number that the row has is in the log, and was only sent again to be confirmed.
        if number <= self.settled || self.held.iter().any(is_open) {
            if let Some(entry) = self.held.entry_mut(number) {
                entry.refused = Some(nack);
            }
            return self.renew(Cause::Refused, now);
        }
        let Some(entry) = self.held.remove(number) else {
            return;
        };
        self.mark = self.mark.min(number - 1);
        for (n, entry) in self.held.iter_mut() {
            if n >= number {
                entry.first_sent = None;
            }
        }
        self.counts.refused += 1;
        out.push(Event::Nack {
            append: entry.append,
            nack,
        });
        self.recount();
    }
}
