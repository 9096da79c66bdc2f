//! The driver over real sockets: cuts, several URLs, renewals, and an application that is slow.

#![expect(clippy::unwrap_used, reason = "here a panic is a test that fails")]

mod gateway;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gateway::{Gateway, Seen};
use inkwire_client::{
    AppendError, ConnectOptions, Connection, Document, Draft, Encoding, Event, Events, JoinOptions,
    Link, State, Token, TokenSource,
};
use inkwire_model::{Code, DocumentId};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.backoff_first_ms = 5;
    options.backoff_max_ms = 50;
    options
}

async fn open(options: ConnectOptions) -> (Connection, Document, Events) {
    let connection = Connection::open(options).unwrap();
    let id = DocumentId::parse("essay").unwrap();
    let (document, events) = connection
        .document(id, JoinOptions::default())
        .await
        .unwrap();
    (connection, document, events)
}

fn draft(n: usize) -> Draft {
    Draft::edit(format!("{n}"))
}

async fn next(events: &mut Events) -> Event {
    timeout(DEADLINE, events.next())
        .await
        .expect("an event in time")
        .expect("an open document")
}

async fn live(events: &mut Events) {
    while !matches!(next(events).await, Event::State(State::Live { .. })) {}
}

/// Payloads of the entries shown, until `count` of them were, and every append was acknowledged.
async fn collect(events: &mut Events, count: usize) -> Vec<Bytes> {
    let (mut shown, mut acked) = (Vec::new(), 0);
    while shown.len() < count || acked < count {
        match next(events).await {
            Event::Entry(entry) => shown.push(entry.payload.clone()),
            Event::Acked { .. } => acked += 1,
            Event::Broken(fault) => panic!("{fault}"),
            Event::Lost { from, to, .. } => panic!("lost {from} to {to}"),
            _ => {}
        }
    }
    shown
}

#[tokio::test]
async fn cuts_lose_and_repeat_nothing_in_both_encodings() {
    for encoding in Encoding::ALL {
        let gateway = Gateway::start().await;
        let (connection, document, mut events) =
            open(options(&gateway.url()).encoding(encoding)).await;
        let writing = async {
            for n in 0..400 {
                document.append(draft(n)).await.unwrap();
                if n % 50 == 49 {
                    connection.cut().await;
                }
            }
        };
        let (shown, ()) = tokio::join!(collect(&mut events, 400), writing);
        let wanted: Vec<_> = (0..400).map(|n| Bytes::from(n.to_string())).collect();
        assert_eq!(shown, wanted);
        assert_eq!(gateway.payloads(), wanted);
        connection.close().await;
        gateway.stop().await;
    }
}

#[tokio::test]
async fn urls_are_tried_in_turn() {
    let gateway = Gateway::start().await;
    let gone = Gateway::start().await;
    let nobody = gone.url();
    gone.stop().await;
    let (connection, document, mut events) = open(options(&nobody).or(gateway.url())).await;
    live(&mut events).await;
    document.append(draft(1)).await.unwrap();
    assert_eq!(collect(&mut events, 1).await.len(), 1);
    assert!(
        matches!(&*connection.link().borrow(), Link::Open { url, .. } if *url == gateway.url())
    );
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let gateway = Gateway::start().await;
    let source: TokenSource = Arc::new(|| {
        let in_2_s = std::time::SystemTime::now() + Duration::from_secs(2);
        let unix = in_2_s.duration_since(std::time::UNIX_EPOCH).unwrap();
        let token = Token {
            text: "fresh".into(),
            expires_at_unix_ms: Some(u64::try_from(unix.as_millis()).unwrap()),
        };
        Box::pin(async move { Ok(token) })
    });
    let (connection, _document, mut events) = open(options(&gateway.url()).token(source)).await;
    live(&mut events).await;
    assert_eq!(gateway.seen().await, Seen::Hello(Some("fresh".into())));
    assert_eq!(gateway.seen().await, Seen::Auth("fresh".into()));
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_application_that_takes_its_time_loses_nothing() {
    let gateway = Gateway::start().await;
    let mut options = options(&gateway.url());
    options.events_max = 2;
    let (connection, document, mut events) = open(options).await;
    let appends = tokio::spawn(async move {
        for n in 0..300 {
            document.append(draft(n)).await.unwrap();
        }
    });
    // Everything stands still until somebody takes events: nothing is dropped, nothing piles up.
    let shown = collect(&mut events, 300).await;
    assert_eq!(shown.len(), 300);
    appends.await.unwrap();
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_url_is_refused_at_once() {
    for url in ["", "http://127.0.0.1/ws", "wss://127.0.0.1/ws", "ws//x"] {
        assert!(Connection::open(ConnectOptions::new(url)).is_err(), "{url}");
    }
}

#[tokio::test]
async fn closing_leaves_in_good_order_and_hands_out_the_memory() {
    let gateway = Gateway::start().await;
    let (connection, document, mut events) = open(options(&gateway.url())).await;
    document.append(draft(0)).await.unwrap();
    collect(&mut events, 1).await;
    let memory = document.clone().close().await.unwrap();
    assert_eq!((memory.from, memory.mark, memory.entries.len()), (1, 1, 1));
    assert!(document.append(draft(1)).await.is_err());
    let link = connection.link();
    connection.close().await;
    assert_eq!(*link.borrow(), Link::Closed);
    gateway.stop().await;
}

/// A gateway with so many entries, which its readers have not taken.
async fn written(count: usize) -> Gateway {
    let gateway = Gateway::start().await;
    let (connection, document, mut events) = open(options(&gateway.url())).await;
    for n in 0..count {
        document.append(draft(n)).await.unwrap();
    }
    collect(&mut events, count).await;
    connection.close().await;
    gateway
}

#[tokio::test]
async fn an_application_that_takes_nothing_for_long_keeps_its_connection() {
    let gateway = written(600).await;
    let mut options = options(&gateway.url());
    options.events_max = 1;
    options.session.ping_ms = 50;
    options.session.dead_after_ms = 200;
    let (connection, _document, mut events) = open(options).await;
    let mut link = connection.link();
    let opened = link.wait_for(|link| matches!(link, Link::Open { .. }));
    drop(timeout(DEADLINE, opened).await.unwrap().unwrap());
    // Longer than any gateway may be silent.
    let lost = link.wait_for(|link| !matches!(link, Link::Open { .. }));
    assert!(
        timeout(Duration::from_millis(1_500), lost).await.is_err(),
        "still the first connection"
    );
    let mut shown = 0;
    while shown < 600 {
        shown += usize::from(matches!(next(&mut events).await, Event::Entry(_)));
    }
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn events_are_handed_out_while_it_connects() {
    let gateway = written(100).await;
    // Takes connections, and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_url = format!("ws://{}/ws", mute.local_addr().unwrap());
    let mut options = options(&gateway.url()).or(&mute_url);
    options.events_max = 1;
    options.connect_timeout_ms = 10 * 60_000;
    let (connection, document, mut events) = open(options).await;
    let subject = inkwire_model::Subject::parse("bob").unwrap();
    let live = async {
        let grant = inkwire_model::AccessAction::Grant;
        while !document.change_access(subject.clone(), grant).await {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, live).await.expect("live in time");
    connection.cut().await;
    let mut link = connection.link();
    let connecting =
        link.wait_for(|link| matches!(link, Link::Connecting { url } if *url == mute_url));
    drop(timeout(DEADLINE, connecting).await.unwrap().unwrap());
    let mut shown = 0;
    while shown < 100 {
        shown += usize::from(matches!(next(&mut events).await, Event::Entry(_)));
    }
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn credentials_that_are_refused_twice_end_every_document() {
    let gateway = Gateway::start().await;
    let token = inkwire_client::constant_token("expired");
    let (connection, document, mut events) = open(options(&gateway.url()).token(token)).await;
    document.append(draft(1)).await.unwrap();
    let (mut lost, mut ended) = (false, None);
    while ended.is_none() {
        match next(&mut events).await {
            Event::Lost { .. } => lost = true,
            Event::State(State::Ended(code)) => ended = Some(code),
            _ => {}
        }
    }
    assert!(lost, "what was queued is told");
    let code = Code::TokenExpired;
    assert_eq!(ended, Some(code));
    assert_eq!(*connection.link().borrow(), Link::Refused { code });
    assert_eq!(
        document.append(draft(2)).await,
        Err(AppendError::Ended(code))
    );
    // What is opened afterwards ends as well.
    let id = DocumentId::parse("another").unwrap();
    let opened = connection.document(id, JoinOptions::default()).await;
    let (_another, mut events) = opened.unwrap();
    assert_eq!(next(&mut events).await, Event::State(State::Ended(code)));
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_source_that_has_another_token_is_asked_for_it() {
    let gateway = Gateway::start().await;
    let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let source: TokenSource = Arc::new(move || {
        let again = asked.swap(true, std::sync::atomic::Ordering::Relaxed);
        let token = Token::new(if again { "fresh" } else { "expired" });
        Box::pin(async move { Ok(token) })
    });
    let (connection, _document, mut events) = open(options(&gateway.url()).token(source)).await;
    live(&mut events).await;
    connection.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_message_that_ends_the_session_is_not_sent_for_ever() {
    let gateway = Gateway::start().await;
    let (connection, document, mut events) = open(options(&gateway.url())).await;
    document.append(draft(1)).await.unwrap();
    let large = Draft::edit(format!("\"{}\"", "x".repeat(20_000)));
    let large = document.append(large).await.unwrap();
    document.append(draft(3)).await.unwrap();
    let (mut refused, mut acked) = (None, 0);
    while refused.is_none() || acked < 2 {
        match next(&mut events).await {
            Event::Nack { append, .. } => refused = Some(append),
            Event::Acked { .. } => acked += 1,
            _ => {}
        }
    }
    assert_eq!(refused, Some(large));
    assert_eq!(gateway.payloads(), ["1", "3"]);
    connection.close().await;
    gateway.stop().await;
}
