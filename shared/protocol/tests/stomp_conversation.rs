//! The grammar of STOMP's conversation as transcripts: what comes in and when, what is asked for.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use inkwire_model::Code;
use inkwire_protocol::stomp::{
    AckMode, Conversation, ConversationLimits, ConversationTimes, DecoderLimits, Frame, HEARTBEAT,
    Output, Verdict, Version, encode,
};

const LIMITS: ConversationLimits = ConversationLimits {
    decoder: DecoderLimits {
        headers_max: 8,
        line_bytes_max: 256,
        head_bytes_max: 512,
        body_bytes_max: 64,
    },
    subscriptions_max: 2,
    transactions_max: 2,
    transaction_sends_max: 3,
    gathered_bytes_max: 400,
};

struct Transcript {
    conversation: Conversation,
    pending: BytesMut,
    start: Instant,
}

impl Transcript {
    fn begin() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: ConversationLimits) -> Self {
        let start = Instant::now();
        Self {
            conversation: Conversation::new(ConversationTimes::default(), limits, start),
            pending: BytesMut::new(),
            start,
        }
    }

    /// Past CONNECT, in this version.
    fn connected(version: Version) -> Self {
        let mut t = Self::begin();
        let connect = format!("CONNECT\naccept-version:{}\n\n\0", version.as_str());
        assert!(matches!(
            &t.says(0, &connect)[..],
            [Output::Connect { version: agreed, .. }] if *agreed == version
        ));
        t
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn says(&mut self, ms: u64, text: &str) -> Vec<Output> {
        let now = self.at(ms);
        self.pending.extend_from_slice(text.as_bytes());
        std::iter::from_fn(|| self.conversation.receive(&mut self.pending, now)).collect()
    }

    fn time(&mut self, ms: u64) -> Vec<Output> {
        let now = self.at(ms);
        self.conversation.handle_deadline(now);
        std::iter::from_fn(|| self.conversation.poll_output()).collect()
    }

    /// Ends with this code, whatever receipt was asked for being named.
    fn fails(&mut self, text: &str, expected: Code) {
        let outputs = self.says(1, text);
        let asked = text.contains("\nreceipt:r\n").then(|| "r".to_owned());
        let Some(Output::Close {
            code, receipt_id, ..
        }) = outputs.last()
        else {
            panic!("{text:?} gave {outputs:?}");
        };
        assert_eq!((*code, receipt_id), (expected, &asked), "{text:?}");
        assert_eq!(self.says(2, "SEND\ndestination:/a\n\n\0"), []);
        assert_eq!(self.conversation.next_deadline(), None);
    }
}

fn answer(receipt: &str) -> Output {
    Output::Answer(Frame::receipt(receipt))
}

#[test]
fn connect_comes_first_and_once() {
    let mut t = Transcript::begin();
    let outputs = t.says(
        0,
        "\n\r\nSTOMP\r\naccept-version:1.0,1.1,1.2,2.0\r\nhost:any\r\nlogin: \\n\r\npasscode:p:q\r\n\r\n\0\r\n",
    );
    let [
        Output::Connect {
            version,
            host,
            login,
            passcode,
            ..
        },
    ] = &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(*version, Version::V1_2);
    assert_eq!(host.as_deref(), Some("any"));
    assert_eq!(
        login.as_deref(),
        Some(" \\n"),
        "neither trimmed nor unescaped"
    );
    assert_eq!(passcode.as_deref(), Some("p:q"));
    let frame = t.conversation.connected("s1", "inkwire", "a\nb");
    assert_eq!(
        encode(&frame, t.conversation.version()),
        "CONNECTED\nversion:1.2\nheart-beat:10000,10000\nsession:s1\nserver:inkwire\nuser-name:a b\n\n\0"
    );
    t.fails("CONNECT\naccept-version:1.2\n\n\0", Code::UnexpectedFrame);

    Transcript::begin().fails(
        "SEND\ndestination:/a\nreceipt:r\n\n\0",
        Code::UnexpectedFrame,
    );
    Transcript::begin().fails("GET / HTTP/1.1\r\n", Code::UnknownCommand);
}

#[test]
fn the_highest_common_version_is_taken() {
    for (accepts, expected) in [
        ("", Version::V1_0),
        ("accept-version:1.0\n", Version::V1_0),
        ("accept-version:1.1,1.0\n", Version::V1_1),
        ("accept-version: 1.2 , 1.1\n", Version::V1_2),
        ("accept-version:1.1\naccept-version:1.2\n", Version::V1_1),
        ("accept-version:3.0,1.1\n", Version::V1_1),
    ] {
        let mut t = Transcript::begin();
        let outputs = t.says(0, &format!("CONNECT\n{accepts}\n\0"));
        assert!(matches!(&outputs[..], [Output::Connect { .. }]));
        assert_eq!(t.conversation.version(), expected, "{accepts}");
    }
    let mut t = Transcript::begin();
    t.fails(
        "CONNECT\naccept-version:1.3,2.0\n\n\0",
        Code::UnsupportedVersion,
    );
    let error = Frame::error(Code::UnsupportedVersion, "none", None);
    assert_eq!(error.headers.get("version"), Some("1.0,1.1,1.2"));
}

#[test]
fn what_1_0_lacks_is_not_said_to_it() {
    let mut t = Transcript::begin();
    let outputs = t.says(0, "CONNECT\nlogin: alice \nheart-beat:nonsense\n\n\0");
    assert!(matches!(
        &outputs[..],
        [Output::Connect { login: Some(login), .. }] if login == "alice"
    ));
    let connected = t.conversation.connected("s", "inkwire", "alice");
    assert_eq!(connected.headers.get("heart-beat"), None);
    assert_eq!(t.conversation.next_deadline(), None);
    t.fails("NACK\nmessage-id:1\nreceipt:r\n\n\0", Code::UnknownCommand);
}

#[test]
fn requests_pass_in_order() {
    let mut t = Transcript::connected(Version::V1_2);
    let outputs = t.says(
        1,
        "SUBSCRIBE\nid:0\ndestination:/topic/x\nack:client\nreceipt:r1\n\n\0\nSEND\ndestination:/topic/x\n\nhello\0\
         ACK\nid:7\n\n\0NACK\nid:8\nreceipt:r2\n\n\0UNSUBSCRIBE\nid:0\n\n\0UNSUBSCRIBE\nid:0\nreceipt:r3\n\n\0",
    );
    let [
        Output::Subscribe(subscribe),
        Output::Send(send),
        Output::Acknowledge(ack),
        Output::Acknowledge(nack),
        Output::Unsubscribe { id, receipt: None },
        last,
    ] = &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(subscribe.id, "0");
    assert_eq!(subscribe.ack_mode, AckMode::Client);
    assert_eq!(subscribe.receipt.as_deref(), Some("r1"));
    assert_eq!(&send.body[..], b"hello");
    assert_eq!((ack.verdict, ack.token.as_str()), (Verdict::Processed, "7"));
    assert_eq!((nack.verdict, nack.token.as_str()), (Verdict::Refused, "8"));
    assert_eq!(nack.receipt.as_deref(), Some("r2"));
    assert_eq!(id, "0");
    assert_eq!(*last, answer("r3"), "nothing is left to be ended");
}

#[test]
fn disconnect_is_answered_and_the_close_awaited() {
    let mut t = Transcript::connected(Version::V1_2);
    let receipt = Some("bye".to_owned());
    assert_eq!(
        t.says(5, "DISCONNECT\nreceipt:bye\n\n\0SEND\ndestination:/a\n\n\0"),
        [Output::Disconnect { receipt }]
    );
    assert_eq!(t.conversation.next_deadline(), Some(t.at(2_005)));
    assert_eq!(t.time(2_004), []);
    assert_eq!(t.time(2_005), [Output::End]);
    assert_eq!(t.conversation.next_deadline(), None);

    let mut t = Transcript::connected(Version::V1_1);
    let receipt = None;
    assert_eq!(
        t.says(5, "DISCONNECT\n\n\0"),
        [Output::Disconnect { receipt }, Output::End]
    );
}

#[test]
fn a_connect_is_awaited_ten_seconds() {
    let mut t = Transcript::begin();
    assert_eq!(t.says(9_000, "\n"), []);
    assert_eq!(t.conversation.next_deadline(), Some(t.at(10_000)));
    assert!(matches!(
        &t.time(10_000)[..],
        [Output::Close {
            code: Code::HandshakeTimeout,
            ..
        }]
    ));
}

#[test]
fn heart_beats_are_as_agreed() {
    let mut t = Transcript::begin();
    t.says(
        0,
        "CONNECT\naccept-version:1.2\nheart-beat:4000,20000\n\n\0",
    );
    // max(10000, 20000), a fifth early.
    assert_eq!(t.conversation.next_deadline(), Some(t.at(16_000)));
    assert_eq!(t.time(16_000), [Output::Heartbeat]);
    assert_eq!(HEARTBEAT, b"\n");
    t.conversation.sent(t.at(20_000));
    assert_eq!(t.time(32_000), []);
    assert_eq!(t.time(36_000), [Output::Heartbeat]);
    // max(4000, 10000) and a throttled timer; half a frame is a sign of life.
    t.says(40_000, "SEND");
    assert_eq!(t.time(52_000), [Output::Heartbeat]);
    for ms in [68_000, 84_000, 100_000] {
        assert_eq!(t.time(ms), [Output::Heartbeat]);
    }
    assert_eq!(t.conversation.next_deadline(), Some(t.at(110_000)));
    assert!(matches!(
        &t.time(110_000)[..],
        [Output::Close {
            code: Code::HeartbeatTimeout,
            ..
        }]
    ));

    for (offer, expected) in [
        ("0,0", None),
        ("1000,0", Some(70_000)),
        ("100000,0", Some(200_000)),
        ("0,1000", Some(8_000)),
        ("99999999999999999999,0", Some(2 * 86_400_000)),
    ] {
        let mut t = Transcript::begin();
        t.says(
            0,
            &format!("CONNECT\naccept-version:1.1\nheart-beat:{offer}\n\n\0"),
        );
        let expected = expected.map(|ms| t.at(ms));
        assert_eq!(t.conversation.next_deadline(), expected, "{offer}");
    }
    for bad in ["", "1", "1,", "a,b", "-1,5", "1,2,3"] {
        let connect = format!("CONNECT\naccept-version:1.1\nheart-beat:{bad}\n\n\0");
        Transcript::begin().fails(&connect, Code::Malformed);
    }
}

#[test]
fn a_transaction_gathers_until_commit() {
    let mut t = Transcript::connected(Version::V1_2);
    let begun = t.says(1, "BEGIN\ntransaction:t\nreceipt:b\n\n\0");
    assert_eq!(begun, [answer("b")]);
    let gathered = t.says(
        2,
        "SEND\ndestination:/a\ntransaction:t\nreceipt:s\n\none\0ACK\nid:1\ntransaction:t\n\n\0\
         SEND\ndestination:/b\ntransaction:t\n\ntwo\0",
    );
    assert_eq!(gathered, [answer("s")]);
    assert!(t.conversation.gathered_bytes() > 6);
    let outputs = t.says(3, "COMMIT\ntransaction:t\nreceipt:c\n\n\0");
    let [Output::Commit(committed)] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let bodies: Vec<&[u8]> = committed.sends.iter().map(|send| &send.body[..]).collect();
    assert_eq!(bodies, [b"one", b"two"]);
    assert!(committed.sends.iter().all(|send| send.receipt.is_none()));
    assert_eq!(committed.acknowledgements.len(), 1);
    assert_eq!(committed.receipt.as_deref(), Some("c"));
    assert_eq!(t.conversation.gathered_bytes(), 0);

    t.says(
        4,
        "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/a\ntransaction:t\n\nx\0",
    );
    let aborted = t.says(5, "ABORT\ntransaction:t\nreceipt:a\n\n\0");
    assert_eq!(aborted, [answer("a")]);
    assert_eq!(t.conversation.gathered_bytes(), 0);
    t.fails(
        "COMMIT\ntransaction:t\nreceipt:r\n\n\0",
        Code::UnknownTransaction,
    );
}

#[test]
fn limits_are_faults() {
    let v12 = || Transcript::connected(Version::V1_2);
    let subscribe = |id: u32| format!("SUBSCRIBE\nid:{id}\ndestination:/t\n\n\0");
    let many: String = (0..3).map(subscribe).collect();
    v12().fails(&many, Code::TooManySubscriptions);
    let begin = |id: u32| format!("BEGIN\ntransaction:{id}\n\n\0");
    let many: String = (0..3).map(begin).collect();
    v12().fails(&many, Code::TransactionTooLarge);
    let send = "SEND\ndestination:/a\ntransaction:0\n\nx\0";
    v12().fails(&(begin(0) + &send.repeat(4)), Code::TransactionTooLarge);
    let ack = "ACK\nid:1\ntransaction:0\n\n\0";
    v12().fails(&(begin(0) + &ack.repeat(6)), Code::TransactionTooLarge);
    v12().fails(
        "SEND\ndestination:/a\nreceipt:r\ncontent-length:65\n\n",
        Code::FrameTooLarge,
    );
    let headers: String = (0..9).map(|n| format!("h{n}:v\n")).collect();
    v12().fails(&format!("SEND\n{headers}"), Code::FrameTooLarge);
    v12().fails(&format!("SEND\na:{}", "v".repeat(300)), Code::FrameTooLarge);
}

#[test]
fn what_a_frame_needs_depends_on_the_version() {
    use Version::{V1_0, V1_1, V1_2};
    for (version, text, expected) in [
        (V1_2, "SEND\n\nx\0", Code::MissingHeader),
        (V1_2, "SUBSCRIBE\nid:0\n\n\0", Code::MissingHeader),
        (V1_1, "SUBSCRIBE\ndestination:/a\n\n\0", Code::MissingHeader),
        (
            V1_1,
            "UNSUBSCRIBE\ndestination:/a\nreceipt:r\n\n\0",
            Code::MissingHeader,
        ),
        (V1_0, "UNSUBSCRIBE\n\n\0", Code::MissingHeader),
        (
            V1_2,
            "ACK\nmessage-id:1\nsubscription:0\n\n\0",
            Code::MissingHeader,
        ),
        (V1_1, "ACK\nmessage-id:1\n\n\0", Code::MissingHeader),
        (V1_0, "ACK\nid:1\n\n\0", Code::MissingHeader),
        (V1_2, "BEGIN\n\n\0", Code::MissingHeader),
        (
            V1_2,
            "SUBSCRIBE\nid:0\ndestination:/a\nack:never\n\n\0",
            Code::Malformed,
        ),
        (
            V1_2,
            "SEND\ndestination:/a\ntransaction:t\nreceipt:r\n\n\0",
            Code::UnknownTransaction,
        ),
        (
            V1_2,
            "ACK\nid:1\ntransaction:t\n\n\0",
            Code::UnknownTransaction,
        ),
        (V1_2, "ABORT\ntransaction:t\n\n\0", Code::UnknownTransaction),
        (
            V1_2,
            "BEGIN\ntransaction:t\n\n\0BEGIN\ntransaction:t\nreceipt:r\n\n\0",
            Code::DuplicateId,
        ),
        (
            V1_1,
            "SUBSCRIBE\nid:0\ndestination:/a\n\n\0SUBSCRIBE\nid:0\ndestination:/b\nreceipt:r\n\n\0",
            Code::DuplicateId,
        ),
        (
            V1_0,
            "SUBSCRIBE\ndestination:/a\n\n\0SUBSCRIBE\ndestination:/a\n\n\0",
            Code::DuplicateId,
        ),
        (V1_2, "MESSAGE\nreceipt:r\n\n\0", Code::UnknownCommand),
        (V1_2, "DANCE\n", Code::UnknownCommand),
        (V1_2, "send\n", Code::UnknownCommand),
    ] {
        Transcript::connected(version).fails(text, expected);
    }
}

#[test]
fn in_1_0_a_destination_may_be_the_id() {
    let mut t = Transcript::connected(Version::V1_0);
    let outputs = t.says(1, "SUBSCRIBE\ndestination: /a\nack:client\n\n\0");
    assert!(matches!(&outputs[..], [Output::Subscribe(s)] if s.id == "/a"));
    let outputs = t.says(2, "SUBSCRIBE\nid:7\ndestination:/b\n\n\0");
    assert!(matches!(&outputs[..], [Output::Subscribe(s)] if s.id == "7"));
    let outputs = t.says(3, "ACK\nmessage-id:m\n\n\0");
    assert!(matches!(&outputs[..], [Output::Acknowledge(a)] if a.subscription.is_none()));
    for (destination, expected) in [("/a", "/a"), ("/b", "7")] {
        let id = expected.to_owned();
        let receipt = Some("r".to_owned());
        assert_eq!(
            t.says(
                4,
                &format!("UNSUBSCRIBE\ndestination:{destination}\nreceipt:r\n\n\0")
            ),
            [Output::Unsubscribe { id, receipt }]
        );
    }
    assert_eq!(t.says(5, "UNSUBSCRIBE\ndestination:/c\n\n\0"), []);
}

#[test]
fn an_id_that_the_gateway_gave_up_is_free() {
    let mut t = Transcript::connected(Version::V1_2);
    let subscribe = "SUBSCRIBE\nid:0\ndestination:/a\n\n\0";
    t.says(1, subscribe);
    t.conversation.forget_subscription("0");
    assert!(matches!(&t.says(2, subscribe)[..], [Output::Subscribe(_)]));
    t.conversation.close(Code::TokenExpired, "over", None);
    t.conversation.close(Code::Internal, "twice", None);
    assert!(matches!(
        t.conversation.poll_output(),
        Some(Output::Close {
            code: Code::TokenExpired,
            ..
        })
    ));
    assert_eq!(t.conversation.poll_output(), None);
}
