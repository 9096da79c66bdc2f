//! Timed edits, and the count of what arrives. The time of sending stands in the payload, so that
//! a reader finds it without parsing.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use inkwire_client::Encoding;
use inkwire_model::{DocumentId, Nack};
use inkwire_protocol::native::{ClientPacket, ServerPacket};

use super::wire::{Frames, Joined, Wire};
use crate::latency::Latencies;

/// In front of the time stamp, but for a quotation mark, which SockJS escapes, and a colon.
const STAMP: &[u8] = b"sent_ns";
const BEFORE_DIGITS: &[u8] = b"\\\":";
const IN_FLIGHT_MAX: u64 = 64;

/// What all readers and writers of this process count.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) deliveries: AtomicU64,
    pub(super) edits: AtomicU64,
    pub(super) acks: AtomicU64,
    pub(super) nacks: AtomicU64,
    /// Due, and not sent since too much was in flight already.
    pub(super) skipped: AtomicU64,
    pub(super) latencies: Mutex<Latencies>,
    pub(super) over: AtomicBool,
}

/// One document's writer. It is written to by the one who keeps the pace.
pub(super) struct Writer {
    wire: Arc<Wire>,
    encoding: Encoding,
    document: DocumentId,
    next: AtomicU64,
    acked: AtomicU64,
}

impl Writer {
    pub(super) fn new(wire: Arc<Wire>, encoding: Encoding, document: DocumentId) -> Self {
        Self {
            wire,
            encoding,
            document,
            next: AtomicU64::new(1),
            acked: AtomicU64::new(0),
        }
    }

    pub(super) fn edit(
        &self,
        started: Instant,
        payload_bytes: usize,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        let client_seq = self.next.load(Ordering::Relaxed);
        if client_seq > self.acked.load(Ordering::Relaxed) + IN_FLIGHT_MAX {
            tally.skipped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let packet = ClientPacket::Append {
            document: self.document.clone(),
            client_seq,
            kind: Default::default(),
            content_type: Default::default(),
            payload: payload(started.elapsed(), payload_bytes),
            traceparent: None,
        };
        if self.wire.try_send_packet(&packet, self.encoding)? {
            self.next.store(client_seq + 1, Ordering::Relaxed);
            tally.edits.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.skipped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn heard(&self, packet: ServerPacket, tally: &Tally) -> anyhow::Result<()> {
        match packet {
            ServerPacket::Ack { client_seq, .. } => {
                tally.acks.fetch_add(1, Ordering::Relaxed);
                self.acked.fetch_max(client_seq, Ordering::Relaxed);
            }
            ServerPacket::Nack {
                client_seq: Some(number),
                nack,
                ..
            } => {
                tally.nacks.fetch_add(1, Ordering::Relaxed);
                // What was dropped after it is written anew, under the same numbers.
                self.next.store(number, Ordering::Relaxed);
                let is_passing = matches!(nack, Nack::Throttled { .. } | Nack::Gap { .. });
                anyhow::ensure!(is_passing, "refused: {nack:?}");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Counts what one connection is sent, until it ends or the run is over.
pub(super) async fn listen(
    joined: Joined,
    writer: Option<Arc<Writer>>,
    encoding: Encoding,
    started: Instant,
    tally: Arc<Tally>,
) -> anyhow::Result<()> {
    let Joined {
        wire, mut frames, ..
    } = joined;
    // Of its own, so that no lock is taken for each message.
    let mut heard = Heard::default();
    let outcome = loop {
        if let Err(error) = heard.take(&mut frames, writer.as_deref(), encoding, started, &tally) {
            break Err(error);
        }
        match tokio::time::timeout(Duration::from_millis(500), wire.read(&mut frames)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break Err(error),
            Err(_) if tally.over.load(Ordering::Relaxed) => break Ok(()),
            Err(_) => {}
        }
    };
    if let Ok(mut all) = tally.latencies.lock() {
        all.merge(&heard.latencies);
    }
    outcome
}

#[derive(Default)]
struct Heard {
    latencies: Latencies,
}

impl Heard {
    fn take(
        &mut self,
        frames: &mut Frames,
        writer: Option<&Writer>,
        encoding: Encoding,
        started: Instant,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        let now = started.elapsed();
        let mut deliveries = 0;
        let mut outcome = Ok(());
        frames.take(|message| {
            let mut rest = message;
            let before = deliveries;
            // What is framed once more may have several in one message.
            while let Some((sent, after)) = stamp(rest) {
                deliveries += 1;
                self.latencies.record(now.saturating_sub(sent));
                rest = after;
            }
            if deliveries == before
                && let Some(writer) = writer
                && let Ok(packet) = encoding.decode_server(message)
                && let Err(error) = writer.heard(packet, tally)
            {
                outcome = Err(error);
            }
        })?;
        tally.deliveries.fetch_add(deliveries, Ordering::Relaxed);
        outcome
    }
}

fn payload(since: Duration, bytes: usize) -> Bytes {
    let mut text = format!("{{\"sent_ns\":{},\"pad\":\"", since.as_nanos());
    let pad = bytes.saturating_sub(text.len() + 2);
    text.extend(std::iter::repeat_n('x', pad));
    text.push_str("\"}");
    text.into()
}

/// The time that the first payload in this message carries, and what follows it.
fn stamp(message: &[u8]) -> Option<(Duration, &[u8])> {
    let at = message
        .windows(STAMP.len())
        .position(|window| window == STAMP)?;
    let mut rest = message.get(at + STAMP.len()..)?;
    while let Some((_, after)) = rest
        .split_first()
        .filter(|(b, _)| BEFORE_DIGITS.contains(b))
    {
        rest = after;
    }
    let mut ns = 0_u64;
    while let Some((digit, after)) = rest.split_first().filter(|(b, _)| b.is_ascii_digit()) {
        ns = ns.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = after;
    }
    Some((Duration::from_nanos(ns), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_again() {
        let sent = Duration::from_nanos(123_456_789);
        let payload = payload(sent, 128);
        assert_eq!(payload.len(), 128);
        let message = [b"{\"t\":\"entry\",\"payload\":", &*payload].concat();
        let (found, after) = stamp(&message).unwrap();
        assert_eq!(found, sent);
        assert!(stamp(after).is_none());
        assert!(stamp(b"{\"t\":\"ack\"}").is_none());
        // Twice in one message of SockJS.
        let text = String::from_utf8(message).unwrap();
        let twice = serde_json::to_vec(&[&text, &text]).unwrap();
        let (found, after) = stamp(&twice).unwrap();
        assert_eq!((found, stamp(after).unwrap().0), (sent, sent));
    }
}
