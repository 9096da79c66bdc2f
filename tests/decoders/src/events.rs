//! Event streams: `Last-Event-ID` and `since` as strangers send them, and a stream cut anywhere.

use inkwire_protocol::sse::{Event, EventReader, Positions, ReadEvent};

pub fn check(bytes: &[u8]) {
    check_reader(bytes);
    check_writer(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for documents in [1, 2, 32] {
        let Ok(positions) = Positions::parse(text, documents) else {
            continue;
        };
        assert_eq!(positions.len(), documents);
        if !text.is_empty() {
            assert_eq!(positions.to_string(), text);
        }
    }
}

fn read<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> (Vec<ReadEvent>, String) {
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    pieces.for_each(|piece| reader.read(piece, &mut events));
    (events, reader.last_event_id().to_owned())
}

fn check_reader(bytes: &[u8]) {
    assert_eq!(read(std::iter::once(bytes)), read(bytes.chunks(1)));
}

/// Whatever is said is heard, in lines of one kind.
fn check_writer(bytes: &[u8]) {
    let mut stream = Vec::new();
    Event::default().write(bytes, &mut stream);
    let (events, _) = read(std::iter::once(&stream[..]));
    let said = String::from_utf8_lossy(bytes)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let heard: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(heard, [said.as_str()]);
}
