//! Writing: entries through each member's gate to the log, and their outcomes back (C1 to C4, C8).

use std::time::Instant;

use inkwire_bus::{
    AppendOutcome, Asker, CommentRefusal, Continuity, LogPage, PageLimit, ReadFrom, Refusal,
    Ticket, Unavailable,
};
use inkwire_model::{ClientSeq, DocumentId, Nack, NewEntry, Position, Role, Rule, rule_holds};

use super::{
    Appending, Document, Effects, Note, OnItsWay, Outcome, Reading, ResyncReason,
    member::{Member, Phase},
    order::Seen,
    timers::Timers,
};
use crate::{Delivery, MemberKey, Submission};

impl<M> Document<M> {
    pub(super) fn submit(
        &mut self,
        key: MemberKey,
        submissions: Vec<Submission>,
        fx: &mut impl Effects<M>,
    ) {
        let Some(member) = self.members.find(key) else {
            return;
        };
        for Submission { client_seq, entry } in submissions {
            if !member.is_live() && member.has_joined {
                // The `joined` that follows the repair tells the writer to send it again.
                continue;
            }
            if !member.gate.admit(client_seq) {
                continue;
            }
            let may_send = member.may_send(1, self.config.under_way_max);
            match may_send.and(entry) {
                Ok(entry) => {
                    let sent = member.gate.sent();
                    self.outgoing.push((
                        OnItsWay {
                            member: key,
                            client_seq,
                            sent,
                        },
                        entry,
                    ));
                }
                Err(nack) => refuse(member, &self.id, client_seq, (nack, None), fx),
            }
        }
    }

    /// What gathered goes out as one call.
    pub(super) fn send_outgoing(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        if self.outgoing.is_empty() {
            return;
        }
        let (on_their_way, entries): (Vec<_>, Vec<NewEntry>) = self.outgoing.drain(..).unzip();
        if let Some(first) = entries.first() {
            self.stopwatch.start(first, now);
        }
        self.append(entries, Appending::Entries(now, on_their_way), fx);
    }

    pub(super) fn appended(
        &mut self,
        ticket: Ticket,
        result: Result<Vec<AppendOutcome>, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        match self.appends.remove(&ticket) {
            Some(Appending::Entries(since, on_their_way)) => {
                let took = now.saturating_duration_since(since);
                fx.note(&self.id, Note::CallAnswered { took });
                let mut outcomes = result.map(Vec::into_iter);
                for on_its_way in on_their_way {
                    let outcome = match &mut outcomes {
                        Ok(outcomes) => outcomes.next().ok_or(Unavailable),
                        Err(unavailable) => Err(*unavailable),
                    };
                    self.answer(&on_its_way, outcome, now, fx);
                }
            }
            Some(Appending::Whole(since, on_their_way)) => {
                let took = now.saturating_duration_since(since);
                fx.note(&self.id, Note::CallAnswered { took });
                self.answer_whole(&on_their_way, result, now, fx);
            }
            Some(Appending::Restoring(sent)) => self.access_restored(&sent, result, now, fx),
            Some(Appending::Access(request, entry)) => {
                self.access_appended(request, entry, result, now, fx);
            }
            None => {}
        }
    }

    pub(super) fn answer(
        &mut self,
        on_its_way: &OnItsWay,
        outcome: Result<AppendOutcome, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let OnItsWay {
            member: key,
            client_seq,
            sent,
        } = *on_its_way;
        let Some(member) = self.members.find(key) else {
            return;
        };
        if !member.gate.answered(client_seq, sent) {
            return;
        }
        let retry_ms = self.config.retry_ms;
        let refusal = match outcome {
            Ok(AppendOutcome::Appended(position) | AppendOutcome::Duplicate(position)) => {
                let duplicate = matches!(outcome, Ok(AppendOutcome::Duplicate(_)));
                member.acknowledged_since = member.acknowledged_since.max(Some(client_seq));
                let delivery = Delivery::Ack {
                    client_seq,
                    position,
                    duplicate,
                };
                fx.deliver(&member.to, &self.id, &delivery);
                let outcome = match duplicate {
                    true => Outcome::Duplicate,
                    false => Outcome::Appended,
                };
                fx.note(&self.id, Note::Answered(outcome));
                self.remember(position, duplicate, now, fx);
                return;
            }
            Ok(AppendOutcome::Refused(refusal)) => refused(refusal, retry_ms),
            Err(Unavailable) => (Nack::Unavailable { after_ms: retry_ms }, None),
        };
        refuse(member, &self.id, client_seq, refusal, fx);
    }

    /// Remembers an acknowledged position until it is delivered.
    pub(super) fn remember(
        &mut self,
        position: Position,
        duplicate: bool,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        if !rule_holds(Rule::RememberedAcks) || self.is_unfollowed() {
            return;
        }
        let Some(recent) = &self.recent else { return };
        if position.seq > recent.last().seq {
            self.acknowledged.remember(position, self.look);
            if self.timers.overdue.is_none() {
                self.overdue = Some(position.seq);
                self.timers.overdue = self.after_announcement(now);
            }
            return;
        }
        // A duplicate may lie further back than what is kept here.
        let is_doubtful = recent
            .hash_at(position.seq)
            .map_or(!duplicate, |hash| !hash.is(position.hash));
        if is_doubtful {
            self.repair(ResyncReason::Acknowledged, fx);
        }
    }

    /// An announcement of what was acknowledged here is overdue: the log is read.
    pub(super) fn tick_acknowledged(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        if !Timers::due(&mut self.timers.overdue, now) {
            return;
        }
        let overdue = self.overdue.take();
        if overdue.is_some_and(|seq| self.last().is_some_and(|last| last.seq < seq)) {
            self.repair(ResyncReason::NotAnnounced, fx);
        }
        if let Some(oldest) = self.acknowledged.oldest() {
            self.overdue = Some(oldest);
            self.timers.overdue = self.after_announcement(now);
        }
    }

    /// Something acknowledged was lost: asks where every local writer stands.
    pub(super) fn ask_for_rows(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        let Some(last) = self.last() else { return };
        let must_wait = self.is_restoring() || self.timers.rows.is_some_and(|at| at > now);
        if !self.rows_wanted || must_wait {
            return;
        }
        self.rows_wanted = false;
        for member in self.members.iter_mut() {
            member.acknowledged_since = None;
        }
        let writers: Vec<(MemberKey, Asker)> = self
            .members
            .iter()
            .filter(|member| member.phase == Phase::Live && member.client.is_some())
            .map(|member| (member.key, member.asker()))
            .collect();
        for some in writers.chunks(self.config.askers_max) {
            let members = some
                .iter()
                .enumerate()
                .map(|(i, (key, _))| (*key, i))
                .collect();
            let askers = some.iter().map(|(_, asker)| asker.clone()).collect();
            let limit = PageLimit {
                entries: 1,
                bytes: 1,
            };
            self.read(
                ReadFrom::After(last),
                limit,
                askers,
                Reading::Rows { members },
                fx,
            );
        }
    }

    /// Tells local writers, unasked, where to go on (C4).
    pub(super) fn tell_rows(
        &mut self,
        seen: Seen,
        members: Vec<(MemberKey, usize)>,
        result: Result<LogPage, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let Ok(page) = result else {
            self.rows_wanted = true;
            self.timers.rows = self.after_retry(now);
            return;
        };
        for (key, asker) in members {
            let Some(member) = self.members.find(key).filter(|m| m.phase == Phase::Live) else {
                continue;
            };
            let row = page
                .standings
                .get(asker)
                .and_then(|standing| standing.row.clone());
            let expected = row.as_ref().map_or(1, |row| row.client_seq + 1);
            if member
                .acknowledged_since
                .is_some_and(|number| number >= expected)
            {
                // The row is older than what the member was told since.
                self.rows_wanted = true;
                continue;
            }
            member.gate.rewind_to(expected);
            let nack = Nack::Gap { expected, row };
            fx.deliver(
                &member.to,
                &self.id,
                &Delivery::Nack {
                    client_seq: None,
                    nack: &nack,
                },
            );
        }
        self.saw_head(page.head, seen, false, now, fx);
        if page.continuity != Continuity::Continues {
            self.repair(ResyncReason::Head, fx);
        }
    }
}

/// What the sender is told of a refusal, and where it may go on.
pub(super) type Refused = (Nack, Option<ClientSeq>);

/// Shuts a member's gate at a number, and tells it why.
pub(super) fn refuse<M>(
    member: &mut Member<M>,
    document: &DocumentId,
    client_seq: ClientSeq,
    (nack, expected): Refused,
    fx: &mut impl Effects<M>,
) {
    member.gate.refuse(client_seq, expected);
    fx.note(document, Note::Answered(Outcome::of(&nack)));
    let delivery = Delivery::Nack {
        client_seq: Some(client_seq),
        nack: &nack,
    };
    fx.deliver(&member.to, document, &delivery);
}

pub(super) fn refused(refusal: Refusal, retry_ms: u64) -> Refused {
    match refusal {
        Refusal::Gap { expected, row } => (Nack::Gap { expected, row }, Some(expected)),
        Refusal::UnknownClient => (Nack::UnknownClient, Some(1)),
        // The log has its number for good; what follows the row is where a writer goes on.
        Refusal::ClientConflict { row } => {
            let next = row.client_seq + 1;
            (Nack::ClientConflict { row }, Some(next))
        }
        Refusal::Revoked => (Nack::Revoked, None),
        Refusal::LogFull => (Nack::LogFull, None),
        Refusal::Comment(CommentRefusal::Forbidden) => {
            let need = Role::Owner;
            (Nack::Forbidden { need }, None)
        }
        Refusal::Comment(refusal) => {
            let why = refusal.to_string();
            (Nack::Invalid { why }, None)
        }
        // Dropped: what was refused was of another session of the same client; a session's own refusal
        // swallows what it sent after it.
        Refusal::Expired | Refusal::Dropped => (Nack::Unavailable { after_ms: retry_ms }, None),
    }
}
