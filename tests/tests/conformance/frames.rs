//! A client's frames, right and wrong: every bit can be set by the caller.

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// How a length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Shortest,
    Two,
    Eight,
}

/// One frame before it is bytes.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    form: Form,
    payload: Vec<u8>,
}

/// A final, masked frame in the shortest form.
pub(crate) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame {
        first: FINAL | opcode,
        mask: Some([0x37, 0xfa, 0x21, 0x3d]),
        form: Form::Shortest,
        payload: payload.as_ref().to_vec(),
    }
}

impl Frame {
    pub(crate) fn more_follows(mut self) -> Self {
        self.first &= !FINAL;
        self
    }

    pub(crate) fn reserved(mut self, bits: u8) -> Self {
        self.first |= bits;
        self
    }

    pub(crate) fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    pub(crate) fn mask(mut self, mask: [u8; 4]) -> Self {
        self.mask = Some(mask);
        self
    }

    pub(crate) fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header(self.payload.len() as u64);
        let mask = self.mask.unwrap_or_default();
        let masked = self.payload.iter().zip(mask.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The header alone, with whatever length it claims.
    pub(crate) fn header(&self, length: u64) -> Vec<u8> {
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let mut bytes = vec![self.first];
        match (self.form, length) {
            (Form::Shortest, 0..=125) => bytes.push(masked | length as u8),
            (Form::Shortest, 126..=65_535) | (Form::Two, _) => {
                bytes.push(masked | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            (Form::Shortest | Form::Eight, _) => {
                bytes.push(masked | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend(self.mask.iter().flatten());
        bytes
    }
}

/// A close frame with a code and a reason.
pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Frame {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(reason.as_ref());
    frame(CLOSE, body)
}

/// One message, each piece a fragment.
pub(crate) fn fragments<'a>(
    opcode: u8,
    pieces: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
) -> Vec<u8> {
    let pieces = pieces.into_iter();
    let last = pieces.len() - 1;
    let mut bytes = Vec::new();
    for (n, piece) in pieces.enumerate() {
        let fragment = frame(if n == 0 { opcode } else { CONTINUATION }, piece);
        let fragment = if n == last {
            fragment
        } else {
            fragment.more_follows()
        };
        bytes.extend(fragment.bytes());
    }
    bytes
}
