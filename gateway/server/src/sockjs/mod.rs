//! SockJS 0.3.3 without sticky sessions: any replica may receive any request of a session. The session
//! lives on the replica that opened it; a request finds it through [`reach::Session`] and does not know
//! where that is.

pub mod attachment;
mod gate;
mod headers;
pub mod local;
pub mod mount;
pub mod principal;
pub mod reach;
mod receive;
pub mod relay;
pub mod request_body;
mod response;
mod routes;
mod send;
pub mod session_key;
mod target;
mod websocket;

pub use gate::SockJs;
pub use routes::routes;
