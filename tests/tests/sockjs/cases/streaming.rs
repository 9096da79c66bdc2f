//! Streaming by XMLHttpRequest.

use super::{ECHO, RESPONSE_LIMIT};
use crate::{
    Servers,
    http::{ORIGIN, check_not_cached, check_preflight, post, session},
};

pub(crate) fn preflight(servers: &Servers) {
    let path = format!("{}/xhr_streaming", session(ECHO));
    check_preflight(servers, &path, "OPTIONS, POST");
}

pub(crate) fn prelude_and_frames(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = post(format!("{path}/xhr_streaming"), "")
        .with("Origin", ORIGIN)
        .open(servers);
    assert_eq!(stream.status, 200);
    assert_eq!(
        stream.header("content-type"),
        Some("application/javascript; charset=UTF-8")
    );
    check_not_cached(stream.header("cache-control"));
    assert_eq!(stream.header("access-control-allow-origin"), Some(ORIGIN));
    stream.expect(&format!("{}\n", "h".repeat(2_048)));
    stream.expect("o\n");
    post(format!("{path}/xhr_send"), "[\"x\"]")
        .ask(servers)
        .is(204, "");
    stream.expect("a[\"x\"]\n");
}

/// Browsers keep all of an answer; so it ends, and the next one goes on.
pub(crate) fn response_limit(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = post(format!("{path}/xhr_streaming"), "").open(servers);
    stream.expect(&format!("{}\n", "h".repeat(2_048)));
    stream.expect("o\n");
    let message = "x".repeat(128);
    // The frames around the messages count, too.
    let frame_bytes = message.len() + "a[\"\"]\n".len();
    for _ in 0..RESPONSE_LIMIT.div_ceil(frame_bytes) {
        let body = format!("[\"{message}\"]");
        post(format!("{path}/xhr_send"), &body)
            .ask(servers)
            .is(204, "");
        stream.expect(&format!("a[\"{message}\"]\n"));
    }
    stream.expect_end();
    let mut next = post(format!("{path}/xhr_streaming"), "").open(servers);
    next.expect(&format!("{}\n", "h".repeat(2_048)));
    post(format!("{path}/xhr_send"), "[\"on\"]")
        .ask(servers)
        .is(204, "");
    next.expect("a[\"on\"]\n");
}
