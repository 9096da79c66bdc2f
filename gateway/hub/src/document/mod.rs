//! `Document`: one document as this replica lives it, as a pure state machine.
//!
//! Events and `now` come in as method calls, [`Effects`] go out; nothing here awaits, locks or reads
//! a clock. The rules are C4 to C7 and C10 of the contract:
//!
//! - Nothing is delivered that does not extend what was delivered last, by hash (`order.rs`).
//! - Members join by pages of the log, read after the subscription is confirmed, and go over to the
//!   live order where the two meet (`catch_up.rs`).
//! - Entries go to the log through each member's gate, and what was acknowledged is remembered until
//!   it is delivered (`writing.rs`).
//! - Changes of access that a fork lost are appended again before anything else (`access.rs`).
//!
//! The order has three states, told by its fields:
//!
//! ```text
//!   cold ───────first page────► live ──hole, other hash, head elsewhere──► repairing
//!   recent: None                 ▲                                         repair: Some
//!                                └──── log read, in this history ─────────────┤
//!                                └──── not in this history: members reset ────┘
//! ```

mod access;
mod acknowledged;
mod catch_up;
mod changing_access;
mod effects;
mod gate;
mod member;
mod notes;
mod order;
mod presence;
mod recent;
mod restoring_access;
mod stopwatch;
mod timers;
mod watched_rows;
mod whole;
mod writing;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_bus::{
    Append, AppendOutcome, LogPage, PageLimit, PresenceAnnouncement, PresenceAnswer,
    PresenceVersion, Read, ReadFrom, Retention, Ticket, Unavailable,
};
use inkwire_model::{DocumentId, Entry, LogClass, NewEntry, Rule, Seq, rule_holds};

pub use effects::Effects;
pub use notes::{CatchUp, Note, Outcome, ResyncReason};
pub use presence::Attendance;

use self::{
    access::KnownAccess,
    acknowledged::{Acknowledged, Look},
    changing_access::AccessRequest,
    gate::Sent,
    member::Members,
    order::{Comparison, Seen},
    presence::Presence,
    recent::Recent,
    stopwatch::Stopwatch,
    timers::Timers,
};
use crate::{Command, Delivery, MemberKey};

/// The document's settings.
#[derive(Debug, Clone)]
pub struct DocumentConfig {
    /// One page of history.
    pub page: PageLimit,
    /// How many members' standings one read asks for.
    pub askers_max: usize,
    /// Announcements kept while the log is read; beyond, the log is read again.
    pub heard_max: usize,
    pub heard_bytes_max: usize,
    /// Entries of one member on their way to the log.
    pub under_way_max: usize,
    /// Pause after the bus was unavailable, also told to clients.
    pub retry_ms: u64,
    /// How long an announcement may take after its append was acknowledged, or after a head showed
    /// it, before the log is read.
    pub announcement_ms: u64,
    /// How often a member without room is looked at.
    pub room_ms: u64,
    /// How long a document without members is still followed.
    pub linger_ms: u64,
    /// The latest entries that a topic keeps.
    pub topic_entries_max: u32,
    /// The latest entries that a log of one subject keeps.
    pub user_entries_max: u32,
    /// How long a participant is held that left, in case it comes back (C13); `None` if nobody is
    /// ever entered.
    pub presence_grace_ms: Option<u64>,
}

impl Default for DocumentConfig {
    fn default() -> Self {
        Self {
            page: PageLimit {
                entries: 1_000,
                bytes: 256 << 10,
            },
            askers_max: 256,
            heard_max: 4_096,
            heard_bytes_max: 4 << 20,
            under_way_max: inkwire_model::ROW_DIGESTS_MAX,
            retry_ms: 500,
            announcement_ms: 250,
            room_ms: 10,
            linger_ms: 10_000,
            topic_entries_max: 1_000,
            user_entries_max: 1_000,
            presence_grace_ms: Some(5_000),
        }
    }
}

impl DocumentConfig {
    /// How much is kept of the log of this id.
    fn retention_of(&self, id: &DocumentId) -> Retention {
        match id.class() {
            LogClass::Document => Retention::Everything,
            LogClass::Topic(_) => Retention::Latest(self.topic_entries_max),
            LogClass::User(_) => Retention::Latest(self.user_entries_max),
        }
    }
}

/// Whether the bus announces this document to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    None,
    Requested,
    Confirmed,
}

/// What a read was for.
enum Reading {
    /// The live order's own hole.
    Repair,
    /// A page for members that catch up, each with its place among the askers.
    Page {
        from: ReadFrom,
        members: Vec<(MemberKey, usize)>,
    },
    /// Where the local writers stand, after something acknowledged was lost.
    Rows { members: Vec<(MemberKey, usize)> },
    /// Where the clients of those who watch them stand.
    WatchedRows { members: Vec<(MemberKey, usize)> },
    /// Where a subject's access stands, before it is changed.
    Access(AccessRequest),
}

/// What an append was for.
enum Appending {
    /// Handed over at that moment.
    Entries(Instant, Vec<OnItsWay>),
    /// All of one member's or none, handed over at that moment.
    Whole(Instant, Vec<OnItsWay>),
    /// Changes of access that the log may have lost.
    Restoring(Vec<NewEntry>),
    Access(AccessRequest, NewEntry),
}

/// A member's entry on its way to the log.
struct OnItsWay {
    member: MemberKey,
    client_seq: u64,
    sent: Sent,
}

/// One document of this replica. `M` is how a member is reached.
pub struct Document<M> {
    id: DocumentId,
    config: Arc<DocumentConfig>,
    retention: Retention,
    subscription: Subscription,

    /// `None` while cold.
    recent: Option<Recent>,
    /// Heard while the order could not take them.
    heard: VecDeque<Arc<Entry>>,
    heard_bytes: usize,
    /// Announcements may have been lost before there was an order to compare.
    compare_when_warm: bool,
    /// The read that repairs the order, once it is asked for.
    repair: Option<Ticket>,
    /// Another repair is due after this one.
    repair_again: bool,
    /// From the first doubt to the log's last word, over all reads that it takes.
    is_resyncing: bool,
    /// What earlier reads of this resync brought.
    resynced_entries: u64,
    comparison: Comparison,
    /// A head that was seen and has not been announced yet.
    expected: Option<Seq>,

    members: Members<M>,
    reads: HashMap<Ticket, (Seen, Reading)>,

    outgoing: Vec<(OnItsWay, NewEntry)>,
    appends: HashMap<Ticket, Appending>,
    stopwatch: Stopwatch,
    acknowledged: Acknowledged,
    /// The acknowledgement whose announcement is overdue when its timer fires.
    overdue: Option<Seq>,
    /// The local writers are to be told where they stand.
    rows_wanted: bool,
    /// Heads were compared: so are the rows that members watch.
    watched_rows_due: bool,
    look: Look,

    access: KnownAccess,
    /// Calls under way that append lost changes of access again; members wait for them.
    restoring: usize,

    presence: Presence,

    timers: Timers,
}

impl<M> Document<M> {
    pub fn new(id: DocumentId, config: Arc<DocumentConfig>) -> Self {
        Self {
            retention: config.retention_of(&id),
            id,
            config,
            subscription: Subscription::None,
            recent: None,
            heard: VecDeque::new(),
            heard_bytes: 0,
            compare_when_warm: false,
            repair: None,
            repair_again: false,
            is_resyncing: false,
            resynced_entries: 0,
            comparison: Comparison::default(),
            expected: None,
            members: Members::new(),
            reads: HashMap::new(),
            outgoing: Vec::new(),
            appends: HashMap::new(),
            stopwatch: Stopwatch::default(),
            acknowledged: Acknowledged::default(),
            overdue: None,
            rows_wanted: false,
            watched_rows_due: false,
            look: 0,
            access: KnownAccess::default(),
            restoring: 0,
            presence: Presence::default(),
            timers: Timers::default(),
        }
    }

    pub fn id(&self) -> &DocumentId {
        &self.id
    }

    /// A session asks for something.
    pub fn command(&mut self, command: Command<M>, now: Instant, fx: &mut impl Effects<M>) {
        match command {
            Command::Join(join) => self.join(join, now, fx),
            Command::Leave(member) => self.leave(member, now),
            Command::Submit(member, submissions) => self.submit(member, submissions, fx),
            Command::SubmitWhole(member, submissions) => {
                self.submit_whole(member, submissions, now, fx);
            }
            Command::Signal(member, signal) => {
                if self
                    .members
                    .find(member)
                    .is_some_and(|member| member.is_live())
                {
                    fx.signal(&self.id, signal);
                }
            }
            Command::WatchPresence(member) => self.watch_presence(member, fx),
            Command::UnwatchPresence(member) => self.unwatch_presence(member),
            Command::WatchRow(member) => self.watch_row(member),
            Command::ChangeAttendance(member, to_be) => self.change_attendance(member, to_be),
            Command::ChangeAccess {
                member,
                subject,
                action,
                by,
            } => {
                self.change_access(AccessRequest::new(member, subject, action, by), fx);
            }
        }
    }

    /// The bus has something to say about this document.
    pub fn hear(&mut self, event: DocumentEvent, now: Instant, fx: &mut impl Effects<M>) {
        match event {
            DocumentEvent::Subscribed => self.subscribed(fx),
            DocumentEvent::Lost => self.subscription_lost(),
            DocumentEvent::Lagged => self.compare_head(true, fx),
            DocumentEvent::Heard(entries) => self.heard(entries, fx),
            DocumentEvent::Signal(signal) => {
                let carried = crate::Carried::new(signal);
                let delivery = Delivery::Signal(&carried);
                for member in self.members.iter().filter(|m| m.is_live() && m.receive) {
                    fx.deliver(&member.to, &self.id, &delivery);
                }
            }
            DocumentEvent::Appended(ticket, result) => self.appended(ticket, result, now, fx),
            DocumentEvent::Page(ticket, result) => self.page(ticket, result, now, fx),
            DocumentEvent::Head(position, presence) => {
                if position.is_some() {
                    self.presence_compared(presence);
                    self.watched_rows_due = true;
                }
                self.head(position, now, fx);
            }
            DocumentEvent::Presence(announcement) => self.presence_heard(&announcement, fx),
            DocumentEvent::PresenceAnswered(ticket, result) => {
                self.presence_answered(ticket, result, now, fx);
            }
        }
    }

    /// Sends what gathered: called once after each batch of events.
    pub fn settle(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        self.send_outgoing(now, fx);
        self.ask_for_pages(now, fx);
        self.ask_for_rows(now, fx);
        self.ask_for_watched_rows(fx);
        self.call_presence(fx);
        if self.members.is_empty() && self.timers.linger.is_none() {
            self.timers.linger = Some(now + Duration::from_millis(self.config.linger_ms));
        }
    }

    /// When [`tick`](Self::tick) wants to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.timers.next(), self.presence.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Time has come; every timer that is due is cleared. Call [`settle`](Self::settle) afterwards, as after any event.
    pub fn tick(&mut self, now: Instant, fx: &mut impl Effects<M>) {
        self.tick_order(now, fx);
        self.tick_acknowledged(now, fx);
        Timers::due(&mut self.timers.rows, now);
        Timers::due(&mut self.timers.pages, now);
        if Timers::due(&mut self.timers.subscription, now) {
            self.tell_waiting(fx);
        }
        Timers::due(&mut self.timers.presence, now);
        self.tick_presence(now, fx);
        if !self.presence.is_idle() && Timers::due(&mut self.timers.linger, now) {
            // It stays until nothing of it is on its way to the set.
            self.timers.linger = Some(now + Duration::from_millis(self.config.linger_ms));
        }
        if Timers::due(&mut self.timers.room, now) {
            self.wake_those_with_room(now, fx);
        }
        if Timers::due(&mut self.timers.restore, now) {
            self.restore_access(fx);
        }
    }

    /// Whether nobody needs this document here any more.
    pub fn is_abandoned(&self, now: Instant) -> bool {
        self.members.is_empty()
            && self.presence.is_idle()
            && self.timers.linger.is_some_and(|linger| linger <= now)
    }

    fn page(
        &mut self,
        ticket: Ticket,
        result: Result<LogPage, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let Some((seen, reading)) = self.reads.remove(&ticket) else {
            return;
        };
        match reading {
            Reading::Repair => self.repaired(seen, result, now, fx),
            Reading::Page { from, members } => self.caught_up(seen, from, members, result, now, fx),
            Reading::Rows { members } => self.tell_rows(seen, members, result, now, fx),
            Reading::WatchedRows { members } => self.tell_watched_rows(members, result, fx),
            Reading::Access(request) => self.access_read(request, result, fx),
        }
    }

    /// Asks the log for a page.
    fn read(
        &mut self,
        from: ReadFrom,
        limit: PageLimit,
        askers: Vec<inkwire_bus::Asker>,
        reading: Reading,
        fx: &mut impl Effects<M>,
    ) -> Ticket {
        let ticket = fx.ticket();
        self.look += 1;
        let seen = Seen {
            look: self.look,
            last: self.last(),
        };
        self.reads.insert(ticket, (seen, reading));
        fx.read(Read {
            ticket,
            document: self.id.clone(),
            from,
            limit,
            askers,
        });
        ticket
    }

    /// Asks the log to take entries.
    fn append(&mut self, entries: Vec<NewEntry>, appending: Appending, fx: &mut impl Effects<M>) {
        let ticket = fx.ticket();
        let append = Append {
            retention: self.retention,
            whole: matches!(appending, Appending::Whole(..)),
            unconfirmed: matches!(appending, Appending::Restoring(_)),
            ..Append::new(ticket, self.id.clone(), entries)
        };
        self.appends.insert(ticket, appending);
        fx.append(append);
    }

    /// Only where a test has switched off that every document with members is followed.
    fn is_unfollowed(&self) -> bool {
        !rule_holds(Rule::WriteOnlyFollowed) && self.subscription == Subscription::None
    }

    fn after_retry(&self, now: Instant) -> Option<Instant> {
        Some(now + Duration::from_millis(self.config.retry_ms))
    }

    fn last(&self) -> Option<inkwire_model::Position> {
        self.recent.as_ref().map(Recent::last)
    }
}

/// What a bus event means to one document.
#[derive(Debug)]
pub enum DocumentEvent {
    Subscribed,
    Lost,
    Lagged,
    Heard(Vec<Arc<Entry>>),
    Signal(Arc<inkwire_model::Signal>),
    Appended(Ticket, Result<Vec<AppendOutcome>, Unavailable>),
    Page(Ticket, Result<LogPage, Unavailable>),
    /// The log's, and the version of who is here.
    Head(Option<inkwire_model::Position>, Option<PresenceVersion>),
    Presence(Arc<PresenceAnnouncement>),
    PresenceAnswered(Ticket, Result<PresenceAnswer, Unavailable>),
}
