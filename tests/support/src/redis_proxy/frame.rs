//! Where a frame of RESP 2 or 3 ends, and the strings that stand at its top: nothing else of it.

/// Bytes that are no RESP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed;

/// How long the first frame in `bytes` is; `None` while it is not there in whole.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let (mut at, mut pending) = (0_usize, 1_usize);
    while pending > 0 {
        let Some(line) = bytes.get(at..).and_then(line) else {
            return Ok(None);
        };
        let (kind, count) = line.split_first().ok_or(Malformed)?;
        at += line.len() + 2;
        pending -= 1;
        match kind {
            b'$' | b'!' | b'=' => {
                if let Some(content) = number(count)? {
                    at += content + 2;
                }
            }
            b'*' | b'~' | b'>' => pending += number(count)?.unwrap_or(0),
            b'%' => pending += 2 * number(count)?.unwrap_or(0),
            // Attributes come before the frame that they belong to.
            b'|' => pending += 2 * number(count)?.unwrap_or(0) + 1,
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
            _ => return Err(Malformed),
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// The same for a request, which may also be words on a line.
pub(super) fn request_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes.first() {
        Some(b'*') | None => length(bytes),
        Some(_) => Ok(line(bytes).map(|line| line.len() + 2)),
    }
}

/// The first `most` words of a request.
pub(super) fn words(request: &[u8], most: usize) -> Vec<&[u8]> {
    match request.first() {
        Some(b'*') => strings(request, most),
        _ => {
            let words = request.split(u8::is_ascii_whitespace);
            words.filter(|word| !word.is_empty()).take(most).collect()
        }
    }
}

/// The first `most` strings of an array or a push; none if the frame is something else.
pub(super) fn strings(frame: &[u8], most: usize) -> Vec<&[u8]> {
    let mut strings = Vec::new();
    let Some((b'*' | b'>', _)) = frame.split_first() else {
        return strings;
    };
    let mut rest = line(frame).and_then(|line| frame.get(line.len() + 2..));
    while let Some(bytes) = rest
        && strings.len() < most
        && let Ok(Some(length)) = length(bytes)
        && let Some(element) = bytes.get(..length)
    {
        strings.push(content(element));
        rest = bytes.get(length..);
    }
    strings
}

/// What stands in a string; nothing for any other frame.
fn content(element: &[u8]) -> &[u8] {
    let Some((b'$', _)) = element.split_first() else {
        return &[];
    };
    let begins = line(element).map_or(0, |line| line.len() + 2);
    let ends = element.len().saturating_sub(2);
    element.get(begins..ends).unwrap_or_default()
}

/// Up to the next CRLF.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    bytes.get(..end)
}

/// A count; `None` for the -1 of what is not there.
fn number(digits: &[u8]) -> Result<Option<usize>, Malformed> {
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    if text == "-1" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &[u8] = b">3\r\n$8\r\nsmessage\r\n$4\r\nlive\r\n$4\r\na\r\nb\r\n";

    #[test]
    fn a_frame_ends_where_it_ends_and_not_before() {
        for frame in [
            PUSH,
            b"+OK\r\n",
            b":12\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"_\r\n",
            b"*2\r\n*1\r\n$1\r\na\r\n%1\r\n+k\r\n:1\r\n",
            b"|1\r\n+ttl\r\n:3\r\n$2\r\n\r\n\r\n",
        ] {
            let followed = [frame, b"+next\r\n"].concat();
            assert_eq!(length(&followed), Ok(Some(frame.len())));
            for end in 0..frame.len() {
                assert_eq!(length(&frame[..end]), Ok(None), "{end}");
            }
        }
        assert_eq!(length(b"nonsense\r\n"), Err(Malformed));
        assert_eq!(length(b"$x\r\n"), Err(Malformed));
    }

    #[test]
    fn a_request_may_be_words_on_a_line() {
        let inline = b"HELLO 3\r\nPING\r\n";
        assert_eq!(request_length(inline), Ok(Some(9)));
        assert_eq!(request_length(&inline[..8]), Ok(None));
        assert_eq!(words(&inline[..9], 9), [&b"HELLO"[..], b"3"]);
        let array = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        assert_eq!(request_length(array), Ok(Some(array.len())));
        assert_eq!(words(array, 1), [b"GET"]);
    }

    #[test]
    fn strings_may_hold_anything() {
        let parts: [&[u8]; 3] = [b"smessage", b"live", b"a\r\nb"];
        assert_eq!(strings(PUSH, 9), parts);
        assert_eq!(strings(PUSH, 2), parts[..2]);
        assert!(strings(b"+OK\r\n", 9).is_empty());
        assert_eq!(strings(b"*2\r\n:1\r\n$1\r\nx\r\n", 9), [&b""[..], b"x"]);
    }
}
