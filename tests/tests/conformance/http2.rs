//! HTTP/2 with prior knowledge: extended CONNECT, and a stream that is read and written like a socket.

use std::io;

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{Builder, SendRequest},
    ext::Protocol,
};
use inkwire_test_support::Gateway;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::tungstenite::http::{HeaderMap, Method, Request, StatusCode};

use crate::{answer::DEADLINE, table::Encoding, wire};

/// One HTTP/2 connection.
pub(crate) struct Connection {
    requests: SendRequest<Bytes>,
    authority: String,
    driving: JoinHandle<Result<(), h2::Error>>,
}

/// How the gateway ended a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    EndStream,
    Reset(Reason),
    Connection,
}

/// An answer to a request, and the stream if that is one now.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) receive: RecvStream,
    pub(crate) send: SendStream<Bytes>,
}

/// A request for a WebSocket, to be made wrong.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) protocol: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) authority: Option<String>,
}

impl Ask {
    pub(crate) fn good(encoding: Encoding) -> Self {
        Self {
            method: Method::CONNECT,
            path: "/ws",
            protocol: Some("websocket"),
            headers: vec![
                ("sec-websocket-version", "13".to_owned()),
                ("sec-websocket-protocol", encoding.sub_protocol().to_owned()),
            ],
            authority: None,
        }
    }
}

impl Connection {
    pub(crate) async fn open(gateway: &Gateway) -> Self {
        Self::with(
            gateway,
            Builder::new().initial_connection_window_size(8 << 20),
        )
        .await
    }

    pub(crate) async fn with(gateway: &Gateway, builder: &Builder) -> Self {
        let stream = wire::connect(gateway).await;
        let handshake = timeout(DEADLINE, builder.handshake(stream)).await;
        let (requests, connection) = handshake.expect("a preface in time").unwrap();
        Self {
            requests,
            authority: gateway.address(),
            driving: tokio::spawn(connection),
        }
    }

    /// Sends a request as soon as the connection takes one, and awaits the head of the answer.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Reply, h2::Error> {
        let requests = self.requests.clone().ready();
        let mut requests = timeout(DEADLINE, requests).await.expect("in time")?;
        let authority = ask.authority.as_ref().unwrap_or(&self.authority);
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("http://{authority}{}", ask.path));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(protocol) = ask.protocol {
            request = request.extension(Protocol::from_static(protocol));
        }
        let (answer, send) = requests.send_request(request.body(()).unwrap(), false)?;
        let answer = timeout(DEADLINE, answer)
            .await
            .expect("an answer in time")?;
        let (head, receive) = answer.into_parts();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            receive,
            send,
        })
    }

    /// Whether the settings of the gateway permit extended CONNECT. They come before any answer.
    pub(crate) fn permits_extended_connect(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }

    pub(crate) fn streams_max(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// A WebSocket on a stream of this connection.
    pub(crate) async fn websocket(&self, encoding: Encoding) -> Stream {
        let reply = self.ask(Ask::good(encoding)).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.headers);
        Stream::of(reply)
    }

    /// Resolves when the gateway has ended the connection, which this side would go on with.
    pub(crate) async fn ended_by_itself(self) {
        let ended = timeout(DEADLINE, self.driving).await;
        // With a GOAWAY, or by the end of the socket.
        let _how = ended.expect("an end in time").unwrap();
        drop(self.requests);
    }

    /// Resolves when the connection has ended.
    pub(crate) async fn ended(self) -> Result<(), h2::Error> {
        drop(self.requests);
        timeout(DEADLINE, self.driving)
            .await
            .expect("an end in time")
            .unwrap()
    }
}

/// A stream as bytes: what is read here gives the gateway its window back, what is written waits for
/// the gateway's.
pub(crate) struct Stream {
    pub(crate) reading: ReadHalf<DuplexStream>,
    pub(crate) writing: WriteHalf<DuplexStream>,
    upward: JoinHandle<()>,
    downward: JoinHandle<StreamEnd>,
}

/// Between a stream and its reader.
const PIPE_BYTES: usize = 16 * 1024;

impl Stream {
    pub(crate) fn of(reply: Reply) -> Self {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let (far_reading, far_writing) = tokio::io::split(far);
        let (reading, writing) = tokio::io::split(near);
        Self {
            reading,
            writing,
            upward: tokio::spawn(pump_up(far_reading, reply.send)),
            downward: tokio::spawn(pump_down(reply.receive, far_writing)),
        }
    }

    /// How the gateway ended it; all that came before must have been read.
    pub(crate) async fn end(self) -> StreamEnd {
        let end = timeout(DEADLINE, self.downward).await;
        let end = end.expect("an end in time").unwrap();
        self.upward.abort();
        end
    }
}

async fn pump_up(mut from: ReadHalf<DuplexStream>, mut to: SendStream<Bytes>) {
    let mut buffer = [0; 4_096];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            // The gateway may have ended it first.
            let _ended = to.send_data(Bytes::new(), true);
            return;
        }
        if send(&mut to, &buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Writes as the gateway's window permits.
pub(crate) async fn send(to: &mut SendStream<Bytes>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.reserve_capacity(bytes.len());
        let capacity = std::future::poll_fn(|context| to.poll_capacity(context)).await;
        let Some(Ok(capacity)) = capacity else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (now, later) = bytes.split_at(capacity.min(bytes.len()));
        to.send_data(Bytes::copy_from_slice(now), false)
            .map_err(io::Error::other)?;
        bytes = later;
    }
    Ok(())
}

async fn pump_down(mut from: RecvStream, mut to: WriteHalf<DuplexStream>) -> StreamEnd {
    let end = loop {
        match from.data().await {
            None => break StreamEnd::EndStream,
            Some(Ok(data)) => {
                if to.write_all(&data).await.is_err() {
                    break StreamEnd::Connection;
                }
                from.flow_control().release_capacity(data.len()).unwrap();
            }
            Some(Err(error)) if error.is_reset() => {
                break StreamEnd::Reset(error.reason().unwrap_or(Reason::NO_ERROR));
            }
            Some(Err(_)) => break StreamEnd::Connection,
        }
    };
    let _read_no_more = to.shutdown().await;
    end
}
