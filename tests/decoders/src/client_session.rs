//! The Rust client against a gateway that says anything: it goes on, or ends with an event.

use inkwire_client::core::{
    Draft, Event, JoinOptions, Now, Output, Session, SessionOptions, WriterLimits,
};
use inkwire_model::DocumentId;
use inkwire_protocol::native::Encoding;

use crate::messages::messages;

const MESSAGES_MAX: usize = 64;

/// Each message: one byte of time that passes, and a packet in JSON.
pub fn check(input: &[u8]) {
    let mut now = Now {
        elapsed_ms: 1_000,
        unix_ms: 1_700_000_000_000,
    };
    let options = SessionOptions {
        seed: Some(1),
        ..SessionOptions::default()
    };
    let document = DocumentId::parse("a").expect("a document");
    let mut session = Session::new(options);
    session.opened(None, now);
    session.open_document(
        document.clone(),
        JoinOptions {
            limits: WriterLimits::default(),
            ..JoinOptions::default()
        },
        now,
    );
    let mut seq = None;
    let mut has_next = false;
    for message in messages(input).into_iter().take(MESSAGES_MAX) {
        let (pause, message) = message.split_first().unwrap_or((&0, &[]));
        let ms = u64::from(*pause) * 20;
        (now.elapsed_ms, now.unix_ms) = (now.elapsed_ms + ms, now.unix_ms + ms);
        if pause % 4 == 1 {
            // Refused when too much is held, which is no fault.
            let _refused = session.append(&document, Draft::edit("1"), now);
        }
        if session
            .next_deadline_ms()
            .is_some_and(|at| at <= now.elapsed_ms)
        {
            session.tick(now);
        }
        if let Ok(packet) = Encoding::Json.decode_server(message) {
            // While it goes over to another replica, both connections speak.
            if has_next && pause % 8 >= 4 {
                session.receive_next(packet, now);
            } else {
                session.receive(packet, now);
            }
        }
        let (mut is_over, mut wants_next) = (false, false);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Event(_, Event::Entry(entry)) => {
                    // Contiguous, whatever the gateway says.
                    let expected: Option<u64> = seq.map(|last: u64| last + 1);
                    assert!(expected.is_none_or(|expected| expected == entry.position.seq));
                    seq = Some(entry.position.seq);
                }
                Output::Event(_, Event::Reset { position, .. }) => seq = Some(position.seq),
                Output::Event(_, Event::Snapshot(snapshot)) => seq = Some(snapshot.position.seq),
                Output::OpenNext => wants_next = true,
                Output::DropNext { .. } | Output::GoOver { .. } => has_next = false,
                Output::Disconnect { .. } => is_over = true,
                _ => {}
            }
        }
        if wants_next {
            has_next = pause % 16 != 15;
            if has_next {
                session.next_opened(None, now);
            } else {
                session.next_failed(now);
            }
        }
        if is_over {
            has_next = false;
            session.closed(now);
            session.opened(None, now);
        }
    }
}
