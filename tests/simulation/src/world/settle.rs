//! The end: everything heals, and the world has to come to rest and be right.

use inkwire_bus::{LogPage, PageLimit, ReadFrom};
use inkwire_checker::Violation as Found;
use inkwire_model::{AccessChange, Entry, Seq};

use super::{Event, Revocation, World, subject};
use crate::{
    agenda::{MS, Micros, SECOND},
    judge::{Kind, Violation},
};

/// How long a world may take to come to rest. Sessions that talk to nobody are found out after 20 s, what
/// cannot land any more waits 11 s, heads are compared every 15 s.
const REST_MAX: Micros = 240 * SECOND;

/// How long it has to stay at rest.
const REST: Micros = 20 * SECOND;

/// In a calm world, how long an entry may take to a reader who is live.
const PROMPT: Micros = 2 * SECOND;

impl World {
    pub(super) fn heal(&mut self) {
        self.faults = false;
        self.healed_at = Some(self.now);
        self.note(80, format_args!("everything heals"));
        for n in 0..self.replicas.len() {
            self.replicas[n].bus.away_until = 0;
            let life = self.this_life(n);
            self.restart(life);
        }
        for link in &mut self.links {
            link.slow_until = 0;
        }
        for key in 0..self.links.len() {
            self.look_at(key);
        }
    }

    /// Looks at it all once in a while. True if it is over.
    pub(super) fn look(&mut self) -> bool {
        let every = if self.plan.calm { 250 * MS } else { SECOND };
        self.agenda.add(self.now + every, Event::Look);
        if self.plan.calm {
            self.look_for_the_late();
        }
        let Some(healed_at) = self.healed_at else {
            return false;
        };
        match self.unrest() {
            None => {
                let since = *self.quiet_since.get_or_insert(self.now);
                self.now >= since + REST
            }
            Some(why) => {
                self.quiet_since = None;
                if self.now > healed_at + REST_MAX {
                    self.never_rests(why);
                }
                false
            }
        }
    }

    /// What does not come to rest may say why: a history that is another one, or an entry that is lost.
    fn never_rests(&mut self, why: String) {
        const MEANS_THE_SAME: [&str; 4] = ["Behind", "HeldAndMissing", "Unanswered", "TextDiffers"];
        let found = self.judge().err();
        let found = found.filter(|found| !MEANS_THE_SAME.contains(&found.name.as_str()));
        let stuck = || Violation::new(Kind::Stuck, why);
        self.violation = Some(found.unwrap_or_else(stuck));
    }

    /// Why the world is not at rest.
    fn unrest(&self) -> Option<String> {
        let head = self.redis.head();
        for client in &self.clients {
            let record = &client.page.record;
            if record.ended.is_some() {
                continue;
            }
            if client.is_asleep {
                return Some(format!("{} sleeps", record.name));
            }
            let name = &record.name;
            let Some(document) = client.page.core.document(&self.document) else {
                return Some(format!("{name} has no document"));
            };
            // A page may think that it is live, and talk to nobody.
            let talks = client.page.link.is_some_and(|key| {
                let link = &self.links[key];
                link.replica_open && link.carries_up && link.carries_down
            });
            if !document.is_live() || !talks {
                return Some(format!("{name} is not live"));
            }
            if !document.is_settled() {
                return Some(format!("{name} has something to say still"));
            }
            if !client.write_only && document.position() != head {
                let position = document.position();
                return Some(format!("{name} is at {position:?}, the log at {head:?}"));
            }
        }
        None
    }

    fn look_for_the_late(&mut self) {
        let Some(before) = self.now.checked_sub(PROMPT) else {
            return;
        };
        let due: Seq = self
            .appended
            .iter()
            .rev()
            .find(|(at, _)| *at <= before)
            .map_or(0, |(_, seq)| *seq);
        let late = self.clients.iter().find_map(|client| {
            let record = &client.page.record;
            let is_reader = !client.write_only && record.live_since.is_some_and(|at| at <= before);
            let shown = record.shown;
            (is_reader && shown < due)
                .then(|| format!("{} shows {shown}, {due} was appended long ago", record.name))
        });
        if let Some(what) = late {
            self.violate(Kind::Late, what);
        }
    }

    pub(super) fn judge(&mut self) -> Result<(), Violation> {
        let everything = PageLimit {
            entries: usize::MAX,
            bytes: usize::MAX,
        };
        let log = self.redis.log().read(ReadFrom::Start, everything, &[]);
        // A replica that had a member all the time remembers what it delivered, and no rollback undoes it.
        let is_remembered = self.revocation_shown_over.iter().any(|key| {
            let link = &self.links[*key];
            link.page_open && link.replica_open
        });
        if self.revocation == Revocation::Acknowledged || is_remembered {
            let subject = subject(self.clients.len() - 1, 0);
            let is_it = |entry: &std::sync::Arc<Entry>| {
                AccessChange::of(entry).is_some_and(|change| change.subject == subject)
            };
            if !log.entries.iter().any(is_it) {
                let what = format!("the revocation of {subject} is not in the log");
                return Err(Violation::new(Kind::RevocationUndone, what));
            }
        }
        for client in 0..self.clients.len() {
            self.record_rewordings(client);
        }
        for client in &self.clients {
            let record = &client.page.record;
            if !client.write_only && record.ended.is_none() {
                self.recorder.text(&record.name, &record.text);
            }
        }
        let verdict = self.recorder.judge(&log);
        let first = verdict
            .violations
            .iter()
            .find(|found| !self.is_of_two_pages(found, &log));
        first.map_or(Ok(()), |violation| Err(violation.into()))
    }

    /// Two pages under one client may both be writing. Nothing is promised of their common order, nor of
    /// the place of one's entry whose number the other took: it goes out once more, under a new client.
    fn is_of_two_pages(&self, found: &Found, log: &LogPage) -> bool {
        let Found::Reordered { first, second, .. } = found else {
            return false;
        };
        let is_one =
            |entry: &std::sync::Arc<Entry>| [first.seq, second.seq].contains(&entry.position.seq);
        let mut both = log.entries.iter().filter(|entry| is_one(entry));
        both.any(|entry| self.shared.contains(&entry.client))
    }
}
