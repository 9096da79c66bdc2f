//! Comments are checked before the log sees them; notifications are read by whom they are for.

use super::*;

fn comment(client_seq: ClientSeq, kind_of: &str, payload: &'static str) -> ClientPacket {
    ClientPacket::Append {
        document: document("essay"),
        client_seq,
        kind: kind(kind_of),
        content_type: ContentType::default(),
        payload: Bytes::from_static(payload.as_bytes()),
        traceparent: None,
    }
}

fn submissions(t: &mut Transcript) -> Vec<Submission> {
    let asked = t.asked().into_iter().flat_map(|asked| match asked {
        Asked::Submit(_, submissions) => submissions,
        other => panic!("{other:?}"),
    });
    asked.collect()
}

#[test]
fn a_comment_takes_what_it_does_with_it() {
    for (role, by_owner) in [("reviewer", false), ("owner", true)] {
        let mut t = Transcript::writing(&format!("alice essay={role}"), "essay");
        t.say(comment(1, "comment.create", r#"{"text":"why?"}"#));
        let submission = submissions(&mut t).pop().unwrap();
        let entry = submission.entry.unwrap();
        assert_eq!(entry.comment.unwrap().by_owner, by_owner);
    }
}

#[test]
fn a_bad_comment_is_refused_in_its_place() {
    let mut t = Transcript::writing("alice essay=reviewer", "essay");
    t.say(comment(1, "comment.create", r#"{"text":""}"#));
    t.say(comment(2, "comment.like", "{}"));
    for Submission { entry, .. } in submissions(&mut t) {
        assert!(matches!(entry, Err(Nack::Invalid { .. })), "{entry:?}");
    }
}

#[test]
fn everybody_reads_their_own_notifications_and_nobody_writes_them() {
    let own = || DocumentId::parse_named("$notifications").unwrap();
    let mut t = Transcript::known("alice *=owner");
    t.say(join_of(own(), Some(CLIENT)));
    t.assert_error_with(
        Code::Forbidden,
        Some("$notifications"),
        None,
        Some(Role::Reviewer),
    );
    t.say(join_of(own(), None));
    let log = DocumentId::notifications_of(&subject("alice")).unwrap();
    let asked = t.asked();
    let [Asked::Join { document, .. }] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(*document, log);
    let ClientPacket::Append {
        kind,
        content_type,
        payload,
        ..
    } = comment(1, "edit", "{}")
    else {
        return;
    };
    t.say(ClientPacket::Append {
        document: own(),
        client_seq: 1,
        kind,
        content_type,
        payload,
        traceparent: None,
    });
    t.assert_error_with(
        Code::Forbidden,
        Some("$notifications"),
        None,
        Some(Role::Writer),
    );
    t.say(ClientPacket::Leave { document: own() });
    assert_eq!(t.asked(), [Asked::Leave(log)]);
    assert_eq!(
        t.seen(),
        [Seen::Packet(ServerPacket::Left { document: own() })]
    );
}

#[test]
fn nobody_in_particular_has_no_notifications() {
    let mut t = Transcript::new();
    t.say(ClientPacket::Hello { token: None });
    t.seen();
    t.say(join_of(
        DocumentId::parse_named("$notifications").unwrap(),
        None,
    ));
    t.assert_error_with(
        Code::Forbidden,
        Some("$notifications"),
        None,
        Some(Role::Viewer),
    );
}

fn join_of(document: DocumentId, writer: Option<&str>) -> ClientPacket {
    ClientPacket::Join {
        document,
        since: None,
        client: writer.map(client),
        receive: true,
    }
}
