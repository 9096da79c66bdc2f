//! A gateway of one document, no more than the driver needs: one log in memory, every member told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use inkwire_model::{
    ChainHash, ClientId, ClientRow, Code, DocumentId, Entry, Nack, NewEntry, Position, Role,
    Subject,
};
use inkwire_protocol::native::{ClientPacket, Encoding, ServerPacket};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http::header::SEC_WEBSOCKET_PROTOCOL,
        protocol::CloseFrame,
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Credentials that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Hello(Option<String>),
    Auth(String),
}

struct Log {
    start: Position,
    entries: Vec<Arc<Entry>>,
    rows: HashMap<ClientId, ClientRow>,
    news: broadcast::Sender<Arc<Entry>>,
}

struct Shared {
    log: Mutex<Log>,
    seen: mpsc::Sender<Seen>,
    over: CancellationToken,
    sessions: TaskTracker,
}

pub(crate) struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    seen: tokio::sync::Mutex<mpsc::Receiver<Seen>>,
    accepting: JoinHandle<()>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (seen, heard) = mpsc::channel(64);
        let log = Log {
            start: Position::start(ChainHash::from_random([3; 8])),
            entries: Vec::new(),
            rows: HashMap::new(),
            news: broadcast::channel(4_096).0,
        };
        let shared = Arc::new(Shared {
            log: Mutex::new(log),
            seen,
            over: CancellationToken::new(),
            sessions: TaskTracker::new(),
        });
        Self {
            address: listener.local_addr().unwrap(),
            seen: tokio::sync::Mutex::new(heard),
            accepting: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub(crate) fn payloads(&self) -> Vec<Bytes> {
        let log = self.shared.log.lock().unwrap();
        log.entries
            .iter()
            .map(|entry| entry.payload.clone())
            .collect()
    }

    pub(crate) async fn seen(&self) -> Seen {
        let mut seen = self.seen.lock().await;
        let next = tokio::time::timeout(Duration::from_secs(30), seen.recv());
        next.await.expect("credentials in time").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shared.over.cancel();
        self.accepting.await.unwrap();
        self.shared.sessions.close();
        self.shared.sessions.wait().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.over.cancelled() => return,
        };
        let (stream, _) = accepted.unwrap();
        let session = Arc::clone(&shared);
        shared.sessions.spawn(async move {
            tokio::select! {
                () = serve(stream, &session) => {}
                () = session.over.cancelled() => {}
            }
        });
    }
}

/// One session, until it is cut.
async fn serve(stream: TcpStream, shared: &Shared) {
    let mut encoding = Encoding::Json;
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let agree = |request: &Request, mut response: Response| {
        let name = request.headers()[SEC_WEBSOCKET_PROTOCOL].clone();
        encoding = Encoding::of_sub_protocol(name.to_str().unwrap()).unwrap();
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, agree).await else {
        return;
    };
    let mut news = shared.log.lock().unwrap().news.subscribe();
    let mut writer = None;
    let mut shown = 0;
    loop {
        let answers = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let packet = encoding.decode_client(text.as_bytes()).unwrap();
                    hear(packet, &mut writer, &mut shown, shared)
                }
                Some(Ok(Message::Binary(bytes))) => {
                    let packet = encoding.decode_client(&bytes).unwrap();
                    hear(packet, &mut writer, &mut shown, shared)
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
            entry = news.recv() => {
                let entry = entry.unwrap();
                if shown == 0 || entry.position.seq < shown {
                    continue;
                }
                shown = entry.position.seq + 1;
                vec![ServerPacket::Entry { document: document(), entry }]
            }
        };
        let refused = match answers[..] {
            [ServerPacket::Error { code, .. }] => Some(code.row().close_code),
            _ => None,
        };
        if !send(&mut socket, encoding, answers).await {
            return;
        }
        if let Some(code) = refused {
            let frame = CloseFrame {
                code: code.into(),
                reason: "".into(),
            };
            let _ = socket.close(Some(frame)).await;
            while let Some(Ok(_)) = socket.next().await {}
            return;
        }
    }
}

async fn send(
    socket: &mut WebSocketStream<TcpStream>,
    encoding: Encoding,
    packets: Vec<ServerPacket>,
) -> bool {
    for packet in packets {
        let bytes = encoding.encode_server(&packet);
        let message = match encoding {
            Encoding::Json => Message::Text(bytes.try_into().unwrap()),
            Encoding::MessagePack => Message::Binary(bytes),
        };
        if socket.send(message).await.is_err() {
            return false;
        }
    }
    true
}

/// `shown` is the next seq that a member is to be shown; 0: no member.
fn hear(
    packet: ClientPacket,
    writer: &mut Option<ClientId>,
    shown: &mut u64,
    shared: &Shared,
) -> Vec<ServerPacket> {
    match packet {
        ClientPacket::Hello { token } if token.as_deref() == Some("expired") => {
            let _ = shared.seen.try_send(Seen::Hello(token));
            refusal(Code::TokenExpired)
        }
        // Whatever the welcome said.
        ClientPacket::Append { payload, .. } if payload.len() > 10_000 => {
            refusal(Code::FrameTooLarge)
        }
        ClientPacket::Hello { token } => {
            let _ = shared.seen.try_send(Seen::Hello(token));
            vec![ServerPacket::Welcome {
                session: "s".into(),
                replica: "r".into(),
                subject: subject(),
                heartbeat_ms: 30_000,
                payload_bytes_max: 65_536,
                message_bytes_max: 2 << 20,
                landing_ms: 200,
            }]
        }
        ClientPacket::Auth { token } => {
            let _ = shared.seen.try_send(Seen::Auth(token));
            vec![ServerPacket::Authenticated { expires_at: None }]
        }
        ClientPacket::Join { since, client, .. } => {
            let log = shared.log.lock().unwrap();
            let row = client
                .as_ref()
                .and_then(|client| log.rows.get(client).cloned());
            *writer = client;
            let after = since.map_or(0, |position| position.seq);
            *shown = log.entries.len() as u64 + 1;
            let tail = log
                .entries
                .iter()
                .filter(|entry| entry.position.seq > after);
            let entry = |entry: &Arc<Entry>| ServerPacket::Entry {
                document: document(),
                entry: Arc::clone(entry),
            };
            let mut answers: Vec<_> = tail.map(entry).collect();
            answers.push(ServerPacket::Joined {
                document: document(),
                position: log.head(),
                role: Role::Writer,
                subject: subject(),
                row,
            });
            answers
        }
        ClientPacket::Leave { document } => {
            *shown = 0;
            vec![ServerPacket::Left { document }]
        }
        ClientPacket::Append {
            document,
            client_seq,
            kind,
            content_type,
            payload,
            ..
        } => {
            let entry = NewEntry {
                at: 0,
                author: subject(),
                client: writer.clone().unwrap(),
                client_seq,
                kind,
                content_type,
                payload,
                traceparent: None,
                comment: None,
            };
            let answer = shared.log.lock().unwrap().append(entry);
            vec![match answer {
                Ok((position, duplicate)) => ServerPacket::Ack {
                    document,
                    client_seq,
                    position,
                    duplicate,
                },
                Err(nack) => ServerPacket::Nack {
                    document,
                    client_seq: Some(client_seq),
                    nack,
                },
            }]
        }
        ClientPacket::Ping { id } => vec![ServerPacket::Pong { id }],
        _ => Vec::new(),
    }
}

impl Log {
    fn head(&self) -> Position {
        self.entries
            .last()
            .map_or(self.start, |entry| entry.position)
    }

    fn append(&mut self, entry: NewEntry) -> Result<(Position, bool), Nack> {
        let row = self.rows.get(&entry.client);
        let last = row.map_or(0, |row| row.client_seq);
        let digest = entry.digest();
        if let Some(row) = row.filter(|_| entry.client_seq <= last) {
            return match row.digest_of(entry.client_seq) == Some(digest.short()) {
                true => Ok((row.position, true)),
                false => Err(Nack::ClientConflict { row: row.clone() }),
            };
        }
        if entry.client_seq > last + 1 {
            return Err(Nack::Gap {
                expected: last + 1,
                row: row.cloned(),
            });
        }
        let position = self.head().next(&digest);
        match self.rows.get_mut(&entry.client) {
            Some(row) => row.record(position, &digest),
            None => {
                self.rows
                    .insert(entry.client.clone(), ClientRow::first(position, &digest));
            }
        }
        let entry = Arc::new(entry.at(position));
        self.entries.push(Arc::clone(&entry));
        let _ = self.news.send(entry);
        Ok((position, false))
    }
}

fn document() -> DocumentId {
    DocumentId::parse("essay").unwrap()
}

fn subject() -> Subject {
    Subject::parse("alice").unwrap()
}

/// An error of the session, after which it is closed.
fn refusal(code: Code) -> Vec<ServerPacket> {
    vec![ServerPacket::Error {
        code,
        document: None,
        detail: code.row().sentence.into(),
        after_ms: None,
        need: None,
    }]
}
