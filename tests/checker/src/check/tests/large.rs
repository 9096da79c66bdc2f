//! A run of the size of the load tool's, and the other payloads of a file.

use std::sync::Arc;

use crate::{Content, Event, Payload, Recording};

use super::stage::{CLIENT, Chain, Stage};

#[test]
fn many_entries_of_few_contents_are_checked() {
    const ENTRIES: u64 = 20_000;
    let mut chain = Chain::new(1);
    let mut stage = Stage::submitted(&[]);
    for number in 1..=ENTRIES {
        let text = ["a", "b", "c"][usize::try_from(number % 3).unwrap()];
        stage.submit(number, text);
        let position = chain.append(CLIENT, number, text);
        stage.acked(number, number, position);
    }
    for reader in ["1", "2", "3", "4", "5"] {
        // Everybody has a copy of its own.
        let copies: Vec<_> = chain
            .entries
            .iter()
            .map(|e| Arc::new((**e).clone()))
            .collect();
        stage.show(reader, &copies);
    }
    stage.log(&chain);
    let verdict = crate::check(&stage.0);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.counts.entries, ENTRIES);
}

#[test]
fn payloads_that_are_no_text_survive_a_file() {
    let content = Content::new("edit", "application/octet-stream", [0xff, 0, 7]);
    let event = Event::Submitted {
        writer: "alice".into(),
        append: 1,
        content,
    };
    let recording = Recording::from_iter([event]);
    let mut file = Vec::new();
    recording.write(&mut file).unwrap();
    assert_eq!(Recording::read(&*file).unwrap(), recording);
    assert!(String::from_utf8_lossy(&file).contains("[255,0,7]"));
    assert_eq!(format!("{:?}", Payload(b"h".as_slice().into())), "\"h\"");
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let fault = Recording::read(&b"\n{\"event\":\"deployed\",\"level\":\"accepted\"}\nx\n"[..]);
    assert_eq!(fault.unwrap_err().to_string(), "line 3 is no event");
}
