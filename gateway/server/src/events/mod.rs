//! Event streams (`text/event-stream`): a request becomes a session that only speaks. What a client may
//! ask and who it is, is settled before the head of the answer; what happens later is told in the stream.

mod answer;
mod ask;
mod body;
mod cookie;
mod cors;
mod routes;
mod socket;

pub use routes::routes;
