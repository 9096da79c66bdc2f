//! Replicas: a shard takes what came in, and what it asks of the bus is under way.

use std::collections::VecDeque;

use inkwire_bus::{BusEvent, Listener as _};

use super::{Event, World};
use crate::{
    agenda::{MS, Micros},
    replica::{Replica, ReplicaRef, Request},
    rng::Rng,
};

impl World {
    pub(super) fn alive(&self, at: ReplicaRef) -> bool {
        let replica = &self.replicas[at.n];
        replica.is_up && replica.incarnation == at.incarnation
    }

    pub(super) fn this_life(&self, n: usize) -> ReplicaRef {
        ReplicaRef {
            n,
            incarnation: self.replicas[n].incarnation,
        }
    }

    /// The bus has something to say to a hub.
    pub(super) fn hear(&mut self, at: ReplicaRef, event: BusEvent) {
        if self.alive(at) {
            let tag = 10 + at.n as u64;
            self.note_with(tag, || format!("r{} hears {}", at.n, said(&event)));
            self.replicas[at.n].router.hear(event);
            self.wake_soon(at.n);
        }
    }

    /// There is something in the mailbox, or in the commands.
    pub(super) fn wake_soon(&mut self, n: usize) {
        let at = self.after(0, 100);
        self.wake_at(n, at);
    }

    fn wake_at(&mut self, n: usize, at: Micros) {
        if self.replicas[n].alarm.set(at) {
            let life = self.this_life(n);
            self.agenda.add(at, Event::Wake(life));
        }
    }

    pub(super) fn wake(&mut self, at: ReplicaRef) {
        if !self.alive(at) || !self.replicas[at.n].alarm.rings(self.now) {
            return;
        }
        let now = self.instant();
        let replica = &mut self.replicas[at.n];
        let mut letters = VecDeque::new();
        replica.mailbox.take(&mut letters);
        let mut commands = std::mem::take(&mut replica.commands);
        replica.shard.batch(&mut letters, &mut commands, now);
        let requests = replica.requests.take();
        let deadline = replica.shard.next_deadline();
        for request in requests {
            self.request(at, request);
        }
        self.look_at_links_of(at);
        let deadline = self.micros(deadline).max(self.now + 1);
        self.wake_at(at.n, deadline);
    }

    fn request(&mut self, at: ReplicaRef, request: Request) {
        match request {
            Request::Subscribe => {
                let bus = &mut self.replicas[at.n].bus;
                bus.wants = true;
                let epoch = bus.epoch;
                let confirm_max = self.plan.confirm_max;
                self.add_after(200, confirm_max, Event::Subscribe(at, epoch));
            }
            Request::Unsubscribe => {
                let bus = &mut self.replicas[at.n].bus;
                (bus.wants, bus.subscribed, bus.deaf) = (false, false, false);
                bus.epoch += 1;
            }
            Request::Append(append) => {
                let handed_over = (self.now, append);
                self.replicas[at.n].bus.gathering.push_back(handed_over);
                self.fly(at);
            }
            Request::Read(read) => {
                let early = self.broken.row_before_log;
                let standings = early.then(|| self.redis.read(&read).standings);
                // Two calls instead of one leave time between them.
                let within = if early { 50 * MS } else { 800 };
                self.add_after(100, within, Event::Read(at, read, standings));
            }
            Request::Heads(documents) => {
                self.add_after(100, 800, Event::Heads(at, documents));
            }
            Request::Signal(signal) => {
                let document = self.document.clone();
                let signal = signal.into();
                self.announce(&BusEvent::Signal { document, signal });
            }
        }
    }

    /// A replica dies with all that it knows; the calls that it made are still under way.
    pub(super) fn crash(&mut self, n: usize) {
        self.counts.add("replica crashed");
        self.note(30, format_args!("r{n} crashes"));
        self.replicas[n].is_up = false;
        let life = self.this_life(n);
        self.links_die_with(life);
        self.add_after(100_000, 4_000_000, Event::Restart(life));
    }

    pub(super) fn restart(&mut self, at: ReplicaRef) {
        let replica = &self.replicas[at.n];
        if replica.is_up || replica.incarnation != at.incarnation {
            return;
        }
        self.note(31, format_args!("r{} starts again", at.n));
        let rng = Rng::new(self.rng.next());
        let fresh = Replica::start(at.incarnation + 1, &self.plan, self.instant(), rng);
        self.replicas[at.n] = fresh;
        self.wake_soon(at.n);
    }
}

/// A bus event in a few words.
fn said(event: &BusEvent) -> String {
    match event {
        BusEvent::Subscribed(_) => "that it is subscribed".to_owned(),
        BusEvent::Suspect(suspicion) => format!("{suspicion:?}"),
        BusEvent::Heard { entries, .. } => {
            let texts: Vec<String> = entries.iter().map(|entry| told(entry)).collect();
            texts.join(", ")
        }
        BusEvent::Signal { .. } => "a signal".to_owned(),
        BusEvent::Appended { result, .. } => format!("append: {result:?}"),
        BusEvent::Page {
            result: Ok(page), ..
        } => format!(
            "page: {:?} after {} {} entries, head {}, standings {:?}",
            page.continuity,
            page.after,
            page.entries.len(),
            page.head,
            page.standings
                .iter()
                .map(|s| (s.revoked, s.row.as_ref().map(|r| r.client_seq)))
                .collect::<Vec<_>>(),
        ),
        BusEvent::Page { result: Err(_), .. } => "page: unavailable".to_owned(),
        BusEvent::Presence { .. } | BusEvent::PresenceAnswered { .. } | BusEvent::LeaseLost => {
            "of who is here".to_owned()
        }
        BusEvent::Heads(heads) => {
            let positions: Vec<_> = heads.iter().map(|head| head.position).collect();
            format!("heads {positions:?}")
        }
    }
}

/// An entry in a few words.
pub(super) fn told(entry: &inkwire_model::Entry) -> String {
    format!(
        "{} {}",
        entry.position,
        String::from_utf8_lossy(&entry.payload)
    )
}
