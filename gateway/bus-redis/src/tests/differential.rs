//! Random calls to the append function and to the log of the embedded bus: the same outcomes, the same
//! positions, the same rows, whichever appends happened to share a call.

use fred::types::Value;
use inkwire_bus::{
    Append, AppendOutcome, Asker, Read, ReadFrom, Refusal, Retention, Ticket,
    contract::{Fixture as _, WIDE, Writer, document},
    memory::Log,
};
use inkwire_model::{ChainHash, ClientKey, NewEntry, Position};

use super::fixture::{NEVER, RedisFixture};
use crate::{
    append_call::{AppendCall, Terms},
    read_call,
};

const CALLS: usize = 400;
const LOG_ENTRIES_MAX: u32 = 700;
const HASH0: [u8; 8] = [7; 8];

/// Marsaglia's xorshift: the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Mostly the next number; sometimes an old one, with the same or other content, or one too far.
fn entry(random: &mut Random, writer: &mut Writer) -> NewEntry {
    let next = writer.next;
    let text = |n: u64| format!("{n}");
    match random.below(10) {
        0 => writer.numbered(next + 1 + random.below(2) as u64, "ahead"),
        1 => writer.numbered(next.saturating_sub(random.below(80) as u64).max(1), "other"),
        2 | 3 => {
            let old = next.saturating_sub(1 + random.below(75) as u64).max(1);
            writer.numbered(old, &text(old))
        }
        _ => writer.write(&text(next)),
    }
}

fn follow(outcome: &AppendOutcome, writers: &mut [Writer], key: &ClientKey, log: &Log) {
    // A writer that was refused goes on where the log stands, or it would never write again.
    if matches!(outcome, AppendOutcome::Refused(_)) {
        let asker = Asker {
            subject: key.subject.clone(),
            client: Some(key.client.clone()),
        };
        let page = log.read(ReadFrom::Start, WIDE, &[asker]);
        let row = page.standings[0].row.as_ref();
        let writer = writers
            .iter_mut()
            .find(|writer| writer.client == key.client);
        writer.unwrap().next = row.map_or(1, |row| row.client_seq + 1);
    }
}

fn refused_whole(outcomes: &[AppendOutcome]) -> bool {
    let dropped = AppendOutcome::Refused(Refusal::Dropped);
    let is_refused = |outcome: &AppendOutcome| matches!(outcome, AppendOutcome::Refused(_));
    let others = outcomes.iter().filter(|outcome| **outcome != dropped);
    others.clone().count() == 1 && others.clone().all(is_refused)
}

async fn compare(seed: u64, retention: Retention) {
    let fixture = RedisFixture::start().await;
    let essay = document("essay");
    let keys = &fixture.raw.checked.keys;
    let mut random = Random(seed);
    let start = Position::start(ChainHash::from_random(HASH0));
    let mut log = Log::new(start, LOG_ENTRIES_MAX as usize);
    let mut writers: Vec<_> = ["alice", "alice", "bob"].map(Writer::new).into();
    writers.push(Writer::of_access_to("alice"));
    writers.push(Writer::of_access_to("bob"));

    let (mut calls_refused, mut calls_taken) = (0, 0);
    for call in 0..CALLS {
        // A log is trimmed after a call: with one append in each, both do it at the same place.
        let together = match retention {
            Retention::Everything => 3,
            Retention::Latest(_) => 1,
        };
        let appends: Vec<Append> = (0..=random.below(together))
            .map(|ticket| {
                // Sometimes all or nothing; then mostly of one client, and without changes of access.
                let whole = random.below(4) == 0;
                let of_one = whole && random.below(4) != 0;
                let mut which = random.below(3);
                let entries = (0..=random.below(12)).map(|_| {
                    if !of_one {
                        // Changes of access are rarer.
                        which = match random.below(25) {
                            0 if !whole => 3 + random.below(2),
                            _ => random.below(3),
                        };
                    }
                    if of_one && random.below(20) != 0 {
                        let writer = &mut writers[which];
                        return writer.write(&format!("{}", writer.next));
                    }
                    entry(&mut random, &mut writers[which])
                });
                let entries = entries.collect();
                Append {
                    retention,
                    whole,
                    ..Append::new(Ticket(ticket as u64), essay.clone(), entries)
                }
            })
            .collect();
        let terms = Terms {
            deadline: NEVER,
            log_entries_max: LOG_ENTRIES_MAX,
            retention,
            row_kept_s: 86_400,
            hash0: HASH0,
        };
        let made = AppendCall::new(keys, essay.clone(), &appends, terms).unwrap();
        let reply: Value = fixture.raw.say("FCALL", made.args.clone()).await;
        let outcomes = made.outcomes(reply).unwrap();
        for (append, outcomes) in appends.into_iter().zip(outcomes) {
            let with_digest = |entry: &NewEntry| (entry.digest(), entry.clone());
            let entries: Vec<_> = append.entries.iter().map(with_digest).collect();
            calls_refused += usize::from(append.whole && refused_whole(&outcomes));
            calls_taken += usize::from(append.whole && !refused_whole(&outcomes));
            let expected = log
                .append_as(1_700_000_000_000, entries, retention, append.whole)
                .outcomes;
            assert_eq!(
                outcomes, expected,
                "seed {seed}, call {call}: {:?}",
                append.entries
            );
            for (outcome, entry) in outcomes.iter().zip(&append.entries) {
                follow(outcome, &mut writers, &entry.key(), &log);
            }
        }
    }

    let askers: Vec<_> = writers.iter().map(Writer::asker).collect();
    for from in [
        ReadFrom::Start,
        ReadFrom::After(log.head()),
        ReadFrom::After(start),
        ReadFrom::After(log.base()),
        ReadFrom::Head,
    ] {
        let read = Read {
            ticket: Ticket(0),
            document: essay.clone(),
            from,
            limit: WIDE,
            askers: askers.clone(),
        };
        let args = read_call::args(keys, &read);
        let page = read_call::page(&read, fixture.raw.say("FCALL", args).await).unwrap();
        let expected = log.read(from, WIDE, &askers);
        assert_eq!(page.entries, expected.entries);
        assert_eq!(page.standings, expected.standings);
        assert_eq!((page.after, page.head), (expected.after, expected.head));
        assert_eq!(page.continuity, expected.continuity);
    }
    match retention {
        Retention::Everything => {
            let cap = u64::from(LOG_ENTRIES_MAX);
            assert!(log.head().seq >= cap, "the cap was not reached");
        }
        Retention::Latest(_) => assert!(log.base().seq > 100, "nothing was trimmed"),
    }
    assert!(
        calls_refused > 5 && calls_taken > 5,
        "{calls_refused} {calls_taken}"
    );
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_and_the_embedded_log_agree() {
    for (seed, retention) in [
        (0x9e37_79b9_7f4a_7c15, Retention::Everything),
        (0xdead_beef_cafe_f00d, Retention::Everything),
        (0x0123_4567_89ab_cdef, Retention::Latest(100)),
        (0x2545_f491_4f6c_dd1d, Retention::Latest(0)),
    ] {
        compare(seed, retention).await;
    }
}
