//! HTTP/1.1 over a raw socket: what is sent is bytes, what comes back is a head and a body.

use std::collections::HashMap;

use inkwire_test_support::{Gateway, GatewayOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{answer::DEADLINE, table::Encoding};

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The limits of a replica of these tests, small enough to be met often.
pub(crate) const MESSAGE_BYTES_MAX: usize = 131_072;
pub(crate) const FRAGMENTS_MAX: usize = 65_536;
pub(crate) const HEADER_BYTES_MAX: usize = 16_384;

pub(crate) fn replica() -> Gateway {
    options().start().unwrap()
}

pub(crate) fn options() -> GatewayOptions {
    Gateway::options()
        .args(["--message-bytes-max", &MESSAGE_BYTES_MAX.to_string()])
        .args(["--fragments-max", &FRAGMENTS_MAX.to_string()])
        .args(["--header-bytes-max", &HEADER_BYTES_MAX.to_string()])
        .args(["--close-timeout-ms", "5000"])
}

/// An HTTP answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case; the values of a repeated one are joined by commas.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn read(stream: &mut TcpStream) -> std::io::Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut answer = Self {
            status: status
                .and_then(|status| status.parse().ok())
                .unwrap_or_default(),
            ..Self::default()
        };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let value = value.trim();
            answer
                .headers
                .entry(name.to_ascii_lowercase())
                .and_modify(|all| *all = format!("{all}, {value}"))
                .or_insert_with(|| value.to_owned());
        }
        let length = answer.headers.get("content-length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) async fn connect(gateway: &Gateway) -> TcpStream {
    let stream = timeout(DEADLINE, TcpStream::connect(gateway.address())).await;
    let stream = stream.expect("a connection in time").unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The head of a good handshake.
pub(crate) fn handshake(host: &str, encoding: Encoding) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        encoding.sub_protocol()
    )
}

/// A WebSocket over a socket of its own.
pub(crate) async fn open(gateway: &Gateway, encoding: Encoding) -> TcpStream {
    let mut stream = connect(gateway).await;
    let request = handshake(&gateway.address(), encoding);
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = timeout(DEADLINE, Answer::read(&mut stream)).await;
    let answer = answer.expect("an answer in time").unwrap();
    assert_eq!(answer.status, 101, "{answer:?}");
    stream
}
