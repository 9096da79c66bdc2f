//! The STOMP ports: a connection is a session from its first octet on. Who cannot have one is told why
//! in STOMP, and the connection ends.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use inkwire_model::Code;
use inkwire_protocol::stomp::{self, Frame, Version};
use inkwire_session::{Framing, Presented, Protocol};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    listener::{Entrance, Slot},
    problem::Problem,
    routes::{Gateway, SessionPlaces},
    telemetry::{Arrival, Transport},
    tls::Handshake,
    transport::{Agreed, Speech, stream},
};

/// A listener whose connections speak STOMP.
#[derive(Clone)]
pub struct StompEntrance {
    pub gateway: Gateway,
    /// `None` in the clear.
    pub tls: Option<Handshake>,
    /// Where it listens.
    pub listener: SocketAddr,
    pub stopping: CancellationToken,
}

impl Entrance for StompEntrance {
    fn too_many(&self) -> Vec<u8> {
        match self.tls {
            None => error(Code::TooManyConnections, "connect later").into(),
            // It could not be read.
            Some(_) => Vec::new(),
        }
    }

    fn serve(&self, stream: TcpStream, slot: Slot) -> impl Future<Output = ()> + Send + 'static {
        self.clone().take_in(stream, slot)
    }
}

impl StompEntrance {
    async fn take_in(self, stream: TcpStream, slot: Slot) {
        let Some(handshake) = &self.tls else {
            let arrival = Arrival::of_socket(Transport::Tcp);
            return match self.admit(slot.peer, arrival) {
                Ok((agreed, places)) => {
                    let running = stream::run(stream, agreed, self.gateway.websocket.clone());
                    self.begin(running, slot, places);
                }
                Err(problem) => self.turn_away(stream, &problem, arrival).await,
            };
        };
        let arrival = Arrival::of_socket(Transport::TcpTls);
        let Some(stream) = handshake.shake(stream).await else {
            return;
        };
        match self.admit(slot.peer, arrival) {
            Ok((agreed, places)) => {
                let running = stream::run_over(stream, agreed, self.gateway.websocket.clone());
                self.begin(running, slot, places);
            }
            Err(problem) => self.turn_away(stream, &problem, arrival).await,
        }
    }

    /// A place for a session, unless nobody is taken in.
    fn admit(
        &self,
        peer: SocketAddr,
        arrival: Arrival,
    ) -> Result<(Agreed, SessionPlaces), Problem> {
        self.gateway.takes_newcomers()?;
        // No header names another client here: who connects is it, or whom the PROXY protocol named.
        let proxies = &self.gateway.addresses.proxies;
        let client = proxies.client_of(peer.ip(), &HeaderMap::new());
        let places = self.gateway.places_for(client)?;
        let admission = &self.gateway.admission;
        let agreed = Agreed {
            context: admission.context_of_socket(peer, self.listener).clone(),
            speech: Speech::Known(Protocol::Stomp(None)),
            framing: Framing::Stream,
            presented: Presented::Nothing,
            arrival,
        };
        Ok((agreed, places))
    }

    fn begin(
        &self,
        running: impl Future<Output = ()> + Send + 'static,
        slot: Slot,
        places: SessionPlaces,
    ) {
        let on_this_connection = slot.in_use.token();
        self.gateway.sessions.spawn(async move {
            // Held until the session ends.
            let _places = (places, slot, on_this_connection);
            running.await;
        });
    }

    /// Says why, ends our direction, and gives the other side the time to read it.
    async fn turn_away(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        problem: &Problem,
        arrival: Arrival,
    ) {
        let gateway = &self.gateway;
        gateway.websocket.visits.refuse(problem.code(), arrival);
        gateway.count_refusal(problem);
        let code = Code::parse(problem.code()).unwrap_or(Code::Internal);
        let within = gateway.websocket.config.close_timeout;
        let saying = async {
            stream.write_all(&error(code, problem.detail())).await?;
            stream.shutdown().await
        };
        let said = tokio::select! {
            () = self.stopping.cancelled() => return,
            said = timeout(within, saying) => said,
        };
        if matches!(said, Ok(Ok(()))) {
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = stream::linger(stream, within) => {}
            }
        }
    }
}

/// An ERROR for who was not heard yet: what is said then must be read by every client.
fn error(code: Code, detail: &str) -> Bytes {
    stomp::encode(&Frame::error(code, detail, None), Version::V1_0)
}
