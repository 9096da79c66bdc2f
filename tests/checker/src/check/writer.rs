//! `Writer`: whatever it submitted is in the log once and in its order, or somebody said why not.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{AckLevel, Append, Content, Entry, Name, Position, Verdict, Violation};

use super::{log::Log, numbers::Numbers, seen::Seen};

pub(super) struct Writer<'a> {
    name: &'a Name,
    /// As whom it wrote: author and client, the present one last.
    clients: Vec<Identity<'a>>,
    appends: BTreeMap<Append, Fate<'a>>,
    /// Under which number of which of its clients an append was acknowledged.
    numbered: HashMap<(Identity<'a>, u64), Append>,
    /// What the present client took over from the one before it: its first numbers, in this order.
    taken_over: Vec<Append>,
}

/// Author and client: another author is another client.
type Identity<'a> = (&'a str, &'a str);

/// What became of one append.
struct Fate<'a> {
    content: &'a Content,
    reworded: Vec<&'a Content>,
    acknowledged: Option<Position>,
    is_refused: bool,
    is_told_lost: bool,
    /// Nobody holds it any more.
    is_forgotten: bool,
    is_deleted: bool,
    /// Where it stands in the log.
    stands: Option<Position>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(name: &'a Name) -> Self {
        Self {
            name,
            clients: Vec::new(),
            appends: BTreeMap::new(),
            numbered: HashMap::new(),
            taken_over: Vec::new(),
        }
    }

    pub(super) fn becomes(&mut self, author: &'a str, client: &'a str) {
        self.clients.retain(|known| *known != (author, client));
        self.clients.push((author, client));
    }

    pub(super) fn submitted(&mut self, append: Append, content: &'a Content) {
        self.appends.entry(append).or_insert(Fate {
            content,
            reworded: Vec::new(),
            acknowledged: None,
            is_refused: false,
            is_told_lost: false,
            is_forgotten: false,
            is_deleted: false,
            stands: None,
        });
    }

    pub(super) fn reworded(&mut self, append: Append, content: &'a Content) {
        if let Some(fate) = self.appends.get_mut(&append) {
            fate.reworded.push(content);
        }
    }

    pub(super) fn acknowledged(&mut self, append: Append, client_seq: u64, position: Position) {
        if let Some(identity) = self.clients.last() {
            self.numbered.insert((*identity, client_seq), append);
        }
        if let Some(fate) = self.appends.get_mut(&append) {
            fate.acknowledged = Some(position);
        }
    }

    pub(super) fn refused(&mut self, append: Append) {
        // A refused one takes no number.
        self.taken_over.retain(|taken_over| *taken_over != append);
        if let Some(fate) = self.appends.get_mut(&append) {
            fate.is_refused = true;
        }
    }

    pub(super) fn lost(&mut self, from: Append, to: Append) {
        // A range that begins after its end is told by somebody who does not know its beginning.
        for fate in self
            .appends
            .range_mut(from.min(to)..=to)
            .map(|(_, fate)| fate)
        {
            fate.is_told_lost = true;
        }
    }

    /// The log has the former client's entries up to number `last`.
    pub(super) fn renewed(&mut self, last: Option<u64>) {
        // What is acknowledged is not acknowledged anew under another client.
        let taken_over = (1..).zip(&self.taken_over);
        let mut numbers: HashMap<Append, u64> =
            taken_over.map(|(n, append)| (*append, n)).collect();
        let present = self.clients.last();
        let numbered = self.numbered.iter();
        let by_present = numbered.filter(|((identity, _), _)| Some(identity) == present);
        numbers.extend(by_present.map(|((_, number), append)| (*append, *number)));
        for (append, fate) in &mut self.appends {
            let number = numbers.get(append);
            let is_in_log = last.is_none_or(|last| number.is_none_or(|number| *number <= last));
            fate.is_forgotten |= fate.acknowledged.is_some() && is_in_log;
        }
        let open = self.appends.iter();
        let open = open.filter(|(_, fate)| {
            !(fate.is_forgotten || fate.is_refused || fate.is_told_lost || fate.is_deleted)
        });
        self.taken_over = open.map(|(append, _)| *append).collect();
    }

    pub(super) fn gave_up(&mut self) {
        for fate in self.appends.values_mut() {
            fate.is_forgotten |= fate.acknowledged.is_none() && !fate.is_refused;
        }
    }

    pub(super) fn forgot(&mut self) {
        for fate in self.appends.values_mut() {
            fate.is_forgotten = true;
        }
    }

    pub(super) fn deleted(&mut self) {
        for fate in self.appends.values_mut() {
            fate.is_deleted |= fate.acknowledged.is_some();
        }
    }

    /// The append that was acknowledged under the entry's number and says what the entry says.
    fn numbered_as(&self, entry: &Entry) -> Option<Append> {
        let identity = (&*entry.author, &*entry.client);
        let append = *self.numbered.get(&(identity, entry.client_seq))?;
        let fate = self.appends.get(&append)?;
        fate.says(&entry.content).then_some(append)
    }

    /// Finds each of its entries' append, in the order of the log.
    fn place(&mut self, entries: &[&'a Entry], verdict: &mut Verdict) {
        let numbered: Vec<_> = entries.iter().map(|e| self.numbered_as(e)).collect();
        let reserved: HashSet<Append> = numbered.iter().flatten().copied().collect();
        // Only for what the numbers do not tell.
        let mut by_content: HashMap<&'a Content, Vec<Append>> = HashMap::new();
        if numbered.iter().any(Option::is_none) {
            for (&append, fate) in &self.appends {
                for content in fate.contents() {
                    by_content.entry(content).or_default().push(append);
                }
            }
        }
        let mut highest: Option<(Append, Position)> = None;
        for (entry, numbered) in entries.iter().zip(numbered) {
            let position = entry.position;
            let append = numbered.or_else(|| {
                let alike = by_content.get(&entry.content)?;
                self.likeliest(alike, highest.map_or(0, |(append, _)| append), &reserved)
            });
            let fate = append.and_then(|append| Some((append, self.appends.get_mut(&append)?)));
            let Some((append, fate)) = fate else {
                verdict.violations.push(Violation::NeverSubmitted {
                    writer: self.name.clone(),
                    position,
                });
                continue;
            };
            if let Some(first) = fate.stands {
                verdict.counts.repeated += 1;
                verdict.violations.push(Violation::Repeated {
                    writer: self.name.clone(),
                    first,
                    second: position,
                });
                continue;
            }
            fate.stands = Some(position);
            match highest {
                Some((above, first)) if append < above => {
                    verdict.violations.push(Violation::Reordered {
                        writer: self.name.clone(),
                        first,
                        second: position,
                    });
                }
                _ => highest = Some((append, position)),
            }
        }
    }

    /// Of appends that say the same: the next one in order, or any that is not placed yet, or one
    /// that is.
    fn likeliest(
        &self,
        alike: &[Append],
        highest: Append,
        reserved: &HashSet<Append>,
    ) -> Option<Append> {
        let is_open = |append: &&Append| {
            let fate = self.appends.get(append);
            fate.is_some_and(|fate| fate.stands.is_none())
        };
        let open: Vec<Append> = alike.iter().filter(is_open).copied().collect();
        let free = || open.iter().filter(|append| !reserved.contains(append));
        let next = free().find(|append| **append > highest);
        let any = next.or_else(|| free().next()).or_else(|| open.first());
        any.or_else(|| alike.first()).copied()
    }

    /// What the answers promised, against where each append stands.
    fn check_answers(
        &self,
        log: &Log<'_>,
        seen: &Seen<'_>,
        level: AckLevel,
        verdict: &mut Verdict,
    ) {
        for (&append, fate) in &self.appends {
            let counts = &mut verdict.counts;
            counts.submitted += 1;
            counts.acknowledged += u64::from(fate.acknowledged.is_some());
            counts.refused += u64::from(fate.is_refused);
            counts.told_lost += u64::from(fate.is_told_lost);
            let writer = || self.name.clone();
            let fault = match fate.stands {
                Some(position) => fate.fault_there(writer(), append, position, log),
                // It stood where the log is trimmed.
                None if fate.acknowledged.is_some_and(|at| at.seq <= log.base()) => None,
                None => fate.fault_missing(writer(), append, log, level, verdict),
            };
            let nowhere = fate.acknowledged.filter(|at| seen.is_nowhere(*at));
            let nowhere = nowhere.map(|position| Violation::AcknowledgedNowhere {
                writer: writer(),
                append,
                position,
            });
            // What is missing need not be told twice.
            verdict.violations.extend(fault.or(nowhere));
        }
    }
}

impl<'a> Fate<'a> {
    fn says(&self, content: &Content) -> bool {
        self.content == content || self.reworded.contains(&content)
    }

    fn contents(&self) -> impl Iterator<Item = &'a Content> + use<'_, 'a> {
        std::iter::once(self.content).chain(self.reworded.iter().copied())
    }

    fn fault_there(
        &self,
        writer: Name,
        append: Append,
        position: Position,
        log: &Log<'_>,
    ) -> Option<Violation> {
        let is_excused = self.is_told_lost || self.is_forgotten;
        match self.acknowledged {
            _ if self.is_refused => Some(Violation::RefusedAndThere {
                writer,
                append,
                position,
            }),
            // A position names the history before it, and the entry was said to be in that.
            Some(acknowledged) if log.holds(acknowledged) && acknowledged.seq < position.seq => {
                Some(Violation::AcknowledgedEarly {
                    writer,
                    append,
                    acknowledged,
                    stands: position,
                })
            }
            None if !is_excused => Some(Violation::Unanswered {
                writer,
                append,
                position,
            }),
            _ => None,
        }
    }

    fn fault_missing(
        &self,
        writer: Name,
        append: Append,
        log: &Log<'_>,
        level: AckLevel,
        verdict: &mut Verdict,
    ) -> Option<Violation> {
        if self.is_refused && self.acknowledged.is_none() {
            return None;
        }
        if self.is_deleted {
            verdict.counts.forgotten += 1;
            return None;
        }
        let is_excused = self.is_told_lost || self.is_forgotten;
        // Nothing excuses a log that has the position and lacks the entry.
        let acknowledged = self.acknowledged.filter(|at| !is_excused || log.holds(*at));
        if let Some(position) = acknowledged {
            verdict.counts.missing += 1;
            return Some(Violation::AcknowledgedAndMissing {
                writer,
                append,
                position,
            });
        }
        if !is_excused {
            verdict.counts.missing += 1;
            return Some(Violation::HeldAndMissing { writer, append });
        }
        verdict.counts.forgotten += u64::from(!self.is_told_lost);
        let is_promised = level == AckLevel::Replicated && self.acknowledged.is_some();
        is_promised.then_some(Violation::ReplicatedAndLost { writer, append })
    }
}

/// Gives every entry of the log to its writer, and lets each be judged.
pub(super) fn check_all<'a>(
    writers: BTreeMap<&'a Name, Writer<'a>>,
    log: &Log<'a>,
    seen: &Seen<'_>,
    level: AckLevel,
    verdict: &mut Verdict,
) {
    let mut writers: Vec<Writer<'a>> = writers.into_values().collect();
    let mut owners: HashMap<Identity<'a>, Vec<usize>> = HashMap::new();
    for (index, writer) in writers.iter().enumerate() {
        for identity in &writer.clients {
            owners.entry(*identity).or_default().push(index);
        }
    }
    let mut entries_of: Vec<Vec<&'a Entry>> = writers.iter().map(|_| Vec::new()).collect();
    let mut numbers: BTreeMap<Identity<'a>, Numbers> = BTreeMap::new();
    for &entry in log.entries() {
        let identity = (&*entry.author, &*entry.client);
        let numbers = numbers
            .entry(identity)
            .or_insert_with(|| Numbers::of(format!("{}/{}", identity.0, identity.1).into()));
        numbers.next(entry, log.base() > 0);
        let owners = owners.get(&identity).map_or(&[][..], Vec::as_slice);
        let owner = match owners {
            // Strangers are told of elsewhere.
            [] => continue,
            [owner] => *owner,
            // Two write under one identity: whoever could have said it.
            [first, ..] => {
                let says = |owner: &&usize| {
                    let writer = writers.get(**owner);
                    writer.is_some_and(|writer| writer.numbered_as(entry).is_some())
                };
                *owners.iter().find(says).unwrap_or(first)
            }
        };
        if let Some(entries) = entries_of.get_mut(owner) {
            entries.push(entry);
        }
    }
    let mut at_fault: HashSet<Identity<'a>> = HashSet::new();
    for (writer, entries) in writers.iter_mut().zip(&entries_of) {
        let before = verdict.violations.len();
        writer.place(entries, verdict);
        writer.check_answers(log, seen, level, verdict);
        if verdict.violations.len() > before {
            at_fault.extend(&writer.clients);
        }
    }
    // A fault that was told by its append need not be told by its number again.
    let numbers = numbers.into_iter();
    let numbers = numbers.filter(|(identity, _)| !at_fault.contains(identity));
    for violation in numbers.flat_map(|(_, numbers)| numbers.violations()) {
        verdict.counts.repeated += u64::from(matches!(violation, Violation::Repeated { .. }));
        verdict.violations.push(violation);
    }
}
