//! RFC 6455 framing.
