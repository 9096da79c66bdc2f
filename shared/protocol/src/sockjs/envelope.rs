//! What each transport puts before the first frame and around every one.

use bytes::Bytes;

use super::Callback;

/// How a receiving request over HTTP gets its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// One frame a response.
    Xhr,
    XhrStreaming,
    EventSource,
    HtmlFile(Callback),
    /// One frame a response.
    Jsonp(Callback),
}

/// Internet Explorer shows nothing of a response before 2 KiB of it came.
const STREAMING_PRELUDE: [u8; 2049] = {
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

/// Safari parses no page before 1 KiB of it came.
const HTML_PRELUDE_BYTES: usize = 1024;

impl Envelope {
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Xhr | Self::XhrStreaming | Self::Jsonp(_) => {
                "application/javascript; charset=UTF-8"
            }
            Self::EventSource => "text/event-stream",
            Self::HtmlFile(_) => "text/html; charset=UTF-8",
        }
    }

    /// Whether a response carries more than one frame.
    pub fn is_streaming(&self) -> bool {
        !matches!(self, Self::Xhr | Self::Jsonp(_))
    }

    /// What comes before the first frame, in a chunk of its own; empty where nothing does.
    pub fn prelude(&self) -> Bytes {
        match self {
            Self::Xhr | Self::Jsonp(_) => Bytes::new(),
            Self::XhrStreaming => Bytes::from_static(&STREAMING_PRELUDE),
            // Opera misses the first line.
            Self::EventSource => Bytes::from_static(b"\r\n"),
            Self::HtmlFile(callback) => html_prelude(callback),
        }
    }

    /// One frame as it is sent.
    pub fn wrap(&self, frame: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(frame.len() + frame.len() / 8 + 64);
        match self {
            Self::Xhr | Self::XhrStreaming => {
                out.extend_from_slice(frame);
                out.push(b'\n');
            }
            Self::EventSource => {
                out.extend_from_slice(b"data: ");
                replace_into(&mut out, frame, percent_encoded);
                out.extend_from_slice(b"\r\n\r\n");
            }
            Self::HtmlFile(_) => {
                out.extend_from_slice(b"<script>\np(\"");
                replace_into(&mut out, frame, quoted_in_html);
                out.extend_from_slice(b"\");\n</script>\r\n");
            }
            Self::Jsonp(callback) => {
                // What begins with a name that the client chose could be taken for another format.
                out.extend_from_slice(b"/**/");
                out.extend_from_slice(callback.as_str().as_bytes());
                out.extend_from_slice(b"(\"");
                replace_into(&mut out, frame, quoted);
                out.extend_from_slice(b"\");\r\n");
            }
        }
        out.into()
    }
}

/// Appends `frame` with the octets replaced for which there is something else.
fn replace_into(out: &mut Vec<u8>, frame: &[u8], other: fn(u8) -> Option<&'static [u8]>) {
    let mut rest = frame;
    while let Some((at, replaced)) = (0..)
        .zip(rest)
        .find_map(|(at, byte)| Some((at, other(*byte)?)))
    {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(replaced);
        rest = from.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The client takes it back by `decodeURI`, so a `%` of the frame's own is one of these.
fn percent_encoded(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'%' => Some(b"%25"),
        b'\r' => Some(b"%0D"),
        b'\n' => Some(b"%0A"),
        0 => Some(b"%00"),
        _ => None,
    }
}

/// As the text of a script. A frame has no control characters: those of messages are escaped in it.
fn quoted(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"\\\""),
        b'\\' => Some(b"\\\\"),
        _ => None,
    }
}

/// As the text of a script inside a page, which a `</script>` in a message would end.
fn quoted_in_html(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'<' => Some(b"\\u003c"),
        _ => quoted(byte),
    }
}

fn html_prelude(callback: &Callback) -> Bytes {
    let mut page = format!(
        "<!doctype html>
<html><head>
  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />
  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{callback};
    c.start();
    function p(d) {{c.message(d);}};
    window.onload = function() {{c.stop();}};
  </script>
"
    )
    .into_bytes();
    page.resize(page.len().max(HTML_PRELUDE_BYTES), b' ');
    page.extend_from_slice(b"\r\n\r\n");
    page.into()
}
