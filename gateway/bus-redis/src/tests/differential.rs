//! Random calls to the append function and to the log of the embedded bus: the same outcomes, the same
//! positions, the same rows, whichever appends happened to share a call.

use std::collections::BTreeSet;

use bytes::Bytes;
use fred::types::Value;
use inkwire_bus::{
    Append, AppendOutcome, Asker, Notice, Read, ReadFrom, Refusal, Retention, ReviewLimits, Ticket,
    contract::{Fixture as _, WIDE, Writer, document},
    memory::Log,
};
use inkwire_model::{
    ChainHash, ClientKey, CommentEffect, CommentId, Kind, NewEntry, Position, Role,
};

use super::fixture::{NEVER, RedisFixture};
use crate::{
    append_call::{AppendCall, Terms},
    functions::LIBRARY,
    read_call,
};

const CALLS: usize = 900;
const LOG_ENTRIES_MAX: u32 = 700;
const HASH0: [u8; 8] = [7; 8];
const LIMITS: ReviewLimits = ReviewLimits {
    comments_max: 60,
    comments_bytes_max: 2_500,
};

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

/// Some change of the comments of a document, of those that were made before or of none.
fn as_comment(random: &mut Random, made: &mut Vec<CommentId>, entry: NewEntry) -> NewEntry {
    let known = match made.len() {
        0 => CommentId::of(&entry.author, &entry.client, 999),
        n => made[random.below(n)],
    };
    let text = "why? ".repeat(1 + random.below(20));
    let mentions = ["", r#""bob""#, r#""alice","carol""#, r#""dave","bob""#][random.below(4)];
    let anchor = match random.below(2) {
        0 => {
            r#""anchor":{"position":"3-0123456789abcdef","start":1,"end":2,"unit":"utf16","quote":"q"},"#
        }
        _ => "",
    };
    let (kind, payload) = match random.below(9) {
        0 | 1 => (
            "create",
            format!(r#"{{{anchor}"text":"{text}","mentions":[{mentions}]}}"#),
        ),
        2 | 3 => {
            let reply =
                format!(r#"{{"comment":"{known}","text":"{text}","mentions":[{mentions}]}}"#);
            ("reply", reply)
        }
        4 => (
            "edit",
            format!(r#"{{"comment":"{known}","text":"{text}"}}"#),
        ),
        5 => {
            let edit =
                format!(r#"{{"comment":"{known}","text":"{text}","mentions":[{mentions}]}}"#);
            ("edit", edit)
        }
        6 => {
            let resolved = random.below(3) > 0;
            (
                "resolve",
                format!(r#"{{"comment":"{known}","resolved":{resolved}}}"#),
            )
        }
        _ if random.below(3) == 0 => ("delete", format!(r#"{{"comment":"{known}"}}"#)),
        _ => return entry,
    };
    if matches!(kind, "create" | "reply") {
        made.push(CommentId::of(
            &entry.author,
            &entry.client,
            entry.client_seq,
        ));
    }
    let role = [Role::Reviewer, Role::Owner][usize::from(random.below(4) == 0)];
    let kind = Kind::parse(&format!("comment.{kind}")).unwrap();
    let payload = Bytes::from(payload);
    let essay = document("essay");
    let comment = CommentEffect::of_entry(&essay, &kind, &entry.content_type, &payload, role);
    NewEntry {
        kind,
        payload,
        comment: comment.unwrap(),
        ..entry
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

async fn compare(seed: u64, retention: Retention) -> BTreeSet<String> {
    let fixture = RedisFixture::start().await;
    let essay = document("essay");
    let keys = &fixture.raw.checked.keys;
    let mut random = Random(seed);
    let start = Position::start(ChainHash::from_random(HASH0));
    let mut log = Log::new(start, LOG_ENTRIES_MAX as usize);
    let mut writers: Vec<_> = ["alice", "alice", "bob"].map(Writer::new).into();
    writers.push(Writer::of_access_to("alice"));
    writers.push(Writer::of_access_to("bob"));

    log.limit_comments(LIMITS);
    let (mut calls_refused, mut calls_taken, mut comments_refused) = (0, 0, BTreeSet::new());
    for call in 0..CALLS {
        let known = log.comments().into_iter().map(|comment| comment.id);
        let mut made: Vec<CommentId> = known.collect();
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
                        let entry = writer.write(&format!("{}", writer.next));
                        return as_comment(&mut random, &mut made, entry);
                    }
                    let entry = entry(&mut random, &mut writers[which]);
                    match which < 3 && random.below(3) == 0 {
                        true => as_comment(&mut random, &mut made, entry),
                        false => entry,
                    }
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
            review: LIMITS,
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
            comments_refused.extend(outcomes.iter().filter_map(|outcome| match outcome {
                AppendOutcome::Refused(Refusal::Comment(why)) => Some(why.to_string()),
                _ => None,
            }));
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
    compare_reviews(&fixture, &mut log).await;
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
    comments_refused
}

/// Comments and outboxes are the same.
async fn compare_reviews(fixture: &RedisFixture, log: &mut Log) {
    let keys = &fixture.raw.checked.keys;
    let essay = document("essay");
    let args = [keys.state(&essay), keys.log(&essay), keys.comments(&essay)].map(Value::from);
    let mut of_redis: Vec<Value> = vec![LIBRARY.comments.as_str().into(), 3.into()];
    of_redis.extend(args);
    let mut comments = crate::review::read(fixture.raw.say("FCALL", of_redis).await).unwrap();
    comments.sort_by_key(|comment| comment.position.seq);
    assert_eq!(comments, log.comments());
    assert!(comments.len() > 10);

    let outbox = fixture
        .raw
        .say("HGETALL", vec![keys.outbox(&essay).into()])
        .await;
    let rows = outbox.into_map().unwrap().inner();
    let rows = rows.into_values().filter(|row| row.as_bytes() != Some(b""));
    let mut notices: Vec<Notice> = rows
        .map(|row| crate::review::read_notice(row.as_bytes().unwrap()).unwrap())
        .collect();
    let mut expected = log.take_notices();
    for all in [&mut notices, &mut expected] {
        all.sort_by_key(|notice| (notice.client.clone(), notice.client_seq));
        all.iter_mut().for_each(|notice| notice.recipients.sort());
    }
    assert_eq!(notices, expected);
    assert!(notices.len() > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_and_the_embedded_log_agree() {
    let mut comments_refused = BTreeSet::new();
    for (seed, retention) in [
        (0x9e37_79b9_7f4a_7c15, Retention::Everything),
        (0xdead_beef_cafe_f00d, Retention::Everything),
        (0x0123_4567_89ab_cdef, Retention::Latest(100)),
        (0x2545_f491_4f6c_dd1d, Retention::Latest(0)),
    ] {
        comments_refused.extend(compare(seed, retention).await);
    }
    // All but the limit of authors.
    assert_eq!(comments_refused.len(), 4, "{comments_refused:?}");
}
