//! Links: bytes between pages and sessions, and the many ways in which they end.

use std::{collections::VecDeque, sync::Arc};

use inkwire_hub::{Outbox, OutboxLimits, Request};
use inkwire_protocol::native::ClientPacket;
use inkwire_session::{
    Framing, Presented,
    native::{NativeSession, farewell},
};

use super::{Event, World};
use crate::{
    agenda::{Alarm, MS, SECOND},
    link::{Down, Link, LinkKey, Pipe, Up, next_frame},
    replica::ReplicaRef,
};

/// What a kernel keeps for a peer: little, so that a slow reader is found out.
const PIPE_BYTES: usize = 4 << 10;

impl World {
    pub(super) fn connect(&mut self, client: usize, page: u32) {
        let current = &self.clients[client].page;
        let is_asleep = self.clients[client].is_asleep;
        if is_asleep
            || current.n != page
            || current.link.is_some()
            || current.record.ended.is_some()
        {
            return;
        }
        let up: Vec<usize> = (0..self.replicas.len())
            .filter(|n| self.replicas[*n].is_up)
            .collect();
        if up.is_empty() {
            return self.add_after(50 * MS, 500 * MS, Event::Connect(client, page));
        }
        let replica = self.rng.pick(&up);
        let encoding = current.encoding;
        let limits = if self.plan.small_outbox {
            OutboxLimits {
                messages_max: 12,
                bytes_max: 4 << 10,
            }
        } else {
            OutboxLimits::default()
        };
        let outbox = Arc::new(Outbox::new(
            Pipe::new(PIPE_BYTES),
            limits,
            farewell(encoding, Framing::WebSocket),
        ));
        let session = NativeSession::open(
            self.context.clone(),
            encoding,
            Framing::WebSocket,
            outbox.clone(),
            Presented::Nothing,
            self.instant(),
        );
        let key = self.links.len();
        self.links.push(Link {
            client,
            page,
            replica,
            incarnation: self.replicas[replica].incarnation,
            session,
            outbox,
            encoding,
            up: VecDeque::new(),
            up_at: 0,
            page_open: true,
            replica_open: true,
            carries_up: true,
            carries_down: true,
            slow_until: 0,
            partial: Vec::new(),
            read_scheduled: false,
            alarm: Alarm::default(),
        });
        self.counts.add("connected");
        self.note(
            50,
            format_args!("c{client} connects to r{replica} (link {key})"),
        );
        let (now, token) = {
            let client = &self.clients[client];
            (client.now(self.now), client.token())
        };
        let page = &mut self.clients[client].page;
        page.link = Some(key);
        page.core.opened(Some(token), now);
        self.pass_outputs(client);
        self.look_at(key);
    }

    /// A page sends something; it keeps its place behind what was sent before.
    pub(super) fn send_up(&mut self, key: LinkKey, up: Up) {
        let at = self.after(MS, 30 * MS);
        let link = &mut self.links[key];
        link.up_at = link.up_at.max(at);
        link.up.push_back(up);
        let at = link.up_at;
        self.agenda.add(at, Event::Arrives(key));
    }

    pub(super) fn arrives(&mut self, key: LinkKey) {
        let (now, wall_ms) = (self.instant(), self.wall_ms());
        let link = &mut self.links[key];
        let Some(up) = link.up.pop_front() else {
            return;
        };
        if !link.carries_up || !link.replica_open {
            return;
        }
        match up {
            Up::Packet(bytes) => {
                let (client, encoding) = (link.client, link.encoding);
                link.session.receive(&bytes, now, wall_ms);
                self.note_with(51, || {
                    let said = asked(&encoding.decode_client(&bytes).unwrap());
                    format!("link {key}: c{client} said {said}")
                });
            }
            Up::Pong => link.session.heard(now),
            Up::End => return self.replica_notices(key),
        }
        self.look_at(key);
    }

    pub(super) fn session_due(&mut self, key: LinkKey) {
        let (now, wall_ms) = (self.instant(), self.wall_ms());
        let link = &mut self.links[key];
        if link.alarm.rings(self.now) && link.replica_open {
            link.session.handle_deadline(now, wall_ms);
            self.look_at(key);
        }
    }

    /// After anything that a session did or was told.
    pub(super) fn look_at(&mut self, key: LinkKey) {
        let link = &mut self.links[key];
        if link.replica_open {
            link.session.flush();
            if link.session.is_closing() {
                link.replica_open = false;
                link.session.leave_all();
            }
            let commands = link.session.take_commands();
            let due = link.session.next_deadline();
            let (n, incarnation) = (link.replica, link.incarnation);
            if !commands.is_empty() && self.alive(ReplicaRef { n, incarnation }) {
                let of_document = |request| match request {
                    Request::Document(document, command) => (document, command),
                    Request::Queue(..) => panic!("the native protocol has no queues"),
                };
                let commands = commands.into_iter().map(of_document);
                self.replicas[n].commands.extend(commands);
                self.wake_soon(n);
            }
            if let Some(due) = due {
                let due = self.micros(due).max(self.now + 1);
                if self.links[key].alarm.set(due) {
                    self.agenda.add(due, Event::SessionDue(key));
                }
            }
        }
        self.plan_read(key);
    }

    pub(super) fn look_at_links_of(&mut self, at: ReplicaRef) {
        for key in 0..self.links.len() {
            let link = &self.links[key];
            let is_its = link.replica == at.n && link.incarnation == at.incarnation;
            if is_its && (link.page_open || link.replica_open) {
                self.look_at(key);
            }
        }
    }

    fn plan_read(&mut self, key: LinkKey) {
        let link = &self.links[key];
        let is_due = link.page_open && link.carries_down && !link.outbox.wire().is_empty();
        if is_due && !link.read_scheduled {
            let slow_until = link.slow_until;
            let at = self.after(MS, 20 * MS).max(slow_until);
            self.links[key].read_scheduled = true;
            self.agenda.add(at, Event::Reads(key));
        }
    }

    pub(super) fn reads(&mut self, key: LinkKey) {
        let now = self.now;
        let link = &mut self.links[key];
        link.read_scheduled = false;
        if !link.page_open || !link.carries_down {
            return;
        }
        if now < link.slow_until {
            return self.plan_read(key);
        }
        let came = link.outbox.wire().take();
        link.partial.extend_from_slice(&came);
        let mut bytes = std::mem::take(&mut link.partial);
        let (client, encoding) = (link.client, link.encoding);
        while let Some(down) = next_frame(&mut bytes, encoding) {
            match down {
                Down::Packet(packet) => self.page_hears(client, *packet),
                Down::Ping => self.send_up(key, Up::Pong),
                Down::Close(code) => {
                    self.counts.add(if code == 4_008 {
                        "slow consumer"
                    } else {
                        "closed by the gateway"
                    });
                    self.note(52, format_args!("link {key}: c{client} is closed: {code}"));
                    self.pass_outputs(client);
                    return self.page_lost_link(key);
                }
            }
        }
        let link = &mut self.links[key];
        link.partial = bytes;
        if link.outbox.is_blocked() {
            link.outbox.resume();
        }
        self.pass_outputs(client);
        self.look_at(key);
    }

    /// The replica finds out that the link is no more.
    pub(super) fn replica_notices(&mut self, key: LinkKey) {
        let link = &mut self.links[key];
        if link.replica_open {
            link.session.leave_all();
            self.look_at(key);
            self.links[key].replica_open = false;
        }
    }

    pub(super) fn page_notices(&mut self, key: LinkKey) {
        if self.links[key].page_open {
            self.page_lost_link(key);
        }
    }

    /// The page has no link any more, and looks for another one.
    pub(super) fn page_lost_link(&mut self, key: LinkKey) {
        let link = &mut self.links[key];
        link.page_open = false;
        let (client, page) = (link.client, link.page);
        if self.clients[client].page.n != page || self.clients[client].page.link != Some(key) {
            return;
        }
        let now = self.clients[client].now(self.now);
        self.clients[client].page.link = None;
        self.clients[client].page.core.closed(now);
        self.clients[client].page.record.live_since = None;
        self.pass_outputs(client);
        let patience = if self.rng.chance(100) {
            8 * SECOND
        } else {
            300 * MS
        };
        self.add_after(MS, patience, Event::Connect(client, page));
    }

    /// The network between the two fails; either side may not see that for a while.
    pub(super) fn cut(&mut self, key: LinkKey) {
        self.counts.add("link cut");
        self.note(53, format_args!("link {key} is cut"));
        // What is under way may still arrive.
        let arrives = self.rng.chance(500);
        let link = &mut self.links[key];
        link.carries_down = false;
        link.carries_up &= arrives;
        let (page_within, replica_within) = match self.rng.below(4) {
            0 => (50 * MS, 20 * SECOND),
            1 => (25 * SECOND, 50 * MS),
            _ => (50 * MS, 200 * MS),
        };
        if page_within > SECOND {
            // The page goes on talking to nobody.
            self.links[key].carries_up = false;
        }
        self.add_after(0, page_within, Event::PageNotices(key));
        // Behind what still arrives.
        let at = self.after(40 * MS, replica_within.max(41 * MS));
        self.agenda.add(at, Event::ReplicaNotices(key));
    }

    pub(super) fn links_die_with(&mut self, at: ReplicaRef) {
        for key in 0..self.links.len() {
            let link = &mut self.links[key];
            if link.replica != at.n || link.incarnation != at.incarnation || !link.page_open {
                continue;
            }
            link.replica_open = false;
            link.carries_up = false;
            link.carries_down = self.rng.chance(500);
            let within = if self.rng.chance(if self.plan.calm { 0 } else { 300 }) {
                25 * SECOND
            } else {
                50 * MS
            };
            self.add_after(MS, within, Event::PageNotices(key));
        }
    }
}

/// A packet in a few words.
fn asked(packet: &ClientPacket) -> String {
    match packet {
        ClientPacket::Hello { token } => format!("hello {token:?}"),
        ClientPacket::Join {
            since,
            client,
            receive,
            ..
        } => format!("join since {since:?} as {client:?}, receive {receive}"),
        ClientPacket::Append {
            client_seq,
            payload,
            ..
        } => format!("append {client_seq} {}", String::from_utf8_lossy(payload)),
        other => format!("{other:?}"),
    }
}
