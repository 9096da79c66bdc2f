//! What is left goes out under a new client, once nothing of the old one can land any more.
//!
//! A writer first falls silent until the deadline of its last call has passed, then asks the row
//! once more by a join, and only that answer says what the log has and what it never will.

use inkwire_model::{ClientRow, ClientSeq, Subject};

use crate::core::{Event, Jitter, LossCause, Now};

use super::{
    Events, Writer, fresh_client,
    held::{Held, HeldEntry, Wording},
};

/// Why a client is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The log does not know it, and what it wrote is not all held or too old to tell.
    RowGone,
    /// The log ends before what is held.
    NotHeld,
    /// Somebody else writes under it.
    NotAlone,
    /// An entry was refused of which an earlier attempt may have landed.
    Refused,
}

#[derive(Debug)]
pub(super) struct Renewal {
    cause: Cause,
    /// When nothing that was sent can land any more.
    pub(super) quiet_until_ms: u64,
}

/// What a given-up client's entry became.
enum Fate {
    InLog,
    Absent,
    Unknowable(LossCause),
}

impl Writer {
    pub(super) fn renew(&mut self, cause: Cause, now: Now) {
        if self.renewal.is_some() {
            return;
        }
        let last_ms = self.last_sent.map_or(0, |sent| sent.elapsed_ms);
        let quiet_until_ms = match self.last_sent {
            Some(_) => last_ms + self.limits.landing_ms,
            None => now.elapsed_ms,
        };
        self.renewal = Some(Renewal {
            cause,
            quiet_until_ms,
        });
        self.answer_due_ms = None;
        self.rejoin = quiet_until_ms <= now.elapsed_ms;
    }

    /// A join that was asked at `asked` answered with `row`. Whether the client changed: then the
    /// document has to be joined again under the new one.
    pub fn settle_renewal(
        &mut self,
        row: Option<&ClientRow>,
        asked: Now,
        now: Now,
        jitter: &mut Jitter,
        out: &mut Events,
    ) -> bool {
        let Some(renewal) = &self.renewal else {
            return false;
        };
        if asked.elapsed_ms < renewal.quiet_until_ms {
            return false;
        }
        let cause = renewal.cause;
        let held = std::mem::replace(&mut self.held, Held::starting_at(1));
        let mut losses = Losses::default();
        let last = row.map_or(0, |row| row.client_seq);
        if last + 1 < held.from() {
            let idle = self.last_sent.is_none_or(|at| self.is_too_old(at, now));
            let cause = match row {
                None if idle => LossCause::RowExpired,
                _ => LossCause::NotHeld,
            };
            losses.add(last + 1, held.from() - 1, cause);
        }
        for (number, mut entry) in held.into_entries() {
            match self.fate(number, &mut entry, row, now) {
                Fate::InLog => self.found(number, entry, row, out),
                Fate::Unknowable(cause) => losses.add(number, number, cause),
                Fate::Absent => match entry.refused.take() {
                    Some(nack) => {
                        self.counts.refused += 1;
                        let append = entry.append;
                        out.push(Event::Nack { append, nack });
                    }
                    None => self.held.push(entry.unsent()),
                },
            }
        }
        self.report(losses, out);
        tracing::debug!(?cause, client = %self.client, "writing goes on under a new client");
        self.start_over(jitter, out);
        true
    }

    /// The session belongs to `subject`. Another one is another client, and must not say what the
    /// former had still to say.
    pub fn authenticated_as(&mut self, subject: &Subject, jitter: &mut Jitter, out: &mut Events) {
        let former = self.subject.replace(subject.clone());
        if former.is_none_or(|former| former == *subject) {
            return;
        }
        self.forfeit(LossCause::SubjectChanged, out);
        self.start_over(jitter, out);
    }

    /// Nothing more can be written: what is not acknowledged is reported.
    pub fn forfeit(&mut self, cause: LossCause, out: &mut Events) {
        let held = std::mem::replace(&mut self.held, Held::starting_at(1));
        let mut losses = Losses::default();
        for (number, _) in held.iter().filter(|(n, _)| *n > self.acked) {
            losses.add(number, number, cause);
        }
        self.report(losses, out);
        self.recount();
    }

    /// Whether the log may have forgotten the row of what was sent at `at`.
    pub(super) fn is_too_old(&self, at: Now, now: Now) -> bool {
        now.since_ms(at) >= self.limits.resend_age_max_ms
    }

    fn fate(
        &self,
        number: ClientSeq,
        entry: &mut HeldEntry,
        row: Option<&ClientRow>,
        now: Now,
    ) -> Fate {
        let Some(row) = row else {
            let expired = entry.first_sent.is_some_and(|at| self.is_too_old(at, now));
            return if expired {
                Fate::Unknowable(LossCause::RowExpired)
            } else {
                Fate::Absent
            };
        };
        if number > row.client_seq || number > self.mark {
            return Fate::Absent;
        }
        match (row.digest_of(number), &self.subject) {
            (Some(digest), Some(subject)) => {
                match entry.adopt_digest(subject, &self.client, number, digest) {
                    Wording::Mine => Fate::InLog,
                    Wording::Foreign => Fate::Absent,
                }
            }
            _ if number <= self.acked => Fate::InLog,
            _ => Fate::Unknowable(LossCause::Unknown),
        }
    }

    fn found(
        &mut self,
        number: ClientSeq,
        entry: HeldEntry,
        row: Option<&ClientRow>,
        out: &mut Events,
    ) {
        if let (false, Some(row)) = (entry.announced, row) {
            self.counts.acknowledged += 1;
            out.push(Event::Acked {
                append: entry.append,
                client_seq: number,
                position: row.position,
            });
        }
    }

    fn report(&mut self, losses: Losses, out: &mut Events) {
        for (from, to, cause) in losses.0 {
            self.counts.lost += to - from + 1;
            out.push(Event::Lost {
                client: self.client.clone(),
                from,
                to,
                cause,
            });
        }
    }

    fn start_over(&mut self, jitter: &mut Jitter, out: &mut Events) {
        self.client = fresh_client(jitter);
        (self.settled, self.acked, self.sent, self.mark) = (0, 0, 0, 0);
        self.last_sent = None;
        self.answer_due_ms = None;
        self.renewal = None;
        self.rejoin = false;
        self.recount();
        out.push(Event::Renewed {
            client: self.client.clone(),
        });
    }
}

/// Numbers that were lost, as ranges of one cause.
#[derive(Default)]
struct Losses(Vec<(ClientSeq, ClientSeq, LossCause)>);

impl Losses {
    fn add(&mut self, from: ClientSeq, to: ClientSeq, cause: LossCause) {
        match self.0.last_mut() {
            Some(last) if last.1 + 1 == from && last.2 == cause => last.1 = to,
            _ => self.0.push((from, to, cause)),
        }
    }
}
