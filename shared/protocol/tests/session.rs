//! The conversation's grammar as transcripts: what comes in and when, what the session asks for.

use std::time::{Duration, Instant};

use inkwire_model::{Code, DocumentId};
use inkwire_protocol::native::{
    ClientPacket, Encoding, Output, ServerPacket, Session, SessionTimes,
};

struct Transcript {
    session: Session,
    start: Instant,
}

impl Transcript {
    fn begin() -> Self {
        let start = Instant::now();
        Self {
            session: Session::new(SessionTimes::default(), start),
            start,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// The client sends this text.
    fn says(&mut self, ms: u64, text: &str) -> Vec<Output> {
        let now = self.at(ms);
        self.session
            .receive(Encoding::Json.decode_client(text.as_bytes()), now);
        self.outputs()
    }

    fn time(&mut self, ms: u64) -> Vec<Output> {
        let now = self.at(ms);
        self.session.handle_deadline(now);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }
}

const HELLO: &str = r#"{"type":"hello"}"#;

fn closes(outputs: &[Output], code: Code) -> bool {
    matches!(outputs, [Output::Close { code: found, .. }] if *found == code)
}

#[test]
fn hello_comes_first_and_once() {
    let mut t = Transcript::begin();
    let token = Some("t".to_owned());
    assert_eq!(
        t.says(0, r#"{"type":"hello","token":"t"}"#),
        [Output::Hello { token }]
    );
    assert!(closes(&t.says(1, HELLO), Code::UnexpectedFrame));
    assert_eq!(
        t.says(2, r#"{"type":"ping"}"#),
        [],
        "a closed session says nothing"
    );
    assert_eq!(t.session.next_deadline(), None);

    for early in [
        r#"{"type":"ping"}"#,
        r#"{"type":"dance"}"#,
        r#"{"type":"join"}"#,
    ] {
        let mut t = Transcript::begin();
        assert!(closes(&t.says(0, early), Code::UnexpectedFrame), "{early}");
    }
}

#[test]
fn requests_pass_in_order_and_pings_are_answered() {
    let mut t = Transcript::begin();
    t.says(0, HELLO);
    let document = DocumentId::parse("a").unwrap();
    assert_eq!(
        t.says(1, r#"{"type":"leave","document":"a"}"#),
        [Output::Request(ClientPacket::Leave { document })]
    );
    assert_eq!(
        t.says(2, r#"{"type":"ping","id":5}"#),
        [Output::Send(ServerPacket::Pong { id: 5 })]
    );
    let token = "u".to_owned();
    assert_eq!(
        t.says(3, r#"{"type":"auth","token":"u"}"#),
        [Output::Renew { token }]
    );
}

#[test]
fn faults_are_answered_where_they_belong() {
    let mut t = Transcript::begin();
    t.says(0, HELLO);
    assert!(matches!(
        &t.says(1, r#"{"type":"append","document":"a","client_seq":7}"#)[..],
        [Output::Refused { document, client_seq: 7, .. }] if document.as_str() == "a"
    ));
    assert!(matches!(
        &t.says(2, r#"{"type":"join","document":"a","since":"b"}"#)[..],
        [Output::Send(ServerPacket::Error {
            code: Code::InvalidPosition,
            document: Some(_),
            ..
        })]
    ));
    assert!(matches!(
        &t.says(3, r#"{"type":"dance"}"#)[..],
        [Output::Send(ServerPacket::Error {
            code: Code::UnknownPacket,
            document: None,
            ..
        })]
    ));
    assert!(closes(&t.says(4, "{"), Code::Malformed));
}

#[test]
fn the_hello_is_awaited_ten_seconds() {
    let mut t = Transcript::begin();
    assert_eq!(t.session.next_deadline(), Some(t.at(10_000)));
    t.session.heard(t.at(5_000));
    assert_eq!(t.time(9_999), []);
    assert!(closes(&t.time(10_000), Code::HandshakeTimeout));
}

#[test]
fn silence_ends_a_session_and_anything_prevents_it() {
    let mut t = Transcript::begin();
    t.says(0, HELLO);
    assert_eq!(t.session.next_deadline(), Some(t.at(85_000)));
    t.session.heard(t.at(50_000));
    assert_eq!(t.time(85_000), []);
    t.says(100_000, r#"{"type":"ping"}"#);
    assert_eq!(t.session.next_deadline(), Some(t.at(185_000)));
    assert!(closes(&t.time(185_000), Code::HeartbeatTimeout));
}
