//! Pages: what the client library wants done, and what it tells the application.

use inkwire_client::{
    Event as Told, LossCause, State,
    core::{AppendId, Output},
};
use inkwire_model::{AccessAction, Code};
use inkwire_protocol::native::{Encoding, ServerPacket};

use super::{Event, Revocation, World, hub_side, subject};
use crate::{
    agenda::{MS, SECOND},
    judge::Kind,
    link::Up,
    page::{Page, Written},
};

impl World {
    pub(super) fn page_hears(&mut self, client: usize, packet: ServerPacket) {
        self.note_with(60, || format!("c{client} hears {}", heard(&packet)));
        let now = self.clients[client].now(self.now);
        self.clients[client].page.core.receive(packet, now);
    }

    pub(super) fn page_due(&mut self, client: usize, page: u32) {
        let now = self.clients[client].now(self.now);
        let current = &mut self.clients[client].page;
        if current.n == page && current.due == Some(self.now) {
            current.due = None;
            current.core.tick(now);
            self.pass_outputs(client);
        }
    }

    /// Does what the client library asks.
    pub(super) fn pass_outputs(&mut self, client: usize) {
        while let Some(output) = self.clients[client].page.core.poll_output() {
            match output {
                Output::Send(packet) => {
                    let now = self.clients[client].now(self.now);
                    let page = &mut self.clients[client].page;
                    if let Some(key) = page.link {
                        page.core.wrote(now);
                        let bytes = page.encoding.encode_client(&packet);
                        self.send_up(key, Up::Packet(bytes));
                    }
                }
                Output::Event(_, event) => self.told(client, event),
                Output::Disconnect { why } => {
                    self.note(61, format_args!("c{client} disconnects: {why}"));
                    self.counts.add("client gave up a session");
                    if let Some(key) = self.clients[client].page.link {
                        self.send_up(key, Up::End);
                        self.page_lost_link(key);
                    }
                }
                Output::Refused { code, detail, .. } => {
                    self.note(62, format_args!("c{client} is refused: {code:?} {detail}"));
                }
                // No replica of this world drains.
                Output::Welcomed { .. }
                | Output::OpenNext
                | Output::SendNext(_)
                | Output::DropNext { .. }
                | Output::GoOver { .. } => {}
            }
        }
        let page = &mut self.clients[client].page;
        if let Some(due_ms) = page.core.next_deadline_ms() {
            let due = (due_ms * MS).max(self.now + 1);
            if page.due.is_none_or(|planned| planned > due) {
                page.due = Some(due);
                let n = page.n;
                self.agenda.add(due, Event::PageDue(client, n));
            }
        }
    }

    /// The application hears something.
    fn told(&mut self, client: usize, event: Told) {
        let now = self.now;
        let record = &mut self.clients[client].page.record;
        let name = record.name.clone();
        match event {
            Told::Entry(entry) => {
                let last = record.view.last().map(|e| e.position).or(record.base);
                if last.is_some_and(|last| !entry.follows(last)) {
                    let what = format!("{name} was shown {} after {last:?}", entry.position);
                    self.violate(Kind::Broken, what);
                } else {
                    if record.base.is_none() {
                        // What the first entry of a first join follows is not told.
                        record.base = Some(inkwire_model::Position {
                            seq: entry.position.seq - 1,
                            ..entry.position
                        });
                    }
                    record.view.push(entry);
                }
            }
            Told::Reset {
                cause, position, ..
            } => {
                record.view.clear();
                record.base = Some(position);
                self.counts.add("reset");
                self.note(63, format_args!("{name} is reset: {cause:?} to {position}"));
            }
            Told::Acked { append, .. } => {
                let twice = match record.written(append) {
                    Some(written) => std::mem::replace(&mut written.acked, true),
                    None => true,
                };
                self.counts.add("acknowledged");
                if twice {
                    let what = format!("{name}#{} was acknowledged twice", append.0);
                    self.violate(Kind::Untold, what);
                }
            }
            Told::Nack { append, nack } => {
                if let Some(written) = record.written(append) {
                    written.refused = true;
                }
                self.counts.add("told refused");
                self.note(64, format_args!("{name}#{} is refused: {nack:?}", append.0));
            }
            Told::Lost {
                appends: (first, last),
                cause,
                ..
            } => {
                for append in first.0..=last.0 {
                    if let Some(written) = record.written(AppendId(append))
                        && !written.refused
                    {
                        written.lost = Some(cause);
                    }
                }
                self.counts.add("told lost");
                self.note(
                    65,
                    format_args!("{name}#{}..{} lost: {cause:?}", first.0, last.0),
                );
                if !self.may_lose && cause != LossCause::Ended {
                    let what =
                        format!("{name} was told of a loss ({cause:?}), and nothing was lost");
                    self.violate(Kind::GivenUp, what);
                }
            }
            Told::Renewed { client: fresh } => {
                for written in record.appends.iter_mut().filter(|written| written.acked) {
                    written.former = true;
                }
                self.counts.add("new client");
                self.note(66, format_args!("{name} goes on as {fresh}"));
                if !self.may_lose {
                    let what = format!("{name} gave up its client, and nothing was lost");
                    self.violate(Kind::GivenUp, what);
                }
            }
            Told::Broken(fault) => self.violate(Kind::Broken, format!("{name}: {fault}")),
            Told::State(State::Live { position, .. }) => {
                record.live_since.get_or_insert(now);
                if record.base.is_none() {
                    record.base = Some(position);
                }
            }
            Told::State(State::Ended(code)) => {
                record.ended = Some(code);
                record.live_since = None;
                self.counts.add("ended");
                self.note(67, format_args!("{name} ended: {code:?}"));
                if code != Code::Revoked {
                    self.violate(Kind::GivenUp, format!("{name} ended with {code:?}"));
                }
            }
            Told::State(_) => record.live_since = None,
            Told::AccessChanged { .. } => {
                self.revocation = Revocation::Acknowledged;
                self.counts.add("revocation acknowledged");
            }
            Told::Waiting { .. } => self.counts.add("told to wait"),
            Told::Snapshot(_) | Told::Signal(_) | Told::Error { .. } => {}
        }
    }

    /// The person at a page writes something, now and then.
    pub(super) fn types(&mut self, client: usize) {
        if self.healed_at.is_some() {
            return;
        }
        let burst = self.rng.pick(&[1, 1, 1, 2, 6]);
        for _ in 0..burst {
            let written: usize = {
                let of = &self.clients[client];
                let gone: usize = of.gone.iter().map(|record| record.appends.len()).sum();
                gone + of.page.record.appends.len()
            };
            if written as u64 >= self.plan.appends_max {
                return;
            }
            let now = self.clients[client].now(self.now);
            let page = &mut self.clients[client].page;
            if page.record.ended.is_some() {
                return;
            }
            let draft = page.record.next_draft();
            let id = self.document.clone();
            if let Ok(append) = page.core.append(&id, draft, now) {
                page.record.appends.push(Written::default());
                debug_assert_eq!(append.0, page.record.appends.len() as u64);
                self.counts.add("written");
            }
        }
        self.pass_outputs(client);
        let every = self.plan.append_every;
        self.add_after(MS, 2 * every, Event::Types(client));
    }

    /// The page is gone with what it held, and a new one opens.
    pub(super) fn reload(&mut self, client: usize) {
        self.counts.add("page reloaded");
        self.leave_link(client);
        let n = self.clients[client].page.n + 1;
        let seed = self.rng.next();
        let encoding = self.rng.pick(&Encoding::ALL);
        let fresh = Page::open(client, n, seed, &self.plan, encoding);
        let name = fresh.record.name.clone();
        self.note(68, format_args!("c{client} reloads: {name}"));
        let old = std::mem::replace(&mut self.clients[client].page, fresh);
        self.clients[client].gone.push(old.record);
        self.add_after(MS, SECOND, Event::Connect(client, n));
    }

    /// Another user logs in, in the same page.
    pub(super) fn change_user(&mut self, client: usize) {
        self.counts.add("user changed");
        self.may_lose = true;
        let of = &mut self.clients[client];
        of.users += 1;
        of.subject = subject(client, of.users);
        let name = of.subject.clone();
        self.note(69, format_args!("c{client} is {name} now"));
        if let Some(key) = self.clients[client].page.link {
            self.send_up(key, Up::End);
            self.page_lost_link(key);
        }
    }

    fn leave_link(&mut self, client: usize) {
        if let Some(key) = self.clients[client].page.link.take() {
            self.send_up(key, Up::End);
            self.links[key].page_open = false;
        }
    }

    /// The owner revokes the last client's subject, until it is told that this counts.
    pub(super) fn revoke(&mut self) {
        let victim = subject(self.clients.len() - 1, 0);
        let now = self.clients[0].now(self.now);
        let id = self.document.clone();
        let core = &mut self.clients[0].page.core;
        if core.change_access(&id, victim, AccessAction::Revoke, now) {
            self.counts.add("revocation asked");
            self.revocation = Revocation::Asked(self.now);
            self.pass_outputs(0);
        }
    }
}

/// A packet in a few words.
fn heard(packet: &ServerPacket) -> String {
    match packet {
        ServerPacket::Welcome { .. } => "welcome".to_owned(),
        ServerPacket::Entry { entry, .. } => format!("entry {}", hub_side::told(entry)),
        ServerPacket::Joined { position, row, .. } => {
            format!(
                "joined at {position}, row {:?}",
                row.as_ref().map(|r| r.client_seq)
            )
        }
        ServerPacket::Reset {
            cause,
            position,
            row,
            ..
        } => format!(
            "reset {cause:?} {position}, row {:?}",
            row.as_ref().map(|r| r.client_seq)
        ),
        ServerPacket::Ack {
            client_seq,
            position,
            duplicate,
            ..
        } => format!("ack {client_seq} {position} duplicate {duplicate}"),
        ServerPacket::Nack {
            client_seq, nack, ..
        } => format!("nack {client_seq:?} {nack:?}"),
        other => format!("{other:?}"),
    }
}
