//! Comments change in the step that appends their entry, and each person is notified once (C11, C12).

use bytes::Bytes;
use inkwire_model::{
    Anchor, CommentEffect, CommentId, ContentType, DocumentId, Entry, Kind, MappedAnchor, NewEntry,
    Role, Subject, notification_message,
};

use super::name;
use crate::{
    AppendOutcome, PutSnapshot, ReadFrom, Retention, SnapshotAt, SnapshotRefused,
    contract::{Fixture, Replica, WIDE, Writer, document},
};

fn changing(role: Role, kind: &str, payload: String, entry: NewEntry) -> NewEntry {
    let kind = Kind::parse(kind).unwrap_or_else(|error| panic!("{error}"));
    let payload = Bytes::from(payload);
    let comment = CommentEffect::of_entry(
        &document("essay"),
        &kind,
        &entry.content_type,
        &payload,
        role,
    )
    .unwrap_or_else(|error| panic!("{error}"));
    NewEntry {
        kind,
        payload,
        comment,
        ..entry
    }
}

fn create(writer: &mut Writer, text: &str, mentions: &str) -> (CommentId, NewEntry) {
    let entry = writer.write("");
    let id = CommentId::of(&entry.author, &entry.client, entry.client_seq);
    let payload = format!(r#"{{"text":"{text}","mentions":[{mentions}]}}"#);
    (
        id,
        changing(Role::Reviewer, "comment.create", payload, entry),
    )
}

fn about(writer: &mut Writer, role: Role, kind: &str, id: CommentId, rest: &str) -> NewEntry {
    let payload = format!(r#"{{"comment":"{id}"{rest}}}"#);
    changing(role, kind, payload, writer.write(""))
}

fn log_of(subject: &str) -> DocumentId {
    let subject = Subject::parse(subject).unwrap_or_else(|error| panic!("{error}"));
    DocumentId::notifications_of(&subject).unwrap_or_else(|| panic!("{subject} has no log"))
}

/// The kinds of somebody's notifications, once there are so many.
async fn notified(replica: &Replica, subject: &str, count: usize) -> Vec<String> {
    let log = log_of(subject);
    let end = tokio::time::Instant::now() + replica.patience();
    loop {
        let page = replica.read(&log, ReadFrom::Start, WIDE).await;
        if page.entries.len() >= count || tokio::time::Instant::now() > end {
            let kind = |entry: &std::sync::Arc<Entry>| entry.kind.to_string();
            return page.entries.iter().map(kind).collect();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A repeat makes no second comment and no second notification.
pub async fn a_comment_is_made_once_with_its_entry(fixture: &impl Fixture) {
    let (replica, review) = (Replica::attach(fixture).await, fixture.review().await);
    let essay = document("essay");
    assert_eq!(review.comments(&essay).await, Ok(None));
    let mut alice = Writer::new("alice");
    let (id, entry) = create(&mut alice, "why?", r#""bob""#);
    let position = replica.position(&essay, entry.clone()).await;
    let again = replica.outcome(&essay, entry).await;
    assert_eq!(again, AppendOutcome::Duplicate(position));
    let comments = review.comments(&essay).await.unwrap_or_default();
    let [comment] = comments.as_deref().unwrap_or_default() else {
        panic!("{comments:?}");
    };
    assert_eq!((comment.id, comment.thread), (id, id));
    assert_eq!(
        (comment.position, comment.text.as_str()),
        (position, "why?")
    );
    assert_eq!(review.comment(&essay, id).await, Ok(Some(comment.clone())));

    let (_, other) = create(&mut alice, "and why?", r#""bob""#);
    replica.position(&essay, other).await;
    let mention = "notification.mention";
    assert_eq!(notified(&replica, "bob", 2).await, [mention, mention]);
    assert!(notified(&replica, "alice", 0).await.is_empty());
}

/// Only its author and owners edit and delete a comment; what is refused leaves nothing behind.
pub async fn a_comment_is_changed_by_its_author_and_by_owners(fixture: &impl Fixture) {
    let (replica, review) = (Replica::attach(fixture).await, fixture.review().await);
    let essay = document("essay");
    let (mut alice, mut bob) = (Writer::new("alice"), Writer::new("bob"));
    let (id, entry) = create(&mut alice, "why?", "");
    let unknown = CommentId::of(&alice.subject, &alice.client, 99);
    let text = r#","text":"because""#;
    let reviewer = Role::Reviewer;
    let outcomes = replica
        .append(
            &essay,
            vec![
                entry,
                about(&mut bob, reviewer, "comment.edit", id, text),
                about(&mut bob, reviewer, "comment.edit", id, text),
            ],
        )
        .await;
    let outcomes: Vec<_> = outcomes.unwrap_or_default().iter().map(name).collect();
    assert_eq!(outcomes, ["appended 1", "comment", "dropped"]);
    bob.next = 1;
    let by_owner = about(&mut bob, Role::Owner, "comment.edit", id, text);
    assert_eq!(replica.position(&essay, by_owner).await.seq, 2);
    let of_none = about(&mut bob, Role::Owner, "comment.edit", unknown, text);
    assert_eq!(name(&replica.outcome(&essay, of_none).await), "comment");
    bob.next = 2;
    let resolve = about(
        &mut bob,
        reviewer,
        "comment.resolve",
        id,
        r#","resolved":true"#,
    );
    replica.position(&essay, resolve).await;
    let found = review.comment(&essay, id).await.ok().flatten();
    let found = found.unwrap_or_else(|| panic!("it is there"));
    assert_eq!(found.text, "because");
    assert_eq!(
        found.resolved.map(|resolved| resolved.by),
        Some(bob.subject.clone())
    );
    let delete = about(&mut alice, reviewer, "comment.delete", id, "");
    replica.position(&essay, delete).await;
    let edit = about(&mut alice, reviewer, "comment.edit", id, text);
    assert_eq!(name(&replica.outcome(&essay, edit).await), "comment");
    let found = review.comment(&essay, id).await.ok().flatten();
    assert!(found.is_some_and(|found| found.deleted && found.text.is_empty()));
    assert_eq!(
        notified(&replica, "alice", 1).await,
        ["notification.resolve"]
    );
}

/// Of several reasons the first counts, and nobody hears of what they did themselves.
pub async fn each_person_is_notified_once_of_a_comment(fixture: &impl Fixture) {
    let replica = Replica::attach(fixture).await;
    let essay = document("essay");
    let mut writers = ["alice", "bob", "carol", "dave"].map(Writer::new);
    let [alice, bob, carol, dave] = &mut writers;
    // Carol commented first and contributed under the same client later.
    let (id, first) = create(carol, "why?", "");
    replica.position(&essay, first).await;
    for writer in [alice, carol, dave] {
        replica.position(&essay, writer.write("text")).await;
    }
    let mention = r#","text":"see","mentions":["dave","bob"]"#;
    let reply = about(bob, Role::Reviewer, "comment.reply", id, mention);
    replica.position(&essay, reply).await;
    for (who, kind) in [
        ("alice", "comment"),
        ("carol", "reply"),
        ("dave", "mention"),
    ] {
        let expected = [format!("notification.{kind}")];
        assert_eq!(notified(&replica, who, 1).await, expected, "{who}");
    }
    assert!(notified(&replica, "bob", 0).await.is_empty());
}

/// What is taken whole changes all comments or none, each seen by those after it.
pub async fn a_whole_call_changes_all_comments_or_none(fixture: &impl Fixture) {
    let (replica, review) = (Replica::attach(fixture).await, fixture.review().await);
    let essay = document("essay");
    let mut alice = Writer::new("alice");
    let (id, entry) = create(&mut alice, "why?", r#""bob""#);
    let reply = about(
        &mut alice,
        Role::Reviewer,
        "comment.reply",
        id,
        r#","text":"so""#,
    );
    let delete = about(&mut alice, Role::Reviewer, "comment.delete", id, "");
    let late = about(
        &mut alice,
        Role::Reviewer,
        "comment.edit",
        id,
        r#","text":"so""#,
    );
    let whole = async |entries: Vec<NewEntry>| {
        let kept = Retention::Everything;
        let ticket = replica.begin_append_as(&essay, entries, kept, true);
        let outcomes = replica.appended(ticket).await.unwrap_or_default();
        outcomes.iter().map(name).collect::<Vec<_>>()
    };
    let refused = whole(vec![entry.clone(), reply.clone(), delete, late]).await;
    assert_eq!(refused, ["dropped", "dropped", "dropped", "comment"]);
    let none = review.comments(&essay).await.ok().flatten();
    assert!(none.is_none_or(|comments| comments.is_empty()));
    assert_eq!(
        whole(vec![entry, reply]).await,
        ["appended 1", "appended 2"]
    );
    let both = review.comments(&essay).await.ok().flatten();
    assert_eq!(both.map(|comments| comments.len()), Some(2));
    assert_eq!(notified(&replica, "bob", 1).await.len(), 1);
}

/// Comments go with their log into a copy of the store, and outlive its trimming.
pub async fn comments_and_their_log_agree(fixture: &impl Fixture) {
    let (replica, review) = (Replica::attach(fixture).await, fixture.review().await);
    let essay = document("essay");
    let mut alice = Writer::new("alice");
    let anchored_at = replica.position(&essay, alice.write("text")).await;
    fixture.save().await;
    let later = replica.position(&essay, alice.write("more")).await;
    let anchored = |writer: &mut Writer, at| {
        let entry = writer.write("");
        let anchor = format!(r#"{{"position":"{at}","start":0,"end":4,"unit":"utf16"}}"#);
        let payload = format!(r#"{{"text":"why?","anchor":{anchor}}}"#);
        changing(Role::Reviewer, "comment.create", payload, entry)
    };
    let first = anchored(&mut alice, later);
    replica.position(&essay, first).await;
    fixture.roll_back().await;
    let gone = review.comments(&essay).await.ok().flatten();
    assert!(gone.is_none_or(|comments| comments.is_empty()));

    // Other words stand where the anchor of the first one was.
    let mut bob = Writer::new("bob");
    replica.position(&essay, bob.write("other")).await;
    for at in [later, anchored_at] {
        replica.position(&essay, anchored(&mut bob, at)).await;
    }
    let doubts = async || {
        let comments = review.comments(&essay).await.ok().flatten();
        let comments = comments.unwrap_or_default();
        comments
            .iter()
            .map(|each| each.orphaned)
            .collect::<Vec<_>>()
    };
    assert_eq!(doubts().await, [true, false]);
    fixture.trim(&essay, 4).await;
    assert_eq!(doubts().await.len(), 2);
}

/// A snapshot names every open anchored comment up to its position, mapped or orphaned; else it is refused
/// and changes nothing.
pub async fn a_snapshot_says_where_every_open_anchor_is(fixture: &impl Fixture) {
    let (replica, review) = (Replica::attach(fixture).await, fixture.review().await);
    let documents = fixture.documents(0).await;
    let essay = document("essay");
    let mut alice = Writer::new("alice");
    let text = replica.position(&essay, alice.write("text")).await;
    let anchored = |writer: &mut Writer| {
        let entry = writer.write("");
        let id = CommentId::of(&entry.author, &entry.client, entry.client_seq);
        let rest = r#""start":0,"end":4,"unit":"utf16","quote":",\"unit\":""#;
        let payload = format!(r#"{{"text":"?","anchor":{{"position":"{text}",{rest}}}}}"#);
        (
            id,
            changing(Role::Reviewer, "comment.create", payload, entry),
        )
    };
    let mut ids = Vec::new();
    for _ in 0..4 {
        let (id, entry) = anchored(&mut alice);
        replica.position(&essay, entry).await;
        ids.push(id);
    }
    let [moved, lost, closed, removed] = ids[..] else {
        panic!("{ids:?}")
    };
    let (_, without) = create(&mut alice, "no anchor", "");
    replica.position(&essay, without).await;
    let resolve = about(
        &mut alice,
        Role::Reviewer,
        "comment.resolve",
        closed,
        r#","resolved":true"#,
    );
    replica.position(&essay, resolve).await;
    let delete = about(&mut alice, Role::Reviewer, "comment.delete", removed, "");
    let at = replica.position(&essay, delete).await;
    let (later, entry) = anchored(&mut alice);
    replica.position(&essay, entry).await;

    let put = async |anchors: &[(CommentId, MappedAnchor)]| {
        let put = PutSnapshot {
            at: SnapshotAt::Position(at),
            author: alice.subject.clone(),
            content_type: ContentType::default(),
            payload: Bytes::from_static(b"words"),
            tail_entries: 0,
            anchors: anchors.iter().copied().collect(),
        };
        let put = documents.put_snapshot(&essay, put).await;
        put.unwrap_or_else(|error| panic!("{error}"))
    };
    let to = (1 << 53) - 1;
    let mapped = MappedAnchor::At { start: 3, end: to };
    let lacks = |ids: &[CommentId]| Err(SnapshotRefused::LacksAnchors(ids.to_vec()));
    let before = review.comments(&essay).await;
    assert_eq!(put(&[]).await, lacks(&[moved, lost]));
    assert_eq!(put(&[(moved, mapped)]).await, lacks(&[lost]));
    assert_eq!(review.comments(&essay).await, before);
    assert_eq!(documents.snapshot(&essay).await, Ok(None));

    let orphaned = MappedAnchor::Orphaned;
    let unknown = CommentId::of(&alice.subject, &alice.client, 99);
    let named = [
        (moved, mapped),
        (lost, orphaned),
        (removed, mapped),
        (later, mapped),
        (unknown, mapped),
    ];
    assert!(put(&named).await.is_ok());
    let found = review.comments(&essay).await.ok().flatten();
    let found = found.unwrap_or_else(|| panic!("they are there"));
    let before = before.ok().flatten().unwrap_or_default();
    for (is, was) in found.iter().zip(&before) {
        let mut expected = was.clone();
        if is.id == moved {
            let anchor = was.anchor.as_ref().map(|anchor| Anchor {
                position: at,
                start: 3,
                end: to,
                ..anchor.clone()
            });
            expected.anchor = anchor;
        }
        expected.orphaned = is.id == lost;
        assert_eq!(*is, expected);
    }
    assert_eq!(found.len(), before.len());
}

/// A message of a server comes into the same log, and a repeat of it is a duplicate.
pub async fn a_message_to_a_person_is_a_notification(fixture: &impl Fixture) {
    let (replica, review) = (Replica::attach(fixture).await, fixture.review().await);
    let [server, bob] = ["server", "bob"].map(|name| Writer::new(name).subject);
    let payload = Bytes::from_static(br#"{"text":"welcome"}"#);
    let message = notification_message(&server, "key-1", &bob, payload, 1_700_000_000_000);
    let outcome = review.notify(&bob, message.clone()).await;
    assert!(
        matches!(outcome, Ok(AppendOutcome::Appended(_))),
        "{outcome:?}"
    );
    let again = review.notify(&bob, message).await;
    assert!(
        matches!(again, Ok(AppendOutcome::Duplicate(_))),
        "{again:?}"
    );
    assert_eq!(notified(&replica, "bob", 1).await, ["notification.message"]);
}
