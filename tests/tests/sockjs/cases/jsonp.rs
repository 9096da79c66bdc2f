//! Polling by script elements, and sending by forms.

use super::{CLOSE, ECHO};
use crate::{
    Servers,
    http::{Answer, get, post, session},
};

fn poll(servers: &Servers, path: &str) -> Answer {
    get(format!("{path}/jsonp?c=%63allback")).ask(servers)
}

fn open(servers: &Servers) -> String {
    let path = session(ECHO);
    poll(servers, &path).is(200, "/**/callback(\"o\");\r\n");
    path
}

fn send_form(servers: &Servers, path: &str, body: &str) -> Answer {
    post(format!("{path}/jsonp_send"), body)
        .with("Content-Type", "application/x-www-form-urlencoded")
        .ask(servers)
}

pub(crate) fn frames(servers: &Servers) {
    let path = session(ECHO);
    let opened = poll(servers, &path)
        .is(200, "/**/callback(\"o\");\r\n")
        .never_cached();
    assert_eq!(
        opened.header("content-type"),
        Some("application/javascript; charset=UTF-8")
    );
    assert_eq!(opened.header("x-content-type-options"), Some("nosniff"));
    let sent = send_form(servers, &path, "d=%5B%22x%22%5D").is(200, "ok");
    sent.plain_text().never_cached();
    poll(servers, &path).is(200, "/**/callback(\"a[\\\"x\\\"]\");\r\n");
}

pub(crate) fn callback_is_wanted(servers: &Servers) {
    let answer = get(format!("{}/jsonp", session(ECHO))).ask(servers);
    answer.is(500, "\"callback\" parameter required");
}

pub(crate) fn callbacks_that_are_none(servers: &Servers) {
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let path = format!("{}/jsonp?c={callback}", session(ECHO));
        get(path)
            .ask(servers)
            .is(500, "invalid \"callback\" parameter");
    }
}

/// By a form, or as they are.
pub(crate) fn sends(servers: &Servers) {
    let path = open(servers);
    send_form(servers, &path, "d=%5B%22a+b%22%5D").is(200, "ok");
    for content_type in ["", "text/plain"] {
        post(format!("{path}/jsonp_send"), "[\"%61bc\"]")
            .with("Content-Type", content_type)
            .ask(servers)
            .is(200, "ok");
    }
    let expected = "/**/callback(\"a[\\\"a b\\\",\\\"%61bc\\\",\\\"%61bc\\\"]\");\r\n";
    poll(servers, &path).is(200, expected);
}

pub(crate) fn broken_payloads(servers: &Servers) {
    let path = open(servers);
    send_form(servers, &path, "d=%5B%22x").is(500, "Broken JSON encoding.");
    for body in ["", "d=", "p=p"] {
        send_form(servers, &path, body).is(500, "Payload expected.");
    }
    send_form(servers, &path, "d=%5B%22b%22%5D").is(200, "ok");
    poll(servers, &path).is(200, "/**/callback(\"a[\\\"b\\\"]\");\r\n");
}

pub(crate) fn close(servers: &Servers) {
    let path = session(CLOSE);
    poll(servers, &path).is(200, "/**/callback(\"o\");\r\n");
    for _ in 0..2 {
        let expected = "/**/callback(\"c[3000,\\\"Go away!\\\"]\");\r\n";
        poll(servers, &path).is(200, expected);
    }
}
