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
    let deadline = Instant::now() + Duration::from_secs(10);
    // Of two requests that are sent at once either may be the first: again, until it was the one that
    // is interrupted.
    loop {
        let path = session(ECHO);
        post(format!("{path}/xhr"), "").ask(servers).is(200, "o\n");
        let waiting = Connection::to(servers).send_only(post(format!("{path}/xhr"), ""));
        let mut second = Connection::to(servers);
        second.set_patience(Duration::from_millis(500));
        let said = second.try_ask(post(format!("{path}/xhr"), ""));
        if said.is_some_and(|body| body == "c[2010,\"Another connection still open\"]\n") {
            drop(waiting);
            return is_interrupted(|| post(format!("{path}/xhr"), "").ask(servers).body);
        }
        assert!(Instant::now() < deadline, "no second receiver is refused");
    }
}
