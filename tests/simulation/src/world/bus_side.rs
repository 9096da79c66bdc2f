//! Redis and the ways to it: calls, reads, announcements, subscriptions.

use inkwire_bus::{AppendOutcome, BusEvent, Head, Read, Standing, Suspicion, Unavailable};
use inkwire_model::DocumentId;

use super::{CALL, Event, Flight, World, hub_side::told};
use crate::{
    agenda::{MS, SECOND},
    plan::Level,
    redis::changes_access,
    replica::ReplicaRef,
};

impl World {
    fn is_away(&self, n: usize) -> bool {
        self.replicas[n].bus.away_until > self.now
    }

    /// One call of a document is in flight at a time; meanwhile the next gathers.
    pub(super) fn fly(&mut self, from: ReplicaRef) {
        let is_away = self.is_away(from.n);
        let bus = &mut self.replicas[from.n].bus;
        if bus.in_flight || bus.gathering.is_empty() {
            return;
        }
        let appends: Vec<_> = bus.gathering.drain(..).collect();
        bus.in_flight = true;
        let may_fail = self.faults && !self.plan.calm;
        if is_away {
            self.counts.add("append while Redis is away");
            self.give_up(from, &appends, 50 * MS);
        } else if may_fail && self.rng.chance(self.plan.late) {
            self.counts.add("call late");
            self.give_up(from, &appends, 200 * MS);
            // It may even come after its deadline.
            self.last_late_call_until = self.now + CALL + SECOND;
            let flight = Flight {
                from,
                appends,
                is_awaited: false,
            };
            self.add_after(MS, CALL + SECOND, Event::Execute(flight));
        } else {
            let flight = Flight {
                from,
                appends,
                is_awaited: true,
            };
            self.add_after(100, 800, Event::Execute(flight));
        }
    }

    /// The outcome is unknown to the replica.
    fn give_up(
        &mut self,
        from: ReplicaRef,
        appends: &[(crate::agenda::Micros, inkwire_bus::Append)],
        within: crate::agenda::Micros,
    ) {
        let at = self.after(MS, within);
        for (_, append) in appends {
            let (ticket, document) = (append.ticket, append.document.clone());
            let result = Err(Unavailable);
            let answer = BusEvent::Appended {
                ticket,
                document,
                result,
            };
            self.agenda.add(at, Event::Hear(from, answer));
        }
        self.agenda.add(at, Event::Landed(from));
    }

    pub(super) fn landed(&mut self, from: ReplicaRef) {
        if self.alive(from) {
            self.replicas[from.n].bus.in_flight = false;
            self.fly(from);
        }
    }

    pub(super) fn execute(&mut self, flight: Flight) {
        let Flight {
            from,
            appends,
            is_awaited,
        } = flight;
        let mut outcomes = Vec::with_capacity(appends.len());
        let mut must_wait = false;
        let dies = self.dies_soon && self.faults;
        if dies {
            self.redis.save();
        }
        for (handed_over, append) in &appends {
            let appended = self.redis.append(append, self.now > handed_over + CALL);
            for entry in &appended.entries {
                self.recorder.stood(entry.position);
                let tag = 40 + entry.position.seq;
                self.note_with(tag, || format!("log: {} by r{}", told(entry), from.n));
                self.appended.push((self.now, entry.position.seq));
                if !is_awaited {
                    self.counts.add("late append landed");
                }
            }
            self.count_outcomes(&appended.outcomes);
            let changed = !appended.entries.is_empty() || !self.broken.duplicates_do_not_wait;
            let access = changes_access(append) && !self.broken.revocations_do_not_wait;
            must_wait |= !append.unconfirmed
                && ((self.plan.level == Level::Replicated && changed) || access);
            if !appended.entries.is_empty() {
                let document = self.document.clone();
                let entries = appended.entries;
                self.announce(&BusEvent::Heard { document, entries });
            }
            outcomes.push(appended.outcomes);
        }
        if dies {
            self.dies_after();
        }
        if !is_awaited {
            return;
        }
        let may_fail = self.faults && !self.plan.calm;
        if must_wait && may_fail && self.rng.chance(300) {
            self.counts.add("wait failed");
            return self.give_up(from, &appends, 500 * MS);
        }
        if must_wait {
            self.redis.save();
        }
        if may_fail && self.rng.chance(self.plan.reply_lost) {
            self.counts.add("reply lost");
            return self.give_up(from, &appends, 2 * SECOND);
        }
        let at = self.after(100, 800);
        for ((_, append), outcomes) in appends.into_iter().zip(outcomes) {
            let answer = BusEvent::Appended {
                ticket: append.ticket,
                document: append.document,
                result: Ok(outcomes),
            };
            self.agenda.add(at, Event::Hear(from, answer));
        }
        self.agenda.add(at, Event::Landed(from));
    }

    fn count_outcomes(&mut self, outcomes: &[AppendOutcome]) {
        use inkwire_bus::Refusal;
        for outcome in outcomes {
            self.counts.add(match outcome {
                AppendOutcome::Appended(_) => "entry appended",
                AppendOutcome::Duplicate(_) => "duplicate",
                AppendOutcome::Refused(Refusal::Gap { .. }) => "refused: gap",
                AppendOutcome::Refused(Refusal::UnknownClient) => "refused: unknown client",
                AppendOutcome::Refused(Refusal::ClientConflict { .. }) => "refused: conflict",
                AppendOutcome::Refused(Refusal::Revoked) => "refused: revoked",
                AppendOutcome::Refused(Refusal::Expired) => "refused: after its deadline",
                AppendOutcome::Refused(
                    Refusal::LogFull | Refusal::Comment(_) | Refusal::Dropped,
                ) => "refused: dropped",
            });
        }
    }

    pub(super) fn read(&mut self, from: ReplicaRef, read: &Read, standings: Option<Vec<Standing>>) {
        let may_fail = self.faults && !self.plan.calm;
        let fails = self.is_away(from.n) || (may_fail && self.rng.chance(self.plan.reply_lost));
        let result = if fails {
            self.counts.add("read failed");
            Err(Unavailable)
        } else {
            self.counts.add("read");
            let mut page = self.redis.read(read);
            page.standings = standings.unwrap_or(page.standings);
            Ok(page)
        };
        let answer = BusEvent::Page {
            ticket: read.ticket,
            document: read.document.clone(),
            result,
        };
        let slowly = self.plan.read_max;
        self.add_after(100, slowly, Event::Hear(from, answer));
    }

    pub(super) fn heads(&mut self, from: ReplicaRef, documents: Vec<DocumentId>) {
        let is_told = !self.is_away(from.n) && !self.broken.heads_not_compared;
        let position = self.redis.head().filter(|_| is_told);
        let head = |document| Head {
            document,
            position,
            covered: None,
            presence: None,
        };
        let answer = BusEvent::Heads(documents.into_iter().map(head).collect());
        self.add_after(100, 800, Event::Hear(from, answer));
    }

    /// Redis publishes; what becomes of it on the way to each replica is another matter.
    pub(super) fn announce(&mut self, event: &BusEvent) {
        for n in 0..self.replicas.len() {
            let replica = &self.replicas[n];
            if !replica.is_up || !replica.bus.subscribed {
                continue;
            }
            if replica.bus.deaf {
                self.counts.add("announcement to the deaf");
                continue;
            }
            let what = if self.faults {
                self.rng.below(1_000)
            } else {
                999
            };
            let life = self.this_life(n);
            let epoch = self.replicas[n].bus.epoch;
            let [drop, lag, repeat, delay] = [
                self.plan.drop,
                self.plan.drop + self.plan.lag,
                self.plan.drop + self.plan.lag + self.plan.repeat,
                self.plan.drop + self.plan.lag + self.plan.repeat + self.plan.delay,
            ];
            if what < drop {
                self.counts.add("announcement dropped");
            } else if what < lag {
                self.counts.add("announcement lagged");
                let which = self.rng.chance(500).then(|| vec![self.document.clone()]);
                let lagged = BusEvent::Suspect(Suspicion::Lagged(which));
                self.add_after(100, 800, Event::Hear(life, lagged));
            } else if what < repeat {
                self.counts.add("announcement repeated");
                self.announce_in_order(life, event.clone());
                let late = Event::Announced(life, epoch, event.clone());
                self.add_after(MS, 900 * MS, late);
            } else if what < delay {
                self.counts.add("announcement overtaken");
                let late = Event::Announced(life, epoch, event.clone());
                self.add_after(MS, 900 * MS, late);
            } else {
                self.announce_in_order(life, event.clone());
            }
        }
    }

    fn announce_in_order(&mut self, to: ReplicaRef, event: BusEvent) {
        let slowest = self.plan.announce_max;
        let at = self.after(100, slowest);
        let bus = &mut self.replicas[to.n].bus;
        bus.heard_at = bus.heard_at.max(at);
        let (at, epoch) = (bus.heard_at, bus.epoch);
        self.agenda.add(at, Event::Announced(to, epoch, event));
    }

    pub(super) fn announced(&mut self, to: ReplicaRef, epoch: u32, event: BusEvent) {
        if self.alive(to) && self.replicas[to.n].bus.epoch == epoch {
            self.hear(to, event);
        }
    }

    pub(super) fn subscribe(&mut self, from: ReplicaRef, epoch: u32) {
        let bus = &self.replicas[from.n].bus;
        if !self.alive(from) || bus.epoch != epoch || !bus.wants || bus.subscribed {
            return;
        }
        if self.is_away(from.n) {
            return self.add_after(50 * MS, 500 * MS, Event::Subscribe(from, epoch));
        }
        let bus = &mut self.replicas[from.n].bus;
        (bus.subscribed, bus.deaf) = (true, false);
        let subscribed = BusEvent::Subscribed(self.document.clone());
        self.announce_in_order(from, subscribed);
    }

    /// The subscriber connection breaks, and the replica knows.
    pub(super) fn lose_subscription(&mut self, n: usize) {
        let life = self.this_life(n);
        if !self.replicas[n].is_up {
            return;
        }
        self.counts.add("subscription lost");
        let bus = &mut self.replicas[n].bus;
        (bus.subscribed, bus.deaf) = (false, false);
        bus.epoch += 1;
        let (wants, epoch) = (bus.wants, bus.epoch);
        if wants {
            let lost = BusEvent::Suspect(Suspicion::Lost(vec![self.document.clone()]));
            self.hear(life, lost);
            let confirm_max = self.plan.confirm_max;
            self.add_after(MS, 50 * MS + confirm_max, Event::Subscribe(life, epoch));
        }
    }

    /// It breaks, and nobody knows; the probe finds out within three seconds.
    pub(super) fn deafen(&mut self, n: usize) {
        let life = self.this_life(n);
        let replica = &mut self.replicas[n];
        let bus = &mut replica.bus;
        if replica.is_up && bus.subscribed && !bus.deaf {
            bus.deaf = true;
            let epoch = bus.epoch;
            self.counts.add("subscription deaf");
            self.note(33, format_args!("r{n} is deaf"));
            self.add_after(500 * MS, 3 * SECOND, Event::Probe(life, epoch));
        }
    }

    pub(super) fn probe(&mut self, at: ReplicaRef, epoch: u32) {
        let bus = &self.replicas[at.n].bus;
        if self.alive(at) && bus.epoch == epoch && bus.deaf {
            self.lose_subscription(at.n);
        }
    }
}
