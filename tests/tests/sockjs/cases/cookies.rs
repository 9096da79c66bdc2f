//! The cookie that a balancer may want.

use super::ECHO;
use crate::{
    Servers,
    http::{Request, get, post, session},
};

const MOUNT: &str = "/cookie_needed_echo";

pub(crate) fn basic(servers: &Servers) {
    let info = get(format!("{MOUNT}/info")).ask(servers);
    assert!(
        info.body.contains("\"cookie_needed\":true"),
        "{}",
        info.body
    );
    // Without the setting there is none.
    post(format!("{}/xhr", session(ECHO)), "")
        .ask(servers)
        .has_no_cookie();
}

fn check(request: Request, servers: &Servers) {
    let stream = request.open(servers);
    assert_eq!(stream.status, 200);
    let cookie = stream.header("set-cookie").unwrap();
    let (name, path) = cookie.split_once(';').unwrap();
    assert_eq!(name.trim(), "JSESSIONID=dummy");
    assert_eq!(path.trim().to_lowercase(), "path=/");
}

pub(crate) fn every_transport(servers: &Servers) {
    for transport in ["xhr", "xhr_streaming"] {
        check(post(format!("{}/{transport}", session(MOUNT)), ""), servers);
    }
    for transport in ["eventsource", "htmlfile?c=x", "jsonp?c=x"] {
        check(get(format!("{}/{transport}", session(MOUNT))), servers);
    }
}

pub(crate) fn echo(servers: &Servers) {
    let answer = post(format!("{}/xhr", session(MOUNT)), "")
        .with("Cookie", "JSESSIONID=abcdef")
        .ask(servers)
        .is(200, "o\n");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("JSESSIONID=abcdef;"), "{cookie}");
}
