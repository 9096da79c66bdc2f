//! Pages: what the client library wants done, and what it tells the application.

use std::sync::PoisonError;

use inkwire_client::{
    Event as Told, Memory, State,
    core::{AppendId, Output},
};
use inkwire_model::{AccessAction, AccessChange, Subject};
use inkwire_protocol::native::{Encoding, ServerPacket};

use super::{Event, Excuses, Revocation, World, hub_side, subject};
use crate::{
    agenda::{MS, SECOND},
    judge::Kind,
    link::Up,
    page::{Opening, Page},
    recorder::shown_as,
};

impl World {
    pub(super) fn page_hears(&mut self, client: usize, packet: ServerPacket) {
        self.note_with(60, || format!("c{client} hears {}", heard(&packet)));
        if let ServerPacket::Reset { row, .. } = &packet {
            self.compare_row(client, row.as_ref());
        }
        let now = self.clients[client].now(self.now);
        self.clients[client].page.core.receive(packet, now);
    }

    pub(super) fn page_due(&mut self, client: usize, page: u32) {
        let now = self.clients[client].now(self.now);
        let current = &mut self.clients[client].page;
        if current.n == page && current.alarm.rings(self.now) {
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
                Output::Welcomed { subject, .. } => self.welcomed(client, subject),
                // No replica of this world drains.
                Output::OpenNext
                | Output::SendNext(_)
                | Output::DropNext { .. }
                | Output::GoOver { .. } => {}
            }
        }
        let page = &mut self.clients[client].page;
        if let Some(due_ms) = page.core.next_deadline_ms() {
            let due = (due_ms * MS).max(self.now + 1);
            if page.alarm.set(due) {
                let n = page.n;
                self.agenda.add(due, Event::PageDue(client, n));
            }
        }
    }

    /// The application hears something.
    fn told(&mut self, client: usize, event: Told) {
        self.record_rewordings(client);
        let now = self.now;
        let of = &mut self.clients[client];
        let (record, write_only) = (&mut of.page.record, of.write_only);
        let (name, writer) = (record.name.clone(), record.writer.clone());
        match event {
            Told::Entry(entry) => {
                record.shown = entry.position.seq;
                record.text += &shown_as(&entry);
                if AccessChange::of(&entry).is_some() {
                    // A replica with a member remembers what it delivered.
                    self.revocation_shown_over.extend(of.page.link);
                }
                self.recorder.shown(&name, &entry);
            }
            Told::Reset {
                cause, position, ..
            } => {
                record.shown = position.seq;
                record.text.clear();
                self.counts.add("reset");
                self.note(63, format_args!("{name} is reset: {cause:?} to {position}"));
                if !write_only {
                    self.recorder.reset(&name, cause, position);
                }
            }
            Told::Acked {
                append,
                client_seq,
                position,
            } => {
                self.counts.add("acknowledged");
                self.answered(client, append);
                self.recorder
                    .acknowledged(&writer, append, client_seq, position);
            }
            Told::Nack { append, nack } => {
                self.counts.add("told refused");
                self.note(64, format_args!("{name}#{} is refused: {nack:?}", append.0));
                self.answered(client, append);
                self.recorder.refused(&writer, append);
                if !self.may_be_refused(client, &nack) {
                    let what = format!("{name}#{} was refused: {nack:?}", append.0);
                    self.violate(Kind::Refused, what);
                }
            }
            Told::Lost {
                appends: (first, last),
                cause,
                ..
            } => {
                self.counts.add("told lost");
                self.note(
                    65,
                    format_args!("{name}#{}..{} lost: {cause:?}", first.0, last.0),
                );
                // What a page before this one wrote, and no memory has, bears no number of its own. What
                // a former user wrote is told to nobody else: that writer was forgotten, and this one has
                // a name of its own, unless the page was never welcomed before.
                if last.0 > 0 {
                    self.recorder.lost(&writer, AppendId(first.0.max(1)), last);
                }
                if !self.may_lose(client, cause) {
                    let what = format!("{name} was told of a loss ({cause:?})");
                    self.violate(Kind::GivenUp, what);
                }
            }
            Told::Renewed {
                client: fresh,
                last,
            } => {
                self.counts.add("new client");
                self.note(66, format_args!("{name} goes on as {fresh}"));
                self.recorder.renewed(&writer, last);
                if let Some(author) = &self.clients[client].page.record.author {
                    self.recorder.client(&writer, author, &fresh);
                }
                if !self.may_renew(client) {
                    let what = format!("{name} gave up its client for no reason");
                    self.violate(Kind::GivenUp, what);
                }
                self.clients[client].page.record.excuses = Excuses::default();
            }
            Told::Broken(fault) => self.violate(Kind::Broken, format!("{name}: {fault}")),
            Told::State(State::Live { position, .. }) => {
                record.live_since.get_or_insert(now);
                if !write_only {
                    self.recorder.live(&name, position);
                }
            }
            Told::State(State::Ended(code)) => {
                record.ended = Some(code);
                record.live_since = None;
                self.counts.add("ended");
                self.note(67, format_args!("{name} ended: {code:?}"));
                self.page_forgets(client);
                if !self.may_end(client, code) {
                    self.violate(Kind::GivenUp, format!("{name} ended with {code:?}"));
                }
            }
            Told::State(_) => record.live_since = None,
            Told::AccessChanged { .. } => {
                self.revocation = Revocation::Acknowledged;
                self.counts.add("revocation acknowledged");
            }
            Told::Waiting { .. } => self.counts.add("told to wait"),
            Told::Snapshot(_) | Told::Signal(_) | Told::Presence(_) | Told::Error { .. } => {}
        }
    }

    /// Each append is answered once.
    fn answered(&mut self, client: usize, append: AppendId) {
        let record = &mut self.clients[client].page.record;
        if !record.answered.insert(append) {
            let what = format!("{}#{} was answered twice", record.name, append.0);
            self.violate(Kind::ToldTwice, what);
        }
    }

    pub(super) fn record_rewordings(&mut self, client: usize) {
        let page = &self.clients[client].page;
        let mut rewordings = page
            .rewordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (append, draft) in rewordings.drain(..) {
            self.counts.add("reworded");
            self.recorder.reworded(&page.record.writer, append, &draft);
        }
    }

    /// A page comes to be: the checker has to know it.
    pub(super) fn page_begins(&mut self, client: usize) {
        let of = &self.clients[client];
        if !of.write_only {
            self.recorder.started(&of.page.record.name);
        }
    }

    /// Only now it is known for whom a page writes; another client comes with a renewal.
    fn welcomed(&mut self, client: usize, subject: Subject) {
        let page = &mut self.clients[client].page;
        let former = page.record.author.replace(subject.clone());
        let document = page.core.document(&self.document);
        match former {
            None => {
                if let Some(id) = document.and_then(|document| document.client()) {
                    self.recorder.client(&page.record.writer, &subject, id);
                }
            }
            Some(former) if former != subject => {
                self.recorder.forgot(&page.record.writer);
                page.record.writer = format!("{} as {subject}", page.record.name).into();
            }
            Some(_) => {}
        }
    }

    fn page_forgets(&mut self, client: usize) {
        self.record_rewordings(client);
        let of = &self.clients[client];
        self.recorder.forgot(&of.page.record.writer);
        if !of.write_only {
            self.recorder.stopped(&of.page.record.name);
        }
    }

    /// The person at a page writes something, now and then.
    pub(super) fn types(&mut self, client: usize) {
        if self.healed_at.is_some() || self.plan.quiet[client] {
            return;
        }
        let burst = self.rng.pick(&[1, 1, 1, 2, 6]);
        if self.write(client, burst) {
            let every = self.plan.append_every;
            self.add_after(MS, 2 * every, Event::Types(client));
        }
    }

    /// Whether there may be more.
    fn write(&mut self, client: usize, count: usize) -> bool {
        for _ in 0..count {
            let of = &mut self.clients[client];
            let now = of.now(self.now);
            let page = &mut of.page;
            let is_enough = of.written + page.record.appends >= self.plan.appends_max;
            if is_enough || page.record.ended.is_some() {
                return false;
            }
            let draft = page.record.next_draft();
            if let Ok(append) = page.core.append(&self.document, draft.clone(), now) {
                page.record.appends = append.0;
                self.recorder.submitted(&page.record.writer, append, &draft);
                self.counts.add("written");
            }
        }
        self.pass_outputs(client);
        true
    }

    /// The page is gone with what it held, and a new one opens.
    pub(super) fn reload(&mut self, client: usize) {
        self.counts.add("page reloaded");
        if self.plan.remembers {
            // Its last words are on their way.
            self.write(client, 2);
        }
        self.leave_link(client);
        self.page_forgets(client);
        let n = self.clients[client].page.n + 1;
        let memory = self.memory_of(client);
        let resumes = memory.is_some();
        let mut fresh = Page::open(Opening {
            client,
            n,
            seed: self.rng.next(),
            plan: &self.plan,
            encoding: self.rng.pick(&Encoding::ALL),
            memory,
            now: self.clients[client].now(self.now),
        });
        self.note(68, format_args!("c{client} reloads: {}", fresh.record.name));
        let of = &mut self.clients[client];
        if resumes {
            // The same writer, to whoever looks on; its appends are counted on.
            fresh.record.writer = of.page.record.writer.clone();
            fresh.record.appends = of.page.record.appends;
        } else {
            of.written += of.page.record.appends;
        }
        of.page = fresh;
        self.page_begins(client);
        let soon = if resumes { 20 * MS } else { SECOND };
        self.add_after(MS, soon, Event::Connect(client, n));
    }

    /// A page may keep its client and its counter, as one should not without a lock: at its reload they
    /// are out of date.
    fn memory_of(&mut self, client: usize) -> Option<Memory> {
        let of = &self.clients[client];
        if self.broken.reload_keeps_client {
            let document = of.page.core.document(&self.document);
            let memory = document.and_then(|document| document.memory())?;
            return Some(Memory {
                from: 1,
                mark: 0,
                entries: Vec::new(),
                ..memory
            });
        }
        // Each has its part in the revocation.
        let has_part = client == 0 || client == self.clients.len() - 1;
        if !self.plan.remembers || has_part {
            return None;
        }
        let document = of.page.core.document(&self.document);
        let kept = document.and_then(|document| document.memory())?;
        self.counts.add("page resumed an old memory");
        self.shared.push(kept.client.clone());
        let mark = kept.mark.saturating_sub(self.rng.below(4));
        Some(Memory {
            mark,
            from: mark + 1,
            entries: Vec::new(),
            ..kept
        })
    }

    /// Another user logs in, in the same page.
    pub(super) fn change_user(&mut self, client: usize) {
        self.counts.add("user changed");
        let of = &mut self.clients[client];
        of.page.record.excuses.user_changed |= of.page.record.author.is_some();
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
