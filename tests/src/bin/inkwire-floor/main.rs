//! The least that a relay can cost: what the benches divide by.
//!
//! One thread, epoll, entries encoded once, and per batch of events one vectored write for each
//! connection that something is due to. It speaks just enough of the native protocol for
//! `inkwire-load bench` to drive it like a replica: any token, any document, one history with no
//! hashes, nothing checked, nothing resumed. With `--redis` entries take the way of two replicas:
//! gathered for half a millisecond, one call each of HINCRBY + XADD + SPUBLISH, and heard back.

mod connection;
mod frame;
mod node;
mod redis;
mod words;

use std::net::SocketAddr;

use clap::Parser;

#[derive(Parser)]
#[command(about = "The least that a relay can cost, to measure the gateway against")]
struct Options {
    /// Where clients connect.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Relays through this Redis; without it entries stay in the process.
    #[arg(long)]
    redis: Option<SocketAddr>,
    /// How long entries gather while a call is on its way.
    #[arg(long, default_value_t = 500)]
    gather_us: u32,
}

fn main() -> anyhow::Result<()> {
    let Options {
        listen,
        redis,
        gather_us,
    } = Options::parse();
    let relay = redis
        .map(|address| redis::Relay::connect(address, gather_us))
        .transpose()?;
    node::Node::bind(listen, relay)?.run()
}
