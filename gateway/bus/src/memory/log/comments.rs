//! `Comments`: one document's comments, and who is to be told of them: changed only by entries that are
//! appended, in the same step (C11, C12).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use inkwire_model::{
    Comment, CommentChange, CommentEffect, CommentId, MappedAnchor, NewEntry, NotificationKind,
    Position, Resolved, Seq, Subject,
};

use crate::{CommentRefusal, LACKING_ANCHORS_MAX, Notice, RECIPIENTS_MAX, ReviewLimits};

#[derive(Debug, Clone, Default)]
pub(super) struct Comments {
    records: HashMap<CommentId, Arc<Comment>>,
    /// Who wrote in each thread.
    authors: HashMap<CommentId, BTreeSet<Subject>>,
    /// Who ever wrote an entry that is no comment.
    people: BTreeSet<Subject>,
    /// Bytes of text and anchors.
    bytes: usize,
    pub(super) limits: ReviewLimits,
    pub(super) outbox: Vec<Notice>,
}

impl Comments {
    /// The open anchored comments up to `seq` that are not named; the first of them.
    pub(super) fn lacking(
        &self,
        anchors: &BTreeMap<CommentId, MappedAnchor>,
        seq: Seq,
    ) -> Vec<CommentId> {
        let is_lacking = |kept: &&Arc<Comment>| {
            kept.is_open() && kept.position.seq <= seq && !anchors.contains_key(&kept.id)
        };
        let mut lacking: Vec<_> = self.records.values().filter(is_lacking).collect();
        lacking.sort_by_key(|kept| kept.position.seq);
        let first = lacking.iter().take(LACKING_ANCHORS_MAX);
        first.map(|kept| kept.id).collect()
    }

    /// A snapshot at `position` says where anchors from below it are now.
    pub(super) fn map(&mut self, anchors: &BTreeMap<CommentId, MappedAnchor>, position: Position) {
        for (id, mapped) in anchors {
            let Some(kept) = self.records.get_mut(id) else {
                continue;
            };
            let Some(anchor) = &kept.anchor else {
                continue;
            };
            if kept.position.seq > position.seq {
                continue;
            }
            let moved = mapped.apply(anchor, position);
            let kept = Arc::make_mut(kept);
            kept.orphaned = moved.is_none();
            kept.anchor = moved.or(kept.anchor.take());
        }
    }

    /// Somebody wrote an entry that is no comment.
    pub(super) fn contributed(&mut self, author: &Subject) {
        if self.people.len() < RECIPIENTS_MAX && !self.people.contains(author) {
            self.people.insert(author.clone());
        }
    }

    /// The document was deleted, and all that was said about it.
    pub(super) fn clear(&mut self) {
        let limits = self.limits;
        *self = Self {
            limits,
            ..Self::default()
        };
    }

    pub(super) fn all(&self) -> Vec<Comment> {
        let mut all: Vec<_> = self.records.values().map(|kept| (**kept).clone()).collect();
        all.sort_by_key(|comment| comment.position.seq);
        all
    }

    pub(super) fn one(&self, id: CommentId) -> Option<Comment> {
        self.records.get(&id).map(|kept| (**kept).clone())
    }

    /// What speaks against a change, with nothing done.
    pub(super) fn check(
        &self,
        entry: &NewEntry,
        effect: &CommentEffect,
    ) -> Result<(), CommentRefusal> {
        let by_author = |kept: &Comment| effect.by_owner || kept.author == entry.author;
        match &effect.change {
            CommentChange::Create { anchor, text, .. } => {
                let quote = anchor.as_ref().map_or(0, |anchor| anchor.quote.len());
                self.has_room(text.len() + quote)
            }
            CommentChange::Reply { thread, text, .. } => {
                let thread = self.find(*thread)?.thread;
                let authors = self.authors.get(&thread);
                if authors.is_some_and(|authors| {
                    authors.len() >= RECIPIENTS_MAX && !authors.contains(&entry.author)
                }) {
                    return Err(CommentRefusal::TooManyAuthors);
                }
                self.has_room(text.len())
            }
            CommentChange::Edit { comment, text, .. } => {
                let kept = self.find(*comment)?;
                if !by_author(kept) {
                    return Err(CommentRefusal::Forbidden);
                }
                if kept.deleted {
                    return Err(CommentRefusal::Deleted);
                }
                let bytes = self.bytes - kept.text.len() + text.len();
                self.within(bytes)
            }
            CommentChange::Resolve { comment, .. } => self.find(*comment).map(drop),
            CommentChange::Delete { comment } => match by_author(self.find(*comment)?) {
                true => Ok(()),
                false => Err(CommentRefusal::Forbidden),
            },
        }
    }

    fn has_room(&self, more_bytes: usize) -> Result<(), CommentRefusal> {
        if self.records.len() >= self.limits.comments_max as usize {
            return Err(CommentRefusal::TooManyComments);
        }
        self.within(self.bytes + more_bytes)
    }

    fn within(&self, bytes: usize) -> Result<(), CommentRefusal> {
        match bytes <= self.limits.comments_bytes_max as usize {
            true => Ok(()),
            false => Err(CommentRefusal::TooManyComments),
        }
    }

    fn find(&self, id: CommentId) -> Result<&Comment, CommentRefusal> {
        let kept = self.records.get(&id);
        kept.map(|kept| &**kept)
            .ok_or(CommentRefusal::UnknownComment)
    }

    /// Does what was checked, for an entry that is appended at `position`.
    pub(super) fn apply(&mut self, entry: &NewEntry, effect: &CommentEffect, position: Position) {
        match &effect.change {
            CommentChange::Create {
                anchor,
                text,
                mentions,
            } => {
                let id = CommentId::of(&entry.author, &entry.client, entry.client_seq);
                let quote = anchor.as_ref().map_or(0, |anchor| anchor.quote.len());
                let comment = Comment {
                    anchor: anchor.clone(),
                    ..comment(entry, id, id, position, text, mentions)
                };
                if self.insert(comment, quote) {
                    let people = self.people.iter().cloned().collect();
                    self.tell(entry, (id, id), text, mentions, &[], people);
                }
            }
            CommentChange::Reply {
                thread,
                text,
                mentions,
            } => {
                let Ok(thread) = self.find(*thread).map(|kept| kept.thread) else {
                    return;
                };
                let id = CommentId::of(&entry.author, &entry.client, entry.client_seq);
                let before = self.authors.get(&thread).cloned().unwrap_or_default();
                if self.insert(comment(entry, id, thread, position, text, mentions), 0) {
                    let authors: Vec<Subject> = before.into_iter().collect();
                    let people = self.people.iter().cloned().collect();
                    self.tell(entry, (id, thread), text, mentions, &authors, people);
                }
            }
            CommentChange::Edit {
                comment,
                text,
                mentions,
            } => {
                let Some(kept) = self.records.get_mut(comment) else {
                    return;
                };
                let kept = Arc::make_mut(kept);
                self.bytes = self.bytes - kept.text.len() + text.len();
                kept.text.clone_from(text);
                kept.edited_at = Some(entry.at);
                let thread = kept.thread;
                if let Some(mentions) = mentions {
                    let new = mentions.iter().filter(|who| !kept.mentions.contains(who));
                    let new: Vec<Subject> = new.cloned().collect();
                    kept.mentions.clone_from(mentions);
                    self.tell(entry, (*comment, thread), text, &new, &[], Vec::new());
                }
            }
            CommentChange::Resolve { comment, resolved } => {
                let Ok(thread) = self.find(*comment).map(|kept| kept.thread) else {
                    return;
                };
                let Some(first) = self.records.get_mut(&thread) else {
                    return;
                };
                if first.resolved.is_some() == *resolved {
                    return;
                }
                let first = Arc::make_mut(first);
                first.resolved = resolved.then(|| Resolved {
                    by: entry.author.clone(),
                    at: entry.at,
                });
                if *resolved {
                    let text = first.text.clone();
                    let authors = self.authors.get(&thread).into_iter().flatten();
                    let authors: Vec<_> = authors
                        .map(|who| (who.clone(), NotificationKind::Resolve))
                        .collect();
                    self.put(entry, (*comment, thread), &text, authors);
                }
            }
            CommentChange::Delete { comment } => {
                let Some(kept) = self.records.get_mut(comment) else {
                    return;
                };
                let kept = Arc::make_mut(kept);
                let quote = kept.anchor.take().map_or(0, |anchor| anchor.quote.len());
                self.bytes -= kept.text.len() + quote;
                kept.text.clear();
                kept.mentions.clear();
                kept.orphaned = false;
                kept.deleted = true;
            }
        }
    }

    /// False if it was there: then nothing changes.
    fn insert(&mut self, comment: Comment, quote_bytes: usize) -> bool {
        if self.records.contains_key(&comment.id) {
            return false;
        }
        self.bytes += comment.text.len() + quote_bytes;
        let authors = self.authors.entry(comment.thread).or_default();
        authors.insert(comment.author.clone());
        self.records.insert(comment.id, comment.into());
        true
    }

    /// Of several reasons to tell somebody the first counts.
    fn tell(
        &mut self,
        entry: &NewEntry,
        of: (CommentId, CommentId),
        text: &str,
        mentions: &[Subject],
        authors: &[Subject],
        people: Vec<Subject>,
    ) {
        let mut recipients: BTreeMap<Subject, NotificationKind> = BTreeMap::new();
        let reasons = [
            (people.as_slice(), NotificationKind::Comment),
            (authors, NotificationKind::Reply),
            (mentions, NotificationKind::Mention),
        ];
        for (subjects, kind) in reasons {
            recipients.extend(subjects.iter().map(|who| (who.clone(), kind)));
        }
        self.put(entry, of, text, recipients.into_iter().collect());
    }

    fn put(
        &mut self,
        entry: &NewEntry,
        (comment, thread): (CommentId, CommentId),
        text: &str,
        mut recipients: Vec<(Subject, NotificationKind)>,
    ) {
        recipients.retain(|(who, _)| *who != entry.author);
        if !recipients.is_empty() {
            self.outbox.push(Notice {
                by: entry.author.clone(),
                client: entry.client.clone(),
                client_seq: entry.client_seq,
                at: entry.at,
                comment,
                thread,
                text: text.to_owned(),
                recipients,
            });
        }
    }
}

fn comment(
    entry: &NewEntry,
    id: CommentId,
    thread: CommentId,
    position: Position,
    text: &str,
    mentions: &[Subject],
) -> Comment {
    Comment {
        id,
        thread,
        author: entry.author.clone(),
        at: entry.at,
        position,
        anchor: None,
        orphaned: false,
        text: text.to_owned(),
        mentions: mentions.to_vec(),
        edited_at: None,
        resolved: None,
        deleted: false,
    }
}
