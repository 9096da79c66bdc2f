//! `Target`: what a path below a base path means. Everything else is not there.

use http::Method;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Greeting,
    Info,
    Iframe,
    RawWebSocket,
    Session {
        server: &'a str,
        session: &'a str,
        transport: Transport,
    },
}

/// What a request does in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    Xhr,
    XhrSend,
    XhrStreaming,
    EventSource,
    HtmlFile,
    Jsonp,
    JsonpSend,
}

impl Transport {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "websocket" => Self::WebSocket,
            "xhr" => Self::Xhr,
            "xhr_send" => Self::XhrSend,
            "xhr_streaming" => Self::XhrStreaming,
            "eventsource" => Self::EventSource,
            "htmlfile" => Self::HtmlFile,
            "jsonp" => Self::Jsonp,
            "jsonp_send" => Self::JsonpSend,
            _ => return None,
        })
    }
}

impl<'a> Target<'a> {
    /// What stands behind the base path, with its slash.
    pub(super) fn parse(rest: &'a str) -> Option<Self> {
        match rest {
            "" | "/" => return Some(Self::Greeting),
            "/info" => return Some(Self::Info),
            "/websocket" => return Some(Self::RawWebSocket),
            _ => {}
        }
        let rest = rest.strip_prefix('/')?;
        if is_iframe(rest) {
            return Some(Self::Iframe);
        }
        let mut parts = rest.split('/');
        let (server, session, name) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self::Session {
            server,
            session,
            transport: Transport::parse(name)?,
        })
    }

    /// The methods that it takes, as `Allow` has them.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Greeting | Self::Iframe | Self::RawWebSocket => "GET",
            Self::Info => "OPTIONS, GET",
            Self::Session { transport, .. } => match transport {
                Transport::WebSocket => "GET",
                Transport::EventSource | Transport::HtmlFile | Transport::Jsonp => "OPTIONS, GET",
                Transport::Xhr
                | Transport::XhrSend
                | Transport::XhrStreaming
                | Transport::JsonpSend => "OPTIONS, POST",
            },
        }
    }

    pub(super) fn allows(self, method: &Method) -> bool {
        self.allowed()
            .split(", ")
            .any(|allowed| allowed == method.as_str())
    }
}

/// `iframe.html`, and with a version in its name.
fn is_iframe(name: &str) -> bool {
    let version = name
        .strip_prefix("iframe")
        .and_then(|rest| rest.strip_suffix(".html"));
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_')
    };
    version.is_some_and(|version| version.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_others() {
        for (path, expected) in [
            ("", Target::Greeting),
            ("/", Target::Greeting),
            ("/info", Target::Info),
            ("/websocket", Target::RawWebSocket),
            ("/iframe.html", Target::Iframe),
            ("/iframe-.html", Target::Iframe),
            ("/iframe-0.1.2abc-dirty.2144.html", Target::Iframe),
        ] {
            assert_eq!(Target::parse(path), Some(expected), "{path}");
        }
        assert_eq!(
            Target::parse("/000/a%20b/xhr_streaming"),
            Some(Target::Session {
                server: "000",
                session: "a%20b",
                transport: Transport::XhrStreaming
            })
        );
        for path in [
            "/a",
            "/a.html",
            "//",
            "///",
            "/a/a",
            "/a/a/",
            "/iframe.htm",
            "/iframe",
            "/IFRAME.HTML",
            "/iframe.HTML",
            "/iframe-/.html",
            "/a/b/c/xhr",
            "/a/b/xhr/",
            "/info/",
            "info",
        ] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }

    #[test]
    fn methods() {
        let xhr = Target::parse("/a/b/xhr").unwrap();
        assert!(xhr.allows(&Method::POST) && xhr.allows(&Method::OPTIONS));
        assert!(!xhr.allows(&Method::GET));
        assert!(Target::Iframe.allows(&Method::GET) && !Target::Iframe.allows(&Method::OPTIONS));
    }
}
