//! What a client may ask of documents: each request is checked against the grant and the limits, and
//! then it is a command to the hub, or a refusal.

use std::sync::Arc;

use bytes::Bytes;
use inkwire_hub::{Attendance, Command, Join, JoinFrom, MemberKey, Submission, Wire};
use inkwire_model::{
    AccessAction, Capability, ClientId, ClientSeq, Code, CommentEffect, ContentType, DocumentId,
    Kind, Nack, NewEntry, ParticipantId, Position, Role, Signal, Subject,
};
use inkwire_protocol::native::ServerPacket;
use uuid::Uuid;

use super::{
    connection::Connection,
    joined::{Joined, Membership},
    member::NativeMember,
};
use crate::{
    CodeCounts, Grant, SessionLimits, Tally, commands::Commands, now::Now, rates::Rates,
    refusal::Refusal,
};

/// One subject's part of a session, from its `hello` to its end.
pub(super) struct Requests<W> {
    grant: Grant,
    limits: SessionLimits,
    rates: Rates,
    joined: Joined<W>,
    /// What all sessions of the subject have joined; `None` without credentials.
    joins: Option<Arc<Tally<Subject>>>,
    refusals: Arc<CodeCounts>,
}

/// What `join` asks for.
pub(super) struct JoinRequest {
    pub(super) since: Option<Position>,
    pub(super) client: Option<ClientId>,
    pub(super) receive: bool,
}

/// What `append` asks for.
pub(super) struct AppendRequest {
    pub(super) client_seq: ClientSeq,
    pub(super) kind: Kind,
    pub(super) content_type: ContentType,
    pub(super) payload: Bytes,
    pub(super) traceparent: Option<Arc<str>>,
}

/// What `signal` asks for.
pub(super) struct SignalRequest {
    pub(super) kind: Kind,
    pub(super) content_type: ContentType,
    pub(super) payload: Bytes,
    pub(super) position: Option<Position>,
}

impl<W: Wire> Requests<W> {
    pub(super) fn new(
        grant: Grant,
        limits: SessionLimits,
        joins: Option<Arc<Tally<Subject>>>,
        refusals: Arc<CodeCounts>,
        now: Now,
    ) -> Self {
        Self {
            grant,
            limits,
            rates: Rates::new(&limits, now.instant),
            joined: Joined::new(),
            joins,
            refusals,
        }
    }

    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The log of the subject's notifications: of nobody in particular there is none.
    pub(super) fn own_notifications(&self) -> Result<DocumentId, Refusal> {
        let own = DocumentId::notifications_of(&self.grant.subject);
        own.filter(|_| self.joins.is_some())
            .ok_or_else(|| Refusal::forbidden(Capability::Receive))
    }

    /// Whether credentials may be checked now: it costs more than it looks.
    pub(super) fn may_renew(&mut self, now: Now) -> Result<(), Refusal> {
        Ok(self.rates.request(now.instant)?)
    }

    /// Replaces the grant by a newer one of the same subject. Where it gives no role any more, the
    /// membership ends; where it gives another, that counts from the next request on. True if the
    /// connection became dirty.
    pub(super) fn renew(&mut self, grant: Grant, commands: &mut Commands) -> Result<bool, Refusal> {
        if grant.subject != self.grant.subject {
            return Err(Refusal::new(
                Code::Unauthenticated,
                "a session keeps its subject; the credentials it had still count",
            ));
        }
        self.grant = grant;
        let grant = &self.grant;
        for (document, membership) in self.joined.iter() {
            let role = role_in(grant, document);
            if let Some(role) = role.filter(|_| role != membership.member.role()) {
                let who = membership.who.clone();
                let attendance = Attendance { who, role };
                let change = Command::ChangeAttendance(membership.key, attendance);
                commands.push(document.clone(), change);
            }
        }
        let lost = self
            .joined
            .replace_roles(|document| role_in(grant, document));
        let mut dirty = false;
        for (document, membership) in lost {
            commands.push(document.clone(), Command::Leave(membership.key));
            dirty |= membership.member.end(&ServerPacket::Ended {
                document,
                code: Code::Forbidden,
            });
        }
        Ok(dirty)
    }

    pub(super) fn join(
        &mut self,
        document: &DocumentId,
        request: JoinRequest,
        connection: &Connection<W>,
        now: Now,
        commands: &mut Commands,
    ) -> Result<(), Refusal> {
        let JoinRequest {
            since,
            client,
            receive,
        } = request;
        self.rates.request(now.instant)?;
        if self.joined.find(document).is_some() {
            return Err(Refusal::plain(Code::AlreadyJoined));
        }
        let role = self.role_for(document, Capability::Receive)?;
        if client.is_some() && !role.may(Capability::Comment) {
            return Err(Refusal::forbidden(Capability::Comment));
        }
        if self.joined.count() >= self.limits.documents_max {
            return Err(Refusal::plain(Code::TooManyDocuments));
        }
        let subject = self.grant.subject.clone();
        let place = match &self.joins {
            Some(joins) => {
                let place = joins.take(&subject, self.limits.subject_joins_max);
                Some(place.ok_or_else(|| Refusal::plain(Code::TooManyJoins))?)
            }
            None => None,
        };
        let member = Arc::new(NativeMember::new(
            connection.clone(),
            subject.clone(),
            client.clone(),
            role,
            place,
        ));
        let key = MemberKey::next();
        let session = Uuid::from_u128(connection.session().0);
        let who = ParticipantId::new(subject.clone(), client.as_ref(), session);
        let join = Join {
            member: key,
            subject,
            client: client.clone(),
            from: since.map_or(JoinFrom::Start, JoinFrom::After),
            receive,
            attendance: role.may(Capability::Signal).then(|| Attendance {
                who: who.clone(),
                role,
            }),
            subscriber: Arc::clone(&member) as _,
        };
        commands.push(document.clone(), Command::Join(join));
        let membership = Membership {
            key,
            who,
            client,
            member,
        };
        self.joined.insert(document.clone(), membership);
        Ok(())
    }

    /// True if the connection became dirty.
    pub(super) fn leave(
        &mut self,
        document: &DocumentId,
        commands: &mut Commands,
    ) -> Result<bool, Refusal> {
        let membership = self
            .joined
            .remove(document)
            .ok_or_else(|| Refusal::plain(Code::NotJoined))?;
        // If the hub ended it while the `leave` was under way, this does no harm.
        commands.push(document.clone(), Command::Leave(membership.key));
        let document = document.clone();
        Ok(membership.member.end(&ServerPacket::Left { document }))
    }

    /// Whether the hub has answered all that was appended and asked, as far as it answers.
    pub(super) fn is_answered(&self) -> bool {
        self.joined
            .iter()
            .all(|(_, membership)| membership.member.is_answered())
    }

    /// Leaves all documents and says nothing more.
    pub(super) fn leave_all(&mut self, commands: &mut Commands) {
        for (document, membership) in self.joined.drain() {
            membership.member.end_silently();
            commands.push(document, Command::Leave(membership.key));
        }
    }

    /// Submits an entry, or in its place what this session has against it: the hub keeps the order
    /// of both (C2).
    pub(super) fn append(
        &mut self,
        document: &DocumentId,
        request: AppendRequest,
        now: Now,
        commands: &mut Commands,
    ) -> Result<(), Refusal> {
        if document.is_notifications() {
            return Err(Refusal::forbidden(Capability::Edit));
        }
        let (key, client, role) = self.writer_in(document, request.client_seq)?;
        let client_seq = request.client_seq;
        let entry = match self.check(document, &request, role, now) {
            Ok(comment) => Ok(NewEntry {
                at: now.wall_ms,
                author: self.grant.subject.clone(),
                client,
                client_seq,
                kind: request.kind,
                content_type: request.content_type,
                payload: request.payload,
                traceparent: request.traceparent,
                comment,
            }),
            Err(nack) => {
                self.refusals.add(nack.code());
                Err(nack)
            }
        };
        commands.submit(document, key, Submission { client_seq, entry });
        Ok(())
    }

    /// Submits the fault of an `append` of which no more than its number could be read.
    pub(super) fn append_invalid(
        &mut self,
        document: &DocumentId,
        client_seq: ClientSeq,
        why: String,
        commands: &mut Commands,
    ) -> Result<(), Refusal> {
        let (key, ..) = self.writer_in(document, client_seq)?;
        let entry = Err(Nack::Invalid { why });
        self.refusals.add(Code::Invalid);
        commands.submit(document, key, Submission { client_seq, entry });
        Ok(())
    }

    pub(super) fn signal(
        &mut self,
        document: &DocumentId,
        request: SignalRequest,
        now: Now,
        commands: &mut Commands,
    ) -> Result<(), Refusal> {
        let (membership, role) = self.find(document)?;
        let (key, client) = (membership.key, membership.client.clone());
        if !role.may(Capability::Signal) {
            return Err(Refusal::forbidden(Capability::Signal));
        }
        let max_bytes = self.limits.signal_bytes_max;
        if request.payload.len() > max_bytes {
            let detail = format!("the payload of a signal has at most {max_bytes} bytes");
            return Err(Refusal::new(Code::TooLarge, detail));
        }
        if let Err(throttled) = self.rates.signal(&request.payload, now.instant) {
            return match self.rates.may_complain(now.instant) {
                true => Err(throttled.into()),
                false => {
                    self.refusals.add(Code::Throttled);
                    Ok(())
                }
            };
        }
        let signal = Signal {
            author: self.grant.subject.clone(),
            client,
            kind: request.kind,
            content_type: request.content_type,
            payload: request.payload,
            position: request.position,
        };
        commands.push(document.clone(), Command::Signal(key, signal));
        Ok(())
    }

    /// Begins or ends telling who is in the document: whoever receives it may know.
    pub(super) fn watch_presence(
        &mut self,
        document: &DocumentId,
        watch: bool,
        now: Now,
        commands: &mut Commands,
    ) -> Result<(), Refusal> {
        self.rates.request(now.instant)?;
        let (membership, _) = self.find(document)?;
        let command = match watch {
            true => Command::WatchPresence(membership.key),
            false => Command::UnwatchPresence(membership.key),
        };
        commands.push(document.clone(), command);
        Ok(())
    }

    pub(super) fn change_access(
        &mut self,
        document: &DocumentId,
        subject: Subject,
        action: AccessAction,
        now: Now,
        commands: &mut Commands,
    ) -> Result<(), Refusal> {
        self.rates.request(now.instant)?;
        let (membership, role) = self.find(document)?;
        if !role.may(Capability::Manage) {
            return Err(Refusal::forbidden(Capability::Manage));
        }
        let command = Command::ChangeAccess {
            member: membership.key,
            subject,
            action,
            by: self.grant.subject.clone(),
        };
        membership.member.asked_access();
        commands.push(document.clone(), command);
        Ok(())
    }

    fn find(&self, document: &DocumentId) -> Result<(&Membership<W>, Role), Refusal> {
        self.joined
            .find(document)
            .ok_or_else(|| Refusal::plain(Code::NotJoined))
    }

    /// Who submits the entry `client_seq` in `document`, and with which role.
    fn writer_in(
        &self,
        document: &DocumentId,
        client_seq: ClientSeq,
    ) -> Result<(MemberKey, ClientId, Role), Refusal> {
        let (membership, role) = self.find(document)?;
        let client = membership.client.clone().ok_or_else(|| {
            let detail = "this session joined to read; leave, and join with a client to write";
            Refusal::new(Code::NotJoined, detail)
        })?;
        membership.member.submitted(client_seq);
        Ok((membership.key, client, role))
    }

    fn role_for(&self, document: &DocumentId, capability: Capability) -> Result<Role, Refusal> {
        let role = role_in(&self.grant, document);
        role.filter(|role| role.may(capability))
            .ok_or_else(|| Refusal::forbidden(capability))
    }

    /// What speaks against an entry. What will be refused at every attempt is said first.
    fn check(
        &mut self,
        document: &DocumentId,
        request: &AppendRequest,
        role: Role,
        now: Now,
    ) -> Result<Option<Arc<CommentEffect>>, Nack> {
        if request.kind.is_access() {
            let why = "only the gateway writes entries of the kinds access.*".to_owned();
            return Err(Nack::Invalid { why });
        }
        let capability = match request.kind.is_comment() {
            true => Capability::Comment,
            false => Capability::Edit,
        };
        if !role.may(capability) {
            let need = capability.needs();
            return Err(Nack::Forbidden { need });
        }
        let max_bytes = self.limits.payload_bytes_max;
        if request.payload.len() > max_bytes {
            return Err(Nack::TooLarge { max_bytes });
        }
        let AppendRequest {
            kind,
            content_type,
            payload,
            ..
        } = request;
        let comment = CommentEffect::of_entry(document, kind, content_type, payload, role)
            .map_err(|why| {
                let why = why.to_string();
                Nack::Invalid { why }
            })?;
        let within = self.rates.append(payload, now.instant);
        within.map_err(|throttled| Nack::Throttled {
            after_ms: throttled.after_ms,
        })?;
        Ok(comment)
    }
}

/// The role of a grant in what is joined here: notifications are read alone.
fn role_in(grant: &Grant, document: &DocumentId) -> Option<Role> {
    let role = grant.role_in(document)?;
    Some(match document.is_notifications() {
        true => Role::Viewer,
        false => role,
    })
}
