//! Logs of which only the latest entries are kept: topics, and what subjects have.

use inkwire_model::{DocumentId, NewEntry, Position, ResetCause, Subject};

use super::{assert_chain, positions, texts};
use crate::{
    AppendOutcome, Continuity, ReadFrom, Refusal, Retention,
    contract::{Fixture, LOG_ENTRIES_MAX, Replica, WIDE, Writer, document},
};

const LATEST: u32 = 16;
/// What is held at most: an eighth more.
const HELD_MAX: u64 = 18;

async fn append(replica: &Replica, to: &DocumentId, entries: Vec<NewEntry>) -> Vec<AppendOutcome> {
    let kept = Retention::Latest(LATEST);
    let ticket = replica.begin_append_as(to, entries, kept, false);
    replica.appended(ticket).await.unwrap_or_default()
}

/// A topic and a subject's log are written, heard and read as any document is.
pub async fn internal_ids_name_logs_like_any_other(fixture: &impl Fixture) {
    let subject = Subject::parse("zoë {the} 2nd/x").unwrap_or_else(|error| panic!("{error}"));
    let named = |id: Result<_, _>| id.unwrap_or_else(|error| panic!("{error}"));
    let topic = named(DocumentId::topic("essay"));
    let own = named(DocumentId::of_user(&subject, "essay"));
    let logs = [document("essay"), topic, own];
    let replica = Replica::attach(fixture).await;
    for log in &logs {
        replica.follow(log).await;
        let entry = Writer::new("alice").write(log.as_str());
        let position = replica.position(log, entry).await;
        assert_eq!(position.seq, 1, "{log} is a log of its own");
    }
    for log in &logs {
        let heard = replica.heard(log, 1).await;
        assert_eq!(texts(&heard), [log.as_str()]);
        assert_eq!(texts(&replica.log(log).await.entries), [log.as_str()]);
    }
    let heads = replica.heads(&logs).await;
    assert!(heads.iter().all(Option::is_some), "{heads:?}");
}

/// After each append the log holds the latest entries, and an eighth of them more at most; the
/// position just below the first is known, and one below that is told as trimmed.
pub async fn the_latest_entries_are_kept_and_the_base_follows(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let mut all: Vec<Position> = vec![replica.log(&essay).await.head];
    for batch in [1, 15, 1, 1, 1, 7, 40, 3, 2] {
        for outcome in append(&replica, &essay, alice.write_many(batch)).await {
            match outcome {
                AppendOutcome::Appended(position) => all.push(position),
                other => panic!("{other:?}"),
            }
        }
        let log = replica.log(&essay).await;
        assert_eq!(Some(log.head), all.last().copied());
        assert_chain(&log.entries, log.after);
        let held = log.head.seq - log.after.seq;
        let written = log.head.seq;
        assert!(
            held <= HELD_MAX && held >= written.min(LATEST.into()),
            "{held} of {written}"
        );
        for since in &all {
            let page = replica.read(&essay, ReadFrom::After(*since), WIDE).await;
            if since.seq < log.after.seq {
                assert_eq!(page.continuity, Continuity::Broken(ResetCause::Trimmed));
                assert_eq!((page.after, &page.entries), (log.after, &log.entries));
            } else {
                assert_eq!(
                    (page.continuity, page.after),
                    (Continuity::Continues, *since)
                );
            }
        }
        let at_base = Position {
            seq: log.after.seq,
            hash: inkwire_model::ChainHash::from_random([9; 8]),
        };
        let page = replica.read(&essay, ReadFrom::After(at_base), WIDE).await;
        assert_eq!(page.continuity, Continuity::Broken(ResetCause::Diverged));
    }
}

/// Such a log is never full, and what is announced of it is what was appended, trimmed or not.
pub async fn a_log_of_the_latest_entries_is_never_full(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::following(fixture, &essay).await;
    let mut alice = Writer::new("alice");
    let mut appended = Vec::new();
    for _ in 0..12 {
        for outcome in append(&replica, &essay, alice.write_many(100)).await {
            match outcome {
                AppendOutcome::Appended(position) => appended.push(position),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(appended.len() > LOG_ENTRIES_MAX);
    let heard = replica.heard(&essay, appended.len()).await;
    assert_eq!(positions(&heard), appended);
}

/// Rows and revocations outlive the entries they come from.
pub async fn trimming_keeps_rows_and_revocations(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let (mut alice, mut bob, mut carol) = (
        Writer::new("alice"),
        Writer::new("bob"),
        Writer::new("carol"),
    );
    let old = bob.write("old");
    append(&replica, &essay, vec![old.clone(), carol.write("1")]).await;
    let revoke = Writer::of_access_to("carol").write("{}");
    append(&replica, &essay, vec![revoke]).await;
    append(&replica, &essay, alice.write_many(100)).await;
    assert!(replica.log(&essay).await.after.seq > 3);

    let again = append(&replica, &essay, vec![old]).await;
    assert!(
        matches!(again.as_slice(), [AppendOutcome::Duplicate(at)] if at.seq == 1),
        "{again:?}"
    );
    let refused = append(&replica, &essay, vec![carol.write("2")]).await;
    assert_eq!(refused, [AppendOutcome::Refused(Refusal::Revoked)]);
    let ahead = append(&replica, &essay, vec![bob.numbered(3, "ahead")]).await;
    assert!(
        matches!(
            ahead.as_slice(),
            [AppendOutcome::Refused(Refusal::Gap { expected: 2, .. })]
        ),
        "{ahead:?}"
    );
}

/// A read from the head gives nothing of what is there, and all that comes after it.
pub async fn a_read_from_the_head_gives_only_what_comes(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let mut alice = Writer::new("alice");
    let empty = replica.read(&essay, ReadFrom::Head, WIDE).await;
    assert_eq!((empty.after, empty.is_last()), (empty.head, true));
    replica.positions(&essay, alice.write_many(3)).await;
    let asker = vec![alice.asker()];
    let page = replica.read_as(&essay, ReadFrom::Head, WIDE, asker).await;
    assert_eq!(
        (page.continuity, page.entries.len()),
        (Continuity::Continues, 0)
    );
    assert_eq!((page.after, page.after.seq), (page.head, 3));
    let row = page
        .standings
        .first()
        .and_then(|standing| standing.row.as_ref());
    assert_eq!(row.map(|row| row.client_seq), Some(3));
    replica.positions(&essay, alice.write_many(2)).await;
    let rest = replica
        .read(&essay, ReadFrom::After(page.after), WIDE)
        .await;
    assert_eq!(
        (rest.continuity, rest.entries.len()),
        (Continuity::Continues, 2)
    );
}
