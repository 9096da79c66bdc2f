//! STOMP: however the octets are cut, the same frames come out, the same fault, and the same conversation.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use inkwire_protocol::stomp::{
    Command, Conversation, ConversationLimits, ConversationTimes, Decoder, DecoderLimits, Fault,
    Frame, Output, Version, encode,
};

use crate::messages::messages;

/// Small, so that they are reached.
const FRAMES: DecoderLimits = DecoderLimits {
    headers_max: 8,
    line_bytes_max: 64,
    head_bytes_max: 256,
    body_bytes_max: 128,
};

const CONVERSATION: ConversationLimits = ConversationLimits {
    decoder: FRAMES,
    subscriptions_max: 2,
    transactions_max: 2,
    transaction_sends_max: 4,
    gathered_bytes_max: 512,
};

/// Frames of either side. The first byte says how the rest is cut, the second the version.
pub fn check_frames(input: &[u8]) {
    let [cut, choice, octets @ ..] = input else {
        return;
    };
    let version = match choice % 4 {
        0 => None,
        n => Some(Version::ALL[usize::from(n) - 1]),
    };
    let whole = decode(FRAMES, version, octets, octets.len().max(1));
    let in_pieces = decode(FRAMES, version, octets, usize::from(*cut % 32) + 1);
    assert_eq!(whole, in_pieces);
    let (frames, fault) = whole;
    assert!(fault.is_none_or(|fault| fault.code().row().close_code != 0));
    for frame in frames {
        assert!(frame.command.has_body() || frame.body.is_empty());
        assert!(frame.headers.len() <= FRAMES.headers_max);
        assert!(frame.body.len() <= FRAMES.body_bytes_max);
        for to in Version::ALL {
            check_said_again(&frame, version, to);
        }
    }
}

/// It is one frame again, with as many headers. Where it is said as it came, nothing else changes.
fn check_said_again(frame: &Frame, from: Option<Version>, to: Version) {
    let (frames, fault) = decode(
        DecoderLimits::default(),
        Some(to),
        &encode(frame, to),
        usize::MAX,
    );
    assert_eq!(fault, None);
    let [again] = &frames[..] else {
        panic!("{frame:?} became {frames:?}");
    };
    let said = |frame: &Frame| {
        let headers = frame.headers.iter();
        headers
            .filter(|(name, _)| *name != "content-length")
            .count()
    };
    assert_eq!(said(again), said(frame));
    assert_eq!((again.command, &again.body), (frame.command, &frame.body));
    let is_verbatim = matches!(
        frame.command,
        Command::Connect | Command::Stomp | Command::Connected
    );
    // What 1.0 does not say again: a CR within a line, and what others would trim of a name.
    let is_plain = |text: &str| {
        let is_whole = !text.contains(['\r', '\u{feff}']) && text.trim() == text;
        is_whole || to != Version::V1_0
    };
    if from == Some(to) && !is_verbatim {
        for (name, value) in frame.headers.iter() {
            let is_same = || again.headers.iter().any(|h| h == (name, value));
            let is_ours = name == "content-length";
            assert!(is_ours || !is_plain(name) || !is_plain(value) || is_same());
        }
    }
}

fn decode(
    limits: DecoderLimits,
    version: Option<Version>,
    octets: &[u8],
    piece_bytes: usize,
) -> (Vec<Frame>, Option<Fault>) {
    let mut decoder = Decoder::new(limits);
    if let Some(version) = version {
        decoder.set_version(version);
    }
    let mut pending = BytesMut::new();
    let mut frames = Vec::new();
    for piece in octets.chunks(piece_bytes) {
        pending.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut pending) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => {
                    assert_eq!(decoder.decode(&mut BytesMut::from("SEND\n\n\0")), Ok(None));
                    return (frames, Some(fault));
                }
            }
        }
    }
    (frames, None)
}

/// A client's octets, in messages with their length in front. The first byte says how they are cut, the
/// first byte of each how much time passes before it.
pub fn check_conversation(input: &[u8]) {
    let Some((cut, rest)) = input.split_first() else {
        return;
    };
    let start = Instant::now();
    let mut whole = Talk::begin(start);
    let mut in_pieces = Talk::begin(start);
    let mut now = start;
    for message in messages(rest) {
        let Some((pause, octets)) = message.split_first() else {
            continue;
        };
        now += Duration::from_millis(u64::from(*pause) * 100);
        for talk in [&mut whole, &mut in_pieces] {
            talk.wait_until(now);
        }
        whole.hear(octets, now);
        for piece in octets.chunks(usize::from(*cut % 32) + 1) {
            in_pieces.hear(piece, now);
        }
        assert_eq!(whole.outputs, in_pieces.outputs);
    }
    // All that was agreed comes to its end without anybody speaking.
    for _ in 0..100_000 {
        let Some(deadline) = whole.conversation.next_deadline() else {
            break;
        };
        now = now.max(deadline);
        whole.wait_until(now);
        if matches!(whole.outputs.last(), Some(Output::Heartbeat)) {
            break;
        }
    }
}

struct Talk {
    conversation: Conversation,
    pending: BytesMut,
    subscriptions: HashSet<String>,
    is_connected: bool,
    is_over: bool,
    outputs: Vec<Output>,
}

impl Talk {
    fn begin(now: Instant) -> Self {
        Self {
            conversation: Conversation::new(ConversationTimes::default(), CONVERSATION, now),
            pending: BytesMut::new(),
            subscriptions: HashSet::new(),
            is_connected: false,
            is_over: false,
            outputs: Vec::new(),
        }
    }

    fn hear(&mut self, octets: &[u8], now: Instant) {
        self.pending.extend_from_slice(octets);
        while let Some(output) = self.conversation.receive(&mut self.pending, now) {
            self.take(output);
        }
        // Not more than one frame that is not whole.
        let frame_bytes_max = FRAMES.line_bytes_max.max(FRAMES.body_bytes_max) + 2;
        assert!(self.pending.len() <= frame_bytes_max);
    }

    fn wait_until(&mut self, now: Instant) {
        self.conversation.handle_deadline(now);
        while let Some(output) = self.conversation.poll_output() {
            self.take(output);
        }
        let deadline = self.conversation.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > now));
    }

    fn take(&mut self, output: Output) {
        assert!(!self.is_over, "{output:?} came behind the end");
        match &output {
            Output::Connect { .. } => {
                assert!(!self.is_connected);
                self.is_connected = true;
            }
            Output::Subscribe(subscribe) => {
                assert!(self.subscriptions.insert(subscribe.id.clone()));
                assert!(self.subscriptions.len() <= CONVERSATION.subscriptions_max);
            }
            Output::Unsubscribe { id, .. } => assert!(self.subscriptions.remove(id)),
            Output::Commit(committed) => {
                assert!(committed.sends.len() <= CONVERSATION.transaction_sends_max);
            }
            Output::Close { code, detail, .. } => {
                assert!(code.row().close_code != 0 && !detail.is_empty());
                self.is_over = true;
            }
            Output::End => self.is_over = true,
            Output::Send(_)
            | Output::Acknowledge(_)
            | Output::Disconnect { .. }
            | Output::Answer(_)
            | Output::Heartbeat => {}
        }
        assert!(self.is_connected || self.is_over);
        assert!(self.conversation.gathered_bytes() <= CONVERSATION.gathered_bytes_max);
        assert!(!self.is_over || self.conversation.next_deadline().is_none());
        self.outputs.push(output);
    }
}
