use bytes::Bytes;
use inkwire_model::{ChainHash, ContentType, Kind, ROW_DIGESTS_MAX};
use proptest::prelude::*;

use super::*;

const WIDE: PageLimit = PageLimit {
    entries: usize::MAX,
    bytes: usize::MAX,
};

fn empty() -> Log {
    Log::new(Position::start(ChainHash::from_random([7; 8])), 100)
}

fn subject(name: &str) -> Subject {
    Subject::parse(name).unwrap()
}

fn client(number: u8) -> ClientId {
    ClientId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02x}")).unwrap()
}

fn entry(author: &str, number: u8, client_seq: u64, text: &str) -> (Digest, NewEntry) {
    digested(NewEntry {
        at: 1,
        author: subject(author),
        client: client(number),
        client_seq,
        kind: Kind::default(),
        content_type: ContentType::default(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
        traceparent: None,
        comment: None,
    })
}

fn access(of: &str, client_seq: u64) -> (Digest, NewEntry) {
    let (_, mut entry) = entry("owner", 0, client_seq, "{}");
    let ClientKey { subject, client } = ClientKey::access_to(&subject(of));
    entry.author = subject;
    entry.client = client;
    digested(entry)
}

fn digested(entry: NewEntry) -> (Digest, NewEntry) {
    (entry.digest(), entry)
}

/// The outcomes in short: a seq, `=` and the seq of a duplicate, or the name of a refusal.
fn outcomes(log: &mut Log, entries: Vec<(Digest, NewEntry)>) -> Vec<String> {
    let short = |outcome: &AppendOutcome| match outcome {
        AppendOutcome::Appended(position) => position.seq.to_string(),
        AppendOutcome::Duplicate(position) => format!("={}", position.seq),
        AppendOutcome::Refused(Refusal::Gap { expected, .. }) => format!("gap {expected}"),
        AppendOutcome::Refused(Refusal::ClientConflict { row }) => {
            format!("conflict {}", row.client_seq)
        }
        AppendOutcome::Refused(other) => format!("{other:?}"),
    };
    log.append(0, entries).outcomes.iter().map(short).collect()
}

#[test]
fn numbers_are_checked_against_the_row() {
    let mut log = empty();
    assert_eq!(
        outcomes(&mut log, vec![entry("a", 1, 2, "")]),
        ["UnknownClient"]
    );
    assert_eq!(
        outcomes(&mut log, vec![entry("a", 1, 0, "")]),
        ["UnknownClient"]
    );
    let batch = vec![entry("a", 1, 1, "x"), entry("a", 1, 2, "y")];
    assert_eq!(outcomes(&mut log, batch), ["1", "2"]);
    assert_eq!(outcomes(&mut log, vec![entry("a", 1, 4, "")]), ["gap 3"]);
    assert_eq!(outcomes(&mut log, vec![entry("a", 1, 1, "x")]), ["=2"]);
    assert_eq!(
        outcomes(&mut log, vec![entry("a", 1, 1, "z")]),
        ["conflict 2"]
    );
    assert_eq!(outcomes(&mut log, vec![entry("b", 1, 1, "x")]), ["3"]);
}

#[test]
fn a_refusal_touches_its_entry_and_what_its_client_sends_after_it() {
    let mut log = empty();
    let batch = vec![
        entry("a", 1, 1, "x"),
        entry("b", 2, 2, "gone"),
        entry("a", 1, 2, "y"),
        entry("b", 2, 1, "after a refusal"),
        entry("b", 3, 1, "another client"),
    ];
    assert_eq!(
        outcomes(&mut log, batch),
        ["1", "UnknownClient", "2", "Dropped", "3"]
    );
}

#[test]
fn the_row_tells_64_numbers_apart_and_guesses_nothing_about_older_ones() {
    let mut log = empty();
    let window = ROW_DIGESTS_MAX as u64;
    for n in 1..=window + 1 {
        outcomes(&mut log, vec![entry("a", 1, n, "x")]);
    }
    assert_eq!(outcomes(&mut log, vec![entry("a", 1, 2, "x")]), ["=65"]);
    assert_eq!(
        outcomes(&mut log, vec![entry("a", 1, 1, "x")]),
        ["conflict 65"]
    );
}

#[test]
fn a_revocation_refuses_from_its_seq_on_also_within_its_batch() {
    let mut log = empty();
    let batch = vec![
        entry("bob", 1, 1, "before"),
        access("bob", 1),
        entry("bob", 1, 2, "after"),
        entry("bob", 2, 1, "another client of the same"),
        entry("ann", 3, 1, "someone else"),
    ];
    assert_eq!(
        outcomes(&mut log, batch),
        ["1", "2", "Revoked", "Revoked", "3"]
    );
    assert_eq!(outcomes(&mut log, vec![access("bob", 1)]), ["=2"]);
    assert_eq!(outcomes(&mut log, vec![access("bob", 2)]), ["4"]);
    assert_eq!(outcomes(&mut log, vec![entry("bob", 1, 2, "after")]), ["5"]);
}

#[test]
fn the_reserved_author_is_never_refused() {
    let mut log = empty();
    assert_eq!(outcomes(&mut log, vec![access("inkwire2", 1)]), ["1"]);
    let (_, mut own) = access("bob", 1);
    own.client = ClientId::Access(Subject::access_author());
    assert_eq!(outcomes(&mut log, vec![digested(own)]), ["2"]);
    assert_eq!(outcomes(&mut log, vec![access("bob", 1)]), ["3"]);
}

#[test]
fn a_full_log_takes_changes_of_access_only() {
    let mut log = Log::new(Position::start(ChainHash::from_random([7; 8])), 1);
    let batch = vec![
        entry("a", 1, 1, "x"),
        entry("a", 1, 2, "y"),
        entry("a", 1, 3, "z"),
        access("bob", 1),
    ];
    assert_eq!(outcomes(&mut log, batch), ["1", "LogFull", "Dropped", "2"]);
    log.trim(2);
    assert_eq!(outcomes(&mut log, vec![entry("a", 1, 2, "y")]), ["3"]);
}

#[test]
fn a_reader_starts_at_the_snapshot_and_a_broken_one_starts_over_there() {
    let mut log = empty();
    let texts: Vec<_> = (1..=6).map(|n| entry("a", 1, n, "x")).collect();
    log.append(0, texts);
    let all = log.read(ReadFrom::Start, WIDE, &[]).entries;
    let snapshot = |n: usize| {
        Arc::new(Snapshot {
            position: all[n - 1].position,
            content_type: ContentType::default(),
            payload: Bytes::from_static(b"xxx"),
        })
    };
    let put = |snapshot: &Snapshot| PutSnapshot {
        at: SnapshotAt::Position(snapshot.position),
        author: subject("a"),
        content_type: snapshot.content_type.clone(),
        payload: snapshot.payload.clone(),
        tail_entries: 2,
        anchors: std::collections::BTreeMap::new(),
    };
    let kept = log.put_snapshot(put(&snapshot(4))).unwrap();
    assert_eq!(kept.base, all[1].position);
    assert_eq!(
        log.put_snapshot(put(&snapshot(4))),
        Err(SnapshotRefused::NotNewer)
    );
    let mut forged = Snapshot::clone(&snapshot(5));
    forged.position.hash = ChainHash::from_random([0; 8]);
    assert_eq!(
        log.put_snapshot(put(&forged)),
        Err(SnapshotRefused::NotInHistory)
    );

    let page = log.read(ReadFrom::Start, WIDE, &[]);
    assert_eq!(page.continuity, Continuity::Continues);
    assert_eq!(page.snapshot, Some(snapshot(4)));
    assert_eq!(
        (page.after, &page.entries[..]),
        (all[3].position, &all[4..])
    );

    let page = log.read(ReadFrom::After(all[0].position), WIDE, &[]);
    assert_eq!(page.continuity, Continuity::Broken(ResetCause::Trimmed));
    assert_eq!(page.snapshot, Some(snapshot(4)));
    assert_eq!(
        (page.after, &page.entries[..]),
        (all[3].position, &all[4..])
    );

    let page = log.read(ReadFrom::After(all[2].position), WIDE, &[]);
    assert_eq!(
        (page.continuity, page.snapshot),
        (Continuity::Continues, None)
    );

    log.trim(5);
    let page = log.read(ReadFrom::Start, WIDE, &[]);
    assert_eq!((page.after, page.snapshot), (all[4].position, None));
}

/// Batches of a few writers, some of whose numbers are wrong.
fn batches() -> impl Strategy<Value = Vec<Vec<(u8, u8, u8)>>> {
    let attempt = (0..4_u8, 0..8_u8, 0..6_u8);
    prop::collection::vec(prop::collection::vec(attempt, 0..6), 0..20)
}

/// A log after such batches. Mostly the next number, sometimes one ahead, or one of the past.
fn log_after(batches: &[Vec<(u8, u8, u8)>]) -> Log {
    let mut log = empty();
    for batch in batches {
        let entries = batch.iter().map(|&(writer, slip, text)| {
            let asker = Asker {
                subject: subject("a"),
                client: Some(client(writer)),
            };
            let last = log.standing(&asker).row.map_or(0, |row| row.client_seq);
            let number = match slip {
                0 => last + 2,
                1 => last.max(1),
                _ => last + 1,
            };
            entry("a", writer, number, &text.to_string())
        });
        let entries = entries.collect();
        log.append(0, entries);
    }
    log
}

proptest! {
    #[test]
    fn each_entry_follows_the_one_before(batches in batches()) {
        let log = log_after(&batches);
        let page = log.read(ReadFrom::Start, WIDE, &[]);
        let mut last = page.after;
        for entry in &page.entries {
            prop_assert!(entry.follows(last));
            last = entry.position;
        }
        prop_assert_eq!(last, log.head());
        prop_assert!(page.is_last());
    }

    #[test]
    fn each_client_has_its_numbers_once_and_in_order(batches in batches()) {
        let log = log_after(&batches);
        for writer in 0..4 {
            let page = log.read(ReadFrom::Start, WIDE, &[]);
            let own = page.entries.iter().filter(|entry| entry.client == client(writer));
            for (expected, entry) in (1..).zip(own) {
                prop_assert_eq!(entry.client_seq, expected);
            }
        }
    }

    #[test]
    fn a_resume_anywhere_gives_exactly_the_rest(
        batches in batches(), at in any::<prop::sample::Index>(), trimmed in 0..30_u64,
        entries in 1..7_usize, bytes in 1..9_usize,
    ) {
        let mut log = log_after(&batches);
        let whole = log.read(ReadFrom::Start, WIDE, &[]);
        let mut positions = vec![whole.after];
        positions.extend(whole.entries.iter().map(|entry| entry.position));
        let at = at.index(positions.len());
        let since = positions[at];
        log.trim(trimmed);
        let base = trimmed.min(whole.head.seq);
        prop_assert_eq!(log.base(), positions[usize::try_from(base).unwrap()]);
        prop_assert_eq!(log.head(), whole.head);

        let limit = PageLimit { entries, bytes };
        let mut page = log.read(ReadFrom::After(since), limit, &[]);
        let skipped = if since.seq < base {
            prop_assert_eq!(page.continuity, Continuity::Broken(ResetCause::Trimmed));
            usize::try_from(base).unwrap()
        } else {
            prop_assert_eq!(page.continuity, Continuity::Continues);
            at
        };
        prop_assert_eq!(page.after, positions[skipped]);
        let mut rest = page.entries.clone();
        while !page.is_last() {
            prop_assert!(!page.entries.is_empty());
            page = log.read(ReadFrom::After(page.end()), limit, &[]);
            rest.extend(page.entries.iter().cloned());
        }
        prop_assert_eq!(&rest[..], &whole.entries[skipped..]);
    }

    #[test]
    fn a_position_of_another_history_never_continues(
        batches in batches(), seq in 0..40_u64, hash in any::<[u8; 8]>(),
    ) {
        let log = log_after(&batches);
        let foreign = Position { seq, hash: ChainHash::from_random(hash) };
        prop_assume!(log.position_at(seq) != Some(foreign));
        let page = log.read(ReadFrom::After(foreign), WIDE, &[]);
        prop_assert_eq!(page.continuity, Continuity::Broken(ResetCause::Diverged));
        prop_assert_eq!(page.after, log.base());
    }
}
