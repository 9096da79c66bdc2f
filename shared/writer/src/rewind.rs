//! Where the log stands with this client decides what is sent again, never a guess (C2, C4).

use inkwire_model::{ClientRow, ClientSeq, Entry, Rule, rule_holds};

use crate::Now;

use super::{Writer, held::Wording, renewal::Cause};

impl Writer {
    /// The log knows this client up to `row`; `None`: it does not know it.
    ///
    /// Told by every join, every reset, and a `gap` unasked.
    pub fn rewind(&mut self, row: Option<&ClientRow>, now: Now) {
        if self.renewal.is_some() {
            return;
        }
        match row {
            None => self.unknown(now),
            Some(row) => self.known(row, now),
        }
    }

    /// After a join the last number is sent once more if nobody acknowledged it: being in the log
    /// is not yet what the gateway promises by an ack (C3).
    pub fn confirm_last(&mut self) {
        let last = self.settled;
        let is_renewing = self.renewal.is_some();
        if !is_renewing && last > self.acked && last == self.sent && self.held.entry(last).is_some()
        {
            self.sent = last - 1;
        }
    }

    /// This client's own entry, as the log has it.
    pub fn heard_own(&mut self, entry: &Entry, now: Now) {
        if self.renewal.is_some()
            || entry.client != self.client
            || self.subject.as_ref() != Some(&entry.author)
        {
            return;
        }
        let number = entry.client_seq;
        let wording = match self.held.entry_mut(number) {
            Some(held) if number <= self.mark => held.adopt_entry(entry),
            _ if number > self.mark => Wording::Foreign,
            _ => return,
        };
        if wording == Wording::Foreign {
            self.renew(Cause::NotAlone, now);
        }
    }

    fn unknown(&mut self, now: Now) {
        if self.mark == 0 {
            return;
        }
        let is_expired = |at: Option<Now>| at.is_some_and(|at| self.is_too_old(at, now));
        let expired = self.held.iter().any(|(_, e)| is_expired(e.first_sent));
        if self.held.from() > 1 || (expired && rule_holds(Rule::ExpiryTold)) {
            return self.renew(Cause::RowGone, now);
        }
        self.move_to(0, now);
    }

    fn known(&mut self, row: &ClientRow, now: Now) {
        let last = row.client_seq;
        if last > self.mark || self.adopt(row) == Wording::Foreign {
            return self.renew(Cause::NotAlone, now);
        }
        if last + 1 < self.held.from() && rule_holds(Rule::LossTold) {
            return self.renew(Cause::NotHeld, now);
        }
        self.move_to(last, now);
    }

    /// What the log holds under this client's last numbers counts.
    fn adopt(&mut self, row: &ClientRow) -> Wording {
        let Some(subject) = self.subject.clone() else {
            return Wording::Mine;
        };
        let oldest = (row.client_seq + 1).saturating_sub(row.digests.len() as ClientSeq);
        for (number, digest) in (oldest..).zip(row.digests.iter().copied()) {
            let client = &self.client;
            let wording = self
                .held
                .entry_mut(number)
                .map(|e| e.adopt_digest(&subject, client, number, digest));
            if wording == Some(Wording::Foreign) {
                return Wording::Foreign;
            }
        }
        Wording::Mine
    }

    /// Everything up to `last` is in the log, and nothing after it.
    fn move_to(&mut self, last: ClientSeq, now: Now) {
        for (number, entry) in self.held.iter_mut() {
            if number > last && number <= self.mark {
                entry.unsettled = true;
                entry.lost = true;
                entry.acked_at = None;
            }
        }
        self.settled = last;
        self.sent = last;
        self.acked = self.acked.min(last);
        // What is in the log without an acknowledgement still waits for one.
        let due = now.elapsed_ms + self.limits.answer_timeout_ms;
        self.answer_due_ms = (last > self.acked).then_some(due);
        self.recount();
    }
}
