//! What has to be true of every world, whatever happened in it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use inkwire_client::LossCause;
use inkwire_model::{AccessAction, AccessChange, Entry, Position, Seq, Subject};

use crate::{
    page::{Client, Record, origin},
    plan::Level,
};

/// What is wrong, in one word: switches are expected to break in their own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The client was handed an entry that does not continue what it had.
    Broken,
    /// The same text stands in the log twice.
    Repeated,
    /// Something acknowledged is not in the log, and nobody was told.
    Missing,
    /// One page's texts stand in another order.
    Reordered,
    /// A reader shows something else than the log.
    Diverged,
    /// It was refused, and is there.
    RefusedAndThere,
    /// Acknowledged or refused more than once, or never.
    Untold,
    /// Given up although nothing was lost.
    GivenUp,
    /// It never came to rest.
    Stuck,
    /// Somebody asks to be looked at again and again, and does nothing.
    Spinning,
    /// A reader waited long for an entry although nothing failed.
    Late,
    /// A revocation is undone, or something was written after it.
    Revocation,
}

#[derive(Debug, Clone)]
pub struct Violation {
    pub kind: Kind,
    pub what: String,
}

impl Violation {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// The end of a world.
pub(crate) struct Ending<'a> {
    pub(crate) clients: &'a [Client],
    pub(crate) log: &'a [Arc<Entry>],
    pub(crate) level: Level,
    /// Whose revocation was acknowledged.
    pub(crate) revoked: Option<&'a Subject>,
}

impl Ending<'_> {
    pub(crate) fn judge(&self) -> Result<(), Violation> {
        self.chain()?;
        self.revocation()?;
        let places = self.places()?;
        for client in self.clients {
            for record in client.gone.iter().chain([&client.page.record]) {
                in_order(record, &places)?;
            }
            self.told(client, &places)?;
            if !client.write_only && client.page.record.ended.is_none() {
                self.shown(client)?;
            }
        }
        Ok(())
    }

    fn chain(&self) -> Result<(), Violation> {
        let mut last: Option<Position> = None;
        for entry in self.log {
            if last.is_some_and(|last| !entry.follows(last)) {
                let what = format!("the log's entry {} does not follow", entry.position);
                return Err(Violation::new(Kind::Broken, what));
            }
            last = Some(entry.position);
        }
        Ok(())
    }

    fn revocation(&self) -> Result<(), Violation> {
        let Some(subject) = self.revoked else {
            return Ok(());
        };
        let wrong = |what: String| Err(Violation::new(Kind::Revocation, what));
        let is_it = |entry: &&Arc<Entry>| {
            AccessChange::of(entry)
                .is_some_and(|c| c.subject == *subject && c.action == AccessAction::Revoke)
        };
        let Some(revocation) = self.log.iter().find(is_it) else {
            return wrong(format!("the revocation of {subject} is undone"));
        };
        let after = |entry: &&Arc<Entry>| {
            entry.author == *subject && entry.position.seq > revocation.position.seq
        };
        match self.log.iter().find(after) {
            Some(entry) => wrong(format!(
                "{subject} wrote {} after the revocation at {}",
                entry.position, revocation.position
            )),
            None => Ok(()),
        }
    }

    /// Where each text stands.
    fn places(&self) -> Result<Places<'_>, Violation> {
        let mut places: Places<'_> = HashMap::new();
        for entry in self.log {
            let Some((name, n)) = origin(entry) else {
                continue;
            };
            let of_page = places.entry(name).or_default();
            if let Some(before) = of_page.insert(n, entry.position.seq) {
                let seq = entry.position.seq;
                let what = format!("{name}#{n} stands at {before} and at {seq}");
                return Err(Violation::new(Kind::Repeated, what));
            }
        }
        Ok(places)
    }

    /// Every append of a page that is still there came to a known end.
    fn told(&self, client: &Client, places: &Places<'_>) -> Result<(), Violation> {
        let record = &client.page.record;
        if record.ended.is_some() {
            return Ok(());
        }
        for (n, written) in (1..).zip(&record.appends) {
            let is_there = places
                .get(record.name.as_str())
                .is_some_and(|of_page| of_page.contains_key(&n));
            let text = format!("{}#{n}", record.name);
            let wrong = |kind, what: &str| Err(Violation::new(kind, format!("{text} {what}")));
            if written.refused && is_there {
                return wrong(Kind::RefusedAndThere, "was refused and is in the log");
            }
            if let Some(cause) = written.lost {
                let was_kept = matches!(cause, LossCause::NotHeld | LossCause::Unknown);
                if self.level == Level::Replicated && written.acked && was_kept && !is_there {
                    return wrong(Kind::Missing, "was acknowledged as replicated and is lost");
                }
                continue;
            }
            if !is_there && written.acked && !written.former {
                return wrong(Kind::Missing, "was acknowledged and is not in the log");
            }
            if !written.acked && !written.refused {
                return wrong(
                    Kind::Untold,
                    "was neither acknowledged nor refused nor lost",
                );
            }
        }
        Ok(())
    }

    fn shown(&self, client: &Client) -> Result<(), Violation> {
        let record = &client.page.record;
        let base = record.base.map_or(0, |base| base.seq);
        let shown = record.view.iter().map(|entry| &entry.payload);
        let held = self.log.iter().filter(|entry| entry.position.seq > base);
        if shown.eq(held.map(|entry| &entry.payload)) {
            return Ok(());
        }
        let what = format!(
            "{} shows {} entries above {base}, the log has {}",
            record.name,
            record.view.len(),
            self.log.len()
        );
        Err(Violation::new(Kind::Diverged, what))
    }
}

/// Of each page, the place of each of its texts.
type Places<'a> = HashMap<&'a str, BTreeMap<u64, Seq>>;

fn in_order(record: &Record, places: &Places<'_>) -> Result<(), Violation> {
    let Some(of_page) = places.get(record.name.as_str()) else {
        return Ok(());
    };
    let mut last = 0;
    for (n, seq) in of_page {
        if *seq < last {
            let what = format!("{}#{n} stands at {seq}, before an earlier one", record.name);
            return Err(Violation::new(Kind::Reordered, what));
        }
        last = *seq;
    }
    Ok(())
}
