//! Starts and stops the processes that tests need, and leaves none behind.
//!
//! Everything runs on loopback, on ports of its own, in a temporary directory, and is killed when
//! its value is dropped or when the test process dies. A program that is missing is a failure with
//! a sentence, never a skipped test. All calls block; they are meant for the thread of a test.

mod gateway;
mod haproxy;
mod http;
mod line_program;
mod link;
mod nginx;
mod nursery;
mod otlp;
mod port;
mod process;
mod program;
mod redis;
mod redis_proxy;
mod resp;
mod wait;

pub use gateway::{Gateway, GatewayOptions, gateway_binary};
pub use haproxy::Haproxy;
pub use http::{HttpReply, http_exchange, http_post, http_request};
pub use line_program::LineProgram;
pub use link::Link;
pub use nginx::Nginx;
pub use otlp::OtlpReceiver;
pub use port::Port;
pub use process::{Exit, Process};
pub use program::{checkout, program};
pub use redis::{Redis, RedisOptions};
pub use redis_proxy::{Meddling, RedisProxy, Seen, Which};
pub use wait::{START_TIMEOUT, wait_until};
