//! HTTP/1.0 and HTTP/1.1.

use super::ECHO;
use crate::{
    Servers,
    http::{Connection, get, post, session},
};

pub(crate) fn old_polling(servers: &Servers) {
    let answer = get(ECHO)
        .over_http_1_0()
        .ask(servers)
        .is(200, "Welcome to SockJS!\n");
    assert_eq!(answer.header("transfer-encoding"), None);
    post(format!("{}/xhr", session(ECHO)), "")
        .over_http_1_0()
        .ask(servers)
        .is(200, "o\n");
}

pub(crate) fn old_streaming(servers: &Servers) {
    let mut stream = post(format!("{}/xhr_streaming", session("/close")), "")
        .over_http_1_0()
        .open(servers);
    assert_eq!(stream.header("transfer-encoding"), None);
    assert_eq!(stream.header("content-length"), None);
    stream.expect(&format!("{}\n", "h".repeat(2_048)));
    stream.expect("o\n");
    stream.expect("c[3000,\"Go away!\"]\n");
    stream.expect_end();
}

pub(crate) fn kept_connection(servers: &Servers) {
    let mut connection = Connection::to(servers);
    for _ in 0..3 {
        let (answer, kept) = connection.ask(get(ECHO)).whole_kept();
        answer.is(200, "Welcome to SockJS!\n");
        connection = kept;
    }
    // Also behind an answer without a body.
    let path = session(ECHO);
    let (answer, connection) = connection.ask(post(format!("{path}/xhr"), "")).whole_kept();
    answer.is(200, "o\n");
    let (answer, connection) = connection
        .ask(post(format!("{path}/xhr_send"), "[\"a\"]"))
        .whole_kept();
    answer.is(204, "");
    let (answer, _) = connection.ask(post(format!("{path}/xhr"), "")).whole_kept();
    answer.is(200, "a[\"a\"]\n");
}

/// Proxies and browsers hand on chunks: a frame that is torn would be read late.
pub(crate) fn each_frame_a_chunk(servers: &Servers) {
    let path = session("/close");
    let mut stream = post(format!("{path}/xhr_streaming"), "").open(servers);
    assert!(stream.is_chunked());
    let prelude = format!("{}\n", "h".repeat(2_048));
    for expected in [prelude.as_str(), "o\n", "c[3000,\"Go away!\"]\n"] {
        let chunk = stream.chunk().expect("a chunk");
        assert_eq!(String::from_utf8(chunk).unwrap(), expected);
    }
    assert_eq!(stream.chunk(), None);
}
