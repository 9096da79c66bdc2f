//! Credentials across replicas: tickets that any of them redeems, and clients that renew their tokens
//! before they end.

use std::{
    collections::HashSet,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use inkwire_client::{
    ConnectOptions, Connection, Draft, Event, JoinOptions, Link, Token, TokenSource,
};
use inkwire_model::DocumentId;
use inkwire_test_support::{
    Gateway, Redis, checkout, gateway_binary, http_post, program, wait_until,
};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    cluster::replica,
    raw::{self, DEADLINE, Encoding, Raw},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How long a token of these tests lives, and how long the gateway bears with it afterwards.
const TOKEN_S: u64 = 5;
const LEEWAY_MS: u64 = 2_500;

/// When a session of the first token would have ended.
const BEYOND: Duration = Duration::from_millis(TOKEN_S * 1_000 + LEEWAY_MS + 1_500);

fn token(document: &str, expires_in: &str) -> String {
    let output = Command::new(gateway_binary().unwrap())
        .env("INKWIRE_TOKEN_SECRET", SECRET)
        .args(["token", "--subject", "alice", "--expires-in", expires_in])
        .args(["--document", document, "--role", "writer"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn guarded(redis: &Redis) -> Gateway {
    let leeway = LEEWAY_MS.to_string();
    let options = replica(redis).token_secret(SECRET);
    options
        .args(["--token-leeway-ms", &leeway, "--tickets-burst", "10000"])
        .start()
        .unwrap()
}

async fn greeted(url: &str) -> serde_json::Value {
    let mut session = Raw::dial(url, Encoding::Json, &[]).await.unwrap();
    session.hello(None).await;
    session.expect("welcome").await
}

/// The status of a handshake that is refused.
async fn refusal(url: &str) -> u16 {
    let dialled = Raw::dial(url, Encoding::Json, &[]).await;
    match dialled.map_err(|error| *error) {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_begins_while_a_ticket_is_redeemed_turns_its_bearer_away() {
    let redis = Redis::start().unwrap();
    let mut gateway = guarded(&redis);
    let bearer = format!("Bearer {}", token(&raw::document("late"), "10m"));
    let headers = [("authorization", bearer.as_str())];
    let url = || {
        let answer = http_post(&gateway.address(), "/v1/tickets", &headers).unwrap();
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        format!(
            "{}?ticket={}",
            gateway.url(),
            body["ticket"].as_str().unwrap()
        )
    };
    let mut stays = Raw::dial(&url(), Encoding::Json, &[]).await.unwrap();
    stays.hello(None).await;
    stays.expect("welcome").await;
    let late = url();
    redis
        .command(&["CLIENT", "PAUSE", "60000", "WRITE"])
        .unwrap();
    let handshake = tokio::spawn(async move { refusal(&late).await });
    // `b`: waits for the pause to end.
    let is_redeeming = || {
        let clients = redis.command(&["CLIENT", "LIST"]).unwrap();
        let mut clients = clients.lines();
        clients.any(|client| client.contains("cmd=fcall ") && client.contains(" flags=b "))
    };
    tokio::task::block_in_place(|| wait_until("the ticket is at Redis", DEADLINE, is_redeeming))
        .unwrap();
    let stopping = tokio::task::spawn_blocking(move || gateway.stop().unwrap());
    stays.until("drain").await;
    redis.command(&["CLIENT", "UNPAUSE"]).unwrap();
    assert_eq!(handshake.await.unwrap(), 503);
    drop(stays);
    let exit = stopping.await.unwrap();
    assert_eq!(exit.code(), Some(0), "{}", exit.log);
}

#[tokio::test]
async fn a_ticket_of_one_replica_opens_a_session_on_another() {
    let mut redis = Redis::start().unwrap();
    let (one, two) = (guarded(&redis), guarded(&redis));
    let document = raw::document("ticket");
    let bearer = format!("Bearer {}", token(&document, "10m"));
    let ask = |gateway: &Gateway| {
        let headers = [("authorization", bearer.as_str())];
        http_post(&gateway.address(), "/v1/tickets", &headers).unwrap()
    };
    let ticket = |gateway: &Gateway| {
        let answer = ask(gateway);
        assert_eq!(answer.status, 200, "{answer:?}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["ticket"].as_str().unwrap().to_owned()
    };

    let first = ticket(&one);
    let mut session = Raw::dial(
        &format!("{}?ticket={first}", two.url()),
        Encoding::Json,
        &[],
    )
    .await
    .unwrap();
    session.hello(None).await;
    assert_eq!(session.expect("welcome").await["subject"], "alice");
    session.join(&document, Some(&raw::client())).await;
    assert_eq!(session.until("joined").await["role"], "writer");
    session.append(&document, 1, "by ticket".into()).await;
    session.until("ack").await;

    // A proxy that repeats the handshake may find another replica.
    let again = format!("{}?ticket={first}", one.url());
    assert_eq!(greeted(&again).await["subject"], "alice");

    // What stands in Redis is neither the ticket nor for ever.
    let keys = redis.command(&["KEYS", "*:ticket:*"]).unwrap();
    assert_eq!(keys.lines().count(), 1, "{keys}");
    assert!(!keys.contains(&first));
    let left_ms: i64 = redis.command(&["PTTL", &keys]).unwrap().parse().unwrap();
    assert!((1..=5_000).contains(&left_ms), "{left_ms}");
    wait_until("the ticket is gone", Duration::from_secs(10), || {
        redis.command(&["KEYS", "*:ticket:*"]).unwrap().is_empty()
    })
    .unwrap();
    assert_eq!(refusal(&again).await, 401);

    let late = format!("{}?ticket={}", two.url(), ticket(&one));
    redis.kill().unwrap();
    wait_until("Redis is missed", Duration::from_secs(10), || {
        ask(&one).status == 503
    })
    .unwrap();
    assert!(ask(&one).body.contains("\"unavailable\""));
    assert_eq!(refusal(&late).await, 503);
}

/// A source of tokens that counts how often it is asked.
fn counted(document: String, asked: Arc<AtomicUsize>) -> TokenSource {
    Arc::new(move || {
        asked.fetch_add(1, Ordering::SeqCst);
        let document = document.clone();
        Box::pin(async move {
            let made =
                tokio::task::spawn_blocking(move || token(&document, &format!("{TOKEN_S}s")));
            made.await
                .map(Token::new)
                .map_err(|error| error.to_string())
        })
    })
}

#[tokio::test]
async fn the_rust_client_renews_and_keeps_its_session() {
    let redis = Redis::start().unwrap();
    let gateway = guarded(&redis);
    let document = raw::document("renew");
    let asked = Arc::new(AtomicUsize::new(0));
    let options =
        ConnectOptions::new(gateway.url()).token(counted(document.clone(), asked.clone()));
    let connection = Connection::open(options).unwrap();
    let id = DocumentId::parse(&document).unwrap();
    let (essay, mut events) = connection
        .document(id, JoinOptions::default())
        .await
        .unwrap();
    let mut link = connection.link();
    let mut sessions = HashSet::new();
    let mut acknowledged = 0;
    let begin = Instant::now();
    let mut n = 0;
    while begin.elapsed() < BEYOND {
        n += 1;
        essay.append(Draft::edit(format!("{n}"))).await.unwrap();
        while acknowledged < n {
            match timeout(DEADLINE, events.next()).await.unwrap().unwrap() {
                Event::Acked { .. } => acknowledged += 1,
                Event::Lost { .. } | Event::Broken(_) => panic!("an entry was lost"),
                _ => {}
            }
        }
        if let Link::Open { session, .. } = &*link.borrow_and_update() {
            sessions.insert(session.clone());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(sessions.len(), 1, "it was cut");
    assert!(asked.load(Ordering::SeqCst) >= 2);
    connection.close().await;
}

#[test]
fn the_javascript_client_renews_and_keeps_its_session() {
    let redis = Redis::start().unwrap();
    let gateway = guarded(&redis);
    let client = checkout().join("shared/client-js");
    let built = client.join("build/src/index.js");
    assert!(
        built.is_file(),
        "run `npm ci && npm test` in {} first; the README's test command does",
        client.display()
    );
    let output = Command::new(program("node").unwrap())
        .arg(checkout().join("tests/tests/e2e/renewal.mjs"))
        .env("CLIENT_JS", client)
        .env("INKWIRE_BIN", gateway_binary().unwrap())
        .env("INKWIRE_TOKEN_SECRET", SECRET)
        .env("URL", gateway.url())
        .env("DOCUMENT", raw::document("renew-js"))
        .env("TOKEN_S", TOKEN_S.to_string())
        .env("BEYOND_MS", BEYOND.as_millis().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["opened"], 1, "it was cut: {told}");
    assert!(told["tokens"].as_u64().unwrap() >= 2, "{told}");
    assert!(told["appended"].as_u64().unwrap() > 10, "{told}");
    assert_eq!(told["acknowledged"], told["appended"], "{told}");
    assert_eq!(told["lost"], 0, "{told}");
}
