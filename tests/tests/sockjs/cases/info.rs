//! What a client asks before anything else.

use serde_json::Value;

use super::ECHO;
use crate::{
    Servers,
    http::{ORIGIN, check_preflight, get},
};

fn ask(servers: &Servers, mount: &str) -> Value {
    let answer = get(format!("{mount}/info"))
        .with("Origin", ORIGIN)
        .ask(servers);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=UTF-8")
    );
    let answer = answer
        .has_no_cookie()
        .never_cached()
        .readable_by(Some(ORIGIN));
    serde_json::from_str(&answer.body).unwrap()
}

pub(crate) fn fields(servers: &Servers) {
    let info = ask(servers, ECHO);
    assert_eq!(info["websocket"], true);
    assert_eq!(info["cookie_needed"], false);
    assert_eq!(info["origins"], serde_json::json!(["*:*"]));
    assert!(info["entropy"].as_u64().unwrap() < 1 << 32);
}

pub(crate) fn entropy(servers: &Servers) {
    let all: std::collections::HashSet<u64> = (0..4)
        .map(|_| ask(servers, ECHO)["entropy"].as_u64().unwrap())
        .collect();
    assert!(all.len() > 1, "{all:?}");
}

pub(crate) fn preflight(servers: &Servers) {
    check_preflight(servers, &format!("{ECHO}/info"), "OPTIONS, GET");
}

/// A sandboxed frame and a file have the origin `null`; who sends none is no page.
pub(crate) fn origins(servers: &Servers) {
    let path = format!("{ECHO}/info");
    get(&path)
        .with("Origin", "null")
        .ask(servers)
        .readable_by(Some("null"));
    get(&path).ask(servers).readable_by(None);
}

pub(crate) fn disabled_websocket(servers: &Servers) {
    assert_eq!(ask(servers, "/disabled_websocket_echo")["websocket"], false);
}
