//! Streaming by a page that never ends.

use super::{ECHO, RESPONSE_LIMIT};
use crate::{
    Servers,
    http::{Opened, check_not_cached, get, post, session},
};

fn open(servers: &Servers, path: &str) -> Opened {
    let mut stream = get(format!("{path}/htmlfile?c=%63allback")).open(servers);
    assert_eq!(stream.status, 200);
    assert_eq!(
        stream.header("content-type"),
        Some("text/html; charset=UTF-8")
    );
    check_not_cached(stream.header("cache-control"));
    let mut head = String::new();
    while !head.trim_end().ends_with("</script>") {
        head.push_str(&stream.line());
    }
    assert!(head.contains("<!doctype html>"), "{head}");
    assert!(head.contains("var c = parent.callback;"), "{head}");
    // Some browsers show nothing before the first KiB.
    let mut length = head.len();
    loop {
        let line = stream.line();
        length += line.len();
        if line == "<script>\n" {
            length -= line.len();
            break;
        }
        assert_eq!(line.trim(), "", "{line:?}");
    }
    assert!(length > 1_024, "{length}");
    stream.expect("p(\"o\");\n</script>\r\n");
    stream
}

pub(crate) fn frames(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = open(servers, &path);
    post(format!("{path}/xhr_send"), "[\"x\"]")
        .ask(servers)
        .is(204, "");
    stream.expect("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n");
}

pub(crate) fn callback(servers: &Servers) {
    let answer = get(format!("{}/htmlfile", session(ECHO))).ask(servers);
    answer.is(500, "\"callback\" parameter required");
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let path = format!("{}/htmlfile?c={callback}", session(ECHO));
        get(path)
            .ask(servers)
            .is(500, "invalid \"callback\" parameter");
    }
}

pub(crate) fn response_limit(servers: &Servers) {
    let path = session(ECHO);
    let mut stream = open(servers, &path);
    let message = "x".repeat(RESPONSE_LIMIT);
    post(format!("{path}/xhr_send"), &format!("[\"{message}\"]"))
        .ask(servers)
        .is(204, "");
    stream.expect(&format!(
        "<script>\np(\"a[\\\"{message}\\\"]\");\n</script>\r\n"
    ));
    stream.expect_end();
}
