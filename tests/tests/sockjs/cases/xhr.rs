//! Polling by XMLHttpRequest.

use super::ECHO;
use crate::{
    Servers,
    http::{ORIGIN, check_preflight, post, session},
};

pub(crate) fn preflight(servers: &Servers) {
    for transport in ["xhr", "xhr_send"] {
        let path = format!("{}/{transport}", session(ECHO));
        check_preflight(servers, &path, "OPTIONS, POST");
    }
}

pub(crate) fn polling(servers: &Servers) {
    let path = session(ECHO);
    let opened = post(format!("{path}/xhr"), "")
        .with("Origin", ORIGIN)
        .ask(servers);
    let opened = opened
        .is(200, "o\n")
        .readable_by(Some(ORIGIN))
        .never_cached();
    assert_eq!(
        opened.header("content-type"),
        Some("application/javascript; charset=UTF-8")
    );
    let sent = post(format!("{path}/xhr_send"), "[\"x\"]")
        .with("Origin", ORIGIN)
        .ask(servers);
    sent.is(204, "")
        .plain_text()
        .readable_by(Some(ORIGIN))
        .never_cached();
    post(format!("{path}/xhr"), "")
        .ask(servers)
        .is(200, "a[\"x\"]\n")
        .readable_by(None);
}

pub(crate) fn unknown_session(servers: &Servers) {
    let path = format!("{}/xhr_send", session(ECHO));
    let answer = post(path, "[\"x\"]").ask(servers);
    assert_eq!(answer.status, 404);
    answer.has_no_cookie();
}

pub(crate) fn broken_payloads(servers: &Servers) {
    let path = session(ECHO);
    post(format!("{path}/xhr"), "").ask(servers).is(200, "o\n");
    let send = |body: &str| post(format!("{path}/xhr_send"), body).ask(servers);
    send("[\"x").is(500, "Broken JSON encoding.");
    send("").is(500, "Payload expected.");
    for body in ["{}", "\"x\"", "[1]", "[\"a\",null]"] {
        assert_eq!(send(body).status, 500, "{body}");
    }
    send("[\"a\"]").is(204, "");
    post(format!("{path}/xhr"), "")
        .ask(servers)
        .is(200, "a[\"a\"]\n");
}

pub(crate) fn content_types(servers: &Servers) {
    let path = session(ECHO);
    post(format!("{path}/xhr"), "").ask(servers).is(200, "o\n");
    let types = [
        "text/plain",
        "T",
        "application/json",
        "application/xml",
        "",
        "application/json; charset=utf-8",
        "text/xml; charset=utf-8",
        "text/xml",
    ];
    for content_type in types {
        post(format!("{path}/xhr_send"), "[\"a\"]")
            .with("Content-Type", content_type)
            .ask(servers)
            .is(204, "");
    }
    let all = vec!["\"a\""; types.len()].join(",");
    post(format!("{path}/xhr"), "")
        .ask(servers)
        .is(200, &format!("a[{all}]\n"));
}

pub(crate) fn request_headers(servers: &Servers) {
    let ask = |asked: Option<&str>| {
        let path = format!("{}/xhr", session(ECHO));
        let mut request = post(path, "").with("Origin", ORIGIN);
        if let Some(asked) = asked {
            request = request.with("Access-Control-Request-Headers", asked);
        }
        let answer = request
            .ask(servers)
            .is(200, "o\n")
            .readable_by(Some(ORIGIN));
        answer
            .header("access-control-allow-headers")
            .map(str::to_owned)
    };
    assert_eq!(ask(Some("a, b, c")).as_deref(), Some("a, b, c"));
    assert_eq!(ask(Some("")), None);
    assert_eq!(ask(None), None);
}

pub(crate) fn empty_array(servers: &Servers) {
    let path = session(ECHO);
    let send = |body: &str| post(format!("{path}/xhr_send"), body).ask(servers);
    post(format!("{path}/xhr"), "").ask(servers).is(200, "o\n");
    send("[]").is(204, "");
    send("[\"a\"]").is(204, "");
    post(format!("{path}/xhr"), "")
        .ask(servers)
        .is(200, "a[\"a\"]\n");
}
