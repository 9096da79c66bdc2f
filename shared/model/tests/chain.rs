//! The hash chain, by property: a position names its whole history, and a digest its whole entry.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be made here is a fault of the test"
)]

use bytes::Bytes;
use inkwire_model::{ChainHash, ClientId, ContentType, Kind, NewEntry, Position, Subject};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Fields from a small alphabet, so that neighbours run into one another.
fn entry() -> impl Strategy<Value = NewEntry> {
    (
        "[ab]{1,3}",
        0..2_u8,
        1..30_u64,
        "[ab]{1,3}",
        prop_oneof![Just("text/plain"), Just("text/a"), Just("text/ab")],
        vec(prop_oneof![Just(b'a'), Just(b'b'), any::<u8>()], 0..4),
    )
        .prop_map(
            |(author, client, client_seq, kind, content_type, payload)| {
                let client = format!("00000000-0000-4000-8000-00000000000{client}");
                NewEntry {
                    at: 1,
                    author: Subject::parse(&author).unwrap(),
                    client: ClientId::parse(&client).unwrap(),
                    client_seq,
                    kind: Kind::parse(&kind).unwrap(),
                    content_type: ContentType::parse(content_type).unwrap(),
                    payload: Bytes::from(payload),
                    traceparent: None,
                    comment: None,
                }
            },
        )
}

fn history() -> impl Strategy<Value = Vec<NewEntry>> {
    vec(entry(), 1..20)
}

/// The position after each entry.
fn positions(hash0: u64, history: &[NewEntry]) -> Vec<Position> {
    let start = Position::start(ChainHash::from_random(hash0.to_be_bytes()));
    history
        .iter()
        .scan(start, |last, entry| {
            *last = last.next(&entry.digest());
            Some(*last)
        })
        .collect()
}

proptest! {
    #[test]
    fn entries_have_one_digest_exactly_if_they_say_the_same(a in entry(), b in entry()) {
        prop_assert_eq!(a == b, a.digest() == b.digest());
    }

    #[test]
    fn when_and_on_whose_trace_changes_no_digest(a in entry(), at in any::<u64>()) {
        let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        let b = NewEntry { at, traceparent, ..a.clone() };
        prop_assert_eq!(a.digest(), b.digest());
    }

    #[test]
    fn a_change_anywhere_changes_every_later_position(
        history in history(), at in any::<Index>(), other in entry(), hash0 in any::<u64>(),
    ) {
        let at = at.index(history.len());
        prop_assume!(history[at] != other);
        let mut changed = history.clone();
        changed[at] = other;
        let (before, after) = (positions(hash0, &history), positions(hash0, &changed));
        prop_assert_eq!(&before[..at], &after[..at]);
        for (a, b) in before[at..].iter().zip(&after[at..]) {
            prop_assert_eq!(a.seq, b.seq);
            prop_assert_ne!(a, b);
        }
    }

    #[test]
    fn the_same_entries_in_another_log_are_another_history(
        history in history(), one in any::<u64>(), other in any::<u64>(),
    ) {
        prop_assume!(one != other);
        for (a, b) in positions(one, &history).iter().zip(positions(other, &history)) {
            prop_assert_ne!(*a, b);
        }
    }

    #[test]
    fn an_entry_follows_the_position_before_it_and_no_other(
        history in history(), hash0 in any::<u64>(),
    ) {
        let positions = positions(hash0, &history);
        for (n, (entry, position)) in history.iter().zip(&positions).enumerate() {
            let entry = entry.clone().at(*position);
            for (m, last) in positions.iter().enumerate() {
                prop_assert_eq!(entry.follows(*last), m + 1 == n);
            }
        }
    }

    #[test]
    fn a_position_reads_as_it_was_written(seq in 0..=1_u64 << 53, hash in any::<u64>()) {
        let position = Position { seq, hash: ChainHash::from_random(hash.to_be_bytes()) };
        prop_assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
    }
}
