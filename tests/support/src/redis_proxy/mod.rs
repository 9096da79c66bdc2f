//! A proxy between one client of Redis and its Redis: it finds what is published and what is called,
//! and does to it what a bad day does.
//!
//! It knows the connections of subscribers by their name, and knows nothing of what a message says.

mod frame;
mod meddling;
mod pump;
mod shared;

use std::{
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use self::shared::{Hearing, Shared};
pub use self::{
    meddling::{Meddling, Which},
    shared::Seen,
};
use crate::port::Port;

/// A proxy on a port of its own; its connections end with it.
#[derive(Debug)]
pub struct RedisProxy {
    port: Port,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl RedisProxy {
    /// Leads to the Redis on this port.
    pub fn start(redis: u16) -> Result<Self> {
        let port = Port::reserve()?;
        let listener =
            TcpListener::bind(("127.0.0.1", port.number())).context("cannot listen as Redis")?;
        let shared = Arc::new(Shared::default());
        shared.order(|state| (state.commands_to, state.subscribers_to) = (redis, redis));
        let accepting = {
            let shared = shared.clone();
            thread::spawn(move || accept(&listener, &shared))
        };
        Ok(Self {
            port,
            shared,
            accepting: Some(accepting),
        })
    }

    /// `redis://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("redis://{}", self.port.address())
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn seen(&self) -> Seen {
        self.shared.lock().seen.clone()
    }

    /// How often this was called: see [`Seen::calls`].
    pub fn calls(&self, name: &str) -> u64 {
        let state = self.shared.lock();
        state.seen.calls.get(name).copied().unwrap_or(0)
    }

    /// From here on, this happens to these messages.
    pub fn meddle(&self, which: Which, meddling: Meddling) {
        self.shared.order(|state| state.rules.add(which, meddling));
    }

    /// Nothing more happens to messages.
    pub fn leave_alone(&self) {
        self.shared.order(|state| state.rules.clear());
    }

    /// New connections go to the Redis on this port. Those that there are stay; see [`Self::cut`].
    pub fn lead_to(&self, redis: u16) {
        self.shared
            .order(|state| (state.commands_to, state.subscribers_to) = (redis, redis));
    }

    /// The same for subscribers alone.
    pub fn lead_subscribers_to(&self, redis: u16) {
        self.shared.order(|state| state.subscribers_to = redis);
    }

    /// Cuts all connections; what was on its way is gone. Says how many.
    pub fn cut(&self) -> usize {
        self.shared.cut(|_, _| true)
    }

    pub fn cut_subscribers(&self) -> usize {
        self.shared.cut(|_, connection| connection.is_subscriber)
    }

    /// Today's subscribers get their answers and nothing that is published.
    pub fn deafen_subscribers(&self) {
        self.hear(Hearing::Deaf);
    }

    /// Today's subscribers get nothing at all; they stay connected.
    pub fn silence_subscribers(&self) {
        self.hear(Hearing::Nothing);
    }

    /// While this is so, no subscriber is told that a subscription was taken, also over connections that
    /// are new; answers and messages pass.
    pub fn keep_confirmations(&self, are_kept: bool) {
        self.shared
            .order(|state| state.confirmations_kept = are_kept);
    }

    /// Nothing passes in either direction, also over connections that are new. What was sent waits:
    /// a partition is this, and [`Self::cut`] before [`Self::thaw`].
    pub fn freeze(&self) {
        self.shared.order(|state| state.is_frozen = true);
    }

    /// Nothing is read from the server for subscribers, so that its buffers fill.
    pub fn freeze_subscribers(&self) {
        self.shared.order(|state| state.subscribers_frozen = true);
    }

    /// What subscribers say takes so much longer to the server than what others say.
    pub fn delay_subscribers(&self, time: Duration) {
        self.shared.order(|state| state.subscribers_delay = time);
    }

    pub fn thaw(&self) {
        self.shared
            .order(|state| (state.is_frozen, state.subscribers_frozen) = (false, false));
    }

    fn hear(&self, hearing: Hearing) {
        self.shared.order(|state| {
            let connections = state.connections.values_mut();
            for connection in connections.filter(|connection| connection.is_subscriber) {
                connection.hearing = hearing;
            }
        });
    }
}

impl Drop for RedisProxy {
    fn drop(&mut self) {
        self.shared.order(|state| state.is_closing = true);
        self.cut();
        // It is woken by a connection, and finds that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port.number()));
        if let Some(accepting) = self.accepting.take()
            && accepting.join().is_err()
        {
            eprintln!("the proxy of Redis on port {} failed", self.port.number());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Shared) {
    thread::scope(|scope| {
        for (id, client) in (0..).zip(listener.incoming()) {
            if shared.lock().is_closing {
                return;
            }
            let Ok(client) = client else { continue };
            scope.spawn(move || {
                // A Redis that is away is a connection that ends at once.
                let _ = pump::serve(shared, id, client);
                shared.cut(|other, _| other == id);
            });
        }
    });
}

#[cfg(test)]
mod tests;
