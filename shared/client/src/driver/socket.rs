//! One WebSocket: packets in, packets out, and a way to lose it on purpose.

use std::{collections::VecDeque, future::poll_fn, time::Duration};

use bytes::Bytes;
use futures_util::{Sink as _, StreamExt as _};
use inkwire_protocol::native::{ClientPacket, Encoding, ServerPacket};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message, Utf8Bytes,
        client::IntoClientRequest as _,
        handshake::client::Request,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use crate::{connection::OpenError, options::ConnectOptions};

/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// tungstenite's own default would cost every connection 256 KiB.
const BUFFER_BYTES: usize = 16 << 10;

/// What came in.
pub(super) enum Heard {
    Packet(Box<ServerPacket>),
    /// A ping, a pong, or a packet of a newer gateway.
    Nothing,
}

/// Why there is no socket any more.
pub(super) struct End {
    /// As the gateway closed it, if it did.
    pub(super) close_code: Option<u16>,
    pub(super) why: String,
}

impl From<String> for End {
    fn from(why: String) -> Self {
        let close_code = None;
        Self { close_code, why }
    }
}

pub(super) struct Socket {
    url: String,
    stream: WebSocketStream<TcpStream>,
    encoding: Encoding,
    queue: VecDeque<Message>,
    unflushed: bool,
}

pub(super) fn check(url: &str) -> Result<(), OpenError> {
    let fault = |why: String| OpenError::Url {
        url: url.to_owned(),
        why,
    };
    let request = url
        .into_client_request()
        .map_err(|error| fault(error.to_string()))?;
    match request.uri().scheme_str() {
        Some("ws") => Ok(()),
        other => Err(fault(format!(
            "the scheme is {other:?}, and only ws is built in"
        ))),
    }
}

pub(super) async fn open(url: String, options: ConnectOptions) -> Result<Socket, String> {
    let request = request(&url, options.encoding).map_err(|error| error.to_string())?;
    let host = request
        .uri()
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    let tcp = TcpStream::connect((host, port))
        .await
        .map_err(|e| format!("{url}: {e}"))?;
    tcp.set_nodelay(true).map_err(|e| e.to_string())?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(options.message_bytes_max))
        .max_frame_size(Some(options.message_bytes_max));
    let (stream, response) = client_async_with_config(request, tcp, Some(config))
        .await
        .map_err(|e| format!("{url}: {e}"))?;
    let agreed = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let agreed = agreed.and_then(|name| Encoding::of_sub_protocol(name.to_str().ok()?));
    if agreed != Some(options.encoding) {
        return Err(format!(
            "{url}: the gateway did not agree to {:?}",
            options.encoding
        ));
    }
    Ok(Socket {
        url,
        stream,
        encoding: options.encoding,
        queue: VecDeque::new(),
        unflushed: false,
    })
}

fn request(
    url: &str,
    encoding: Encoding,
) -> Result<Request, tokio_tungstenite::tungstenite::Error> {
    let mut request = url.into_client_request()?;
    let name = HeaderValue::from_static(encoding.sub_protocol());
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    Ok(request)
}

impl Socket {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Bounded by the core: 64 entries in flight for each document, and a few questions.
    pub(super) fn queue(&mut self, packet: &ClientPacket) {
        let bytes = self.encoding.encode_client(packet);
        self.queue.push_back(message(self.encoding, bytes));
    }

    /// Writes what is queued (`None` when all of it went out), or reads one message. Cancel-safe.
    pub(super) async fn step(&mut self, may_read: bool) -> Result<Option<Heard>, End> {
        let has_output = !self.queue.is_empty() || self.unflushed;
        let Self {
            stream,
            queue,
            unflushed,
            encoding,
            ..
        } = self;
        poll_fn(|cx| {
            use std::task::Poll;
            if has_output && let Poll::Ready(wrote) = poll_write(stream, queue, unflushed, cx) {
                return Poll::Ready(wrote.map(|()| None).map_err(|e| e.to_string().into()));
            }
            if !may_read {
                return Poll::Pending;
            }
            match stream.poll_next_unpin(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Err("closed".to_owned().into())),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error.to_string().into())),
                Poll::Ready(Some(Ok(message))) => Poll::Ready(hear(*encoding, message).map(Some)),
            }
        })
        .await
    }

    /// Gone without a word: what was not sent yet never is.
    pub(super) fn cut(self) {
        // Lingering for no time makes the drop a reset; without it, it is a plain end.
        if let Err(error) = self.stream.get_ref().set_zero_linger() {
            tracing::debug!(%error, "cut without a reset");
        }
    }

    pub(super) async fn close(mut self) {
        let closing = async {
            while !self.queue.is_empty() || self.unflushed {
                if self.step(false).await.is_err() {
                    return;
                }
            }
            if self.stream.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // A peer that does not say goodbye in time is left.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }
}

fn poll_write(
    stream: &mut WebSocketStream<TcpStream>,
    queue: &mut VecDeque<Message>,
    unflushed: &mut bool,
    cx: &mut std::task::Context<'_>,
) -> std::task::Poll<Result<(), tokio_tungstenite::tungstenite::Error>> {
    use std::{pin::Pin, task::ready};
    while !queue.is_empty() {
        ready!(Pin::new(&mut *stream).poll_ready(cx))?;
        if let Some(message) = queue.pop_front() {
            *unflushed = true;
            Pin::new(&mut *stream).start_send(message)?;
        }
    }
    ready!(Pin::new(&mut *stream).poll_flush(cx))?;
    *unflushed = false;
    std::task::Poll::Ready(Ok(()))
}

fn message(encoding: Encoding, bytes: Bytes) -> Message {
    match encoding {
        // The JSON encoding is UTF-8; were it not, the gateway would say so by name.
        Encoding::Json => match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(bytes),
        },
        Encoding::MessagePack => Message::Binary(bytes),
    }
}

fn hear(encoding: Encoding, message: Message) -> Result<Heard, End> {
    let bytes: Bytes = match message {
        Message::Text(text) => text.into(),
        Message::Binary(bytes) => bytes,
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(Heard::Nothing),
        Message::Close(Some(frame)) => {
            return Err(End {
                close_code: Some(frame.code.into()),
                why: format!("closed with {}: {}", frame.code, frame.reason),
            });
        }
        Message::Close(None) => return Err("closed".to_owned().into()),
    };
    match encoding.decode_server(&bytes) {
        Ok(packet) => Ok(Heard::Packet(Box::new(packet))),
        Err(error) if error.code == inkwire_model::Code::UnknownPacket => Ok(Heard::Nothing),
        Err(error) => Err(format!("the gateway sent what is no packet: {error}").into()),
    }
}
