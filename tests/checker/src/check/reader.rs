//! `Reader`: what one reader was shown is one history at every moment; another one needs a reset.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Entry, LOG, Name, Position, Violation};

use super::{histories::Histories, log::Log};

pub(super) struct Reader<'a> {
    name: &'a Name,
    /// Where its view ends; `None` before it is known where it begins.
    last: Option<Position>,
    /// The seq before the view's first entry, and its hash if that was told.
    base: u64,
    base_hash: Option<u64>,
    /// It has what comes before its view: a snapshot, or by its own word. Or a fault was told already.
    has_before: bool,
    view: Vec<&'a Entry>,
    has_stopped: bool,
    text: Option<&'a Name>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(name: &'a Name) -> Self {
        Self {
            name,
            last: None,
            base: 0,
            base_hash: None,
            has_before: false,
            view: Vec::new(),
            has_stopped: false,
            text: None,
        }
    }

    /// Begins a view, or goes on where this one ends.
    pub(super) fn start(&mut self, position: Option<Position>) {
        self.has_stopped = false;
        if position.is_none() || position != self.last {
            self.begin_with_nothing(position);
            self.has_before = true;
        }
    }

    pub(super) fn begin_with_snapshot(&mut self, position: Position) {
        self.begin_with_nothing(Some(position));
        self.has_before = true;
    }

    pub(super) fn begin_with_nothing(&mut self, position: Option<Position>) {
        self.has_before = false;
        self.last = position;
        self.base = position.map_or(0, |position| position.seq);
        self.base_hash = position.map(|position| position.hash);
        self.view.clear();
    }

    pub(super) fn shown(
        &mut self,
        entry: &'a Arc<Entry>,
        histories: &mut Histories<'a>,
        found: &mut Vec<Violation>,
    ) {
        let got = entry.position;
        if self.last.is_some() && self.hash_at(got.seq) == Some(got.hash) {
            let agreed = histories.agree(self.name, entry);
            return found.push(agreed.err().unwrap_or(Violation::DeliveredTwice {
                reader: self.name.clone(),
                position: got,
            }));
        }
        let fault = match self.last {
            None if got.seq == 1 => histories.agree(self.name, entry).err(),
            None => Some(self.hole(got)),
            Some(last) if got.seq > last.seq + 1 => Some(self.hole(got)),
            Some(last) if got.seq <= last.seq => Some(self.silent(last, got)),
            Some(last) => match histories.agree(self.name, entry) {
                Err(two) => Some(two),
                Ok(()) if histories.extends(last, entry) => None,
                Ok(()) if histories.belongs_elsewhere(entry) => Some(self.silent(last, got)),
                Ok(()) => Some(Violation::Forked {
                    reader: self.name.clone(),
                    last,
                    got,
                }),
            },
        };
        // One fault is told once: the view goes on from what was shown.
        match &fault {
            None | Some(Violation::TwoContents { .. }) => {}
            Some(Violation::SilentReset { .. }) if got.seq > self.base => {
                let kept = usize::try_from(got.seq - self.base - 1).unwrap_or(usize::MAX);
                self.view.truncate(kept);
            }
            Some(_) => {
                self.base = got.seq.saturating_sub(1);
                self.base_hash = None;
                self.has_before = true;
                self.view.clear();
            }
        }
        found.extend(fault);
        self.last = Some(got);
        self.view.push(entry);
    }

    /// It was told that it has everything up to `told`.
    pub(super) fn live(&mut self, told: Position, found: &mut Vec<Violation>) {
        let fault = match self.last {
            None if told.seq == 0 => {
                self.begin_with_nothing(Some(told));
                None
            }
            Some(last) if told.seq <= last.seq => match self.hash_at(told.seq) {
                Some(hash) if hash != told.hash => Some(self.silent(last, told)),
                _ => None,
            },
            last => Some(Violation::NotWhole {
                reader: self.name.clone(),
                told,
                shown: last.map_or(0, |last| last.seq),
            }),
        };
        found.extend(fault);
    }

    pub(super) fn has_text(&mut self, text: &'a Name) {
        self.text = Some(text);
    }

    pub(super) fn stopped(&mut self) {
        self.has_stopped = true;
    }

    /// Whether it has the log to its end.
    pub(super) fn check_end(&self, log: &Log<'_>, found: &mut Vec<Violation>) {
        let head = log.head();
        if self.has_stopped {
            return;
        }
        if self.last == Some(head) {
            return found.extend(self.begins_late(log.base()));
        }
        let behind = |last| Violation::Behind {
            reader: self.name.clone(),
            last,
            head,
        };
        let Some(last) = self.last else {
            return found.extend((head.seq > 0).then(|| behind(0)));
        };
        found.extend(match log.hash_at(last.seq) {
            Some(hash) if hash != last.hash => {
                let seq = last.seq;
                Some(self.silent(last, Position { seq, hash }))
            }
            Some(_) => Some(behind(last.seq)),
            None if last.seq > head.seq => Some(self.silent(last, head)),
            // Before the log's beginning, whose hash is not known, or was trimmed.
            None => (last.seq < head.seq).then(|| behind(last.seq)),
        });
    }

    /// It ends where the log does, but what it made of it lacks the beginning.
    pub(super) fn begins_late(&self, log_base: u64) -> Option<Violation> {
        let hash = self.base_hash.filter(|_| !self.has_before)?;
        (self.base > log_base).then(|| Violation::BeginsLate {
            reader: self.name.clone(),
            begins: Position {
                seq: self.base,
                hash,
            },
        })
    }

    /// The hash of its history at `seq`, if its view reaches there.
    pub(super) fn hash_at(&self, seq: u64) -> Option<u64> {
        if seq == self.base {
            return self.base_hash;
        }
        let index = usize::try_from(seq.checked_sub(self.base + 1)?).ok()?;
        Some(self.view.get(index)?.position.hash)
    }

    pub(super) fn last(&self) -> Option<Position> {
        self.last
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn view(&self) -> &[&'a Entry] {
        &self.view
    }

    pub(super) fn text(&self) -> Option<&'a Name> {
        self.text
    }

    fn hole(&self, got: Position) -> Violation {
        Violation::Hole {
            reader: self.name.clone(),
            last: self.last.map_or(0, |last| last.seq),
            got,
        }
    }

    fn silent(&self, last: Position, got: Position) -> Violation {
        Violation::SilentReset {
            reader: self.name.clone(),
            last,
            got,
        }
    }
}

/// All that are still there have one text: the log's, if it was made, or else the first one's.
pub(super) fn check_texts(
    log: &Log<'_>,
    readers: &BTreeMap<&Name, Reader<'_>>,
    found: &mut Vec<Violation>,
) {
    let there = readers.values().filter(|reader| !reader.has_stopped);
    let texts = there.filter_map(|reader| Some((reader.name.clone(), reader.text?)));
    let of_log = log.text().map(|text| (Name::from(LOG), text));
    let mut texts = of_log.into_iter().chain(texts);
    let Some((other, wanted)) = texts.next() else {
        return;
    };
    let differ = texts.filter(|(_, text)| *text != wanted);
    found.extend(differ.map(|(reader, _)| Violation::TextDiffers {
        reader,
        other: other.clone(),
    }));
}
