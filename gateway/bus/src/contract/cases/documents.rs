//! Snapshots and deletion (C7, C9).

#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use bytes::Bytes;
use inkwire_model::{ContentType, NewEntry, Position, ResetCause};

use super::{assert_chain, positions, texts};
use crate::{
    AppendOutcome, Continuity, Documents, PutSnapshot, ReadFrom, Refusal, SnapshotAt,
    SnapshotRefused,
    contract::{Fixture, LOG_ENTRIES_MAX, Replica, WIDE, Writer, document},
};

const TAIL: u32 = 3;

fn put(at: SnapshotAt, text: &'static str) -> PutSnapshot {
    PutSnapshot {
        at,
        author: Writer::new("alice").asker().subject,
        content_type: ContentType::default(),
        payload: Bytes::from_static(text.as_bytes()),
        tail_entries: TAIL,
        anchors: std::collections::BTreeMap::new(),
    }
}

/// A replica, its documents, and a log with so many entries.
async fn written(
    fixture: &impl Fixture,
    name: &str,
    entries: usize,
) -> (
    Replica,
    std::sync::Arc<dyn Documents>,
    Writer,
    Vec<Position>,
) {
    let essay = document(name);
    let replica = Replica::following(fixture, &essay).await;
    let mut alice = Writer::new("alice");
    for entries in alice.write_many(entries).chunks(100) {
        replica.positions(&essay, entries.to_vec()).await;
    }
    let log = replica.log(&essay).await;
    let mut all = vec![log.after];
    all.extend(positions(&log.entries));
    (replica, fixture.documents(0).await, alice, all)
}

/// Who joins gets the last snapshot and what follows it, in one page; the log is trimmed below it, less
/// a tail, and the position just below that can still be resumed from.
pub async fn a_snapshot_starts_every_reader_and_trims_the_log(fixture: &impl Fixture) {
    let essay = document("essay");
    let (replica, documents, mut alice, all) = written(fixture, "essay", 10).await;
    let at = SnapshotAt::Position(all[8]);
    let kept = documents.put_snapshot(&essay, put(at, "eight")).await;
    let kept = kept.unwrap_or_else(|error| panic!("{error}"));
    let kept = kept.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((kept.position, kept.base), (all[8], all[5]));

    let page = replica.log(&essay).await;
    let snapshot = page.snapshot.clone().unwrap_or_else(|| panic!("none"));
    assert_eq!(
        (snapshot.position, &snapshot.payload[..]),
        (all[8], &b"eight"[..])
    );
    assert_eq!((page.after, page.covered), (all[8], 8));
    assert_eq!(positions(&page.entries), all[9..]);
    let about = documents.about(&essay).await;
    let about = about.ok().flatten().unwrap_or_else(|| panic!("none"));
    assert_eq!(
        (about.head, about.base, about.snapshot),
        (all[10], all[5], Some(all[8]))
    );
    assert_eq!(documents.snapshot(&essay).await, Ok(Some(snapshot)));

    let base = replica.read(&essay, ReadFrom::After(all[5]), WIDE).await;
    assert_eq!(base.continuity, Continuity::Continues);
    assert_eq!(
        (base.snapshot, positions(&base.entries)),
        (None, all[6..].to_vec())
    );
    let below = replica.read(&essay, ReadFrom::After(all[4]), WIDE).await;
    assert_eq!(below.continuity, Continuity::Broken(ResetCause::Trimmed));
    assert!(below.snapshot.is_some());
    assert_eq!(positions(&below.entries), all[9..]);

    // Writing goes on as if nothing had been.
    let next = replica.position(&essay, alice.write("next")).await;
    assert_eq!(next.seq, 11);
    let heads = replica.whole_heads(&[essay]).await;
    assert_eq!(heads.first().and_then(|head| head.covered), Some(8));
}

/// A snapshot is kept only at a position of this history, and only if it is newer.
pub async fn a_snapshot_of_no_use_is_refused(fixture: &impl Fixture) {
    let essay = document("essay");
    let (_replica, documents, _, all) = written(fixture, "essay", 6).await;
    let refused = |result| match result {
        Ok(Err(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let forged = Position {
        seq: 4,
        hash: all[3].hash,
    };
    let beyond = Position {
        seq: 7,
        hash: all[3].hash,
    };
    for strange in [forged, beyond] {
        let at = SnapshotAt::Position(strange);
        let result = documents.put_snapshot(&essay, put(at, "x")).await;
        assert_eq!(refused(result), SnapshotRefused::NotInHistory);
    }
    let result = documents
        .put_snapshot(&essay, put(SnapshotAt::Seed, "x"))
        .await;
    assert_eq!(
        refused(result),
        SnapshotRefused::NotInHistory,
        "it has entries"
    );
    let nowhere = document("nowhere");
    let at = SnapshotAt::Position(all[3]);
    let result = documents.put_snapshot(&nowhere, put(at, "x")).await;
    assert_eq!(refused(result), SnapshotRefused::NotInHistory);
    assert_eq!(documents.about(&nowhere).await, Ok(None));

    let kept = documents.put_snapshot(&essay, put(at, "three")).await;
    assert!(matches!(kept, Ok(Ok(_))), "{kept:?}");
    for old in [all[3], all[2]] {
        let at = SnapshotAt::Position(old);
        let result = documents.put_snapshot(&essay, put(at, "x")).await;
        assert_eq!(refused(result), SnapshotRefused::NotNewer);
    }
}

/// A back end gives a document what it begins with, before anybody joined.
pub async fn a_document_may_begin_with_a_seed(fixture: &impl Fixture) {
    let essay = document("essay");
    let replica = Replica::attach(fixture).await;
    let documents = fixture.documents(0).await;
    let kept = documents
        .put_snapshot(&essay, put(SnapshotAt::Seed, "seed"))
        .await;
    let kept = kept
        .ok()
        .and_then(Result::ok)
        .unwrap_or_else(|| panic!("refused"));
    assert_eq!(kept.position.seq, 0);
    let again = documents
        .put_snapshot(&essay, put(SnapshotAt::Seed, "seed"))
        .await;
    assert_eq!(again, Ok(Err(SnapshotRefused::NotNewer)));
    let mut alice = Writer::new("alice");
    replica.position(&essay, alice.write("first")).await;
    let page = replica.log(&essay).await;
    assert_eq!(page.after, kept.position);
    let seed = page.snapshot.map(|snapshot| snapshot.payload.clone());
    assert_eq!(seed.as_deref(), Some(&b"seed"[..]));
    assert_eq!(texts(&page.entries), ["first"]);
}

/// A log at its cap takes entries again once a snapshot covers it.
pub async fn a_snapshot_makes_room_in_a_full_log(fixture: &impl Fixture) {
    let essay = document("essay");
    let (replica, documents, mut alice, all) = written(fixture, "essay", LOG_ENTRIES_MAX).await;
    let one_more = alice.write("one more");
    let refused = replica.append(&essay, vec![one_more.clone()]).await;
    assert_eq!(refused, Ok(vec![AppendOutcome::Refused(Refusal::LogFull)]));
    let at = SnapshotAt::Position(all[LOG_ENTRIES_MAX]);
    let kept = documents.put_snapshot(&essay, put(at, "all")).await;
    assert!(matches!(kept, Ok(Ok(_))), "{kept:?}");
    let taken = replica.append(&essay, vec![one_more]).await;
    assert!(
        matches!(taken.as_deref(), Ok([AppendOutcome::Appended(_)])),
        "{taken:?}"
    );
}

/// A subject whose access was revoked puts no snapshot.
pub async fn a_revoked_subject_puts_no_snapshot(fixture: &impl Fixture) {
    let essay = document("essay");
    let (replica, documents, _, all) = written(fixture, "essay", 2).await;
    let revoke = Writer::of_access_to("alice").write("");
    replica.position(&essay, revoke).await;
    let at = SnapshotAt::Position(all[2]);
    let result = documents.put_snapshot(&essay, put(at, "x")).await;
    assert_eq!(result, Ok(Err(SnapshotRefused::Revoked)));
    for (name, is_revoked) in [("alice", true), ("bob", false)] {
        let subject = Writer::new(name).asker().subject;
        assert_eq!(documents.is_revoked(&essay, &subject).await, Ok(is_revoked));
    }
}

/// Deletion drops what was written and keeps who wrote it: the history goes on behind the last seq, and
/// each position from before is told as deleted.
pub async fn a_deleted_document_is_told_as_deleted_and_keeps_its_rows(fixture: &impl Fixture) {
    let essay = document("essay");
    let (replica, documents, mut alice, all) = written(fixture, "essay", 5).await;
    let last = NewEntry::clone_of(&replica.log(&essay).await.entries[4]);
    let at = SnapshotAt::Position(all[4]);
    let kept = documents.put_snapshot(&essay, put(at, "four")).await;
    assert!(matches!(kept, Ok(Ok(_))), "{kept:?}");
    let start = documents.delete(&essay).await.ok().flatten();
    let start = start.unwrap_or_else(|| panic!("nothing was deleted"));
    assert_eq!(start.seq, 5);
    assert_ne!(start, all[5]);

    for before in &all {
        let page = replica.read(&essay, ReadFrom::After(*before), WIDE).await;
        assert_eq!(
            page.continuity,
            Continuity::Broken(ResetCause::Deleted),
            "{before}"
        );
        assert_eq!((page.after, page.snapshot), (start, None));
    }
    let page = replica.read(&essay, ReadFrom::After(start), WIDE).await;
    assert_eq!(page.continuity, Continuity::Continues);
    assert_eq!(documents.snapshot(&essay).await, Ok(None));

    // The row goes on where it was, and the repeat of what is deleted is no second one.
    let repeated = replica.append(&essay, vec![last]).await;
    assert!(
        matches!(repeated.as_deref(), Ok([AppendOutcome::Duplicate(_)])),
        "{repeated:?}"
    );
    let next = replica.position(&essay, alice.write("next")).await;
    assert_eq!(next.seq, 6);
    let page = replica.log(&essay).await;
    assert_chain(&page.entries, start);
    assert_eq!(texts(&page.entries), ["next"]);
    assert_eq!(documents.delete(&document("nowhere")).await, Ok(None));
}

/// Everybody who follows hears something at once that does not extend what they have.
pub async fn a_deletion_is_heard_at_once(fixture: &impl Fixture) {
    let essay = document("essay");
    let (replica, documents, _, all) = written(fixture, "essay", 2).await;
    documents
        .delete(&essay)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let heard = replica.heard(&essay, 3).await;
    let last = heard.last().map(|entry| entry.follows(all[2]));
    assert_eq!(last, Some(false));
}

/// A snapshot goes with the history that it belongs to.
pub async fn a_rolled_back_snapshot_is_not_served(fixture: &impl Fixture) {
    let essay = document("essay");
    let (replica, documents, mut alice, _) = written(fixture, "essay", 4).await;
    fixture.save().await;
    let later = replica.position(&essay, alice.write("lost")).await;
    let kept = documents
        .put_snapshot(&essay, put(SnapshotAt::Position(later), "lost"))
        .await;
    assert!(matches!(kept, Ok(Ok(_))), "{kept:?}");
    fixture.roll_back().await;
    let page = replica.log(&essay).await;
    assert_eq!((page.snapshot.is_none(), page.head.seq), (true, 4));
    let kept = documents
        .put_snapshot(&essay, put(SnapshotAt::Position(later), "lost"))
        .await;
    assert_eq!(kept, Ok(Err(SnapshotRefused::NotInHistory)));
}
