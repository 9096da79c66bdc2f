//! `View`: the set as those who look on here were told of it.
//!
//! Whoever is in it entered, whoever is not left: news is what changes it, so none is told twice.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use inkwire_bus::{PresenceAnnouncement, PresenceEvent, PresenceVersion};
use inkwire_model::{ChainHash, Participant, ParticipantId, Position, PresenceNews};

/// Announcements kept while the set is read; beyond, it is read again.
const HEARD_MAX: usize = 256;

/// An announcement is missing: the set has to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed;

#[derive(Debug, Default)]
pub(super) struct View {
    is_known: bool,
    version: Option<PresenceVersion>,
    participants: BTreeMap<ParticipantId, Participant>,
    /// Those whom the set did not have when it was read although nobody said that they left. If a
    /// server lost its memory they are about to be entered again; so they are told to have left when
    /// this time has passed.
    missing: BTreeMap<ParticipantId, Instant>,
    /// Heard while the set was read.
    heard: VecDeque<PresenceAnnouncement>,
    overflowed: bool,
}

impl View {
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether it is what stands under this version.
    pub(super) fn is_at(&self, version: Option<PresenceVersion>) -> bool {
        let is_empty = self.participants.len() == self.missing.len();
        self.is_known && (self.version == version || (version.is_none() && is_empty))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.missing.values().min().copied()
    }

    pub(super) fn snapshot(&self) -> Option<PresenceNews> {
        self.is_known.then(|| PresenceNews::Present {
            participants: self.participants.values().cloned().collect(),
            version: told(self.version),
        })
    }

    pub(super) fn hear(
        &mut self,
        announcement: &PresenceAnnouncement,
        is_reading: bool,
    ) -> Result<Vec<PresenceNews>, Missed> {
        if is_reading {
            match self.heard.len() < HEARD_MAX {
                true => self.heard.push_back(announcement.clone()),
                false => self.overflowed = true,
            }
            return Ok(Vec::new());
        }
        if !self.is_known {
            return Err(Missed);
        }
        let mut news = Vec::new();
        self.follow(announcement, &mut news).map(|()| news)
    }

    /// The set was read. The second is whether an announcement is missing after it.
    pub(super) fn read(
        &mut self,
        version: Option<PresenceVersion>,
        found: Vec<Participant>,
        held_back: Instant,
    ) -> (Vec<PresenceNews>, bool) {
        let found: BTreeMap<ParticipantId, Participant> = found
            .into_iter()
            .map(|one| (one.who.clone(), one))
            .collect();
        let mut news = Vec::new();
        if !self.is_known {
            self.is_known = true;
            self.participants = found;
        } else {
            for who in self.participants.keys() {
                if !found.contains_key(who) {
                    self.missing.entry(who.clone()).or_insert(held_back);
                }
            }
            for (_, one) in found {
                self.entered(one, told(version), &mut news);
            }
        }
        self.version = version;
        let mut missed = std::mem::take(&mut self.overflowed);
        for announcement in std::mem::take(&mut self.heard) {
            missed |= self.follow(&announcement, &mut news).is_err();
        }
        (news, missed)
    }

    /// Who was missing for too long has left.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<PresenceNews> {
        let mut news = Vec::new();
        let over: Vec<ParticipantId> = self
            .missing
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(who, _)| who.clone())
            .collect();
        for who in over {
            self.left(&who, told(self.version), &mut news);
        }
        news
    }

    fn follow(
        &mut self,
        announcement: &PresenceAnnouncement,
        news: &mut Vec<PresenceNews>,
    ) -> Result<(), Missed> {
        let PresenceAnnouncement {
            before,
            after,
            events,
        } = announcement;
        if !self.is_at(*before) {
            // What came before the version that was read is in it.
            let is_old = self.version.is_some_and(|version| after.seq <= version.seq);
            return if is_old { Ok(()) } else { Err(Missed) };
        }
        for event in events {
            match event {
                PresenceEvent::Entered(one) => self.entered(one.clone(), *after, news),
                PresenceEvent::Left(who) => self.left(who, *after, news),
            }
        }
        self.version = Some(*after);
        Ok(())
    }

    fn entered(&mut self, one: Participant, at: PresenceVersion, news: &mut Vec<PresenceNews>) {
        self.missing.remove(&one.who);
        if self.participants.contains_key(&one.who) {
            return;
        }
        self.participants.insert(one.who.clone(), one.clone());
        match news.last_mut() {
            Some(PresenceNews::Entered {
                participants,
                version,
            }) if *version == at => participants.push(one),
            _ => news.push(PresenceNews::Entered {
                participants: vec![one],
                version: at,
            }),
        }
    }

    fn left(&mut self, who: &ParticipantId, at: PresenceVersion, news: &mut Vec<PresenceNews>) {
        self.missing.remove(who);
        if self.participants.remove(who).is_none() {
            return;
        }
        match news.last_mut() {
            Some(PresenceNews::Left {
                participants,
                version,
            }) if *version == at => participants.push(who.clone()),
            _ => news.push(PresenceNews::Left {
                participants: vec![who.clone()],
                version: at,
            }),
        }
    }
}

/// An empty set has a version too, for those who are told.
fn told(version: Option<PresenceVersion>) -> PresenceVersion {
    version.unwrap_or(Position::start(ChainHash::from_random([0; 8])))
}
