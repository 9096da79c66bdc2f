//! How sessions end: by the application, by a second receiver, by an interrupted answer.

use std::time::{Duration, Instant};

use super::{CLOSE, ECHO};
use crate::{
    Servers,
    http::{Connection, Opened, post, session},
};

fn stream(servers: &Servers, path: &str) -> Opened {
    let mut stream = post(format!("{path}/xhr_streaming"), "").open(servers);
    stream.expect(&format!("{}\n", "h".repeat(2_048)));
    stream
}

pub(crate) fn close_frame(servers: &Servers) {
    let path = session(CLOSE);
    let mut first = stream(servers, &path);
    first.expect("o\n");
    first.expect("c[3000,\"Go away!\"]\n");
    first.expect_end();
    let mut second = stream(servers, &path);
    second.expect("c[3000,\"Go away!\"]\n");
    second.expect_end();
}

pub(crate) fn second_receiver(servers: &Servers) {
    let path = session(ECHO);
    let mut first = stream(servers, &path);
    first.expect("o\n");
    let mut second = stream(servers, &path);
    second.expect("c[2010,\"Another connection still open\"]\n");
    second.expect_end();
    // The first one goes on.
    post(format!("{path}/xhr_send"), "[\"x\"]")
        .ask(servers)
        .is(204, "");
    first.expect("a[\"x\"]\n");
}

/// What was on its way may be lost, so the session is over; when that is known takes a moment.
fn is_interrupted(ask: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let body = ask();
        if body == "c[1002,\"Connection interrupted\"]\n" {
            return;
        }
        assert_eq!(body, "c[2010,\"Another connection still open\"]\n");
        assert!(
            Instant::now() < deadline,
            "the end of a connection was not seen"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn interrupted_streaming(servers: &Servers) {
    let path = session(ECHO);
    let mut first = stream(servers, &path);
    first.expect("o\n");
    drop(first);
    for _ in 0..2 {
        is_interrupted(|| stream(servers, &path).line());
    }
}

pub(crate) fn interrupted_polling(servers: &Servers) {
    let path = session(ECHO);
    let poll = || post(format!("{path}/xhr"), "");
    poll().ask(servers).is(200, "o\n");
    // Of two that ask at once either may be the one that waits; the other one is told so.
    let ask = || Connection::to(servers).send_only(poll().with("Connection", "close"));
    let mut both = [ask(), ask()];
    let deadline = Instant::now() + Duration::from_secs(10);
    let [one, other] = &mut both;
    let refused = loop {
        match (one.is_answered(), other.is_answered()) {
            (false, false) => {}
            (true, _) => break 0,
            (false, true) => break 1,
        }
        assert!(Instant::now() < deadline, "no second receiver is refused");
    };
    let [one, other] = both;
    let (refused, waiting) = if refused == 0 {
        (one, other)
    } else {
        (other, one)
    };
    let answer = refused.answer();
    answer.is(200, "c[2010,\"Another connection still open\"]\n");
    drop(waiting);
    is_interrupted(|| poll().ask(servers).body);
}
