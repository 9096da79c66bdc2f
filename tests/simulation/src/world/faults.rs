//! What goes wrong, and when.

use inkwire_model::ClientKey;

use super::{Event, Revocation, World};
use crate::{
    agenda::{MS, SECOND},
    link::Up,
};

/// A day, which is when rows expire.
const DAY_MS: u64 = 24 * 3_600_000;

impl World {
    pub(super) fn next_fault(&mut self) {
        let every = self.plan.fault_every;
        self.add_after(MS, 2 * every, Event::Fault);
    }

    pub(super) fn fault(&mut self) {
        if !self.faults {
            return;
        }
        self.next_fault();
        self.ask_for_revocation();
        let client = self.rng.index(self.clients.len());
        let replica = self.rng.index(self.replicas.len());
        if self.plan.calm {
            // What belongs to a good day.
            match self.rng.below(4) {
                0 => self.reload(client),
                1 if self.replicas[replica].is_up => self.crash(replica),
                _ => self.disconnect(client),
            }
            return;
        }
        match self.rng.below(100) {
            0..16 => {
                if let Some(key) = self.clients[client].page.link {
                    self.cut(key);
                }
            }
            16..22 => self.reload(client),
            22..25 => {
                let has_part = client == 0 || client == self.clients.len() - 1;
                if self.plan.changes_user && !has_part {
                    self.change_user(client);
                }
            }
            25..32 => {
                if self.replicas[replica].is_up {
                    self.crash(replica);
                }
            }
            32..42 => self.lose_subscription(replica),
            42..50 => self.deafen(replica),
            50..54 => self.redis_restarts(),
            54..66 => {
                self.redis.save();
                self.counts.add("copy saved");
            }
            66..80 => self.roll_back(),
            80..84 => {
                if self.plan.empties {
                    self.empty();
                }
            }
            84..89 => self.away(replica),
            89..92 => {
                if let Some(key) = self.clients[client].page.link {
                    let until = self.after(SECOND, 8 * SECOND);
                    self.links[key].slow_until = until;
                    self.counts.add("slow reader");
                    self.note(70, format_args!("c{client} reads nothing for a while"));
                }
            }
            92..94 => {
                if self.plan.expires {
                    self.fall_asleep(client);
                }
            }
            94..99 => self.dies_soon = true,
            _ => self.disconnect(client),
        }
    }

    /// A polite goodbye.
    fn disconnect(&mut self, client: usize) {
        if let Some(key) = self.clients[client].page.link {
            self.send_up(key, Up::End);
            self.page_lost_link(key);
        }
    }

    /// The master has a copy now, and is to die soon after the next append.
    pub(super) fn dies_after(&mut self) {
        if std::mem::take(&mut self.dies_soon) {
            let soon = self.rng.pick(&[3 * MS, 300 * MS]);
            self.add_after(100, soon, Event::Dies);
        }
    }

    fn ask_for_revocation(&mut self) {
        if !self.plan.revokes || self.now < 3 * SECOND {
            return;
        }
        match self.revocation {
            Revocation::None if self.rng.chance(150) => self.revoke(),
            Revocation::Asked(at) if self.now > at + 4 * SECOND => self.revoke(),
            _ => {}
        }
    }

    /// All connections break; the log stands.
    fn redis_restarts(&mut self) {
        self.counts.add("Redis restarted");
        self.note(71, format_args!("Redis restarts"));
        for n in 0..self.replicas.len() {
            let until = self.after(10 * MS, SECOND);
            self.replicas[n].bus.away_until = until;
            self.lose_subscription(n);
        }
    }

    /// A stale copy is promoted: what was appended since is gone, and its numbers are handed out again.
    pub(super) fn roll_back(&mut self) {
        let before = self.rows();
        let Some(gone) = self.redis.roll_back() else {
            return;
        };
        self.excuse_who_lost(&before);
        self.counts.add("rolled back");
        if gone > 0 {
            self.counts.add("rolled back, entries gone");
        }
        let head = self.redis.head();
        self.note(
            72,
            format_args!("a stale copy is promoted: {gone} entries gone, head {head:?}"),
        );
        self.replicas_of_the_former_master();
    }

    fn empty(&mut self) {
        self.counts.add("Redis emptied");
        self.note(73, format_args!("Redis comes back empty"));
        let before = self.rows();
        self.redis.empty();
        self.excuse_who_lost(&before);
        self.replicas_of_the_former_master();
    }

    /// Some notice at once, the others only by the probe.
    fn replicas_of_the_former_master(&mut self) {
        for n in 0..self.replicas.len() {
            if self.rng.chance(500) {
                self.lose_subscription(n);
            } else {
                self.deafen(n);
            }
        }
    }

    fn away(&mut self, n: usize) {
        self.counts.add("Redis away from a replica");
        self.note(74, format_args!("Redis is away from r{n}"));
        let until = self.after(50 * MS, 4 * SECOND);
        self.replicas[n].bus.away_until = until;
        self.lose_subscription(n);
    }

    /// A machine sleeps for a day, and the log forgets its client.
    fn fall_asleep(&mut self, client: usize) {
        self.disconnect(client);
        self.clients[client].is_asleep = true;
        self.add_after(7 * SECOND, 8 * SECOND, Event::WakesUp(client));
    }

    pub(super) fn wakes_up(&mut self, client: usize) {
        // Nothing of it is under way after a day.
        if self.faults && self.has_calls_under_way(client) {
            return self.add_after(SECOND, 2 * SECOND, Event::WakesUp(client));
        }
        let of = &mut self.clients[client];
        of.is_asleep = false;
        let page = of.page.n;
        self.add_after(MS, SECOND, Event::Connect(client, page));
        let of = &self.clients[client];
        let document = of.page.core.document(&self.document);
        let id = document.and_then(|document| document.client());
        if let (Some(author), Some(id)) = (&of.page.record.author, id) {
            let key = ClientKey {
                subject: author.clone(),
                client: id.clone(),
            };
            if self.faults && self.redis.expire(&key) {
                self.clients[client].slept_ms += DAY_MS;
                self.clients[client].page.record.excuses.row_expired = true;
                self.counts.add("row expired");
                self.note(
                    75,
                    format_args!("c{client} slept for a day, its row is gone"),
                );
            }
        }
    }

    fn has_calls_under_way(&self, client: usize) -> bool {
        let is_open = |link: &crate::link::Link| {
            link.client == client && (link.replica_open || !link.up.is_empty())
        };
        let in_flight = |replica: &crate::replica::Replica| replica.bus.in_flight;
        self.links.iter().any(is_open)
            || self.replicas.iter().any(in_flight)
            || self.last_late_call_until > self.now
    }
}
