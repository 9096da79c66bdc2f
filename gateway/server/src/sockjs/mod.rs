//! SockJS 0.3.3 without sticky sessions: any replica may receive any request of a session. The session
//! lives on the replica that opened it; a request finds it through [`reach::Session`] and does not know
//! where that is.

pub mod attachment;
pub mod principal;
pub mod reach;
pub mod relay;
pub mod session_key;
