//! What the hub delivers, as the client sees it.

use std::collections::VecDeque;

use inkwire_hub::{Carried, Unavailable};
use inkwire_model::{ClientRow, Entry, ResetCause, Snapshot};

use super::*;

fn start() -> Position {
    position("0-0123456789abcdef")
}

fn sequenced(client_seq: ClientSeq) -> Entry {
    let new = entry(client_seq, "[1,\"h\"]", START_MS);
    let position = start().next(&new.digest());
    new.at(position)
}

fn row() -> ClientRow {
    ClientRow {
        client_seq: 3,
        position: start(),
        digests: VecDeque::from([[1, 2, 3, 4]]),
    }
}

fn snapshot() -> Arc<Snapshot> {
    Arc::new(Snapshot {
        position: start(),
        content_type: ContentType::parse("text/plain").unwrap(),
        payload: Bytes::from_static(b"once upon a time"),
    })
}

fn carried_signal(author: &str, client_id: Option<&str>) -> Carried<Arc<Signal>> {
    Carried::new(Arc::new(Signal {
        author: subject(author),
        client: client_id.map(client),
        kind: kind("cursor"),
        content_type: ContentType::default(),
        payload: Bytes::from_static(b"17"),
        position: None,
    }))
}

#[test]
fn every_delivery_has_its_packet() {
    for encoding in Encoding::ALL {
        let mut t = Transcript::with(|_| {}, encoding, None)
            .greeted("alice *=writer")
            .joined("essay");
        let id = || document("essay");
        let (row, snapshot, bob) = (row(), snapshot(), subject("bob"));
        let here = start();
        let entry = Arc::new(sequenced(1));
        let nack = Nack::Gap {
            expected: 2,
            row: Some(row.clone()),
        };
        let carried = Carried::new(Arc::clone(&entry));
        let signal = carried_signal("bob", Some(CLIENT));
        let deliveries = [
            Delivery::Snapshot(&snapshot),
            Delivery::Entry(&carried),
            Delivery::Joined {
                position: here,
                row: Some(&row),
            },
            Delivery::Signal(&signal),
            Delivery::Ack {
                client_seq: 4,
                position: here,
                duplicate: true,
            },
            Delivery::Nack {
                client_seq: Some(5),
                nack: &nack,
            },
            Delivery::Reset {
                cause: ResetCause::Diverged,
                position: here,
                row: None,
                snapshot: Some(&snapshot),
            },
            Delivery::AccessChanged {
                subject: &bob,
                action: AccessAction::Revoke,
                result: Ok(here),
            },
            Delivery::Ended(Code::Revoked),
        ];
        for delivery in &deliveries {
            t.deliver("essay", delivery);
        }
        let expected = [
            ServerPacket::Snapshot {
                document: id(),
                snapshot: Arc::clone(&snapshot),
            },
            ServerPacket::Entry {
                document: id(),
                entry,
            },
            ServerPacket::Joined {
                document: id(),
                position: here,
                role: Role::Writer,
                subject: subject("alice"),
                row: Some(row.clone()),
            },
            ServerPacket::Signal {
                document: id(),
                signal: Arc::clone(&signal.content),
            },
            ServerPacket::Ack {
                document: id(),
                client_seq: 4,
                position: here,
                duplicate: true,
            },
            ServerPacket::Nack {
                document: id(),
                client_seq: Some(5),
                nack: nack.clone(),
            },
            ServerPacket::Reset {
                document: id(),
                cause: ResetCause::Diverged,
                position: here,
                row: None,
                snapshot: Some(snapshot.clone()),
            },
            ServerPacket::AccessChanged {
                document: id(),
                subject: bob.clone(),
                action: AccessAction::Revoke,
                position: here,
            },
            ServerPacket::Ended {
                document: id(),
                code: Code::Revoked,
            },
        ];
        assert_eq!(t.seen(), expected.map(Seen::Packet));
    }
}

#[test]
fn an_unavailable_log_is_told_as_an_error() {
    let mut t = Transcript::writing("alice *=owner", "essay");
    t.deliver("essay", &Delivery::Waiting { after_ms: 250 });
    t.assert_error_with(Code::Unavailable, Some("essay"), Some(250), None);
    t.deliver(
        "essay",
        &Delivery::AccessChanged {
            subject: &subject("bob"),
            action: AccessAction::Revoke,
            result: Err(Unavailable),
        },
    );
    t.assert_error(Code::Unavailable, Some("essay"));
}

#[test]
fn own_signals_do_not_come_back() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    t.deliver(
        "essay",
        &Delivery::Signal(&carried_signal("alice", Some(CLIENT))),
    );
    assert_eq!(t.seen(), []);
    for (author, client_id) in [
        ("alice", Some(OTHER_CLIENT)),
        ("alice", None),
        ("bob", Some(CLIENT)),
    ] {
        let signal = carried_signal(author, client_id);
        t.deliver("essay", &Delivery::Signal(&signal));
        assert_eq!(t.seen().len(), 1, "{author} {client_id:?}");
    }
}

#[test]
fn an_entry_is_encoded_once_for_all_with_the_same_encoding() {
    let open = |encoding| Transcript::with(|_| {}, encoding, None).greeted("alice *=writer");
    let json = [open(Encoding::Json), open(Encoding::Json)].map(|t| t.joined("essay"));
    let mut msgpack = open(Encoding::MessagePack).joined("essay");
    let carried = Carried::new(Arc::new(sequenced(1)));
    for mut t in json {
        t.deliver("essay", &Delivery::Entry(&carried));
        assert_eq!(t.seen().len(), 1);
    }
    msgpack.deliver("essay", &Delivery::Entry(&carried));
    assert_eq!(msgpack.seen().len(), 1);

    let again = || -> Bytes { panic!("it was encoded before") };
    let place = |encoding| slot(encoding, Framing::WebSocket);
    let first = carried.encoding(place(Encoding::Json), |_| again());
    let second = carried.encoding(place(Encoding::Json), |_| again());
    assert_eq!(first.as_ptr(), second.as_ptr());
    let other = carried.encoding(place(Encoding::MessagePack), |_| again());
    assert_ne!(first, other);
}

#[test]
fn only_the_first_delivery_since_a_flush_asks_for_one() {
    let t = Transcript::writing("alice *=writer", "essay");
    let carried = Carried::new(Arc::new(sequenced(1)));
    let (_, member) = &t.members[&document("essay")];
    let deliver = || member.deliver(&document("essay"), &Delivery::Entry(&carried));
    assert!(deliver());
    assert!(!deliver());
    assert!(member.has_room());
    member.flush();
    assert!(deliver());
}

#[test]
fn the_hub_may_end_a_membership_from_its_own_thread() {
    let mut t = Transcript::writing("alice *=writer", "essay");
    let (_, member) = &t.members[&document("essay")];
    let member = Arc::clone(member);
    std::thread::spawn(move || member.deliver(&document("essay"), &Delivery::Ended(Code::Revoked)))
        .join()
        .unwrap();
    t.say(append("essay", 1, "1"));
    assert_eq!(t.asked(), []);
}
