//! One stranger's connection: everything that comes back is judged, frame by frame.

use inkwire_model::Code;
use inkwire_protocol::native;
use inkwire_test_support::Gateway;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::{
    crowd,
    random::{mutated_packet, random_bytes, random_frame, valid_packet},
    tally::Tally,
    tokens::token,
};
use crate::{
    answer::{END, hear},
    frames::{CLOSE, PING, frame},
    http2::Connection,
    table::Encoding,
    wire,
};

/// Frames of one stranger, unless its connection ends before.
const FRAMES_MAX: usize = 20;

/// What packets a session may get, besides errors and nacks.
const PACKETS: [&str; 9] = [
    "welcome",
    "authenticated",
    "joined",
    "left",
    "entry",
    "signal",
    "ack",
    "reset",
    "access_changed",
];

/// What a stranger sends.
#[derive(Debug, Clone, Copy)]
enum Kind {
    RandomPayloads,
    MutatedPackets,
    ValidPackets,
    RandomBytes,
}

/// The stranger with this number; the error names it and what it sent last.
pub(super) async fn stranger(
    gateway: &Gateway,
    connection: &Connection,
    seed: u64,
    n: u64,
) -> Result<Tally, String> {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(n));
    let encoding = if rng.random() {
        Encoding::Json
    } else {
        Encoding::MessagePack
    };
    let kind = match rng.random_range(0..10) {
        0..4 => Kind::RandomPayloads,
        4..8 => Kind::MutatedPackets,
        8 => Kind::ValidPackets,
        _ => Kind::RandomBytes,
    };
    let over_http2 = rng.random_ratio(1, 5);
    let converse = async {
        if over_http2 {
            let mut stream = connection.websocket(encoding).await;
            converse(
                &mut rng,
                encoding,
                kind,
                n,
                &mut stream.reading,
                &mut stream.writing,
            )
            .await
        } else {
            let (mut reading, mut writing) = wire::open(gateway, encoding).await.into_split();
            converse(&mut rng, encoding, kind, n, &mut reading, &mut writing).await
        }
    };
    converse
        .await
        .map_err(|failure| format!("INKWIRE_STRANGER={n} ({kind:?}, {encoding:?}): {failure}"))
}

async fn converse(
    rng: &mut StdRng,
    encoding: Encoding,
    kind: Kind,
    n: u64,
    reading: &mut (impl AsyncRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
) -> Result<Tally, String> {
    let native = match encoding {
        Encoding::Json => native::Encoding::Json,
        Encoding::MessagePack => native::Encoding::MessagePack,
    };
    // Its own document it may do anything to, one of the crowd's it may look at.
    let own = format!("strange-{}", n % 50);
    let watched = crowd::document(usize::try_from(n).unwrap_or_default());
    let documents = [own.clone(), watched.clone()];
    let mut judge = Judge {
        tally: Tally::one_connection(),
        last: String::new(),
    };
    if rng.random_ratio(7, 8) {
        let token = token(
            &format!("stranger-{n}"),
            &[(&own, "owner"), (&watched, "viewer")],
        );
        let hello = native.encode_client(&native::ClientPacket::Hello { token: Some(token) });
        let opcode = if encoding == Encoding::Json { 0x1 } else { 0x2 };
        let _heard_below = writing.write_all(&frame(opcode, hello).bytes()).await;
    }
    for sent in 0..FRAMES_MAX {
        let (name, bytes) = match kind {
            Kind::RandomPayloads => ("frame with a random payload", random_frame(rng)),
            Kind::MutatedPackets => ("mutated packet", mutated_packet(rng, native, &documents)),
            Kind::ValidPackets => (
                "valid packet, anywhere",
                valid_packet(rng, native, &documents),
            ),
            Kind::RandomBytes => ("random bytes", random_bytes(rng)),
        };
        judge.tally.sent(name);
        let what = format!("{bytes:02x?}");
        let _heard_below = writing.write_all(&bytes).await;
        if matches!(kind, Kind::RandomBytes) {
            // They may be the beginning of anything: the end of the stream is all that can follow.
            let _heard_below = writing.shutdown().await;
            return judge
                .hear_to_the_end(reading, true)
                .await
                .map_err(|why| format!("{why} after {what}"));
        }
        // Answered behind everything else, unless the connection ends.
        let probe = format!("probe {sent}");
        let _heard_below = writing.write_all(&frame(PING, &probe).bytes()).await;
        let is_open = judge.until_probe(reading, &probe).await;
        if !is_open.map_err(|why| format!("{why} after {what}"))? {
            let _heard_below = writing.write_all(&frame(CLOSE, b"").bytes()).await;
            let _heard_below = writing.shutdown().await;
            return judge
                .hear_to_the_end(reading, true)
                .await
                .map_err(|why| format!("{why} after {what}"));
        }
    }
    let _heard_below = writing.write_all(&frame(CLOSE, b"").bytes()).await;
    judge.hear_to_the_end(reading, false).await
}

/// Holds each answer against what may come.
struct Judge {
    tally: Tally,
    /// The answer before this one.
    last: String,
}

impl Judge {
    /// Hears to the answer of the probe, or to a close (false).
    async fn until_probe(
        &mut self,
        reading: &mut (impl AsyncRead + Unpin),
        probe: &str,
    ) -> Result<bool, String> {
        loop {
            let answer = hear(reading).await;
            if answer == format!("PONG {probe}") {
                self.last = answer;
                return Ok(true);
            }
            if answer == END {
                return Err("the connection ended without a close".to_owned());
            }
            if self.judge(&answer)? {
                return Ok(false);
            }
        }
    }

    /// Hears to the end; a close comes before it, unless there was one or this side ended.
    async fn hear_to_the_end(
        mut self,
        reading: &mut (impl AsyncRead + Unpin),
        may_end: bool,
    ) -> Result<Tally, String> {
        let mut has_closed = may_end;
        loop {
            let answer = hear(reading).await;
            if answer == END {
                self.tally.heard(&answer);
                let missing = || "the connection ended without a close".to_owned();
                return has_closed.then_some(self.tally).ok_or_else(missing);
            }
            has_closed |= self.judge(&answer)?;
        }
    }

    /// Whether this was a close; an answer that may not come is an error.
    fn judge(&mut self, answer: &str) -> Result<bool, String> {
        let last = std::mem::replace(&mut self.last, answer.to_owned());
        let (kind, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        let is_right = match kind {
            "error" | "nack" => Code::parse(rest).is_some(),
            "PONG" | "pong" => true,
            "PING" => rest.is_empty(),
            "CLOSE" => match last.strip_prefix("error ").and_then(Code::parse) {
                // The cause was told, and it is one that ends sessions, with this very code.
                Some(code) if code.row().close_code != 0 => {
                    rest == code.row().close_code.to_string()
                }
                // Else this side closed, and its own code is echoed.
                _ => rest.is_empty() || rest.parse().is_ok_and(may_be_sent),
            },
            packet => PACKETS.contains(&packet),
        };
        if !is_right {
            return Err(format!("heard {answer:?} behind {last:?}"));
        }
        let is_echo = kind == "CLOSE" && !last.starts_with("error ");
        self.tally
            .heard(if is_echo { "CLOSE (echo)" } else { answer });
        Ok(kind == "CLOSE")
    }
}

/// Codes that an endpoint may put into a close frame (RFC 6455 7.4).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
