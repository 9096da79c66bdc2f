//! What one subject asks for, from CONNECT to the end: each request is checked against the grant and the
//! limits, and is then a command to the hub, an answer, or a refusal.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_hub::{Attendance, Command, Join, JoinFrom, MemberKey, MessageId, Request, Wire};
use inkwire_model::{
    Capability, ClientId, Code, DocumentId, LogClass, ParticipantId, Position, Role, Signal,
    Subject,
};
use inkwire_protocol::stomp::{AckMode, Acknowledgement, SendFrame, Subscribe, Version};
use inkwire_writer::Jitter;
use uuid::Uuid;

use super::{
    answers::{About, Answers, Fatal, Refused},
    connection::Connection,
    content,
    destination::Destination,
    inbox::Inbox,
    queues::Queueing,
    reading::{self, Plan, Reading, What},
    window::{WINDOW_DEFAULT, WINDOW_MAX, Window},
    writing::Writing,
};
use crate::{
    Grant, Place, SessionLimits, Tally, admittance::Admitted, commands::Commands, now::Now,
    rates::Rates, refusal::Refusal,
};

/// A subscription by its id.
enum Subscription<W> {
    Log {
        document: DocumentId,
        reading: Arc<Reading<W>>,
    },
    Errors,
    /// Nothing comes there yet that was not asked for.
    Replies,
    Queue,
}

/// Which membership a SEND goes through: that of a document and a client; without one the session numbers.
pub(super) type Way = (DocumentId, Option<ClientId>);

pub(super) struct Requests<W> {
    pub(super) connection: Connection<W>,
    pub(super) answers: Answers<W>,
    pub(super) commands: Commands,
    pub(super) inbox: Arc<Inbox>,
    pub(super) grant: Grant,
    pub(super) limits: SessionLimits,
    pub(super) rates: Rates,
    pub(super) writings: HashMap<Way, Writing>,
    /// The membership that counts of each way.
    pub(super) ways: HashMap<MemberKey, Way>,
    /// Drawn at the first SEND.
    pub(super) jitter: Option<Jitter>,
    pub(super) opened_at: Instant,
    pub(super) queueing: Queueing<W>,
    subscriptions: HashMap<String, Subscription<W>>,
    /// When subscriptions whose window has room again may be joined, if not at once.
    pub(super) resume_at: Option<Instant>,
    /// How many subscriptions there were, to name the next one.
    subscribed: u64,
    joins: Option<Arc<Tally<Subject>>>,
    _place: Option<Place<Subject>>,
}

impl<W: Wire> Requests<W> {
    pub(super) fn new(
        admitted: Admitted,
        connection: Connection<W>,
        answers: Answers<W>,
        limits: SessionLimits,
        now: Now,
    ) -> Self {
        let Admitted {
            grant,
            place,
            joins,
        } = admitted;
        Self {
            connection,
            answers,
            commands: Commands::default(),
            inbox: Arc::default(),
            grant,
            limits,
            rates: Rates::new(&limits, now.instant),
            writings: HashMap::new(),
            ways: HashMap::new(),
            jitter: None,
            opened_at: now.instant,
            queueing: Queueing::default(),
            subscriptions: HashMap::new(),
            resume_at: None,
            subscribed: 0,
            joins,
            _place: place,
        }
    }

    /// What the hub is to do, in this order: at documents, then at queues.
    pub(super) fn take_commands(&mut self) -> Vec<Request> {
        let mut commands = self.commands.take();
        let at_queues = self.queueing.take().into_iter();
        commands.extend(at_queues.map(|(queue, command)| Request::Queue(queue, command)));
        commands
    }

    /// As whom this session sends signals, unless the application says.
    fn signalling_client(&self) -> ClientId {
        ClientId::Uuid(Uuid::from_u128(self.connection.session.0))
    }

    /// As what this session is seen in a document, by all that it does there.
    pub(super) fn attendance(&self, document: &DocumentId) -> Option<Attendance> {
        let role = self.grant.role_in(document)?;
        let is_seen =
            role.may(Capability::Signal) && matches!(document.class(), LogClass::Document);
        let session = Uuid::from_u128(self.connection.session.0);
        is_seen.then(|| Attendance {
            who: ParticipantId::new(self.grant.subject.clone(), None, session),
            role,
        })
    }

    pub(super) fn subscribe(&mut self, subscribe: Subscribe, now: Now) -> Result<(), Fatal> {
        let receipt = subscribe.receipt.clone();
        self.try_subscribe(subscribe, now)
            .map_err(|refused| Fatal::new(refused.code, refused.detail, receipt))
    }

    fn try_subscribe(&mut self, subscribe: Subscribe, now: Now) -> Result<(), Refused> {
        let source = Destination::parse_source(&subscribe.destination, &self.grant.subject)
            .map_err(|fault| Refused::new(fault.code(), fault.to_string()))?;
        if let Destination::Queue(queue) = source {
            let id = subscribe.id.clone();
            self.subscribed += 1;
            self.receive_queue(queue, subscribe, self.subscribed, now)?;
            self.subscriptions.insert(id, Subscription::Queue);
            return Ok(());
        }
        let Subscribe {
            id,
            destination,
            ack_mode,
            headers,
            receipt,
        } = subscribe;
        let (document, what) = match source {
            Destination::Log(document) => (document, What::Entries),
            Destination::Signals(document) => (document, What::Signals),
            Destination::Errors => {
                self.answers.subscribe(&id, ack_mode != AckMode::Auto);
                self.subscriptions.insert(id, Subscription::Errors);
                self.answers.receipt(receipt);
                return Ok(());
            }
            Destination::Replies => {
                self.subscriptions.insert(id, Subscription::Replies);
                self.answers.receipt(receipt);
                return Ok(());
            }
            Destination::Presence(document) => (document, What::Presence),
            Destination::Queue(_) | Destination::Call(_) => {
                let detail = format!("{destination} cannot be subscribed to here");
                return Err(Refused::new(Code::NoRoute, detail));
            }
        };
        self.rates.request(now.instant).map_err(Refusal::from)?;
        self.role_for(&document, Capability::Receive)?;
        let client = content::client(&headers)?;
        if client.is_some() {
            self.role_for(&document, Capability::Comment)?;
        }
        let from = match (content::position(&headers, "since")?, document.class()) {
            _ if what != What::Entries => JoinFrom::Head,
            (Some(since), _) => JoinFrom::After(since),
            (None, LogClass::Document) if headers.get("snapshot") != Some("false") => {
                JoinFrom::Start
            }
            (None, _) => JoinFrom::Head,
        };
        let window_max = match headers.get("window") {
            None => WINDOW_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|max| (1..=WINDOW_MAX).contains(max))
                .ok_or_else(|| {
                    Refused::new(
                        Code::Invalid,
                        format!("window is 1 to {WINDOW_MAX} messages"),
                    )
                })?,
        };
        let stands = |subscription: &&Subscription<W>| match subscription {
            Subscription::Log { reading, .. } => reading.stands(),
            Subscription::Errors | Subscription::Replies | Subscription::Queue => false,
        };
        if self.subscriptions.values().filter(stands).count() >= self.limits.documents_max {
            return Err(Refusal::plain(Code::TooManyDocuments).into());
        }
        let place = self.place()?;
        self.subscribed += 1;
        let is_entries = what == What::Entries;
        let plan = Plan {
            what,
            id: id.clone(),
            destination,
            number: self.subscribed,
            subject: self.grant.subject.clone(),
            clients: [Some(self.signalling_client()), client.clone()],
            receipt,
            wants_ack: ack_mode != AckMode::Auto,
            window: Window::of(ack_mode, window_max).filter(|_| is_entries),
            place,
        };
        let reading = Reading::new(plan, self.connection.clone(), Arc::clone(&self.inbox));
        let reading = Arc::new(reading);
        self.join_reading(&document, &reading, from, client);
        self.subscriptions
            .insert(id, Subscription::Log { document, reading });
        Ok(())
    }

    fn join_reading(
        &mut self,
        document: &DocumentId,
        reading: &Arc<Reading<W>>,
        from: JoinFrom,
        client: Option<ClientId>,
    ) {
        let (member, seat) = reading.seat();
        let looks_on = reading.what() == What::Presence;
        let join = Join {
            member,
            subject: self.grant.subject.clone(),
            client,
            from,
            receive: true,
            // Who looks who is there is not there by that alone.
            attendance: self.attendance(document).filter(|_| !looks_on),
            subscriber: seat as _,
        };
        self.commands.push(document.clone(), Command::Join(join));
        if looks_on {
            let watch = Command::WatchPresence(member);
            self.commands.push(document.clone(), watch);
        }
    }

    pub(super) fn unsubscribe(&mut self, id: &str, receipt: Option<String>) {
        match self.subscriptions.remove(id) {
            Some(Subscription::Log { document, reading }) => {
                if let Some(member) = reading.end() {
                    self.commands.push(document, Command::Leave(member));
                }
                // It was not joined yet, and its receipt is due all the same: it is processed.
                self.answers.receipt(reading.take_receipt());
            }
            Some(Subscription::Errors) => self.answers.unsubscribe(id),
            Some(Subscription::Queue) => self.leave_queue(id),
            Some(Subscription::Replies) | None => {}
        }
        self.answers.receipt(receipt);
    }

    /// An ACK or a NACK: on a log both let more come, since nothing there is delivered again.
    pub(super) fn acknowledge(
        &mut self,
        acknowledgement: Acknowledgement,
        now: Now,
    ) -> Result<(), Fatal> {
        let Acknowledgement {
            subscription,
            token,
            receipt,
            verdict,
        } = acknowledgement;
        let of_queue = receipt.clone();
        if self.settle_queue(subscription.as_deref(), &token, verdict, of_queue) {
            return Ok(());
        }
        let subscription = subscription.as_deref();
        let is_known = self.acknowledge_log(subscription, &token, now)
            || self.needs_no_acknowledgement(subscription, &token);
        if !is_known {
            let detail = format!("no message with the id {token:?} waits for an acknowledgement");
            return Err(Fatal::new(Code::UnknownAck, detail, receipt));
        }
        self.answers.receipt(receipt);
        Ok(())
    }

    /// What is no entry is not waited for; and of a subscription that ended meanwhile an acknowledgement
    /// may still be on its way.
    fn needs_no_acknowledgement(&self, subscription: Option<&str>, token: &str) -> bool {
        let Some((of, id)) = token.rsplit_once('@') else {
            return reading::EVENTS.contains(&token);
        };
        if reading::EVENTS.contains(&id) {
            return true;
        }
        if id.parse::<Position>().is_err() && MessageId::parse(id).is_err() {
            return false;
        }
        let number: Option<u64> = of.parse().ok();
        let named = |name: &str| subscription.is_none_or(|named| named == name);
        let version = self.connection.version;
        let mut logs =
            self.subscriptions
                .iter()
                .filter_map(|(id, subscription)| match subscription {
                    Subscription::Log { document, reading } => Some((id, document, reading)),
                    _ => None,
                });
        match version {
            Version::V1_2 => {
                let stands = logs.any(|(_, _, reading)| Some(reading.number()) == number);
                let was = number.is_some_and(|number| (1..=self.subscribed).contains(&number));
                was && !stands && !self.queueing.stands(None, of)
            }
            Version::V1_0 | Version::V1_1 => {
                let stands = logs.any(|(id, document, _)| named(id) && document.as_str() == of);
                self.subscribed > 0 && !stands && !self.queueing.stands(subscription, of)
            }
        }
    }

    fn acknowledge_log(&mut self, subscription: Option<&str>, token: &str, now: Now) -> bool {
        let Some((of, position)) = token.rsplit_once('@') else {
            return false;
        };
        let Ok(position) = position.parse() else {
            return false;
        };
        let version = self.connection.version;
        let mut found =
            self.subscriptions
                .iter()
                .filter_map(|(id, subscription)| match subscription {
                    Subscription::Log { document, reading } => Some((id, document, reading)),
                    _ => None,
                });
        let acknowledged = found.find(|(id, document, reading)| {
            let is_meant = match version {
                Version::V1_2 => of.parse() == Ok(reading.number()),
                Version::V1_0 | Version::V1_1 => {
                    document.as_str() == of && subscription.is_none_or(|named| named == id.as_str())
                }
            };
            is_meant && reading.acknowledge(position)
        });
        let Some((_, _, reading)) = acknowledged else {
            return false;
        };
        if reading.may_resume().is_some() {
            self.resume(now);
        }
        true
    }

    /// Joins again where a window has room. Each join reads a page, so they have the rate of joins.
    pub(super) fn resume(&mut self, now: Now) {
        self.resume_at = None;
        let logs = self.subscriptions.values();
        let waiting: Vec<_> = logs
            .filter_map(|subscription| match subscription {
                Subscription::Log { document, reading } => {
                    let position = reading.may_resume()?;
                    Some((document.clone(), Arc::clone(reading), position))
                }
                _ => None,
            })
            .collect();
        for (document, reading, position) in waiting {
            if let Err(throttled) = self.rates.request(now.instant) {
                let after = Duration::from_millis(throttled.after_ms);
                self.resume_at = Some(now.instant + after);
                return;
            }
            let client = reading.client();
            self.join_reading(&document, &reading, JoinFrom::After(position), client);
        }
    }

    /// A SEND: to a log, or a signal.
    pub(super) fn send(&mut self, mut send: SendFrame, now: Now) -> Result<(), Fatal> {
        let destination = std::mem::take(&mut send.destination);
        let receipt = send.receipt.take();
        let client_seq = send
            .headers
            .get("client-seq")
            .and_then(|text| text.parse().ok());
        match self.try_send(&destination, send, &receipt, now) {
            Ok(()) => Ok(()),
            Err(refused) => self.answers.refuse(
                refused,
                About {
                    destination: &destination,
                    client_seq,
                    receipt,
                },
            ),
        }
    }

    fn try_send(
        &mut self,
        destination: &str,
        send: SendFrame,
        receipt: &Option<String>,
        now: Now,
    ) -> Result<(), Refused> {
        let target = Destination::parse_target(destination, &self.grant.subject)
            .map_err(|fault| Refused::new(fault.code(), fault.to_string()))?;
        match target {
            Destination::Log(document) => {
                self.append(document, destination, send, receipt.clone(), now)
            }
            Destination::Signals(document) => {
                self.signal(document, send, now)?;
                self.answers.receipt(receipt.clone());
                Ok(())
            }
            Destination::Call(name) => {
                let detail = format!("no call {name:?} is configured");
                Err(Refused::new(Code::NoRoute, detail))
            }
            Destination::Queue(queue) => {
                self.send_to_queue(queue, destination, send, receipt.clone(), now)
            }
            Destination::Presence(_) | Destination::Errors | Destination::Replies => {
                let detail = format!("nothing can be sent to {destination}");
                Err(Refused::new(Code::NoRoute, detail))
            }
        }
    }

    fn signal(&mut self, document: DocumentId, send: SendFrame, now: Now) -> Result<(), Refused> {
        self.role_for(&document, Capability::Signal)?;
        let client = content::client(&send.headers)?.unwrap_or_else(|| self.signalling_client());
        let kind = content::kind(&send.headers)?;
        let kind = kind.ok_or_else(|| Refused::new(Code::Invalid, "a signal needs a kind"))?;
        let position = content::position(&send.headers, "position")?;
        let (content_type, payload) = content::content(&send.headers, send.body)?;
        let max_bytes = self.limits.signal_bytes_max;
        if payload.len() > max_bytes {
            let detail = format!("the body of a signal has at most {max_bytes} bytes");
            return Err(Refused::new(Code::TooLarge, detail).with("max-bytes", max_bytes));
        }
        if let Err(throttled) = self.rates.signal(&payload, now.instant) {
            // Signals come in floods, and an answer to each would be a second one.
            return match self.rates.may_complain(now.instant) {
                true => Err(Refusal::from(throttled).into()),
                false => Ok(()),
            };
        }
        let subscribed = self
            .subscriptions
            .values()
            .find_map(|subscription| match subscription {
                Subscription::Log {
                    document: of,
                    reading,
                } if *of == document => reading.member(),
                _ => None,
            });
        let member = match subscribed {
            Some(member) => member,
            None => self.own_way(&document, "", now)?.member,
        };
        let signal = Signal {
            author: self.grant.subject.clone(),
            client: Some(client),
            kind,
            content_type,
            payload,
            position,
        };
        self.commands
            .push(document, Command::Signal(member, signal));
        Ok(())
    }

    /// The hub ended a subscription by itself.
    pub(super) fn subscription_ended(
        &mut self,
        member: MemberKey,
        code: Code,
        had_joined: bool,
    ) -> Result<Option<String>, Fatal> {
        let ended = self
            .subscriptions
            .iter()
            .find_map(|(id, subscription)| match subscription {
                Subscription::Log { reading, .. } if reading.ended_as(member) => Some(id.clone()),
                _ => None,
            });
        let Some(id) = ended else {
            return Ok(None);
        };
        let removed = self.subscriptions.remove(&id);
        if let (false, Some(Subscription::Log { reading, .. })) = (had_joined, removed) {
            return Err(Fatal::new(
                code,
                code.row().sentence,
                reading.take_receipt(),
            ));
        }
        Ok(Some(id))
    }

    /// A full window: the membership is left until there is room.
    pub(super) fn left_full(&mut self, member: MemberKey, now: Now) {
        let full = self
            .subscriptions
            .values()
            .find_map(|subscription| match subscription {
                Subscription::Log { document, reading } => reading
                    .was_full_as(member)
                    .then(|| (document.clone(), Arc::clone(reading))),
                _ => None,
            });
        let Some((document, reading)) = full else {
            return;
        };
        self.commands.push(document, Command::Leave(member));
        // What made room meanwhile.
        if reading.may_resume().is_some() {
            self.resume(now);
        }
    }

    /// Leaves all and says nothing more.
    pub(super) fn leave_all(&mut self) {
        self.end_subscriptions();
        for writing in self.writings.drain().map(|(_, writing)| writing) {
            self.commands
                .push(writing.document, Command::Leave(writing.member));
        }
        self.ways.clear();
    }

    /// Nothing is delivered any more.
    pub(super) fn end_subscriptions(&mut self) {
        self.queueing.leave_all();
        for (_, subscription) in self.subscriptions.drain() {
            if let Subscription::Log { document, reading } = subscription
                && let Some(member) = reading.end()
            {
                self.commands.push(document, Command::Leave(member));
            }
        }
    }

    pub(super) fn role_for(
        &self,
        document: &DocumentId,
        capability: Capability,
    ) -> Result<Role, Refused> {
        let role = self.grant.role_in(document);
        role.filter(|role| role.may(capability)).ok_or_else(|| {
            let refused = Refused::from(Refusal::forbidden(capability));
            refused.with("need", capability.needs())
        })
    }

    /// One of the subject's joins.
    pub(super) fn place(&self) -> Result<Option<Place<Subject>>, Refused> {
        let Some(joins) = &self.joins else {
            return Ok(None);
        };
        let place = joins.take(&self.grant.subject, self.limits.subject_joins_max);
        place
            .map(Some)
            .ok_or_else(|| Refusal::plain(Code::TooManyJoins).into())
    }
}
