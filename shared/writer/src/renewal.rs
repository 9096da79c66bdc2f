//! What is left goes out under a new client, once nothing of the old one can land any more.
//!
//! A writer first falls silent and leaves, so that the session makes no further calls for it. When
//! the deadline of the last ones has passed it asks the row once more by a join, and only that
//! answer says what the log has and what it never will. It may read meanwhile.

use inkwire_model::{ClientRow, ClientSeq, Rule, Subject, rule_holds};

use crate::{AppendId, Event, Jitter, LossCause, Now};

use super::{
    Events, Writer, fresh_client,
    held::{Held, HeldEntry, Wording},
    released::Released,
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
        self.renewal = Some(cause);
        self.answer_due_ms = None;
        self.rejoin = self.landed_by_ms.is_none() || self.has_landed(now);
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
        let Some(cause) = self.renewal.filter(|_| self.has_landed(asked)) else {
            return false;
        };
        let held = std::mem::replace(&mut self.held, Held::starting_at(1));
        let mut losses = Losses::default();
        let last = row.map_or(0, |row| row.client_seq);
        if last + 1 < held.from() {
            let idle = self.last_sent.is_none_or(|at| self.is_too_old(at, now));
            let cause = match row {
                None if idle => LossCause::RowExpired,
                _ => LossCause::NotHeld,
            };
            let number = last + 1..=held.from() - 1;
            // A client from another process does not know what it forgot there.
            let first = self
                .released
                .append_of(*number.start())
                .unwrap_or(AppendId(0));
            let to = self
                .released
                .append_of(*number.end())
                .unwrap_or(AppendId(0));
            losses.0.push(Loss {
                from: *number.start(),
                to: *number.end(),
                first,
                last: to,
                cause,
            });
        }
        for (number, mut entry) in held.into_entries() {
            match self.fate(number, &mut entry, row, now) {
                Fate::InLog => self.found(number, entry, row, out),
                Fate::Unknowable(cause) => losses.add(number, entry.append, cause),
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
        self.start_over(Some(last), jitter, out);
        true
    }

    /// The session belongs to `subject`. Another one is another client, and must not say what the
    /// former had still to say.
    pub fn authenticated_as(&mut self, subject: &Subject, jitter: &mut Jitter, out: &mut Events) {
        let former = self.subject.replace(subject.clone());
        let is_same = former.is_none_or(|former| former == *subject);
        if is_same || !rule_holds(Rule::SubjectIsClient) {
            return;
        }
        self.forfeit(LossCause::SubjectChanged, out);
        self.start_over(None, jitter, out);
    }

    /// Nothing more can be written: what is not acknowledged is reported.
    pub fn forfeit(&mut self, cause: LossCause, out: &mut Events) {
        let held = std::mem::replace(&mut self.held, Held::starting_at(1));
        let mut losses = Losses::default();
        for (number, entry) in held.iter().filter(|(n, _)| *n > self.acked) {
            losses.add(number, entry.append, cause);
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
        for Loss {
            from,
            to,
            first,
            last,
            cause,
        } in losses.0
        {
            self.counts.lost += to - from + 1;
            out.push(Event::Lost {
                client: self.client.clone(),
                from,
                to,
                appends: (first, last),
                cause,
            });
        }
    }

    fn start_over(&mut self, last: Option<ClientSeq>, jitter: &mut Jitter, out: &mut Events) {
        self.client = fresh_client(jitter);
        self.released = Released::default();
        (self.settled, self.acked, self.sent, self.mark) = (0, 0, 0, 0);
        self.last_sent = None;
        self.landed_by_ms = Some(0);
        self.answer_due_ms = None;
        self.renewal = None;
        self.rejoin = false;
        self.recount();
        out.push(Event::Renewed {
            client: self.client.clone(),
            last,
        });
    }
}

/// Numbers that were lost, as ranges of one cause.
#[derive(Default)]
struct Losses(Vec<Loss>);

struct Loss {
    from: ClientSeq,
    to: ClientSeq,
    first: AppendId,
    last: AppendId,
    cause: LossCause,
}

impl Losses {
    fn add(&mut self, number: ClientSeq, append: AppendId, cause: LossCause) {
        match self.0.last_mut() {
            Some(loss) if loss.to + 1 == number && loss.cause == cause => {
                (loss.to, loss.last) = (number, append);
            }
            _ => self.0.push(Loss {
                from: number,
                to: number,
                first: append,
                last: append,
                cause,
            }),
        }
    }
}
