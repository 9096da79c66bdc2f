//! `Event`: how one event is written. Its data may have several lines, and no field can leave its line.

/// A comment: a sign of life that no client is told of.
pub const COMMENT: &[u8] = b":\n\n";

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Event<'e> {
    /// `None` for what `onmessage` hears. Neither name nor id has a line's end in it: both are ours.
    pub name: Option<&'e str>,
    /// Where a client resumes that heard this; `None` leaves it where it was.
    pub id: Option<&'e str>,
}

impl Event<'_> {
    /// Appends the event with this data.
    pub fn write(&self, data: &[u8], out: &mut Vec<u8>) {
        self.write_head(out);
        write_data(data, out);
    }

    /// Appends what stands before the data, which ends the event.
    pub fn write_head(&self, out: &mut Vec<u8>) {
        for (field, value) in [("event", self.name), ("id", self.id)] {
            if let Some(value) = value {
                out.extend_from_slice(field.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value.as_bytes());
                out.push(b'\n');
            }
        }
    }
}

/// Appends the data, line by line, and the end of the event.
fn write_data(data: &[u8], out: &mut Vec<u8>) {
    let mut rest = data;
    loop {
        out.extend_from_slice(b"data: ");
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            out.extend_from_slice(rest);
            out.extend_from_slice(b"\n\n");
            return;
        };
        let (line, after) = rest.split_at(end);
        out.extend_from_slice(line);
        out.push(b'\n');
        rest = match after {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => after,
        };
    }
}

/// Appends how long a client waits until it connects again; a line of any event, or alone.
pub fn write_retry(retry_ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("retry: {retry_ms}\n").as_bytes());
}

/// Appends what `write` appends as one chunk of HTTP/1.1 (RFC 9112, 7.1); nothing, if that is nothing,
/// since an empty chunk ends the answer.
pub fn http_chunk(write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    /// Digits of a chunk's length: leading zeros are permitted, and so it can be filled in later.
    const DIGITS: usize = 8;
    let start = out.len();
    out.extend_from_slice(b"00000000\r\n");
    write(out);
    let bytes = out.len() - start - DIGITS - 2;
    if bytes == 0 {
        return out.truncate(start);
    }
    let digits = format!("{bytes:08x}");
    if let Some(place) = out.get_mut(start..start + DIGITS) {
        // A chunk of 4 GiB is more than any answer's part may have.
        place.copy_from_slice(digits.as_bytes().get(..DIGITS).unwrap_or(b"00000000"));
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: Event<'_>, data: &str) -> String {
        let mut out = Vec::new();
        event.write(data.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_in_its_lines() {
        assert_eq!(written(Event::default(), "a"), "data: a\n\n");
        assert_eq!(written(Event::default(), ""), "data: \n\n");
        let named = Event {
            name: Some("joined"),
            id: Some("5-0123456789abcdef"),
        };
        assert_eq!(
            written(named, "a\nb\r\nc\rd\n"),
            "event: joined\nid: 5-0123456789abcdef\n\
             data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
        );
        let mut out = Vec::new();
        write_retry(2_000, &mut out);
        assert_eq!(out, b"retry: 2000\n");
    }

    #[test]
    fn a_chunk_says_its_length() {
        let mut out = b"x".to_vec();
        http_chunk(|out| out.extend_from_slice(COMMENT), &mut out);
        assert_eq!(out, b"x00000003\r\n:\n\n\r\n");
        http_chunk(|_| {}, &mut out);
        assert_eq!(out.len(), 1 + 3 + 12, "no chunk ends the answer by chance");
    }
}
