//! C10: a subject that an owner shut out is out on every replica, until a grant.

use std::process::Command;

use inkwire_test_support::{Gateway, Redis, gateway_binary};
use serde_json::{Value, json};

use crate::{
    cluster::{REPLICAS, replica},
    raw::{self, Raw},
    witness::assert_one_history,
};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Fewer than may be un-acknowledged (C2).
const PIPELINED: u64 = 40;

struct Guarded {
    replicas: Vec<Gateway>,
    document: String,
    _redis: Redis,
}

impl Guarded {
    fn start() -> Self {
        let redis = Redis::start().unwrap();
        let start = |_| replica(&redis).token_secret(SECRET).start().unwrap();
        Self {
            replicas: (0..REPLICAS).map(start).collect(),
            document: raw::document("guarded"),
            _redis: redis,
        }
    }

    /// A session of this subject on one replica, not joined yet.
    async fn session(&self, index: usize, subject: &str, role: &str) -> Raw {
        let token = token(subject, &self.document, role);
        Raw::open(&self.replicas[index].url(), Some(&token)).await
    }

    /// The same, joined.
    async fn member(&self, index: usize, subject: &str, role: &str, client: &str) -> Raw {
        let mut session = self.session(index, subject, role).await;
        session.join(&self.document, Some(client)).await;
        session.until("joined").await;
        session
    }

    async fn change(&self, who: &mut Raw, action: &str, subject: &str) {
        who.send(&json!({ "type": action, "document": self.document, "subject": subject }))
            .await;
    }
}

/// A token as `inkwire token` prints it.
pub(crate) fn token(subject: &str, document: &str, role: &str) -> String {
    let output = Command::new(gateway_binary().unwrap())
        .env("INKWIRE_TOKEN_SECRET", SECRET)
        .args(["token", "--subject", subject])
        .args(["--document", document, "--role", role])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_revocation_counts_on_every_replica_until_a_grant() {
    let guarded = Guarded::start();
    let document = &guarded.document;
    let (first, second) = (raw::client(), raw::client());
    let mut owner = guarded.member(0, "olga", "owner", &raw::client()).await;
    let mut on_b = guarded.member(1, "mallory", "writer", &first).await;
    let mut on_c = guarded.member(2, "mallory", "writer", &second).await;
    let mut alice = guarded.member(2, "alice", "writer", &raw::client()).await;
    on_b.append(document, 1, json!("before")).await;
    on_b.until("ack").await;

    // The revocation meets appends that are on their way.
    for client_seq in 1..=PIPELINED / 2 {
        on_c.append(document, client_seq, json!("race")).await;
    }
    guarded.change(&mut owner, "revoke", "mallory").await;
    for client_seq in PIPELINED / 2 + 1..=PIPELINED {
        on_c.append(document, client_seq, json!("race")).await;
    }
    let changed = owner.until("access_changed").await;
    assert_eq!(
        (&changed["action"], &changed["subject"]),
        (&json!("revoke"), &json!("mallory"))
    );
    assert_eq!(on_b.until("ended").await["code"], "revoked");
    refused_until_ended(&mut on_c).await;

    // Not on any replica, and not by a new session.
    for index in 0..REPLICAS {
        let mut again = guarded.session(index, "mallory", "writer").await;
        again.join(document, Some(&second)).await;
        assert_eq!(again.until("ended").await["code"], "revoked");
        again.assert_open().await;
    }

    alice.append(document, 1, json!("after")).await;
    let entries = entries_until(&mut alice, "after").await;
    let revoked_at = entries
        .iter()
        .position(|entry| entry["kind"] == "access.revoke")
        .expect("the revocation is in the log");
    assert_eq!(entries[revoked_at]["author"], "inkwire");

    guarded.change(&mut owner, "grant", "mallory").await;
    assert_eq!(owner.until("access_changed").await["action"], "grant");
    let mut back = guarded.member(1, "mallory", "writer", &first).await;
    back.append(document, 2, json!("back")).await;
    assert_eq!(back.until("ack").await["client_seq"], 2);
    let entries = entries_until(&mut alice, "back").await;
    assert_eq!(entries[0]["kind"], "access.grant");
    let token = token("alice", document, "writer");
    let url = guarded.replicas[2].url();
    let sessions = [owner, on_b, on_c, alice, back];
    let verdict = assert_one_history(document, &url, Some(&token), sessions).await;
    // Mallory's two, Alice's, and what the race brought; the rest was refused, or is without an answer.
    let counts = verdict.counts;
    assert!(counts.acknowledged >= 3, "{verdict}");
    let answered = counts.acknowledged + counts.refused;
    assert_eq!(counts.submitted, 3 + PIPELINED, "{verdict}");
    assert!(answered + counts.forgotten <= counts.submitted, "{verdict}");
    // The revocation and the grant are entries too.
    assert!(counts.entries >= counts.acknowledged + 2, "{verdict}");
    assert!(
        counts.entries <= counts.submitted - counts.refused + 2,
        "{verdict}"
    );
}

#[tokio::test]
async fn only_an_owner_changes_access() {
    let guarded = Guarded::start();
    let mut alice = guarded.member(0, "alice", "writer", &raw::client()).await;
    let mut bob = guarded.member(1, "bob", "writer", &raw::client()).await;
    for action in ["revoke", "grant"] {
        guarded.change(&mut alice, action, "bob").await;
        assert_eq!(alice.until("error").await["code"], "forbidden");
    }
    bob.append(&guarded.document, 1, json!("still here")).await;
    assert_eq!(bob.until("ack").await["client_seq"], 1);
}

/// Until the session's part in the document ends. What is not acknowledged before is refused for that
/// one reason, or came too late to be one of a member.
async fn refused_until_ended(session: &mut Raw) {
    loop {
        let raw::Heard::Packet(packet) = session.hear().await else {
            panic!("the session ended");
        };
        match packet["type"].as_str() {
            Some("nack") => assert_eq!(packet["code"], "revoked", "{packet}"),
            Some("ended") => {
                assert_eq!(packet["code"], "revoked");
                return;
            }
            Some("entry" | "ack") => {}
            _ => panic!("unexpected: {packet}"),
        }
    }
}

/// The entries up to the one with this payload.
async fn entries_until(reader: &mut Raw, payload: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    loop {
        let entry = reader.until("entry").await;
        let is_last = entry["payload"] == payload;
        entries.push(entry);
        if is_last {
            return entries;
        }
    }
}
