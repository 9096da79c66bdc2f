//! The end of a replica: readiness fails, what was appended is acknowledged, sessions hear why.

use super::{
    native::Client,
    replica::{Replica, get},
};

#[tokio::test]
async fn a_stop_is_announced_and_loses_no_acknowledgement() {
    let mut replica = Replica::start(&[]);
    let mut writer = Client::connect(replica.address).await;
    writer.hello().await;
    writer.join("essay-42").await;
    for client_seq in 1..=20 {
        writer.append("essay-42", client_seq).await;
        writer.expect_each(&["ack", "entry"]).await;
    }
    assert_eq!(get(replica.admin, "/readyz").status, 200);
    replica.terminate();
    let error = writer.expect("error").await;
    assert_eq!(error["code"], "going_away");
    assert_eq!(writer.expect("close").await["code"], 1012);
    assert_eq!(replica.wait_exit().code(), Some(0));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_do_not_answer() {
    let mut replica = Replica::start(&["--close-timeout-ms", "200"]);
    let mut silent = Client::connect(replica.address).await;
    silent.hello().await;
    let idle = std::net::TcpStream::connect(replica.address).unwrap();
    replica.terminate();
    // Nobody reads: the close is not answered, the request never comes.
    assert_eq!(replica.wait_exit().code(), Some(0));
    drop((silent, idle));
}

#[test]
fn readiness_fails_first() {
    // A session that does not answer holds the stop up for long enough to look.
    let mut replica = Replica::start(&["--close-timeout-ms", "3000"]);
    let silent = std::net::TcpStream::connect(replica.address).unwrap();
    use std::io::{Read, Write};
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        replica.address
    );
    (&silent).write_all(handshake.as_bytes()).unwrap();
    let mut first = [0; 12];
    (&silent).read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    replica.terminate();
    replica.wait_for_log("stopping");
    let ready = get(replica.admin, "/readyz");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "draining");
    assert_eq!(get(replica.admin, "/livez").status, 200);
    drop(silent);
    assert_eq!(replica.wait_exit().code(), Some(0));
}
