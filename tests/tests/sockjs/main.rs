//! SockJS 0.3.3, case by case from the protocol's text, against the example server: one process, and
//! three behind a splitter that sends each connection to the next.
//!
//! Each case is named after what it looks at; the chapters are those of the protocol's text.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "here a panic is a test that fails"
)]

mod cases;
mod http;
mod server;
mod websocket;

use server::Servers;

/// Makes one test of each case in each setting.
macro_rules! everywhere {
    ($($chapter:ident: $($case:ident)*;)*) => {
        mod one_process {
            $(mod $chapter { $(#[test] fn $case() {
                crate::cases::$chapter::$case(&crate::Servers::one());
            })* })*
        }
        mod three_in_turn {
            $(mod $chapter { $(#[test] fn $case() {
                crate::cases::$chapter::$case(&crate::Servers::three_in_turn());
            })* })*
        }
    };
}

everywhere! {
    greeting: greeting nothing_elsewhere;
    iframe: body caching invalid_names;
    info: fields entropy preflight origins disabled_websocket;
    urls: any_value invalid_parts the_server_part_is_ignored;
    session: simple closing methods;
    websocket: refused_handshakes echo closed_by_the_application empty_and_broken_messages
        raw_echo raw_closed disabled firefox_connection_header;
    xhr: preflight polling unknown_session broken_payloads content_types request_headers empty_array;
    streaming: preflight prelude_and_frames response_limit;
    eventsource: frames characters response_limit;
    htmlfile: frames callback response_limit;
    jsonp: frames callback_is_wanted callbacks_that_are_none sends broken_payloads close;
    cookies: basic every_transport echo;
    ends: close_frame second_receiver interrupted_streaming interrupted_polling;
    http_versions: old_polling old_streaming kept_connection each_frame_a_chunk;
    characters: killers_are_escaped every_character_comes_back;
}
