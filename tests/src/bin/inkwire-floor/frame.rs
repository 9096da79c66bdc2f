//! WebSocket frames, as far as a well-behaved client makes them: whole, masked, never checked.

const MASKED: u8 = 0x80;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// One frame at the start of a buffer.
pub(crate) struct Frame<'b> {
    pub(crate) head: u8,
    /// Unmasked in place.
    pub(crate) payload: &'b mut [u8],
    /// How many bytes it takes.
    pub(crate) bytes: usize,
}

/// The first frame, if it is whole.
pub(crate) fn first(buffer: &mut [u8]) -> Option<Frame<'_>> {
    let (head, length) = (*buffer.first()?, *buffer.get(1)? & !MASKED);
    let (length, at) = match length {
        LENGTH_IN_2 => (
            usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?)),
            4,
        ),
        LENGTH_IN_8 => (
            u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)
                .try_into()
                .ok()?,
            10,
        ),
        length => (usize::from(length), 2),
    };
    let mask: [u8; 4] = buffer.get(at..at + 4)?.try_into().ok()?;
    let bytes = at + 4 + length;
    let payload = buffer.get_mut(at + 4..bytes)?;
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
    Some(Frame {
        head,
        payload,
        bytes,
    })
}

/// A frame from the server.
pub(crate) fn of(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(head);
    match payload.len() {
        length @ ..126 => frame.push(u8::try_from(length).unwrap_or_default()),
        length @ ..65_536 => {
            frame.push(LENGTH_IN_2);
            frame.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
        length => {
            frame.push(LENGTH_IN_8);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}
