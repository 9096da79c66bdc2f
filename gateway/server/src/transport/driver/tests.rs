use std::sync::{
    Mutex,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use futures_util::{SinkExt as _, StreamExt as _};
use inkwire_bus::{Append, Bus, MemoryBus, PresenceCall, Read};
use inkwire_hub::HubConfig;
use inkwire_model::{DocumentId, Role, Signal};
use inkwire_protocol::native::Encoding;
use inkwire_session::Protocol;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as Frame, protocol::Role as Side},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{super::websocket, *};
use crate::{
    admission::{Admission, AnonymousPolicy},
    config::{AdmissionConfig, SessionConfig},
    origin::OriginPolicy,
    tickets::TicketConfig,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// So small that the kernel soon takes no more for a client that does not read.
const SOCKET_BUFFER_BYTES: u32 = 4 * 1024;

/// A bus that keeps the hub busy: a subscription takes until the test lets go.
struct Stuck {
    begun: SyncSender<()>,
    released: Mutex<Receiver<()>>,
}

impl Bus for Stuck {
    fn subscribe(&self, _document: &DocumentId) {
        tokio::task::block_in_place(|| {
            let _nobody_waits = self.begun.try_send(());
            let _let_go = self.released.lock().unwrap().recv();
        });
    }

    fn unsubscribe(&self, _document: &DocumentId) {}

    fn append(&self, _append: Append) {}

    fn read(&self, _read: Read) {}

    fn compare_heads(&self, _documents: Vec<DocumentId>) {}

    fn signal(&self, _document: &DocumentId, _signal: Signal) {}

    fn presence(&self, _call: PresenceCall) {}

    fn is_available(&self) -> bool {
        true
    }
}

/// One connection served by `run`, and what it is served with.
struct Served {
    client: WebSocketStream<TcpStream>,
    stop: Stop,
    hub_stop: CancellationToken,
    tasks: TaskTracker,
}

impl Served {
    async fn start(make_bus: impl FnOnce(Arc<dyn inkwire_bus::Listener>) -> Arc<dyn Bus>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES).unwrap();
        let connecting = socket.connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let (stream, peer) = accepted.unwrap();
        socket2::SockRef::from(&stream)
            .set_send_buffer_size(SOCKET_BUFFER_BYTES as usize)
            .unwrap();

        let (tasks, hub_stop) = (TaskTracker::new(), CancellationToken::new());
        let stop = Stop::default();
        let config = HubConfig {
            shards: 1,
            commands_max: 1,
            ..HubConfig::default()
        };
        let shared = Shared {
            hub: Hub::start(config, make_bus, &tasks, &hub_stop),
            config: WebSocketConfig {
                message_bytes_max: 65_536,
                fragments_max: 16,
                close_timeout: Duration::from_millis(500),
            },
            outbox: OutboxLimits::default(),
            counters: Arc::default(),
            memory: Arc::new(Memory::new(
                crate::memory::MemoryLimits {
                    hard_bytes: usize::MAX,
                    soft_bytes: usize::MAX,
                },
                Arc::default(),
            )),
            stop: stop.clone(),
            visits: Arc::default(),
        };
        let admission = AdmissionConfig {
            server_keys: Default::default(),
            tokens: Default::default(),
            tickets: TicketConfig {
                lifetime: Duration::from_secs(30),
                rate: inkwire_session::SessionLimits::default().requests,
                refused_rate: inkwire_session::SessionLimits::default().requests,
            },
            anonymous: AnonymousPolicy::Anywhere,
            anonymous_role: Role::Writer,
            origins: OriginPolicy::default(),
        };
        let session = SessionConfig {
            sessions_max: 1,
            sessions_per_address_max: 8,
            limits: Default::default(),
            times: Default::default(),
        };
        let refusals = Arc::default();
        let admission = Admission::new(&admission, None, session, &"gw-1".into(), &refusals);
        let agreed = Agreed {
            context: admission.context(peer, &http::HeaderMap::new()).clone(),
            speech: Speech::Known(Protocol::Native(Encoding::Json)),
            framing: Framing::WebSocket,
            presented: Default::default(),
            arrival: Arrival::now(http::Version::HTTP_11, &http::HeaderMap::new()),
        };
        tasks.spawn(websocket::run(stream, Bytes::new(), agreed, shared));
        let client = WebSocketStream::from_raw_socket(client.unwrap(), Side::Client, None).await;
        Self {
            client,
            stop,
            hub_stop,
            tasks,
        }
    }

    async fn say(&mut self, packet: Value) {
        self.client
            .feed(Frame::text(packet.to_string()))
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Frame {
        let frame = timeout(PATIENCE, self.client.next()).await;
        frame
            .expect("a frame in time")
            .expect("no end")
            .expect("no failure")
    }

    async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.hear().await;
        let packet: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        assert_eq!(packet["type"], kind, "{packet}");
        packet
    }

    async fn expect_close(&mut self, code: u16) {
        match self.hear().await {
            Frame::Close(Some(close)) => assert_eq!(u16::from(close.code), code, "{close:?}"),
            other => panic!("no close: {other:?}"),
        }
    }

    async fn end(self) {
        drop(self.client);
        self.hub_stop.cancel();
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait())
            .await
            .expect("all tasks end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_hub_is_full_what_waits_goes_out_and_a_stop_says_goodbye() {
    const PINGS: usize = 2_000;
    let (begun, has_begun) = sync_channel(1);
    let (release, released) = sync_channel::<()>(0);
    let released = Mutex::new(released);
    let mut served = Served::start(|_| Arc::new(Stuck { begun, released })).await;
    served.say(json!({ "type": "hello" })).await;
    for _ in 0..PINGS {
        let payload = Bytes::from_static(&[b'.'; 100]);
        served.client.feed(Frame::Ping(payload)).await.unwrap();
    }
    // One is with the shard, one in its queue, and the others wait.
    for document in ["a", "b", "c", "d"] {
        served
            .say(json!({ "type": "join", "document": document }))
            .await;
    }
    served.client.flush().await.unwrap();
    tokio::task::block_in_place(|| has_begun.recv_timeout(PATIENCE)).expect("the hub is busy");
    served.expect("welcome").await;
    for _ in 0..PINGS {
        assert!(matches!(served.hear().await, Frame::Pong(_)));
    }
    served.stop.begin_closing();
    assert_eq!(served.expect("error").await["code"], "going_away");
    served.expect_close(1012).await;
    drop(release);
    served.end().await;
}

#[tokio::test]
async fn a_hub_that_ended_ends_the_session_with_internal() {
    let mut served = Served::start(|listener| Arc::new(MemoryBus::embedded(listener))).await;
    served.say(json!({ "type": "hello" })).await;
    served.client.flush().await.unwrap();
    served.expect("welcome").await;
    served.hub_stop.cancel();
    // The shard may take one more join before it sees that it is to end.
    for document in ["a", "b", "c", "d"] {
        served
            .say(json!({ "type": "join", "document": document }))
            .await;
    }
    served.client.flush().await.unwrap();
    loop {
        let frame = served.hear().await;
        let packet: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        if packet["type"] == "error" {
            assert_eq!(packet["code"], "internal", "{packet}");
            break;
        }
        assert_eq!(packet["type"], "joined", "{packet}");
    }
    served.expect_close(1011).await;
    served.end().await;
}
