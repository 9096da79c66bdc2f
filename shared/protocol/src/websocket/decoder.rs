//! Frames in: bytes to whole messages, each a slice of the read buffer where it came in one frame.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Opcode, Violation,
    header::{FrameHeader, HEADER_BYTES_MAX},
    utf8::Utf8Progress,
};

/// How much a client may send as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderLimits {
    pub message_bytes_max: usize,
    pub fragments_max: usize,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 2 << 20,
            // Conformance suites send a message byte by byte.
            fragments_max: 1 << 16,
        }
    }
}

/// What came from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8, checked.
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    /// The last message; echo it and close.
    Close(Option<CloseFrame>),
}

/// The body of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    pub code: u16,
    pub reason: String,
}

/// The receiving half of a connection.
///
/// After a close frame or a violation nothing more comes out of it.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    partial: Option<Partial>,
    /// The header of the frame whose payload is not whole yet.
    awaited: Option<FrameHeader>,
    is_over: bool,
}

/// A message of which fragments are missing.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    payload: BytesMut,
    fragments: usize,
    utf8: Utf8Progress,
}

impl Decoder {
    /// What it holds of a message whose fragments are not all there.
    pub fn held_bytes(&self) -> usize {
        let partial = self.partial.as_ref();
        partial.map_or(0, |partial| partial.payload.capacity())
    }

    pub fn new(limits: DecoderLimits) -> Self {
        Self {
            limits,
            partial: None,
            awaited: None,
            is_over: false,
        }
    }

    /// Takes the next message out of what was read; `None` when more must be read.
    ///
    /// A message is a slice of `input`'s memory: let go of it, or copy it, before reading on.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Message>, Violation> {
        while !self.is_over {
            let Some((header, payload)) = self.next_frame(input)? else {
                return Ok(None);
            };
            if let Some(message) = self.receive(header, payload)? {
                return Ok(Some(message));
            }
        }
        input.clear();
        Ok(None)
    }

    /// How many bytes the buffer must be able to hold for the frame that is awaited.
    pub fn buffer_bytes_max(&self) -> usize {
        self.limits.message_bytes_max + HEADER_BYTES_MAX
    }

    /// The next whole frame, unmasked.
    fn next_frame(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<(FrameHeader, BytesMut)>, Violation> {
        let header = match self.awaited {
            Some(header) => header,
            None => {
                let Some(header) = self.failing(|_| FrameHeader::parse(input))? else {
                    return Ok(None);
                };
                // Before its payload is awaited: a stranger's claim reserves nothing.
                self.failing(|decoder| decoder.admit(header))?;
                input.advance(header.header_bytes);
                self.awaited = Some(header);
                header
            }
        };
        // Admitted, so it fits.
        let payload_bytes = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        if input.len() < payload_bytes {
            return Ok(None);
        }
        self.awaited = None;
        let mut payload = input.split_to(payload_bytes);
        unmask(&mut payload, header.mask);
        Ok(Some((header, payload)))
    }

    /// Whether this frame may come now and is not too much.
    fn admit(&self, header: FrameHeader) -> Result<(), Violation> {
        let held = match (header.opcode, &self.partial) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(()),
            (Opcode::Continuation, Some(partial)) => {
                if partial.fragments >= self.limits.fragments_max {
                    let max = self.limits.fragments_max;
                    return Err(Violation::TooManyFragments { max });
                }
                partial.payload.len()
            }
            (Opcode::Continuation, None) => return Err(Violation::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::InterleavedMessage),
            (Opcode::Text | Opcode::Binary, None) => 0,
        };
        let max = self.limits.message_bytes_max;
        let room = max.saturating_sub(held) as u64;
        if header.payload_bytes > room {
            return Err(Violation::MessageTooLarge { max });
        }
        Ok(())
    }

    fn receive(
        &mut self,
        header: FrameHeader,
        payload: BytesMut,
    ) -> Result<Option<Message>, Violation> {
        match header.opcode {
            Opcode::Ping => Ok(Some(Message::Ping(payload.freeze()))),
            Opcode::Pong => Ok(Some(Message::Pong(payload.freeze()))),
            Opcode::Close => {
                self.is_over = true;
                parse_close(&payload).map(|frame| Some(Message::Close(frame)))
            }
            Opcode::Text | Opcode::Binary if header.is_final => {
                let is_text = header.opcode == Opcode::Text;
                let is_right = !is_text || Utf8Progress::default().extends(&payload, true);
                self.failing(|_| is_right.then_some(()).ok_or(Violation::BadText))?;
                Ok(Some(Message::data(is_text, payload.freeze())))
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.receive_fragment(header, payload)
            }
        }
    }

    fn receive_fragment(
        &mut self,
        header: FrameHeader,
        fragment: BytesMut,
    ) -> Result<Option<Message>, Violation> {
        let mut partial = match self.partial.take() {
            Some(mut partial) => {
                partial.payload.extend_from_slice(&fragment);
                partial
            }
            None => Partial {
                is_text: header.opcode == Opcode::Text,
                // Copied: the message may outlive many reads.
                payload: BytesMut::from(&*fragment),
                fragments: 0,
                utf8: Utf8Progress::default(),
            },
        };
        partial.fragments += 1;
        if partial.is_text && !partial.utf8.extends(&partial.payload, header.is_final) {
            self.is_over = true;
            return Err(Violation::BadText);
        }
        if header.is_final {
            let payload = partial.payload.freeze();
            return Ok(Some(Message::data(partial.is_text, payload)));
        }
        self.partial = Some(partial);
        Ok(None)
    }

    /// Runs a step after whose failure nothing more is decoded.
    fn failing<T>(
        &mut self,
        step: impl FnOnce(&Self) -> Result<T, Violation>,
    ) -> Result<T, Violation> {
        let result = step(self);
        self.is_over |= result.is_err();
        result
    }
}

impl Message {
    fn data(is_text: bool, payload: Bytes) -> Self {
        if is_text {
            Self::Text(payload)
        } else {
            Self::Binary(payload)
        }
    }
}

fn parse_close(body: &[u8]) -> Result<Option<CloseFrame>, Violation> {
    if body.is_empty() {
        return Ok(None);
    }
    let (code, reason) = body.split_first_chunk().ok_or(Violation::CloseBody)?;
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::BadText)?;
    Ok(Some(CloseFrame {
        code,
        reason: reason.to_owned(),
    }))
}

/// Eight bytes at a time, which the compiler widens further.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
