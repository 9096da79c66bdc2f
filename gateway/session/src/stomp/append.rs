//! Entries on their way: through a write-only membership of their document and client, which is made at
//! the first of them. What the session numbers itself waits here for a log that takes nothing now.

use inkwire_hub::{Command, Join, JoinFrom, MemberKey, Submission, Wire};
use inkwire_model::{
    Capability, ClientId, ClientSeq, Code, CommentEffect, DocumentId, InvalidComment, Kind,
    LogClass, Nack, NewEntry, Role,
};
use inkwire_protocol::stomp::{Committed, SendFrame};
use inkwire_writer::{Draft, Jitter, WriterLimits};
use std::{collections::hash_map::Entry, sync::Arc, time::Duration, time::Instant};

use super::{
    answers::{Fatal, Refused},
    content,
    destination::Destination,
    given::{Given, Run, Settles, Unanswered},
    own::{Own, QUEUE_ENTRIES_MAX},
    queues::WholeOfQueue,
    requests::{Requests, Way},
    write_seat::WriteSeat,
    writing::{IDLE_MS, Numbering, Writing},
};
use crate::{now::Now, refusal::Refusal};

/// What all own entries of a session hold that are acknowledged, and what those that are not.
const RETAINED_BYTES_MAX: usize = 4 << 20;
const QUEUED_BYTES_MAX: usize = 4 << 20;

/// When a full queue may have room.
const CROWDED_AFTER_MS: u64 = 1_000;

fn crowded() -> Refused {
    let detail = "as many entries wait as may; wait for receipts";
    Refused::new(Code::Throttled, detail).with("after-ms", CROWDED_AFTER_MS)
}

/// The SENDs of a transaction, checked.
enum Gathered {
    Nothing,
    Log(Whole),
    Queue(WholeOfQueue),
}

impl<W: Wire> Requests<W> {
    pub(super) fn append(
        &mut self,
        document: DocumentId,
        destination: &str,
        send: SendFrame,
        receipt: Option<String>,
        now: Now,
    ) -> Result<(), Refused> {
        self.role_for(&document, least(&document))?;
        let Some((client, client_seq)) = content::given_number(&send.headers)? else {
            let draft = self.checked(&document, send)?;
            self.has_room_for(draft.payload.len())?;
            let way = self.own_way(&document, destination, now)?.way();
            if let Some(own) = self.own_in(&way) {
                own.append(draft, receipt).map_err(|_| crowded())?;
            }
            self.pump(&way, now);
            return Ok(());
        };
        // A refusal has its place among the numbers: the hub keeps the order of both (C2).
        let entry = self
            .checked(&document, send)
            .map_err(|refused| self.as_nack(refused))
            .and_then(|draft| self.within_rate(draft, now))
            .map(|draft| self.entry(&document, client.clone(), client_seq, draft, now));
        let submissions = vec![Submission { client_seq, entry }];
        let run = Run {
            submissions,
            is_whole: false,
        };
        let sent = Unanswered {
            receipt,
            ..Unanswered::default()
        };
        self.submit_given(&document, destination, client, run, sent, now)
    }

    /// All SENDs of a transaction, or none.
    pub(super) fn commit(&mut self, committed: Committed, now: Now) -> Result<(), Fatal> {
        let Committed {
            sends,
            acknowledgements,
            receipt,
            ..
        } = committed;
        let fatal = |refused: Refused| Fatal::new(refused.code, refused.detail, receipt.clone());
        let plan = self.plan(sends).map_err(fatal)?;
        let before = self.queueing.commands();
        for acknowledgement in acknowledgements {
            if let Err(fault) = self.acknowledge(acknowledgement, now) {
                // None of them counts.
                self.queueing.take_behind(before);
                return Err(Fatal { receipt, ..fault });
            }
        }
        // What was received is done with when what came of it is kept.
        let settles = self.queueing.take_behind(before);
        match plan {
            Gathered::Nothing => {
                self.queueing.settle(settles);
                self.answers.receipt(receipt);
                Ok(())
            }
            Gathered::Queue(whole) => {
                let result = self.store_whole(whole, receipt.clone(), settles, now);
                result.map_err(|refused| Fatal::new(refused.code, refused.detail, receipt))
            }
            Gathered::Log(plan) => {
                let result = self.append_whole(plan, receipt.clone(), settles, now);
                result.map_err(|refused| Fatal::new(refused.code, refused.detail, receipt))
            }
        }
    }

    /// Checks all of it before anything is written. It goes to one destination.
    fn plan(&mut self, sends: Vec<SendFrame>) -> Result<Gathered, Refused> {
        let (mut whole, mut of_queue): (Option<Whole>, _) = (None, None);
        for mut send in sends {
            let destination = std::mem::take(&mut send.destination);
            let target = Destination::parse_target(&destination, &self.grant.subject)
                .map_err(|fault| Refused::new(fault.code(), fault.to_string()))?;
            if let (Destination::Queue(queue), None) = (&target, &whole) {
                let queue = queue.clone();
                self.gather_for_queue(&mut of_queue, queue, &destination, send)?;
                continue;
            }
            let (Destination::Log(document), None) = (target, &of_queue) else {
                let detail = format!(
                    "a transaction sends to one document, topic or queue, not to {destination} as well"
                );
                return Err(Refused::new(Code::Invalid, detail));
            };
            self.role_for(&document, least(&document))?;
            let number = content::given_number(&send.headers)?;
            let draft = self.checked(&document, send)?;
            let (client, client_seq) = number.unzip();
            let whole = whole.get_or_insert_with(|| Whole {
                document: document.clone(),
                destination,
                client: client.clone(),
                entries: Vec::new(),
            });
            if whole.document != document || whole.client != client {
                let detail = "a transaction writes to one document, under one client";
                return Err(Refused::new(Code::Invalid, detail));
            }
            whole.entries.push((client_seq.unwrap_or_default(), draft));
        }
        Ok(match (whole, of_queue) {
            (Some(whole), _) => Gathered::Log(whole),
            (None, Some(whole)) => Gathered::Queue(whole),
            (None, None) => Gathered::Nothing,
        })
    }

    fn append_whole(
        &mut self,
        whole: Whole,
        receipt: Option<String>,
        settles: Settles,
        now: Now,
    ) -> Result<(), Refused> {
        let Whole {
            document,
            destination,
            client,
            entries,
        } = whole;
        let Some(client) = client else {
            let drafts: Vec<_> = entries.into_iter().map(|(_, draft)| draft).collect();
            self.has_room_for(drafts.iter().map(|draft| draft.payload.len()).sum())?;
            let way = self.own_way(&document, &destination, now)?.way();
            if let Some(own) = self.own_in(&way) {
                own.append_whole(drafts, receipt, settles)
                    .map_err(|_| crowded())?;
            }
            self.pump(&way, now);
            return Ok(());
        };
        let payloads = entries.iter().map(|(_, draft)| draft.payload.len());
        self.rates
            .append_all(payloads, now.instant)
            .map_err(Refusal::from)?;
        let mut submissions = Vec::with_capacity(entries.len());
        for (client_seq, draft) in entries {
            let entry = Ok(self.entry(&document, client.clone(), client_seq, draft, now));
            submissions.push(Submission { client_seq, entry });
        }
        let run = Run {
            submissions,
            is_whole: true,
        };
        let sent = Unanswered {
            receipt,
            settles,
            ..Unanswered::default()
        };
        self.submit_given(&document, &destination, client, run, sent, now)
    }

    fn submit_given(
        &mut self,
        document: &DocumentId,
        destination: &str,
        client: ClientId,
        run: Run,
        sent: Unanswered,
        now: Now,
    ) -> Result<(), Refused> {
        let numbers = |run: &Run| {
            Some((
                run.submissions.first()?.client_seq,
                run.submissions.last()?.client_seq,
            ))
        };
        let Some((first, last)) = numbers(&run) else {
            return Ok(());
        };
        let way = self.way(document, destination, Some(client), now)?.way();
        let Some(writing) = self.writings.get_mut(&way) else {
            return Ok(());
        };
        let (member, is_live) = (writing.member, writing.is_live);
        let Numbering::Given(given) = &mut writing.numbering else {
            return Ok(());
        };
        if !given.has_room_for(run.submissions.len(), is_live) {
            return Err(crowded());
        }
        given.expect(Unanswered {
            first,
            last,
            is_whole: run.is_whole,
            ..sent
        });
        match is_live {
            true => self.submit(&way.0, member, run),
            false => given.wait(run),
        }
        Ok(())
    }

    pub(super) fn submit(&mut self, document: &DocumentId, member: MemberKey, run: Run) {
        let Run {
            submissions,
            is_whole,
        } = run;
        if is_whole {
            let whole = Command::SubmitWhole(member, submissions);
            return self.commands.push(document.clone(), whole);
        }
        for submission in submissions {
            self.commands.submit(document, member, submission);
        }
    }

    /// Sends what the writer of this way may send now.
    pub(super) fn pump(&mut self, way: &Way, now: Now) {
        let written = self.written(now);
        let Some(writing) = self.writings.get_mut(way).filter(|writing| writing.is_live) else {
            return;
        };
        let member = writing.member;
        let Numbering::Own(own) = &mut writing.numbering else {
            return;
        };
        let mut runs = Vec::new();
        while let Some(due) = own.next_due(written) {
            let payloads = due.numbered.iter();
            let payloads = payloads.map(|numbered| numbered.draft.payload.len());
            let first = due.numbered.first().map(|numbered| numbered.client_seq);
            if let Err(throttled) = self.rates.append_all(payloads, now.instant) {
                let nack = Nack::Throttled {
                    after_ms: throttled.after_ms,
                };
                // It waits; nobody has to hear of that.
                let mut events = Vec::new();
                let jitter = self.jitter.get_or_insert_with(|| Jitter::new(None));
                own.writer.nacked(first, nack, written, jitter, &mut events);
                break;
            }
            runs.push(due);
        }
        let (wants_rejoin, client) = (own.writer.wants_rejoin(), own.writer.client().clone());
        for due in runs {
            let submissions = due.numbered.into_iter().map(|numbered| {
                let client_seq = numbered.client_seq;
                let entry = self.entry(&way.0, client.clone(), client_seq, numbered.draft, now);
                Submission {
                    client_seq,
                    entry: Ok(entry),
                }
            });
            let run = Run {
                submissions: submissions.collect(),
                is_whole: due.is_whole,
            };
            self.submit(&way.0, member, run);
        }
        if wants_rejoin {
            self.rejoin(way, now);
        }
    }

    /// Has the row read again, under the client that the writer has now.
    pub(super) fn rejoin(&mut self, way: &Way, now: Now) {
        let written = self.written(now);
        let Some(writing) = self.writings.get_mut(way) else {
            return;
        };
        let Numbering::Own(own) = &mut writing.numbering else {
            return;
        };
        let left = writing.member;
        own.writer.detached(written);
        own.writer.joining();
        own.asked = written;
        own.joined_as = own.writer.client().clone();
        let client = own.joined_as.clone();
        writing.member = MemberKey::next();
        writing.is_live = false;
        let member = writing.member;
        self.ways.remove(&left);
        self.ways.insert(member, way.clone());
        self.commands.push(way.0.clone(), Command::Leave(left));
        self.join_writing(&way.0, member, client);
    }

    fn join_writing(&mut self, document: &DocumentId, member: MemberKey, client: ClientId) {
        let seat = WriteSeat::new(member, self.connection.clone(), Arc::clone(&self.inbox));
        let join = Join {
            member,
            subject: self.grant.subject.clone(),
            client: Some(client),
            from: JoinFrom::Head,
            receive: false,
            attendance: self.attendance(document),
            subscriber: Arc::new(seat) as _,
        };
        self.commands.push(document.clone(), Command::Join(join));
    }

    pub(super) fn own_way(
        &mut self,
        document: &DocumentId,
        destination: &str,
        now: Now,
    ) -> Result<&mut Writing, Refused> {
        self.way(document, destination, None, now)
    }

    /// The membership for entries of this document and client.
    fn way(
        &mut self,
        document: &DocumentId,
        destination: &str,
        client: Option<ClientId>,
        now: Now,
    ) -> Result<&mut Writing, Refused> {
        let way = (document.clone(), client);
        if !self.writings.contains_key(&way) {
            self.open_way(way.clone(), destination, now)?;
        }
        match self.writings.entry(way) {
            Entry::Occupied(writing) => {
                let writing = writing.into_mut();
                writing.used_at = now.instant;
                // A signal may have been first, and has no refusals to name.
                if writing.destination.is_empty() {
                    destination.clone_into(&mut writing.destination);
                }
                Ok(writing)
            }
            Entry::Vacant(_) => Err(Refusal::plain(Code::Internal).into()),
        }
    }

    fn open_way(&mut self, way: Way, destination: &str, now: Now) -> Result<(), Refused> {
        if self.writings.len() >= self.limits.documents_max && !self.release_one() {
            return Err(Refusal::plain(Code::TooManyDocuments).into());
        }
        let place = self.place()?;
        let member = MemberKey::next();
        let numbering = match &way.1 {
            Some(client) => Numbering::Given(Given::new(client.clone())),
            None => Numbering::Own(Box::new(self.new_own(now))),
        };
        let client = match &numbering {
            Numbering::Own(own) => own.joined_as.clone(),
            Numbering::Given(given) => given.client.clone(),
        };
        self.join_writing(&way.0, member, client);
        self.ways.insert(member, way.clone());
        let writing = Writing {
            document: way.0.clone(),
            destination: destination.to_owned(),
            member,
            is_live: false,
            used_at: now.instant,
            numbering,
            _place: place,
        };
        self.writings.insert(way, writing);
        self.share(now);
        Ok(())
    }

    fn new_own(&mut self, now: Now) -> Own {
        let limits = WriterLimits {
            queue_entries_max: QUEUE_ENTRIES_MAX,
            // The session counts them together.
            queue_bytes_max: usize::MAX,
            landing_ms: self.limits.landing_ms,
            ..WriterLimits::default()
        };
        let written = self.written(now);
        let jitter = self.jitter.get_or_insert_with(|| Jitter::new(None));
        let mut own = Own::new(limits, jitter, written);
        own.writer
            .authenticated_as(&self.grant.subject, jitter, &mut Vec::new());
        own
    }

    /// All writers together hold no more than one may.
    fn share(&mut self, now: Now) {
        let written = self.written(now);
        let owns = self.owns().count().max(1);
        for writing in self.writings.values_mut() {
            if let Numbering::Own(own) = &mut writing.numbering {
                own.writer
                    .retain_at_most(RETAINED_BYTES_MAX / owns, written);
            }
        }
    }

    fn has_room_for(&self, bytes: usize) -> Result<(), Refused> {
        let queued: usize = self.owns().map(|own| own.writer.queued().1).sum();
        match queued == 0 || queued + bytes <= QUEUED_BYTES_MAX {
            true => Ok(()),
            false => Err(crowded()),
        }
    }

    fn owns(&self) -> impl Iterator<Item = &Own> {
        self.writings
            .values()
            .filter_map(|writing| match &writing.numbering {
                Numbering::Own(own) => Some(&**own),
                Numbering::Given(_) => None,
            })
    }

    pub(super) fn own_in(&mut self, way: &Way) -> Option<&mut Own> {
        match &mut self.writings.get_mut(way)?.numbering {
            Numbering::Own(own) => Some(own),
            Numbering::Given(_) => None,
        }
    }

    /// Leaves the settled membership that was used longest ago.
    fn release_one(&mut self) -> bool {
        let settled = self
            .writings
            .iter()
            .filter(|(_, writing)| writing.is_settled());
        let oldest = settled.min_by_key(|(_, writing)| writing.used_at);
        let Some(way) = oldest.map(|(way, _)| way.clone()) else {
            return false;
        };
        self.release(&way);
        true
    }

    pub(super) fn release(&mut self, way: &Way) {
        if let Some(writing) = self.writings.remove(way) {
            self.ways.remove(&writing.member);
            self.commands
                .push(writing.document, Command::Leave(writing.member));
        }
    }

    /// Leaves what was not used for long.
    pub(super) fn release_idle(&mut self, now: Now) {
        let idle = Duration::from_millis(IDLE_MS);
        let is_idle = |writing: &Writing| {
            writing.is_settled() && now.instant.saturating_duration_since(writing.used_at) >= idle
        };
        let mut ways = self.writings.iter().filter(|(_, writing)| is_idle(writing));
        let ways: Vec<_> = ways.by_ref().map(|(way, _)| way.clone()).collect();
        for way in &ways {
            self.release(way);
        }
        if !ways.is_empty() {
            self.share(now);
        }
    }

    /// When something of what is written is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let writings = self.writings.values();
        let all = writings.filter_map(|writing| {
            let idle = writing
                .is_settled()
                .then(|| writing.used_at + Duration::from_millis(IDLE_MS));
            let due = match &writing.numbering {
                Numbering::Own(own) if writing.is_live => own.writer.next_deadline_ms(),
                _ => None,
            };
            let due = due.map(|ms| self.opened_at + Duration::from_millis(ms));
            [idle, due].into_iter().flatten().min()
        });
        all.chain(self.resume_at).min()
    }

    /// The time, as the writers count it.
    pub(super) fn written(&self, now: Now) -> inkwire_writer::Now {
        let elapsed = now.instant.saturating_duration_since(self.opened_at);
        inkwire_writer::Now {
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            unix_ms: now.wall_ms,
        }
    }

    /// The draft of a SEND that may be written.
    fn checked(&self, document: &DocumentId, send: SendFrame) -> Result<Draft, Refused> {
        let size = send.body.len();
        let max_bytes = self.limits.payload_bytes_max;
        if size > max_bytes {
            let detail = format!("the body of an entry has at most {max_bytes} bytes");
            return Err(Refused::new(Code::TooLarge, detail).with("max-bytes", max_bytes));
        }
        let draft = content::draft(document, send)?;
        if document.is_notifications() {
            let detail = "notifications are written by the gateway alone";
            return Err(Refused::new(Code::Forbidden, detail));
        }
        let role = self.role_for(document, capability(&draft.kind))?;
        effect(document, &draft, role)
            .map_err(|why| Refused::new(Code::Invalid, why.to_string()))?;
        Ok(draft)
    }

    fn as_nack(&self, refused: Refused) -> Nack {
        match refused.code {
            // Who may not even comment was refused before.
            Code::Forbidden => Nack::Forbidden {
                need: Capability::Edit.needs(),
            },
            Code::TooLarge => Nack::TooLarge {
                max_bytes: self.limits.payload_bytes_max,
            },
            _ => Nack::Invalid {
                why: refused.detail,
            },
        }
    }

    fn within_rate(&mut self, draft: Draft, now: Now) -> Result<Draft, Nack> {
        let result = self.rates.append(&draft.payload, now.instant);
        let after_ms = |throttled: crate::rates::Throttled| throttled.after_ms;
        result.map(|()| draft).map_err(|throttled| Nack::Throttled {
            after_ms: after_ms(throttled),
        })
    }

    fn entry(
        &self,
        document: &DocumentId,
        client: ClientId,
        client_seq: ClientSeq,
        draft: Draft,
        now: Now,
    ) -> NewEntry {
        // It was checked before it was numbered.
        let role = self.grant.role_in(document).unwrap_or(Role::Viewer);
        let comment = effect(document, &draft, role).unwrap_or_default();
        NewEntry {
            at: now.wall_ms,
            author: self.grant.subject.clone(),
            client,
            client_seq,
            kind: draft.kind,
            content_type: draft.content_type,
            payload: draft.payload,
            traceparent: draft.traceparent,
            comment,
        }
    }
}

/// What a transaction writes.
struct Whole {
    document: DocumentId,
    destination: String,
    client: Option<ClientId>,
    entries: Vec<(ClientSeq, Draft)>,
}

/// What it takes to send anything there: who cannot even comment in a document cannot join to write, and
/// elsewhere there are no comments.
fn least(log: &DocumentId) -> Capability {
    match log.class() {
        LogClass::Document => Capability::Comment,
        LogClass::Topic(_) | LogClass::User(_) => Capability::Edit,
    }
}

/// What an entry does to comments.
fn effect(
    document: &DocumentId,
    draft: &Draft,
    role: Role,
) -> Result<Option<Arc<CommentEffect>>, InvalidComment> {
    CommentEffect::of_entry(
        document,
        &draft.kind,
        &draft.content_type,
        &draft.payload,
        role,
    )
}

fn capability(kind: &Kind) -> Capability {
    match kind.is_comment() {
        true => Capability::Comment,
        false => Capability::Edit,
    }
}

impl Writing {
    pub(super) fn way(&self) -> Way {
        let client = match &self.numbering {
            Numbering::Own(_) => None,
            Numbering::Given(given) => Some(given.client.clone()),
        };
        (self.document.clone(), client)
    }
}
