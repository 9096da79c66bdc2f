//! Streaming by server-sent events.

use super::{ECHO, RESPONSE_LIMIT};
use crate::{
    Servers,
    http::{check_not_cached, get, post, session},
};

pub(crate) fn frames(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = get(format!("{path}/eventsource")).open(servers);
    assert_eq!(stream.status, 200);
    let content_type = stream.header("content-type").unwrap();
    assert!(
        content_type.starts_with("text/event-stream"),
        "{content_type}"
    );
    check_not_cached(stream.header("cache-control"));
    stream.expect("\r\ndata: o\r\n\r\n");
    post(format!("{path}/xhr_send"), "[\"x\"]")
        .ask(servers)
        .is(204, "");
    stream.expect("data: a[\"x\"]\r\n\r\n");
}

/// What ends a line of an event stream stands escaped in a message.
pub(crate) fn characters(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = get(format!("{path}/eventsource")).open(servers);
    stream.expect("\r\ndata: o\r\n\r\n");
    let body = "[\"  \\u0000\\n\\r \"]";
    post(format!("{path}/xhr_send"), body)
        .ask(servers)
        .is(204, "");
    stream.expect("data: a[\"  \\u0000\\n\\r \"]\r\n\r\n");
}

pub(crate) fn response_limit(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = get(format!("{path}/eventsource")).open(servers);
    stream.expect("\r\ndata: o\r\n\r\n");
    let message = "x".repeat(RESPONSE_LIMIT);
    post(format!("{path}/xhr_send"), &format!("[\"{message}\"]"))
        .ask(servers)
        .is(204, "");
    stream.expect(&format!("data: a[\"{message}\"]\r\n\r\n"));
    stream.expect_end();
}
