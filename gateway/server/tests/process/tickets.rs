//! Tickets, origins and cookies, over plain HTTP.

use std::net::SocketAddr;

use serde_json::json;

use super::{
    native::{Client, SECRET, token},
    replica::{Answer, Replica, exchange, get, request},
};

const PAGE: &str = "https://app.example.org";

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade, close",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn ask(address: SocketAddr, method: &str, headers: &[&str]) -> Answer {
    let mut text = format!(
        "{method} /v1/tickets HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n"
    );
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    Answer::parse(&exchange(address, &format!("{text}\r\n")))
}

fn bearer() -> String {
    let flags = [
        "--subject",
        "alice",
        "--document",
        "essay",
        "--role",
        "writer",
    ];
    format!("Authorization: Bearer {}", token(&flags))
}

pub(crate) fn ticket(address: SocketAddr, headers: &[&str]) -> String {
    let bearer = bearer();
    let answer = ask(address, "POST", &[headers, &[bearer.as_str()][..]].concat());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.head.contains("cache-control: no-store"),
        "{answer:?}"
    );
    answer.json()["ticket"].as_str().unwrap().to_owned()
}

/// A handshake that is refused, so that the connection ends with the answer.
fn refused(address: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    request(address, path, &[&HANDSHAKE[..], headers].concat())
}

#[tokio::test]
async fn a_ticket_opens_a_session_in_the_place_of_a_token() {
    let replica = Replica::start_with_secret(SECRET, &["--log-filter", "trace"]);
    let address = replica.address;
    let ticket = ticket(address, &[]);
    let url = format!("ws://{address}/ws?ticket={ticket}");
    let mut client = Client::connect_to(&url, &[]).await;
    assert_eq!(client.hello().await["subject"], "alice");
    assert_eq!(client.join("essay").await["role"], "writer");
    client
        .say(json!({ "type": "join", "document": "other" }))
        .await;
    assert_eq!(client.expect("error").await["code"], "forbidden");

    // A proxy that sent the handshake twice.
    let mut twice = Client::connect_to(&url, &[]).await;
    assert_eq!(twice.hello().await["subject"], "alice");
    // The same ticket from a page is somebody else.
    let page = format!("Origin: http://{address}");
    refused(address, &format!("/ws?ticket={ticket}"), &[&page])
        .expect_problem(401, "ticket_refused");

    // Nothing of all this is in the log, however much is logged.
    drop((client, twice));
    let logged = replica.end_and_read_log().join("\n");
    assert!(logged.contains("a connection ended"), "{logged}");
    assert!(!logged.contains(&ticket), "a ticket is in the log");
    assert!(!logged.contains("eyJ"), "a token is in the log");
}

#[test]
fn tickets_are_for_whoever_has_a_token() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let address = replica.address;
    let answer = ask(address, "POST", &[]);
    answer.expect_problem(401, "unauthenticated");
    assert!(
        answer.head.contains("www-authenticate: bearer"),
        "{answer:?}"
    );
    ask(address, "POST", &["Authorization: Bearer a.b.c"]).expect_problem(401, "unauthenticated");
    ask(address, "POST", &["Authorization: Basic YTpi"]).expect_problem(401, "unauthenticated");
    ask(address, "GET", &[]).expect_problem(405, "method_not_allowed");

    let mine = bearer();
    let answer = ask(address, "POST", &[&mine]).json();
    assert_eq!(answer["expires_in_ms"], 30_000, "{answer}");
    let mut last = ask(address, "POST", &[&mine]);
    for _ in 0..100 {
        last = ask(address, "POST", &[&mine]);
        if last.status != 200 {
            break;
        }
    }
    last.expect_problem(429, "throttled");
    assert!(last.head.contains("retry-after: 1"), "{last:?}");
}

#[test]
fn addresses_hold_no_tokens() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let address = replica.address;
    let token = bearer().replace("Authorization: Bearer ", "");
    for path in [
        format!("/ws?token={token}"),
        format!("/ws?access_token={token}"),
        format!("/ws?ticket={token}"),
    ] {
        let answer = refused(address, &path, &[]);
        answer.expect_problem(400, "token_in_url");
        assert!(!answer.body.contains(&token), "{answer:?}");
    }
    for ticket in ["", "abc", &"A".repeat(43)] {
        refused(address, &format!("/ws?ticket={ticket}"), &[])
            .expect_problem(401, "ticket_refused");
    }
    let both = bearer();
    refused(address, "/ws?ticket=abc", &[&both]).expect_problem(400, "invalid");
    let scrape = get(replica.admin, "/metrics").body;
    for (code, count) in [
        ("token_in_url", 3),
        ("ticket_refused", 3),
        ("unauthenticated", 0),
    ] {
        let line = format!("inkwire_rejected_credentials_total{{code=\"{code}\"}} {count}");
        assert!(
            scrape.lines().any(|other| other == line),
            "{line}\n{scrape}"
        );
    }
}

#[test]
fn who_guesses_tickets_is_told_to_wait() {
    let flags = [
        "--refused-tickets-burst",
        "2",
        "--refused-tickets-per-second",
        "1",
    ];
    let replica = Replica::start_with_secret(SECRET, &flags);
    let path = format!("/ws?ticket={}", "A".repeat(43));
    let answers: Vec<_> = (0..20)
        .map(|_| refused(replica.address, &path, &[]))
        .collect();
    answers[0].expect_problem(401, "ticket_refused");
    let throttled = answers.iter().find(|answer| answer.status == 429);
    let throttled = throttled.expect("twenty tries in a second");
    throttled.expect_problem(429, "throttled");
    assert!(throttled.head.contains("retry-after: 1"), "{throttled:?}");
}

#[tokio::test]
async fn pages_of_permitted_origins_ask_and_connect() {
    let replica = Replica::start_with_secret(SECRET, &["--allow-origin", PAGE]);
    let address = replica.address;
    let (page, other) = (format!("Origin: {PAGE}"), "Origin: https://evil.example");
    let preflight = [
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization",
    ];
    let answer = ask(
        address,
        "OPTIONS",
        &[&preflight[..], &[page.as_str()][..]].concat(),
    );
    assert_eq!(answer.status, 204, "{answer:?}");
    for header in [
        "access-control-allow-origin: https://app.example.org",
        "access-control-allow-methods: post",
        "access-control-allow-headers: authorization",
        "vary: origin",
    ] {
        assert!(answer.head.contains(header), "{header} in {answer:?}");
    }
    ask(address, "OPTIONS", &[&preflight[..], &[other][..]].concat())
        .expect_problem(403, "origin_refused");
    let mine = bearer();
    let answer = ask(address, "POST", &[other, &mine]);
    answer.expect_problem(403, "origin_refused");
    assert!(
        !answer.head.contains("access-control-allow-origin"),
        "{answer:?}"
    );
    // Also what is refused can be read by the page.
    let answer = ask(address, "POST", &[&page]);
    answer.expect_problem(401, "unauthenticated");
    assert!(
        answer.head.contains("access-control-allow-origin"),
        "{answer:?}"
    );

    // Bound to the page that asked.
    let stolen = ticket(address, &[&page]);
    refused(address, &format!("/ws?ticket={stolen}"), &[]).expect_problem(401, "ticket_refused");
    let own = ticket(address, &[&page]);
    let url = format!("ws://{address}/ws?ticket={own}");
    let mut client = Client::connect_to(&url, &[("origin", PAGE.to_owned())]).await;
    assert_eq!(client.hello().await["subject"], "alice");
}

#[test]
fn cookies_without_an_origin_are_refused() {
    let replica = Replica::start_with_secret(SECRET, &[]);
    let address = replica.address;
    let cookie = "Cookie: session=abc";
    refused(address, "/ws", &[cookie]).expect_problem(403, "origin_refused");
    refused(address, "/ws", &[cookie, "Origin: null"]).expect_problem(403, "origin_refused");
    let mine = bearer();
    ask(address, "POST", &[cookie, &mine]).expect_problem(403, "origin_refused");
    let own = format!("Origin: http://{address}");
    assert_eq!(ask(address, "POST", &[cookie, &mine, &own]).status, 200);
}
