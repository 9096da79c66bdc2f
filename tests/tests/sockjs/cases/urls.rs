//! Which paths name a session.

use super::ECHO;
use crate::{
    Servers,
    http::{post, session},
};

pub(crate) fn any_value(servers: &Servers) {
    let own = session("");
    let own = own.rsplit('/').next().unwrap().to_owned();
    for server in ["a", "_", "1", "abcdefgh_i-j%20"] {
        let path = format!("{ECHO}/{server}/{own}{server}/xhr");
        post(path, "").ask(servers).is(200, "o\n");
    }
}

pub(crate) fn invalid_parts(servers: &Servers) {
    for part in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
        for (transport, method) in [("xhr", "POST"), ("xhr_send", "POST"), ("jsonp", "GET")] {
            let path = format!("{ECHO}{part}/{transport}?c=x");
            let answer = crate::http::Request::new(method, path).ask(servers);
            assert_eq!(answer.status, 404, "{part} {transport}");
        }
    }
}

pub(crate) fn the_server_part_is_ignored(servers: &Servers) {
    let one = session(ECHO);
    let other = one.replace("/000/", "/999/");
    post(format!("{one}/xhr"), "").ask(servers).is(200, "o\n");
    post(format!("{one}/xhr_send"), "[\"a\"]")
        .ask(servers)
        .is(204, "");
    post(format!("{other}/xhr"), "")
        .ask(servers)
        .is(200, "a[\"a\"]\n");
}
