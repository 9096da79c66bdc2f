//! An owner changes a subject's access: the next number of `access:<subject>` is read, then the
//! entry appended under it (C10).

use std::time::Instant;

use bytes::Bytes;
use inkwire_bus::{AppendOutcome, Asker, LogPage, PageLimit, ReadFrom, Refusal, Unavailable};
use inkwire_model::{
    AccessAction, AccessPayload, ClientKey, ClientSeq, ContentType, NewEntry, Position, Subject,
};

use super::{Appending, Document, Effects, Reading};
use crate::{Delivery, MemberKey};

/// How often the number is read again when another owner was quicker.
const ATTEMPTS_MAX: u32 = 4;

pub(super) struct AccessRequest {
    member: MemberKey,
    subject: Subject,
    action: AccessAction,
    by: Subject,
    attempts: u32,
}

impl AccessRequest {
    pub(super) fn new(
        member: MemberKey,
        subject: Subject,
        action: AccessAction,
        by: Subject,
    ) -> Self {
        Self {
            member,
            subject,
            action,
            by,
            attempts: 0,
        }
    }
}

impl<M> Document<M> {
    pub(super) fn change_access(&mut self, request: AccessRequest, fx: &mut impl Effects<M>) {
        let ClientKey { subject, client } = ClientKey::access_to(&request.subject);
        let askers = vec![
            Asker {
                subject,
                client: Some(client),
            },
            Asker {
                subject: request.by.clone(),
                client: None,
            },
        ];
        // Only the standings are wanted.
        let limit = PageLimit {
            entries: 1,
            bytes: 1,
        };
        let from = self.last().map_or(ReadFrom::Start, ReadFrom::After);
        self.read(from, limit, askers, Reading::Access(request), fx);
    }

    pub(super) fn access_read(
        &mut self,
        request: AccessRequest,
        result: Result<LogPage, Unavailable>,
        fx: &mut impl Effects<M>,
    ) {
        let Ok(page) = result else {
            return self.access_changed(&request, Err(Unavailable), fx);
        };
        if page
            .standings
            .get(1)
            .is_some_and(|standing| standing.revoked)
        {
            // The owner lost access meanwhile; its membership ends by that entry.
            return;
        }
        let row = page
            .standings
            .first()
            .and_then(|standing| standing.row.as_ref());
        let last: ClientSeq = row.map_or(0, |row| row.client_seq);
        let is_revoked = last % 2 == 1;
        // A change that is there already is appended again: as a duplicate it waits for the replicas
        // that confirm it, which the first attempt may not have got.
        let is_there = is_revoked == (request.action == AccessAction::Revoke);
        if is_there && last == 0 {
            return self.access_changed(&request, Ok(page.head), fx);
        }
        let client_seq = if is_there { last } else { last + 1 };
        let known = is_there
            .then(|| self.access.entry(&request.subject, last))
            .flatten();
        if let Some(entry) = known.map(|known| NewEntry::clone_of(known)) {
            return self.append_access(request, entry, fx);
        }
        let payload = AccessPayload {
            subject: request.subject.to_string(),
            by: request.by.to_string(),
        };
        let Ok(payload) = serde_json::to_vec(&payload) else {
            return;
        };
        let ClientKey {
            subject: author,
            client,
        } = ClientKey::access_to(&request.subject);
        let entry = NewEntry {
            at: fx.unix_ms(),
            author,
            client,
            client_seq,
            kind: request.action.kind(),
            content_type: ContentType::default(),
            payload: Bytes::from(payload),
            traceparent: None,
            comment: None,
        };
        self.append_access(request, entry, fx);
    }

    fn append_access(&mut self, request: AccessRequest, entry: NewEntry, fx: &mut impl Effects<M>) {
        let entries = vec![entry.clone()];
        self.append(entries, Appending::Access(request, entry), fx);
    }

    pub(super) fn access_appended(
        &mut self,
        mut request: AccessRequest,
        entry: NewEntry,
        result: Result<Vec<AppendOutcome>, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let outcome = result.ok().and_then(|outcomes| outcomes.into_iter().next());
        match outcome {
            Some(AppendOutcome::Appended(position) | AppendOutcome::Duplicate(position)) => {
                self.note_acknowledged(entry, position);
                self.remember(position, true, now, fx);
                self.access_changed(&request, Ok(position), fx);
            }
            // Another owner made the very change that is asked for, and waited for it.
            Some(AppendOutcome::Refused(Refusal::ClientConflict { row }))
                if AccessAction::of(row.client_seq) == request.action =>
            {
                self.access_changed(&request, Ok(row.position), fx);
            }
            Some(AppendOutcome::Refused(
                Refusal::Gap { .. } | Refusal::ClientConflict { .. } | Refusal::UnknownClient,
            )) if request.attempts < ATTEMPTS_MAX => {
                request.attempts += 1;
                self.change_access(request, fx);
            }
            Some(AppendOutcome::Refused(_)) | None => {
                self.access_changed(&request, Err(Unavailable), fx);
            }
        }
    }

    fn access_changed(
        &mut self,
        request: &AccessRequest,
        result: Result<Position, Unavailable>,
        fx: &mut impl Effects<M>,
    ) {
        let Some(member) = self.members.find(request.member) else {
            return;
        };
        let AccessRequest {
            subject, action, ..
        } = request;
        let delivery = Delivery::AccessChanged {
            subject,
            action: *action,
            result,
        };
        fx.deliver(&member.to, &self.id, &delivery);
    }
}
