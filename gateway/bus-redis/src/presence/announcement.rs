//! Who came and went, on a document's channel: a mark that neither a record nor a signal begins with,
//! a version byte, the versions before and after with their lengths (1), and the events: 'e' or 'l',
//! a length (2), role and time where somebody entered, and who it is.

use bytes::Buf as _;
use inkwire_bus::{PresenceAnnouncement, PresenceEvent, PresenceVersion};

use super::call;

const MARK: u8 = b'p';
const VERSION: u8 = 1;
/// Digits of a role and of a time.
const HEAD: usize = 14;

/// Whether a message tells who came and went.
pub(crate) fn is_presence(message: &[u8]) -> bool {
    message.first() == Some(&MARK)
}

/// Reads an announcement; `None` if it is none that a gateway of this version wrote.
pub(crate) fn read(message: &[u8]) -> Option<PresenceAnnouncement> {
    let mut rest = message.strip_prefix(&[MARK, VERSION])?;
    let before = match short(&mut rest)? {
        "" => None,
        before => Some(before.parse().ok()?),
    };
    let after: PresenceVersion = short(&mut rest)?.parse().ok()?;
    let mut events = Vec::new();
    while rest.has_remaining() {
        let kind = rest.try_get_u8().ok()?;
        let length = usize::from(rest.try_get_u16().ok()?);
        let text = text(&mut rest, length)?;
        events.push(match kind {
            b'e' => {
                let (head, who) = text.split_at_checked(HEAD)?;
                PresenceEvent::Entered(call::participant(head, who.parse().ok()?)?)
            }
            b'l' => PresenceEvent::Left(text.parse().ok()?),
            _ => return None,
        });
    }
    Some(PresenceAnnouncement {
        before,
        after,
        events,
    })
}

fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::from(rest.try_get_u8().ok()?);
    text(rest, length)
}

fn text<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a str> {
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_whole_or_not_at_all() {
        let who = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b:alice";
        let mut message = b"p\x01\x00\x2230-0123456789abcdef".to_vec();
        message[3] = 19;
        message.extend([b'e', 0, u8::try_from(14 + who.len()).unwrap()]);
        message.extend(format!("21700000000000{who}").bytes());
        message.extend([b'l', 0, u8::try_from(who.len()).unwrap()]);
        message.extend(who.bytes());
        let read_whole = read(&message).unwrap();
        assert_eq!(read_whole.before, None);
        assert_eq!(read_whole.after.seq, 30);
        let [PresenceEvent::Entered(one), PresenceEvent::Left(left)] = &*read_whole.events else {
            panic!("{read_whole:?}");
        };
        assert_eq!((&one.who, one.since), (left, 1_700_000_000_000));
        assert_eq!(one.role, inkwire_model::Role::Writer);
        for end in 0..message.len() {
            let is_event_end = end == 23 || end == 23 + 3 + 14 + who.len();
            assert_eq!(read(&message[..end]).is_some(), is_event_end, "{end}");
        }
    }
}
