//! Frames in, of either side: however the octets are cut, the same frames come out, and no octet is
//! looked at more than a few times.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::{Command, Fault, Frame, Headers, Version, escape::unescape};

/// How large a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderLimits {
    pub headers_max: usize,
    /// Of the command or of one header, without its line end.
    pub line_bytes_max: usize,
    /// Of all headers together.
    pub head_bytes_max: usize,
    pub body_bytes_max: usize,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self {
            headers_max: 64,
            // A token stands in one header.
            line_bytes_max: 16 * 1024,
            head_bytes_max: 32 * 1024,
            body_bytes_max: 2 * 1024 * 1024,
        }
    }
}

/// A smaller body is copied: it may live long, and would keep the whole read buffer alive.
const SHARED_BODY_BYTES_MIN: usize = 16 * 1024;

/// Takes whole frames off the front of a buffer that the caller fills.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    /// Until it is settled, lines may end either way and nothing is escaped: only CONNECT, CONNECTED
    /// and ERROR come before.
    version: Option<Version>,
    place: Place,
    /// How much of the buffer is known not to hold what is looked for.
    scanned: usize,
    headers: Headers,
    /// What the lines so far took.
    head_bytes: usize,
}

/// What the next octet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Head(Command),
    /// With the length that was given.
    Body(Command, Option<usize>),
    /// Behind a fault nothing can be told apart any more.
    Over,
}

impl Decoder {
    pub fn new(limits: DecoderLimits) -> Self {
        Self {
            limits,
            version: None,
            place: Place::Between,
            scanned: 0,
            headers: Headers::new(),
            head_bytes: 0,
        }
    }

    /// From the next frame on.
    pub fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// The next whole frame, taken off `bytes`. What is left belongs to a frame that is not whole: the
    /// next call is to find it in the same place with more behind it. Behind a fault everything is
    /// dropped.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, Fault> {
        let result = self.take_frame(bytes);
        if result.is_err() {
            self.place = Place::Over;
        }
        if self.place == Place::Over {
            bytes.clear();
        }
        result
    }

    /// The receipt that the frame with a fault asked for, as far as it was read.
    pub fn receipt(&self) -> Option<&str> {
        self.headers.get("receipt")
    }

    fn take_frame(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, Fault> {
        loop {
            let is_whole = match self.place {
                Place::Between => self.take_command(bytes)?,
                Place::Head(command) => self.take_header(command, bytes)?,
                Place::Body(command, length) => return self.take_body(command, length, bytes),
                Place::Over => false,
            };
            if !is_whole {
                return Ok(None);
            }
        }
    }

    fn take_command(&mut self, bytes: &mut BytesMut) -> Result<bool, Fault> {
        self.skip_line_ends(bytes);
        let Some(length) = self.find_line(bytes)? else {
            return Ok(false);
        };
        let line = self.line(bytes, length);
        let command = Command::parse(line).ok_or_else(|| unknown(line))?;
        bytes.advance(length + 1);
        self.headers = Headers::new();
        self.head_bytes = 0;
        self.place = Place::Head(command);
        Ok(true)
    }

    /// Between frames any number of line ends may stand, as heart-beats or for the eye.
    fn skip_line_ends(&mut self, bytes: &mut BytesMut) {
        loop {
            let line_feeds = bytes.iter().take_while(|byte| **byte == b'\n').count();
            bytes.advance(line_feeds);
            if !self.has_crlf() || !bytes.starts_with(b"\r\n") {
                break;
            }
            bytes.advance(2);
            self.scanned = 0;
        }
    }

    fn take_header(&mut self, command: Command, bytes: &mut BytesMut) -> Result<bool, Fault> {
        let Some(length) = self.find_line(bytes)? else {
            return Ok(false);
        };
        let line = self.line(bytes, length);
        if line.is_empty() {
            bytes.advance(length + 1);
            self.place = Place::Body(command, self.body_length(command)?);
            return Ok(true);
        }
        self.head_bytes += length + 1;
        if self.head_bytes > self.limits.head_bytes_max {
            let max = self.limits.head_bytes_max;
            return Err(Fault::HeadTooLarge { max });
        }
        if self.headers.len() == self.limits.headers_max {
            let max = self.limits.headers_max;
            return Err(Fault::TooManyHeaders { max });
        }
        let line = std::str::from_utf8(line).map_err(|_| Fault::NotText)?;
        let (name, value) = line.split_once(':').ok_or(Fault::NoColon)?;
        let version = self.version.unwrap_or(Version::V1_0);
        let is_verbatim = command.is_verbatim() || self.version.is_none();
        // The examples of 1.0 have a space behind the colon.
        let (name, value) = if version == Version::V1_0 && !is_verbatim {
            (name.trim_ascii(), value.trim_ascii())
        } else {
            (name, value)
        };
        if name.is_empty() {
            return Err(Fault::NoName);
        }
        if is_verbatim {
            self.headers.push(name, value);
        } else {
            let decode = |text: &str, out: &mut String| unescape(text, version, out);
            self.headers.push_decoded(name, value, decode)?;
        }
        bytes.advance(length + 1);
        Ok(true)
    }

    /// What the headers say about the body, checked before any of it is waited for.
    fn body_length(&self, command: Command) -> Result<Option<usize>, Fault> {
        let length = match self.headers.get("content-length") {
            Some(text) => Some(parse_length(text)?),
            None => None,
        };
        match length {
            Some(length) if length > 0 && !command.has_body() => {
                Err(Fault::UnexpectedBody(command))
            }
            Some(length) if length > self.limits.body_bytes_max => Err(self.body_too_large()),
            _ if !command.has_body() => Ok(Some(0)),
            _ => Ok(length),
        }
    }

    fn take_body(
        &mut self,
        command: Command,
        length: Option<usize>,
        bytes: &mut BytesMut,
    ) -> Result<Option<Frame>, Fault> {
        let length = match length {
            Some(length) => match bytes.get(length) {
                Some(0) => length,
                Some(_) if !command.has_body() => return Err(Fault::UnexpectedBody(command)),
                Some(_) => return Err(Fault::NoNul),
                None => return Ok(None),
            },
            None => match self.find(bytes, |rest| memchr(0, rest)) {
                found if found.unwrap_or(bytes.len()) > self.limits.body_bytes_max => {
                    return Err(self.body_too_large());
                }
                Some(length) => length,
                None => return Ok(None),
            },
        };
        let body = if length < SHARED_BODY_BYTES_MIN {
            let body = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
            bytes.advance(length);
            body
        } else {
            bytes.split_to(length).freeze()
        };
        bytes.advance(1);
        self.place = Place::Between;
        Ok(Some(Frame {
            command,
            headers: std::mem::take(&mut self.headers),
            body,
        }))
    }

    /// Where the line at the front ends, if it does.
    fn find_line(&mut self, bytes: &BytesMut) -> Result<Option<usize>, Fault> {
        let found = self.find(bytes, |rest| memchr2(b'\n', 0, rest));
        // A CR before the line end is not counted, as it may not belong to the line.
        if found.unwrap_or(bytes.len()) > self.limits.line_bytes_max + 1 {
            let max = self.limits.line_bytes_max;
            return Err(Fault::LineTooLong { max });
        }
        match found {
            Some(at) if bytes.get(at) == Some(&0) => Err(Fault::NulInHead),
            found => Ok(found),
        }
    }

    /// Looks only at what was not looked at before.
    fn find(&mut self, bytes: &BytesMut, search: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        let rest = bytes.get(self.scanned..).unwrap_or_default();
        let found = search(rest).map(|at| self.scanned + at);
        self.scanned = if found.is_some() { 0 } else { bytes.len() };
        found
    }

    /// The first `length` octets, less the CR of a line end.
    fn line<'b>(&self, bytes: &'b BytesMut, length: usize) -> &'b [u8] {
        let line = bytes.get(..length).unwrap_or_default();
        match line.strip_suffix(b"\r") {
            Some(stripped) if self.has_crlf() => stripped,
            _ => line,
        }
    }

    fn has_crlf(&self) -> bool {
        self.version.is_none_or(Version::has_crlf)
    }

    fn body_too_large(&self) -> Fault {
        Fault::BodyTooLarge {
            max: self.limits.body_bytes_max,
        }
    }
}

/// Digits alone. More of them than fit are more than any limit.
fn parse_length(text: &str) -> Result<usize, Fault> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::ContentLength);
    }
    Ok(text.parse().unwrap_or(usize::MAX))
}

/// Shows the start of what may be anything.
fn unknown(line: &[u8]) -> Fault {
    let shown = line.get(..32).unwrap_or(line);
    Fault::UnknownCommand(shown.escape_ascii().to_string())
}
