//! The cases, by the chapters of the protocol's text.

pub(crate) mod characters;
pub(crate) mod cookies;
pub(crate) mod ends;
pub(crate) mod eventsource;
pub(crate) mod greeting;
pub(crate) mod htmlfile;
pub(crate) mod http_versions;
pub(crate) mod iframe;
pub(crate) mod info;
pub(crate) mod jsonp;
pub(crate) mod session;
pub(crate) mod streaming;
pub(crate) mod urls;
pub(crate) mod websocket;
pub(crate) mod xhr;

/// Where the application echoes, and closes at once.
const ECHO: &str = "/echo";
const CLOSE: &str = "/close";
/// After so many octets a streaming answer of the example server ends.
const RESPONSE_LIMIT: usize = 4_096;
