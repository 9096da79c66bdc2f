//! One session of the crowd: it answers pings, keeps every entry, and takes nothing amiss but what no
//! session that did nothing wrong may hear.

use std::{io, sync::Arc};

use inkwire_test_support::Gateway;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    answer::{DEADLINE, hear, read_frame},
    frames::{CLOSE, PONG, TEXT, close, frame},
    http2::Connection,
    table::Encoding,
    wire,
};

const PING: u8 = 0x9;

/// Acknowledgements that nobody has looked at yet: a writer has one entry on its way.
const ACKS_MAX: usize = 4;

type Reading = Box<dyn AsyncRead + Send + Unpin>;
type Writing = Arc<Mutex<Box<dyn AsyncWrite + Send + Unpin>>>;

/// An entry as a session got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) position: String,
    pub(super) text: String,
}

pub(super) struct Live {
    pub(super) document: String,
    writing: Writing,
    hearing: JoinHandle<Result<Vec<Got>, String>>,
    acks: mpsc::Receiver<u64>,
    entries: watch::Receiver<usize>,
}

impl Live {
    /// A session on a socket of its own, or on a stream of a connection.
    pub(super) async fn open(
        gateway: &Gateway,
        over: Option<&Connection>,
        token: &str,
        document: &str,
        writes: bool,
    ) -> Self {
        let (mut reading, writing): (Reading, Box<dyn AsyncWrite + Send + Unpin>) = match over {
            Some(connection) => {
                let stream = connection.websocket(Encoding::Json).await;
                (Box::new(stream.reading), Box::new(stream.writing))
            }
            None => {
                let (reading, writing) = wire::open(gateway, Encoding::Json).await.into_split();
                (Box::new(reading), Box::new(writing))
            }
        };
        let writing = Arc::new(Mutex::new(writing));
        let mut join = json!({ "type": "join", "document": document, "receive": true });
        if writes {
            join["client"] = inkwire_model::ClientId::random().to_string().into();
        }
        say(&writing, &json!({ "type": "hello", "token": token }))
            .await
            .unwrap();
        say(&writing, &join).await.unwrap();
        assert_eq!(hear(&mut reading).await, "welcome");
        let (acked, acks) = mpsc::channel(ACKS_MAX);
        let (counted, entries) = watch::channel(0);
        let (join_ended, joined) = oneshot::channel();
        let told = Told {
            joined: Some(join_ended),
            acked,
            counted,
        };
        let live = Self {
            document: document.to_owned(),
            hearing: tokio::spawn(hear_all(reading, writing.clone(), told)),
            writing,
            acks,
            entries,
        };
        timeout(DEADLINE, joined)
            .await
            .expect("a join in time")
            .expect("an open session");
        live
    }

    /// Appends, and awaits the acknowledgement. False if the session has ended: its
    /// [`part`](Self::part) says why.
    pub(super) async fn append(&mut self, client_seq: u64, text: &str) -> bool {
        let packet = json!({
            "type": "append", "document": self.document, "client_seq": client_seq,
            "kind": "edit", "content_type": "text/plain", "text": text,
        });
        let _told_by_its_hearing = say(&self.writing, &packet).await;
        let ack = timeout(DEADLINE, self.acks.recv())
            .await
            .expect("an ack in time");
        ack == Some(client_seq)
    }

    /// Awaits so many entries, closes, and gives what it got.
    pub(super) async fn part(mut self, entries: usize) -> Vec<Got> {
        let all = self.entries.wait_for(|got| *got >= entries);
        if timeout(DEADLINE, all)
            .await
            .expect("every entry in time")
            .is_ok()
        {
            let bytes = close(1000, b"").bytes();
            let _told_below = self.writing.lock().await.write_all(&bytes).await;
        }
        let hearing = timeout(DEADLINE, self.hearing);
        let heard = hearing.await.expect("a close in time").unwrap();
        heard.unwrap_or_else(|why| panic!("a live session of {}: {why}", self.document))
    }
}

/// Whom a session's hearing tells what.
struct Told {
    joined: Option<oneshot::Sender<()>>,
    acked: mpsc::Sender<u64>,
    counted: watch::Sender<usize>,
}

/// Hears to the close that this side asked for.
async fn hear_all(
    mut reading: Reading,
    writing: Writing,
    mut told: Told,
) -> Result<Vec<Got>, String> {
    let mut got = Vec::new();
    loop {
        let heard = read_frame(&mut reading).await;
        match heard.map_err(|error| error.to_string())? {
            Some((TEXT, payload)) => {
                let packet: Value = serde_json::from_slice(&payload).unwrap();
                match packet["type"].as_str() {
                    Some("entry") => {
                        got.push(Got {
                            position: packet["position"].as_str().unwrap().to_owned(),
                            text: packet["text"].as_str().unwrap().to_owned(),
                        });
                        if packet["seq"] != got.len() {
                            return Err(format!("a gap or a repeat: {packet}"));
                        }
                        told.counted.send_replace(got.len());
                    }
                    Some("ack") => {
                        let number = packet["client_seq"].as_u64().unwrap();
                        told.acked
                            .try_send(number)
                            .expect("one on its way at a time");
                    }
                    Some("joined") => {
                        // Behind the entries that it had missed.
                        let joined = told.joined.take().expect("one join");
                        joined.send(()).expect("it is awaited");
                    }
                    _ => return Err(format!("heard {packet}")),
                }
            }
            Some((PING, payload)) => {
                let pong = frame(PONG, payload).bytes();
                let _told_by_the_next_read = writing.lock().await.write_all(&pong).await;
            }
            Some((CLOSE, payload)) if payload == 1000_u16.to_be_bytes() => return Ok(got),
            Some(other) => return Err(format!("heard {other:?}")),
            None => return Err("ended without a close".to_owned()),
        }
    }
}

async fn say(writing: &Writing, packet: &Value) -> io::Result<()> {
    let bytes = frame(TEXT, packet.to_string()).bytes();
    writing.lock().await.write_all(&bytes).await
}
