//! `Gathered`: several frames of a session's framing as the one that a request gets, since a polling
//! request takes one.

use bytes::Bytes;
use inkwire_protocol::sockjs::HEARTBEAT;

const MESSAGES_START: &[u8] = b"a[";
const MESSAGES_END: &[u8] = b"]";

/// What was added, in order.
#[derive(Default)]
pub(super) struct Gathered {
    messages: Vec<u8>,
    has_heartbeat: bool,
    end: Option<Bytes>,
}

impl Gathered {
    /// One frame of a session; empty is none. Behind the one that ends it nothing counts.
    pub(super) fn add(&mut self, frame: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let messages = frame
            .strip_prefix(MESSAGES_START)
            .and_then(|rest| rest.strip_suffix(MESSAGES_END));
        match (messages, frame) {
            (Some(messages), _) => {
                let start: &[u8] = if self.messages.is_empty() {
                    MESSAGES_START
                } else {
                    b","
                };
                self.messages.extend_from_slice(start);
                self.messages.extend_from_slice(messages);
            }
            (None, []) => {}
            (None, HEARTBEAT) => self.has_heartbeat = true,
            (None, end) => self.end = Some(Bytes::copy_from_slice(end)),
        }
    }

    /// The frame that stands for all but the end, and the end.
    pub(super) fn finish(mut self) -> (Option<Bytes>, Option<Bytes>) {
        let frame = if !self.messages.is_empty() {
            self.messages.extend_from_slice(MESSAGES_END);
            Some(self.messages.into())
        } else if self.has_heartbeat && self.end.is_none() {
            Some(Bytes::from_static(HEARTBEAT))
        } else {
            None
        };
        (frame, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(frames: &[&str]) -> (Option<String>, Option<String>) {
        let mut gathered = Gathered::default();
        for frame in frames {
            gathered.add(frame.as_bytes());
        }
        let (frame, end) = gathered.finish();
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (frame.map(text), end.map(text))
    }

    #[test]
    fn messages_become_one_frame() {
        let all = [
            "a[\"x\"]",
            "",
            "h",
            "a[\"]\",\"y\"]",
            "c[1,\"z\"]",
            "a[\"late\"]",
        ];
        let (frame, end) = gathered(&all);
        assert_eq!(frame.as_deref(), Some("a[\"x\",\"]\",\"y\"]"));
        assert_eq!(end.as_deref(), Some("c[1,\"z\"]"));
        assert_eq!(gathered(&["h", "", "h"]), (Some("h".to_owned()), None));
        assert_eq!(gathered(&[""]), (None, None));
    }
}
