//! HTTP on both ports: the page, problems, health, and peers that take their time.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::replica::{Answer, PATIENCE, Replica, exchange, get, request};

#[test]
fn the_page_and_what_is_not_there() {
    let replica = Replica::start(&[]);
    let page = get(replica.address, "/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"), "{page:?}");
    assert!(
        page.head
            .contains("content-security-policy: default-src 'self'; connect-src 'self';"),
        "{page:?}"
    );
    assert!(page.body.contains("Inkwire"), "{page:?}");
    for (path, content_type) in [("/app.js", "text/javascript"), ("/app.css", "text/css")] {
        let file = get(replica.address, path);
        assert_eq!(file.status, 200);
        assert!(
            file.head
                .contains(&format!("content-type: {content_type}; charset=utf-8"))
        );
        assert!(
            page.body
                .contains(&format!("\"{}\"", path.trim_start_matches('/'))),
            "{path}"
        );
    }
    get(replica.address, "/absent").expect_problem(404, "not_found");
    get(replica.admin, "/absent").expect_problem(404, "not_found");
    get(replica.admin, "/ws").expect_problem(404, "not_found");
    let host = replica.address;
    let post = exchange(
        host,
        &format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    );
    Answer::parse(&post).expect_problem(405, "method_not_allowed");
}

#[test]
fn live_and_ready_on_the_admin_port_alone() {
    let replica = Replica::start(&["--replica", "gw-1"]);
    let live = get(replica.admin, "/livez");
    assert_eq!(
        (live.status, live.json()["replica"].as_str()),
        (200, Some("gw-1"))
    );
    let ready = get(replica.admin, "/readyz");
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status"], "ready");
    assert_eq!(ready.json()["degraded"], false);
    get(replica.address, "/readyz").expect_problem(404, "not_found");
}

/// Reads until the other side closes, and says how long that took.
fn time_to_close(mut stream: TcpStream) -> Duration {
    let begin = Instant::now();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    // A reset is a close, too.
    let _closed = stream.read_to_end(&mut rest);
    begin.elapsed()
}

#[test]
fn silent_and_slow_peers_are_cut_off() {
    let replica = Replica::start(&["--header-read-timeout-ms", "300"]);
    for beginning in [
        "",
        "G",
        "PRI * HTTP/2",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    ] {
        let mut stream = TcpStream::connect(replica.address).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        assert!(time_to_close(stream) < PATIENCE / 2, "{beginning:?}");
    }
}

#[test]
fn a_kept_connection_that_asks_nothing_more_is_cut_off() {
    let replica = Replica::start(&["--header-read-timeout-ms", "300"]);
    let mut stream = TcpStream::connect(replica.address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", replica.address);
    stream.write_all(request.as_bytes()).unwrap();
    assert!(time_to_close(stream) < PATIENCE / 2);
}

#[test]
fn a_head_has_a_limit() {
    let replica = Replica::start(&["--header-bytes-max", "8192"]);
    let long = format!("X-Long: {}", "a".repeat(20_000));
    let answer = request(replica.address, "/", &[&long]);
    assert_eq!(answer.status, 431, "{answer:?}");
}

#[test]
fn connections_have_a_limit_and_those_above_wait() {
    let replica = Replica::start(&["--connections-max", "1", "--header-read-timeout-ms", "500"]);
    let first = TcpStream::connect(replica.address).unwrap();
    // Answered once the silent one was cut off.
    assert_eq!(get(replica.address, "/").status, 200);
    assert!(time_to_close(first) < PATIENCE);
}
