//! `Log`: one document's log, pure: each entry follows the one before, from the base to the head.
//!
//! It holds everything above its base. What is below is gone, but for the position of the base
//! itself, so that a resume exactly there can still be checked.

mod comments;
mod rows;
mod whole;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use inkwire_model::{
    AccessAction, AccessChange, ChainHash, ClientId, ClientKey, Comment, CommentId, Digest, Entry,
    NewEntry, Position, ResetCause, Rule, Seq, Snapshot, Subject, UnixMillis, rule_holds,
};

use self::{comments::Comments, rows::Rows};
use crate::{
    About, AppendOutcome, Asker, Continuity, LogPage, Notice, PageLimit, PutSnapshot, ReadFrom,
    Refusal, Retention, ReviewLimits, SnapshotAt, SnapshotPut, SnapshotRefused, Standing,
};

/// The entries of one document, with all that an append is checked against.
#[derive(Debug, Clone)]
pub struct Log {
    /// The position just below the first entry.
    base: Position,
    entries: VecDeque<Arc<Entry>>,
    rows: Rows,
    revoked: HashSet<Subject>,
    snapshot: Option<Arc<Snapshot>>,
    comments: Comments,
    /// Where this history began, if another one was deleted below it.
    deleted: Option<Position>,
    entries_max: usize,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One for each entry, in order.
    pub outcomes: Vec<AppendOutcome>,
    /// Those that are in the log now and were not before.
    pub entries: Vec<Arc<Entry>>,
}

impl Log {
    /// An empty log. The hash of `start` is its identity, so it has to be drawn at random.
    pub fn new(start: Position, entries_max: usize) -> Self {
        Self {
            base: start,
            entries: VecDeque::new(),
            rows: Rows::default(),
            revoked: HashSet::new(),
            snapshot: None,
            comments: Comments::default(),
            deleted: None,
            entries_max,
        }
    }

    /// The position of the last entry.
    pub fn head(&self) -> Position {
        self.entries
            .back()
            .map_or(self.base, |entry| entry.position)
    }

    /// The position just below the first entry that is held.
    pub fn base(&self) -> Position {
        self.base
    }

    /// Appends entries in order (C1). Each is checked after those before it took effect, and a
    /// refusal touches only its own entry and what the same client sends after it in this call.
    pub fn append(&mut self, now: UnixMillis, entries: Vec<(Digest, NewEntry)>) -> Appended {
        self.append_as(now, entries, Retention::Everything, false)
    }

    /// The same, with what an [`Append`](crate::Append) says of retention and of all or nothing.
    pub fn append_as(
        &mut self,
        now: UnixMillis,
        entries: Vec<(Digest, NewEntry)>,
        retention: Retention,
        whole: bool,
    ) -> Appended {
        if whole && let Some(outcomes) = self.refuse_whole(now, &entries, retention) {
            let entries = Vec::new();
            return Appended { outcomes, entries };
        }
        let mut appended = Appended {
            outcomes: Vec::with_capacity(entries.len()),
            entries: Vec::with_capacity(entries.len()),
        };
        // Refusals are rare and calls short: a list is quicker than a set, and usually empty.
        let mut refused: Vec<ClientKey> = Vec::new();
        for (digest, entry) in entries {
            let key = entry.key();
            let outcome = if refused.contains(&key) {
                AppendOutcome::Refused(Refusal::Dropped)
            } else {
                let held = &mut appended.entries;
                self.append_one(now, &key, &digest, entry, retention, held)
            };
            if matches!(outcome, AppendOutcome::Refused(_)) && !refused.contains(&key) {
                refused.push(key);
            }
            appended.outcomes.push(outcome);
        }
        if let Some(first) = appended.entries.first() {
            self.retain(first.position.seq - 1, retention);
        }
        appended
    }

    /// Trims what was appended to after `before`.
    fn retain(&mut self, before: Seq, retention: Retention) {
        let Retention::Latest(latest) = retention else {
            return;
        };
        let latest = latest.max(1);
        let (head, every) = (self.head().seq, Seq::from(Retention::trimmed_every(latest)));
        if head - head % every > before {
            self.trim(head.saturating_sub(latest.into()));
        }
    }

    /// Whether the log takes one more entry that is no change of access, after so many others.
    fn has_room_for(&self, others: usize, retention: Retention) -> bool {
        matches!(retention, Retention::Latest(_)) || self.entries.len() + others < self.entries_max
    }

    fn append_one(
        &mut self,
        now: UnixMillis,
        key: &ClientKey,
        digest: &Digest,
        entry: NewEntry,
        retention: Retention,
        appended: &mut Vec<Arc<Entry>>,
    ) -> AppendOutcome {
        if self.is_revoked(&key.subject) {
            return AppendOutcome::Refused(Refusal::Revoked);
        }
        match self.rows.check(now, key, entry.client_seq, digest) {
            Ok(rows::Number::Next) => {}
            Ok(rows::Number::Duplicate(position)) => return AppendOutcome::Duplicate(position),
            Err(refusal) => return AppendOutcome::Refused(refusal),
        }
        let is_access = matches!(entry.client, ClientId::Access(_));
        if !is_access && !self.has_room_for(0, retention) {
            return AppendOutcome::Refused(Refusal::LogFull);
        }
        let position = self.head().next(digest);
        match &entry.comment {
            Some(effect) => {
                if let Err(refusal) = self.comments.check(&entry, effect) {
                    return AppendOutcome::Refused(Refusal::Comment(refusal));
                }
                self.comments.apply(&entry, effect, position);
            }
            None if is_access => {}
            None => self.comments.contributed(&entry.author),
        }
        let entry = Arc::new(entry.at(position));
        self.rows.record(now, key, position, digest);
        self.change_access(&entry);
        self.entries.push_back(entry.clone());
        appended.push(entry);
        AppendOutcome::Appended(position)
    }

    fn change_access(&mut self, entry: &Entry) {
        match AccessChange::of(entry) {
            None => {}
            Some(AccessChange {
                subject,
                action: AccessAction::Revoke,
            }) => {
                self.revoked.insert(subject);
            }
            Some(AccessChange {
                subject,
                action: AccessAction::Grant,
            }) => {
                self.revoked.remove(&subject);
            }
        }
    }

    /// Whether the log refuses this subject. The author of changes of access is never refused, or
    /// nobody could undo a change.
    pub fn is_revoked(&self, subject: &Subject) -> bool {
        self.revoked.contains(subject) && *subject != Subject::access_author()
    }

    /// Reads one page, and where the askers stand (C4, C6).
    pub fn read(&self, from: ReadFrom, limit: PageLimit, askers: &[Asker]) -> LogPage {
        let broken = match from {
            ReadFrom::Start | ReadFrom::Head => None,
            ReadFrom::After(position) => self.check(position).err(),
        };
        let (snapshot, after) = match from {
            ReadFrom::Head => (None, self.head()),
            ReadFrom::After(position) if broken.is_none() => (None, position),
            ReadFrom::After(_) | ReadFrom::Start => self.beginning(),
        };
        LogPage {
            continuity: broken.map_or(Continuity::Continues, Continuity::Broken),
            snapshot,
            after,
            entries: self.page(after.seq, limit),
            head: self.head(),
            covered: self.covered(),
            standings: askers.iter().map(|asker| self.standing(asker)).collect(),
        }
    }

    /// Whether a position is in this history, as far as it is held.
    pub fn check(&self, position: Position) -> Result<(), ResetCause> {
        let is_held = self.position_at(position.seq) == Some(position);
        if is_held {
            return Ok(());
        }
        if self
            .deleted
            .is_some_and(|start| position != start && position.seq <= start.seq)
        {
            return Err(ResetCause::Deleted);
        }
        if position.seq < self.base.seq {
            return Err(ResetCause::Trimmed);
        }
        if rule_holds(Rule::HashComparison) {
            Err(ResetCause::Diverged)
        } else {
            Ok(())
        }
    }

    fn position_at(&self, seq: Seq) -> Option<Position> {
        if seq == self.base.seq {
            return Some(self.base);
        }
        let index = self.entries_up_to(seq).checked_sub(1)?;
        let position = self.entries.get(index)?.position;
        (position.seq == seq).then_some(position)
    }

    /// How many of the entries that are held have this `seq` or a lower one.
    fn entries_up_to(&self, seq: Seq) -> usize {
        let above_base = seq.saturating_sub(self.base.seq);
        usize::try_from(above_base).map_or(self.entries.len(), |n| n.min(self.entries.len()))
    }

    fn beginning(&self) -> (Option<Arc<Snapshot>>, Position) {
        match &self.snapshot {
            Some(snapshot) => (Some(snapshot.clone()), snapshot.position),
            None => (None, self.base),
        }
    }

    fn page(&self, after: Seq, limit: PageLimit) -> Vec<Arc<Entry>> {
        let mut bytes = 0;
        self.entries
            .iter()
            .skip(self.entries_up_to(after))
            .take(limit.entries.max(1))
            .take_while(|entry| {
                let is_first = bytes == 0;
                // At least 1, so that an empty payload counts as an entry that was taken.
                bytes += entry.payload.len().max(1);
                is_first || bytes <= limit.bytes
            })
            .cloned()
            .collect()
    }

    fn standing(&self, asker: &Asker) -> Standing {
        let row = asker.client.as_ref().and_then(|client| {
            self.rows.row(&ClientKey {
                subject: asker.subject.clone(),
                client: client.clone(),
            })
        });
        Standing {
            revoked: self.is_revoked(&asker.subject),
            row: row.cloned(),
        }
    }

    /// Up to where a snapshot covers the log, or trimming took it.
    pub fn covered(&self) -> Seq {
        self.about().covered()
    }

    /// Where the log begins and ends.
    pub fn about(&self) -> About {
        About {
            head: self.head(),
            base: self.base,
            snapshot: self.snapshot.as_ref().map(|last| last.position),
        }
    }

    /// The last snapshot.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// Keeps the application's content at a position, for readers who start here (C9), and drops the
    /// entries below it, less a tail.
    pub fn put_snapshot(&mut self, put: PutSnapshot) -> Result<SnapshotPut, SnapshotRefused> {
        if self.is_revoked(&put.author) {
            return Err(SnapshotRefused::Revoked);
        }
        let position = match put.at {
            SnapshotAt::Position(position) => position,
            SnapshotAt::Seed => self.head(),
        };
        let is_at_its_beginning = self.entries.is_empty();
        let is_seed = put.at == SnapshotAt::Seed;
        if self.check(position).is_err() || (is_seed && !is_at_its_beginning) {
            return Err(SnapshotRefused::NotInHistory);
        }
        let last = self.snapshot.as_ref().map(|last| last.position.seq);
        if last.is_some_and(|last| last >= position.seq) {
            return Err(SnapshotRefused::NotNewer);
        }
        let lacking = self.comments.lacking(&put.anchors, position.seq);
        if !lacking.is_empty() {
            return Err(SnapshotRefused::LacksAnchors(lacking));
        }
        self.comments.map(&put.anchors, position);
        let snapshot = Snapshot {
            position,
            content_type: put.content_type,
            payload: put.payload,
        };
        self.snapshot = Some(Arc::new(snapshot));
        self.trim(position.seq.saturating_sub(put.tail_entries.into()));
        let base = self.base;
        Ok(SnapshotPut { position, base })
    }

    /// Drops entries and snapshot, and begins another history just behind the last `seq`. The hash is
    /// its identity, so it has to be drawn at random.
    pub fn delete(&mut self, hash: ChainHash) -> Position {
        let seq = self.head().seq;
        let start = Position { seq, hash };
        self.base = start;
        self.deleted = Some(start);
        self.entries.clear();
        self.snapshot = None;
        self.comments.clear();
        start
    }

    /// How much its comments may hold.
    pub fn limit_comments(&mut self, limits: ReviewLimits) {
        self.comments.limits = limits;
    }

    /// The comments in the order of their creation.
    pub fn comments(&self) -> Vec<Comment> {
        let comments = self.comments.all().into_iter();
        comments.map(|comment| self.with_doubt(comment)).collect()
    }

    pub fn comment(&self, id: CommentId) -> Option<Comment> {
        self.comments
            .one(id)
            .map(|comment| self.with_doubt(comment))
    }

    /// An anchor whose position a fork removed is orphaned while it is gone (C11).
    fn with_doubt(&self, mut comment: Comment) -> Comment {
        let anchored_at = comment.anchor.as_ref().map(|anchor| anchor.position);
        let is_gone = |at| self.check(at) == Err(ResetCause::Diverged);
        comment.orphaned |= anchored_at.is_some_and(is_gone);
        comment
    }

    /// What people are to be notified of.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.comments.outbox)
    }

    /// A row expires, as after a day without use. False if there was none.
    pub fn forget_row(&mut self, key: &ClientKey) -> bool {
        self.rows.forget(key)
    }

    /// Drops the entries up to and with `seq`; rows and revocations stay. A snapshot from below goes
    /// with them: what follows it is no longer here.
    pub fn trim(&mut self, seq: Seq) {
        if let Some(last) = self.entries.drain(..self.entries_up_to(seq)).next_back() {
            self.base = last.position;
        }
        let base = self.base.seq;
        self.snapshot
            .take_if(|snapshot| snapshot.position.seq < base);
    }
}

#[cfg(test)]
mod tests;
