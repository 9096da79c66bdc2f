//! SockJS over WebSocket, and the plain WebSocket beside it.

use super::{CLOSE, ECHO};
use crate::{
    Servers,
    http::{Request, get, post, session},
    websocket::WebSocket,
};

pub(crate) fn refused_handshakes(servers: &Servers) {
    let path = format!("{}/websocket", session(ECHO));
    let answer = get(&path).ask(servers);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "Can \"Upgrade\" only to \"WebSocket\".")
    );
    let answer = Request::new("GET", &path)
        .with("Upgrade", "WebSocket")
        .ask(servers);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "\"Connection\" must be \"Upgrade\".")
    );
    let answer = post(&path, "").ask(servers);
    assert_eq!((answer.status, answer.body.as_str()), (405, ""));
    assert_eq!(answer.header("allow"), Some("GET"));
}

pub(crate) fn echo(servers: &Servers) {
    let mut socket = WebSocket::open(servers, &format!("{}/websocket", session(ECHO)));
    socket.expect("o");
    socket.send("[\"a\"]");
    socket.expect("a[\"a\"]");
    socket.send("\"b\"");
    socket.expect("a[\"b\"]");
}

pub(crate) fn closed_by_the_application(servers: &Servers) {
    let mut socket = WebSocket::open(servers, &format!("{}/websocket", session(CLOSE)));
    socket.expect("o");
    socket.expect("c[3000,\"Go away!\"]");
    socket.expect_end();
}

pub(crate) fn empty_and_broken_messages(servers: &Servers) {
    let mut socket = WebSocket::open(servers, &format!("{}/websocket", session(ECHO)));
    socket.expect("o");
    socket.send("");
    socket.send("[]");
    socket.send("[\"a\"]");
    socket.expect("a[\"a\"]");
    socket.send("[\"a");
    socket.expect_end();
}

pub(crate) fn raw_echo(servers: &Servers) {
    let mut socket = WebSocket::open(servers, &format!("{ECHO}/websocket"));
    socket.send("Hello world!\u{ffff}");
    socket.expect("Hello world!\u{ffff}");
}

pub(crate) fn raw_closed(servers: &Servers) {
    WebSocket::open(servers, &format!("{CLOSE}/websocket")).expect_end();
}

pub(crate) fn disabled(servers: &Servers) {
    let path = format!("{}/websocket", session("/disabled_websocket_echo"));
    let answer = get(path)
        .with("Upgrade", "websocket")
        .with("Sec-WebSocket-Version", "13")
        .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .ask(servers);
    assert_eq!(answer.status, 404);
}

/// Firefox says both.
pub(crate) fn firefox_connection_header(servers: &Servers) {
    let path = format!("{}/websocket", session(ECHO));
    WebSocket::open_with(servers, &path, "keep-alive, Upgrade").expect("o");
}
