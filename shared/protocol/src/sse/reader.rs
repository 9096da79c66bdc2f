//! `EventReader`: the other end of a stream, as the HTML standard has it: bytes in pieces, events out. For
//! clients and tests; it holds at most one event that is not whole.

/// An event as it is dispatched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadEvent {
    /// `message` where none was named.
    pub name: String,
    pub data: String,
    /// The last event id that counts from this event on.
    pub id: String,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    /// The last octet was CR: an LF behind it ends no other line.
    after_cr: bool,
    is_begun: bool,
    name: String,
    data: String,
    id: String,
    retry_ms: Option<u64>,
    comments: u64,
}

impl EventReader {
    /// Adds what came to `events`.
    pub fn read(&mut self, bytes: &[u8], events: &mut Vec<ReadEvent>) {
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    let text = String::from_utf8_lossy(&line);
                    let text = match std::mem::replace(&mut self.is_begun, true) {
                        false => text.strip_prefix('\u{feff}').unwrap_or(&text),
                        true => &text,
                    };
                    events.extend(self.hear(text));
                    // Its room is used again.
                    self.line = line;
                    self.line.clear();
                }
                byte => self.line.push(*byte),
            }
        }
    }

    /// Where the stream is resumed: the id of the last event that was dispatched with one.
    pub fn last_event_id(&self) -> &str {
        &self.id
    }

    /// What the stream said last of how long to wait before connecting again.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// How many comments came.
    pub fn comments(&self) -> u64 {
        self.comments
    }

    fn hear(&mut self, line: &str) -> Option<ReadEvent> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok();
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<ReadEvent> {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        Some(ReadEvent {
            name: match name.is_empty() {
                true => "message".to_owned(),
                false => name,
            },
            data,
            id: self.id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::{COMMENT, Event, write_retry};

    fn read(pieces: &[&[u8]]) -> (Vec<ReadEvent>, EventReader) {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for piece in pieces {
            reader.read(piece, &mut events);
        }
        (events, reader)
    }

    #[test]
    fn what_is_written_is_read_in_whatever_pieces() {
        let mut out = Vec::new();
        write_retry(1_500, &mut out);
        let id = "5-0123456789abcdef";
        let joined = Event {
            name: Some("joined"),
            id: Some(id),
        };
        joined.write(b"{}", &mut out);
        out.extend_from_slice(COMMENT);
        Event::default().write("zw\u{f6}lf\n\nLinien\n".as_bytes(), &mut out);
        let (whole, reader) = read(&[&out]);
        assert_eq!(whole.len(), 2);
        assert_eq!((&*whole[0].name, &*whole[0].data), ("joined", "{}"));
        assert_eq!(whole[1].name, "message");
        assert_eq!(whole[1].data, "zw\u{f6}lf\n\nLinien\n");
        assert_eq!(whole[1].id, id, "an id stays until the next");
        assert_eq!((reader.retry_ms(), reader.comments()), (Some(1_500), 1));
        let single: Vec<&[u8]> = out.chunks(1).collect();
        assert_eq!(read(&single).0, whole);
    }

    #[test]
    fn as_the_standard_has_it() {
        let (events, reader) =
            read(&[b"\xef\xbb\xbfdata:a\r\ndata\r\rid\nevent: x\n\ndata: \n\nx:1\ndata: lost"]);
        let texts: Vec<_> = events.iter().map(|e| (&*e.name, &*e.data)).collect();
        assert_eq!(texts, [("message", "a\n"), ("message", "")]);
        assert_eq!(reader.last_event_id(), "");
        let (_, reader) = read(&[b"id: a\0b\nretry: 1x\n\n"]);
        assert_eq!((reader.last_event_id(), reader.retry_ms()), ("", None));
    }
}
