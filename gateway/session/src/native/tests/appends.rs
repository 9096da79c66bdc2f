//! Entries on their way to the hub, and what the session has against some.

use super::*;

fn accepted(client_seq: ClientSeq, payload: &str, at: UnixMillis) -> Submission {
    Submission {
        client_seq,
        entry: Ok(entry(client_seq, payload, at)),
    }
}

#[test]
fn consecutive_entries_of_a_document_are_one_command() {
    let mut t = Transcript::known("alice *=writer").joined("a").joined("b");
    for (id, client_seq) in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("a", 4)] {
        t.say(append(id, client_seq, "1"));
    }
    let submit = |id, numbers: &[u64]| {
        let all = numbers.iter().map(|n| accepted(*n, "1", START_MS));
        Asked::Submit(document(id), all.collect())
    };
    assert_eq!(
        t.asked(),
        [
            submit("a", &[1, 2, 3]),
            submit("b", &[1]),
            submit("a", &[4])
        ]
    );
    t.wait(5);
    t.say(append("a", 5, "[2]"));
    let later = accepted(5, "[2]", START_MS + 5);
    assert_eq!(t.asked(), [Asked::Submit(document("a"), vec![later])]);
    assert_eq!(t.seen(), [], "acknowledgements are the hub's");
}

#[test]
fn refusals_keep_their_place_among_the_entries() {
    let mut t = Transcript::with_limits(|limits| limits.payload_bytes_max = 8)
        .greeted("alice *=writer")
        .joined("essay");
    t.say(append("essay", 1, "1"));
    t.say(append("essay", 2, "123456789"));
    t.say_bytes(br#"{"type":"append","document":"essay","client_seq":3,"kind":"a b","payload":1}"#);
    t.say(append_kind("essay", 4, "access.grant", "1"));
    t.say(append("essay", 5, "12345678"));
    let asked = t.asked();
    let [Asked::Submit(_, submissions)] = asked.as_slice() else {
        panic!("not one command: {asked:?}");
    };
    assert_eq!(submissions.len(), 5);
    assert_eq!(submissions[0], accepted(1, "1", START_MS));
    assert_eq!(submissions[1].entry, Err(Nack::TooLarge { max_bytes: 8 }));
    assert!(matches!(submissions[2].entry, Err(Nack::Invalid { .. })));
    assert!(matches!(submissions[3].entry, Err(Nack::Invalid { .. })));
    assert_eq!(submissions[4], accepted(5, "12345678", START_MS));
    let numbers: Vec<_> = submissions.iter().map(|s| s.client_seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(t.seen(), [], "the hub says which of them it heard");
}

#[test]
fn the_role_is_asked_at_every_entry() {
    let mut t = Transcript::writing("rita essay=reviewer", "essay");
    t.say(append("essay", 1, "1"));
    let need = Role::Writer;
    assert_eq!(t.nack(), Nack::Forbidden { need });
    t.say(append_kind("essay", 1, "comment.create", r#"{"text":"1"}"#));
    assert!(matches!(
        t.asked().as_slice(),
        [Asked::Submit(_, submissions)] if submissions[0].entry.is_ok()
    ));
    t.say(append_kind("essay", 2, "commentary", "1"));
    assert_eq!(t.nack(), Nack::Forbidden { need });
}

#[test]
fn only_the_gateway_writes_access_entries() {
    let mut t = Transcript::writing("alice *=owner", "essay");
    t.say(append_kind("essay", 1, "access.revoke", "1"));
    assert!(matches!(t.nack(), Nack::Invalid { .. }));
}

#[test]
fn numbers_start_at_one() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    t.say_bytes(br#"{"type":"append","document":"essay","client_seq":0,"payload":1}"#);
    t.assert_error(Code::Invalid, Some("essay"));
    t.say_bytes(br#"{"type":"append","document":"essay","payload":1}"#);
    t.assert_error(Code::Invalid, Some("essay"));
}

#[test]
fn only_who_joined_with_a_client_appends() {
    let mut t = Transcript::known("alice *=writer");
    t.say(append("essay", 1, "1"));
    t.assert_error(Code::NotJoined, Some("essay"));
    t.say_bytes(br#"{"type":"append","document":"essay","client_seq":3,"kind":"a b","payload":1}"#);
    t.assert_error(Code::NotJoined, Some("essay"));
    t.say(join("essay", None));
    t.asked();
    t.say(append("essay", 1, "1"));
    t.assert_error(Code::NotJoined, Some("essay"));
}

#[test]
fn both_encodings_say_the_same() {
    let mut t = Transcript::with(|_| {}, Encoding::MessagePack, None)
        .greeted("alice *=writer")
        .joined("essay");
    t.say(append("essay", 1, "{\"a\":1}"));
    let submission = accepted(1, "{\"a\":1}", START_MS);
    assert_eq!(
        t.asked(),
        [Asked::Submit(document("essay"), vec![submission])]
    );
}

#[test]
fn a_traceparent_goes_along() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    t.say(ClientPacket::Append {
        document: document("essay"),
        client_seq: 1,
        kind: kind("edit"),
        content_type: ContentType::default(),
        payload: Bytes::from_static(b"1"),
        traceparent: Some(trace.into()),
    });
    assert!(matches!(
        t.asked().as_slice(),
        [Asked::Submit(_, submissions)]
            if submissions[0].entry.as_ref().unwrap().traceparent.as_deref() == Some(trace)
    ));
}
