//! Joins, leaves, and who may.

use super::*;

#[test]
fn a_join_becomes_a_command() {
    let mut t = Transcript::known("alice essay=writer");
    let since = position("4-0123456789abcdef");
    t.say(ClientPacket::Join {
        document: document("essay"),
        since: Some(since),
        client: Some(client(CLIENT)),
        receive: false,
    });
    assert_eq!(t.seen(), [], "the hub answers");
    assert_eq!(
        t.asked(),
        [Asked::Join {
            document: document("essay"),
            subject: subject("alice"),
            client: Some(client(CLIENT)),
            since: Some(since),
            receive: false,
        }]
    );
}

#[test]
fn a_join_needs_a_role_in_that_document() {
    let mut t = Transcript::known("alice essay=viewer");
    t.say(join("notes", None));
    t.assert_error_with(Code::Forbidden, Some("notes"), None, Some(Role::Viewer));
    t.say(join("essay", Some(CLIENT)));
    t.assert_error_with(Code::Forbidden, Some("essay"), None, Some(Role::Reviewer));
    t.say(join("essay", None));
    assert!(matches!(
        t.asked().as_slice(),
        [Asked::Join { client: None, .. }]
    ));
}

#[test]
fn a_document_is_joined_once() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    t.say(join("essay", None));
    t.assert_error(Code::AlreadyJoined, Some("essay"));
}

#[test]
fn a_session_joins_so_many_documents() {
    let mut t = Transcript::with_limits(|limits| limits.documents_max = 2)
        .greeted("alice *=writer")
        .joined("a")
        .joined("b");
    t.say(join("c", None));
    t.assert_error(Code::TooManyDocuments, Some("c"));
    t.say(leave("a"));
    assert_eq!(t.asked(), [Asked::Leave(document("a"))]);
    t.seen();
    let mut t = t.joined("c");
    t.deliver("b", &Delivery::Ended(Code::Revoked));
    t.seen();
    t.joined("d");
}

#[test]
fn a_leave_is_answered_and_nothing_of_the_document_follows() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    t.say(leave("essay"));
    let left = Seen::Packet(ServerPacket::Left {
        document: document("essay"),
    });
    assert_eq!(t.seen(), [left]);
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
    t.deliver("essay", &Delivery::Waiting { after_ms: 1 });
    assert_eq!(t.seen(), []);

    t.say(leave("essay"));
    t.assert_error(Code::NotJoined, Some("essay"));
    let old = t.members[&document("essay")].0;
    let t = t.joined("essay");
    assert_ne!(t.members[&document("essay")].0, old);
}

#[test]
fn a_membership_that_the_hub_ended_is_forgotten() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    t.deliver("essay", &Delivery::Ended(Code::Revoked));
    let ended = Seen::Packet(ServerPacket::Ended {
        document: document("essay"),
        code: Code::Revoked,
    });
    assert_eq!(t.seen(), [ended]);
    t.say(append("essay", 1, "1"));
    t.assert_error(Code::NotJoined, Some("essay"));
    t.say(signal("essay", "1"));
    t.assert_error(Code::NotJoined, Some("essay"));
    t.joined("essay");
}

#[test]
fn the_end_of_the_connection_leaves_everything() {
    let mut t = Transcript::known("alice *=writer").joined("a").joined("b");
    t.session.leave_all();
    let mut asked = t.asked();
    asked.sort_by_key(|asked| format!("{asked:?}"));
    assert_eq!(
        asked,
        [Asked::Leave(document("a")), Asked::Leave(document("b"))]
    );
    t.deliver("a", &Delivery::Waiting { after_ms: 1 });
    assert_eq!(t.seen(), []);
    t.session.leave_all();
    assert_eq!(t.asked(), []);
}

#[test]
fn a_close_from_outside_says_why_and_leaves() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    t.session.close(Code::GoingAway, "this replica restarts");
    t.assert_closed(Code::GoingAway);
    assert_eq!(t.asked(), [Asked::Leave(document("essay"))]);
    t.session.close(Code::Internal, "again");
    assert_eq!(t.seen(), []);
}

#[test]
fn owners_change_access() {
    let mut t = Transcript::known("alice essay=owner notes=writer")
        .joined("essay")
        .joined("notes");
    let bob = subject("bob");
    t.say(ClientPacket::Revoke {
        document: document("essay"),
        subject: bob.clone(),
    });
    t.say(ClientPacket::Grant {
        document: document("essay"),
        subject: bob.clone(),
    });
    let change =
        |action| Asked::ChangeAccess(document("essay"), action, bob.clone(), subject("alice"));
    assert_eq!(
        t.asked(),
        [change(AccessAction::Revoke), change(AccessAction::Grant)]
    );
    t.say(ClientPacket::Revoke {
        document: document("notes"),
        subject: bob.clone(),
    });
    t.assert_error_with(Code::Forbidden, Some("notes"), None, Some(Role::Owner));
    t.say(ClientPacket::Revoke {
        document: document("poem"),
        subject: bob,
    });
    t.assert_error(Code::NotJoined, Some("poem"));
}
