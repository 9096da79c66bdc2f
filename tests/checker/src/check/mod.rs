//! Everybody's events are followed on their own; then all of it is held against the log as it stands
//! at the end.

mod histories;
mod log;
mod numbers;
mod reader;
mod seen;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{AckLevel, Event, LOG, Name, Notice, Recording, Verdict, Violation};

use histories::Histories;
use log::Log;
use reader::Reader;
use seen::Seen;
use writer::Writer;

/// Every way in which the recorded run broke the contract.
///
/// A writer's appends are told apart by the number under which they were acknowledged, and where it
/// is not known (a new client, an answer that got lost) by what they say. Where one writer says the
/// same thing twice, that is a guess in the writer's favour.
pub fn check(recording: &Recording) -> Verdict {
    let mut verdict = Verdict::default();
    let mut histories = Histories::of(recording);
    let mut level = AckLevel::default();
    let mut is_partial = false;
    let mut readers: BTreeMap<&Name, Reader<'_>> = BTreeMap::new();
    let mut writers: BTreeMap<&Name, Writer<'_>> = BTreeMap::new();
    for event in &recording.events {
        match event {
            Event::Deployed { level: told } => level = *told,
            Event::Partial => is_partial = true,
            Event::Rewound | Event::Stood { .. } => {}

            Event::Client {
                writer,
                author,
                client,
            } => written(&mut writers, writer).becomes(author, client),
            Event::Submitted {
                writer,
                append,
                content,
            } => written(&mut writers, writer).submitted(*append, content),
            Event::Reworded {
                writer,
                append,
                content,
            } => written(&mut writers, writer).reworded(*append, content),
            Event::Acknowledged {
                writer,
                append,
                client_seq,
                position,
            } => written(&mut writers, writer).acknowledged(*append, *client_seq, *position),
            Event::Refused { writer, append } => written(&mut writers, writer).refused(*append),
            Event::Lost { writer, from, to } => written(&mut writers, writer).lost(*from, *to),
            Event::Renewed { writer, last } => {
                verdict.counts.renewals += 1;
                written(&mut writers, writer).renewed(*last);
            }
            Event::Forgot { writer } => written(&mut writers, writer).forgot(),
            Event::GaveUp { writer } => written(&mut writers, writer).gave_up(),
            Event::Told { writer, notice } => match notice {
                Notice::Reset => {}
                Notice::Deleted => written(&mut writers, writer).deleted(),
                Notice::Gap => verdict.counts.gaps += 1,
                Notice::Conflict => verdict.counts.conflicts += 1,
            },

            Event::Started { reader, position } => {
                read(&mut readers, reader).start(*position);
            }
            Event::Snapshot { reader, position } => {
                read(&mut readers, reader).begin_with_snapshot(*position);
            }
            Event::Reset {
                reader, position, ..
            } => {
                verdict.counts.resets += 1;
                read(&mut readers, reader).begin_with_nothing(Some(*position));
            }
            Event::Shown { reader, entry } => {
                let found = &mut verdict.violations;
                read(&mut readers, reader).shown(entry, &mut histories, found);
            }
            Event::Live { reader, position } => {
                let found = &mut verdict.violations;
                read(&mut readers, reader).live(*position, found);
            }
            Event::Complained { reader, complaint } => {
                verdict.violations.push(Violation::Complaint {
                    reader: reader.clone(),
                    complaint: complaint.clone(),
                });
            }
            Event::Text { reader, text } => read(&mut readers, reader).has_text(text),
            Event::Stopped { reader } => read(&mut readers, reader).stopped(),
        }
    }
    let log_name = Name::from(LOG);
    let Some(log) = readers.remove(&log_name) else {
        verdict.violations.push(Violation::NoLog);
        return verdict;
    };
    let log = Log::of(log);
    verdict.counts.entries = log.entries().len() as u64;
    log.check_beginning(&mut verdict.violations);
    log.check_revocations(&mut verdict.violations);
    for reader in readers.values() {
        reader.check_end(&log, &mut verdict.violations);
    }
    reader::check_texts(&log, &readers, &mut verdict.violations);
    let seen = Seen::of(recording, &histories, &log);
    writer::check_all(writers, &log, &seen, level, &mut verdict);
    if !is_partial {
        log.check_strangers(recording, &mut verdict.violations);
    }
    verdict
}

fn written<'a, 'b>(
    writers: &'b mut BTreeMap<&'a Name, Writer<'a>>,
    name: &'a Name,
) -> &'b mut Writer<'a> {
    writers.entry(name).or_insert_with(|| Writer::new(name))
}

fn read<'a, 'b>(
    readers: &'b mut BTreeMap<&'a Name, Reader<'a>>,
    name: &'a Name,
) -> &'b mut Reader<'a> {
    readers.entry(name).or_insert_with(|| Reader::new(name))
}
