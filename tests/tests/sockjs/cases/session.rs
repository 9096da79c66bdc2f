//! The life of a session.

use super::{CLOSE, ECHO};
use crate::{
    Servers,
    http::{Request, post, session},
};

pub(crate) fn simple(servers: &Servers) {
    let path = session(ECHO);
    let poll = || post(format!("{path}/xhr"), "").ask(servers);
    let send = |body: &str| post(format!("{path}/xhr_send"), body).ask(servers);
    poll().is(200, "o\n");
    send("[\"a\"]").is(204, "");
    poll().is(200, "a[\"a\"]\n");
    // Nobody listens, and nothing is lost.
    send("[\"b\"]").is(204, "");
    send("[\"c\",\"d\"]").is(204, "");
    poll().is(200, "a[\"b\",\"c\",\"d\"]\n");
    let unknown = session(ECHO);
    let answer = post(format!("{unknown}/xhr_send"), "[\"a\"]").ask(servers);
    assert_eq!(answer.status, 404);
}

pub(crate) fn closing(servers: &Servers) {
    let path = format!("{}/xhr", session(CLOSE));
    post(&path, "").ask(servers).is(200, "o\n");
    for _ in 0..2 {
        post(&path, "")
            .ask(servers)
            .is(200, "c[3000,\"Go away!\"]\n");
    }
}

pub(crate) fn methods(servers: &Servers) {
    let path = session(ECHO);
    for (method, transport) in [
        ("GET", "xhr"),
        ("GET", "xhr_send"),
        ("PUT", "xhr_streaming"),
        ("POST", "eventsource"),
        ("POST", "htmlfile"),
        ("POST", "jsonp"),
        ("GET", "jsonp_send"),
    ] {
        let answer = Request::new(method, format!("{path}/{transport}")).ask(servers);
        assert!([404, 405].contains(&answer.status), "{method} {transport}");
    }
}
