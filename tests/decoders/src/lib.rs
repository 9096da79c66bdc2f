//! What must hold of each decoder that meets a stranger, besides that nothing panics and nothing hangs.
//!
//! Each module takes any bytes in a `check`. [`TARGETS`] names them: a fuzz target is one line that
//! calls one, and an ordinary test runs the corpus through all of them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what does not hold is to end the run"
)]

pub mod client_session;
pub mod comments;
pub mod door;
pub mod events;
pub mod messages;
pub mod names;
pub mod native;
pub mod native_session;
pub mod sockjs;
pub mod stomp;
pub mod websocket;

use inkwire_protocol::native::Encoding;

/// Takes any bytes, and panics if something does not hold.
pub type Check = fn(&[u8]);

/// The name of each target, as of its corpus, and what it runs.
pub const TARGETS: [(&str, Check); 19] = [
    ("client_session", client_session::check),
    ("comments", comments::check),
    ("event_streams", events::check),
    ("forwarded", door::check_forwarded),
    ("jwks", door::check_jwks),
    ("names", names::check),
    ("native_json", |bytes| {
        native::check_client(Encoding::Json, bytes);
    }),
    ("native_json_of_server", |bytes| {
        native::check_server(Encoding::Json, bytes);
    }),
    ("native_msgpack", |bytes| {
        native::check_client(Encoding::MessagePack, bytes);
    }),
    ("native_msgpack_of_server", |bytes| {
        native::check_server(Encoding::MessagePack, bytes);
    }),
    ("native_session", native_session::check),
    ("proxy_header", door::check_proxy_header),
    ("redis_record", inkwire_bus_redis::fuzzing::check),
    ("sockjs_payload", sockjs::check_payload),
    ("stomp_conversation", stomp::check_conversation),
    ("stomp_frames", stomp::check_frames),
    ("token", door::check_token),
    ("websocket_frames", websocket::check_frames),
    ("websocket_handshake", websocket::check_handshake),
];

/// Runs one target; a name that is none is a fault of the caller.
pub fn check(target: &str, bytes: &[u8]) {
    let (_, check) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    check(bytes);
}
