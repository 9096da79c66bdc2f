//! Tokens in the course of a session, keys that come and go, and what ends with a token.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

use super::{
    issuer::{EC, ED, IssuerKey, RSA, ec, jwks},
    native::{Client, SECRET, token},
    replica::{PATIENCE, Replica},
};

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

fn claims(subject: &str, documents: Value) -> Value {
    json!({
        "sub": subject, "documents": documents, "exp": now_s() + 600,
        "iss": "https://login.example.org", "aud": ["inkwire", "other"],
    })
}

/// What a `hello` with this token is answered: a subject, or a code.
async fn greet(address: SocketAddr, token: &str) -> Result<String, String> {
    let mut client = Client::connect(address).await;
    client.say(json!({ "type": "hello", "token": token })).await;
    let answer = client.hear().await;
    match answer["type"].as_str() {
        Some("welcome") => Ok(answer["subject"].as_str().unwrap().to_owned()),
        _ => Err(answer["code"].as_str().unwrap_or_default().to_owned()),
    }
}

/// Greets until the answer is this one.
async fn until_greeted(address: SocketAddr, token: &str, expected: Result<&str, &str>) {
    let deadline = Instant::now() + PATIENCE;
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    loop {
        let answer = greet(address, token).await;
        if answer == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{answer:?}, not {expected:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

const RULES: [&str; 4] = [
    "--token-issuer",
    "https://login.example.org",
    "--token-audience",
    "inkwire",
];

fn publish(path: &Path, keys: &[&IssuerKey]) {
    let next = path.with_extension("next");
    fs::write(&next, jwks(keys)).unwrap();
    fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn keys_of_every_algorithm_from_a_file_that_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    publish(&path, &[&RSA, &EC]);
    let mut flags = vec!["--jwks-file", path.to_str().unwrap()];
    flags.extend(RULES);
    let replica = Replica::start_with_secret(SECRET, &flags);
    let alice = claims("alice", json!({ "essay-42": "writer" }));
    for key in [&*RSA, &*EC] {
        until_greeted(replica.address, &key.sign(&alice), Ok("alice")).await;
    }
    // Signed well, for somebody else.
    let mut foreign = alice.clone();
    foreign["aud"] = json!("elsewhere");
    let refused = greet(replica.address, &EC.sign(&foreign)).await;
    assert_eq!(refused, Err("unauthenticated".to_owned()));

    let by_ed = ED.sign(&alice);
    let early = greet(replica.address, &by_ed).await.unwrap_err();
    assert!(
        early == "unauthenticated" || early == "unavailable",
        "{early}"
    );
    publish(&path, &[&ED]);
    until_greeted(replica.address, &by_ed, Ok("alice")).await;
    until_greeted(replica.address, &RSA.sign(&alice), Err("unauthenticated")).await;
    // The secret counts beside the keys, by the same rules.
    let flags = ["--subject", "bob", "--document", "a", "--role", "viewer"];
    let without_audience = token(&flags);
    let refused = greet(replica.address, &without_audience).await;
    assert_eq!(refused, Err("unauthenticated".to_owned()));
    let full = token(&[&flags[..], &RULES[..]].concat());
    assert_eq!(greet(replica.address, &full).await, Ok("bob".to_owned()));
}

/// An issuer's server, as much of it as is asked for.
struct Issuer {
    address: SocketAddr,
    published: Arc<Mutex<String>>,
    _serving: JoinSet<()>,
}

impl Issuer {
    async fn start(keys: &[&IssuerKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let published = Arc::new(Mutex::new(jwks(keys)));
        let mut serving = JoinSet::new();
        serving.spawn({
            let published = published.clone();
            async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    let text = published.lock().unwrap().clone();
                    let length = text.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Self {
            address,
            published,
            _serving: serving,
        }
    }
}

#[tokio::test]
async fn keys_from_the_issuers_address_and_what_is_unknown_until_then() {
    let issuer = Issuer::start(&[&EC]).await;
    let url = format!("http://{}/jwks", issuer.address);
    let mut flags = vec!["--jwks-url", &url, "--jwks-retry-ms", "200"];
    flags.extend(RULES);
    let replica = Replica::start(&flags);
    let alice = claims("alice", json!({ "essay-42": "writer" }));
    until_greeted(replica.address, &EC.sign(&alice), Ok("alice")).await;
    // Without a token nobody gets in where there are keys.
    let mut stranger = Client::connect(replica.address).await;
    stranger.say(json!({ "type": "hello" })).await;
    assert_eq!(stranger.expect("error").await["code"], "unauthenticated");

    let (next, forged) = (ec("ec-2"), ec("ec-2"));
    *issuer.published.lock().unwrap() = jwks(&[&EC, &next]);
    until_greeted(replica.address, &next.sign(&alice), Ok("alice")).await;
    let refused = greet(replica.address, &forged.sign(&alice)).await;
    assert_eq!(refused, Err("unauthenticated".to_owned()));
    // A session that was there before renews with the new key.
    let mut client = Client::connect(replica.address).await;
    let hello = json!({ "type": "hello", "token": EC.sign(&alice) });
    client.say(hello).await;
    client.expect("welcome").await;
    client
        .say(json!({ "type": "auth", "token": next.sign(&alice) }))
        .await;
    client.expect("authenticated").await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_verdict() {
    // Reserved and given back: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks", port.local_addr().unwrap());
    drop(port);
    let replica = Replica::start(&["--jwks-url", &url]);
    let token = EC.sign(&claims("alice", json!({ "a": "writer" })));
    let mut client = Client::connect(replica.address).await;
    client.say(json!({ "type": "hello", "token": token })).await;
    assert_eq!(client.expect("error").await["code"], "unavailable");
    assert_eq!(client.expect("close").await["code"], 1013);
}

/// A token that is over after so many seconds.
fn short(seconds: u64, subject: &str, documents: &[(&str, &str)]) -> String {
    let expires_in = format!("{seconds}s");
    let mut flags = vec!["--subject", subject, "--expires-in", &expires_in];
    for (document, role) in documents {
        flags.extend(["--document", document, "--role", role]);
    }
    token(&flags)
}

#[tokio::test]
async fn a_renewed_session_goes_on_with_the_rights_that_it_has_now() {
    let replica = Replica::start_with_secret(SECRET, &["--token-leeway-ms", "500"]);
    let both = [("essay", "writer"), ("notes", "writer")];
    let mut client = Client::connect(replica.address).await;
    let hello = json!({ "type": "hello", "token": short(5, "alice", &both) });
    client.say(hello).await;
    client.expect("welcome").await;
    let first_ends = Instant::now() + Duration::from_millis(5_600);
    for document in ["essay", "notes"] {
        client.join(document).await;
        client.append(document, 1).await;
        client.expect_each(&["ack", "entry"]).await;
    }

    // Another subject is refused, and what there was still counts.
    let auth = |token: String| json!({ "type": "auth", "token": token });
    client.say(auth(short(600, "bob", &both))).await;
    assert_eq!(client.expect("error").await["code"], "unauthenticated");
    client.append("essay", 2).await;
    client.expect_each(&["ack", "entry"]).await;

    // Fewer rights: one document to read alone, the other not at all.
    client
        .say(auth(short(600, "alice", &[("essay", "viewer")])))
        .await;
    let ended = client.expect("ended").await;
    assert_eq!(
        (&ended["document"], &ended["code"]),
        (&json!("notes"), &json!("forbidden"))
    );
    client.expect("authenticated").await;
    client.append("essay", 3).await;
    let nack = client.expect("nack").await;
    assert_eq!(
        (&nack["code"], &nack["need"]),
        (&json!("forbidden"), &json!("writer"))
    );
    client.append("notes", 2).await;
    assert_eq!(client.expect("error").await["code"], "not_joined");
    client
        .say(json!({ "type": "join", "document": "notes" }))
        .await;
    assert_eq!(client.expect("error").await["code"], "forbidden");

    // More again, and the first token's end passes unnoticed.
    client.say(auth(short(600, "alice", &both))).await;
    client.expect("authenticated").await;
    tokio::time::sleep_until(first_ends).await;
    client.append("essay", 3).await;
    client.expect_each(&["ack", "entry"]).await;
}

#[tokio::test]
async fn what_was_acknowledged_before_a_token_ended_is_there_for_the_next() {
    let replica = Replica::start_with_secret(SECRET, &["--token-leeway-ms", "0"]);
    let mut client = Client::connect(replica.address).await;
    let token = short(4, "alice", &[("essay", "writer")]);
    client.say(json!({ "type": "hello", "token": token })).await;
    client.expect("welcome").await;
    client.join("essay").await;
    for client_seq in 1..=5 {
        client.append("essay", client_seq).await;
    }
    let mut acknowledged = 0;
    let error = loop {
        let packet = client.hear().await;
        match packet["type"].as_str() {
            Some("ack") => acknowledged += 1,
            Some("entry") => {}
            _ => break packet,
        }
    };
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("token_expired"))
    );
    assert_eq!(client.expect("close").await["code"], 4401);
    assert_eq!(acknowledged, 5);

    let mut again = Client::connect(replica.address).await;
    let token = short(600, "alice", &[("essay", "writer")]);
    again.say(json!({ "type": "hello", "token": token })).await;
    again.expect("welcome").await;
    again
        .say(json!({ "type": "join", "document": "essay", "client": super::native::CLIENT }))
        .await;
    for client_seq in 1..=5 {
        assert_eq!(again.expect("entry").await["client_seq"], client_seq);
    }
    let joined = again.expect("joined").await;
    assert_eq!(joined["client_seq"], 5, "{joined}");
}
