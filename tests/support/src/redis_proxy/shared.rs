//! What the proxy's threads share: the orders given to it, and what it has seen.

use std::{
    collections::HashMap,
    net::{Shutdown, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::meddling::{Meddling, Rules};

/// What went over a proxy so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Commands by name, in capitals; a function called by FCALL as the last word of its name, like
    /// `read` for `inkwire_1_0123abcd_read`.
    pub calls: HashMap<String, u64>,
    /// Announcements that were published to subscribers, whatever became of them.
    pub messages: u64,
    /// How many of them were meddled with.
    pub meddled: u64,
    /// Connections that were begun, and those of them that subscribe.
    pub connections: u64,
    pub subscribers: u64,
    /// When a subscription to a document was last confirmed.
    pub subscribed_at: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) is_closing: bool,
    /// Nothing passes, in either direction.
    pub(super) is_frozen: bool,
    /// Nothing is read from the server for subscribers.
    pub(super) subscribers_frozen: bool,
    /// How much longer the way of a subscriber's requests is than that of others.
    pub(super) subscribers_delay: Duration,
    /// Subscribers are not told that their subscriptions were taken.
    pub(super) confirmations_kept: bool,
    pub(super) commands_to: u16,
    pub(super) subscribers_to: u16,
    pub(super) rules: Rules,
    pub(super) seen: Seen,
    pub(super) connections: HashMap<u64, Connection>,
}

/// Both sockets of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sockets: Vec<TcpStream>,
    pub(super) is_subscriber: bool,
    pub(super) hearing: Hearing,
    /// A replica of Redis: what follows is no RESP.
    pub(super) is_raw: bool,
}

/// What a subscriber still gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    All,
    /// Answers, and nothing that was published.
    Deaf,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order, and wakes whoever waits for one.
    pub(super) fn order<T>(&self, order: impl FnOnce(&mut State) -> T) -> T {
        let done = order(&mut self.lock());
        self.changed.notify_all();
        done
    }

    /// Waits while this way is frozen. False once the connection was cut.
    pub(super) fn is_open(&self, id: u64, direction: Direction) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_closing {
                return false;
            }
            let Some(connection) = state.connections.get(&id) else {
                return false;
            };
            let is_to_subscriber = connection.is_subscriber && direction == Direction::ToClient;
            let is_held = state.is_frozen || (is_to_subscriber && state.subscribers_frozen);
            if !is_held {
                return true;
            }
            let waiting = self.changed.wait(state);
            state = waiting.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Cuts the connections that are meant; says how many.
    pub(super) fn cut(&self, is_meant: impl Fn(u64, &Connection) -> bool) -> usize {
        self.order(|state| {
            let before = state.connections.len();
            state.connections.retain(|id, connection| {
                let stays = !is_meant(*id, connection);
                if !stays {
                    connection.cut();
                }
                stays
            });
            before - state.connections.len()
        })
    }
}

impl State {
    /// A command on its way to the server.
    pub(super) fn see_request(&mut self, id: u64, words: &[&[u8]]) {
        let text = |n: usize| String::from_utf8_lossy(words.get(n).copied().unwrap_or_default());
        let command = text(0).to_ascii_uppercase();
        if let Some(connection) = self.connections.get_mut(&id)
            && matches!(command.as_str(), "SYNC" | "PSYNC")
        {
            connection.is_raw = true;
        }
        let name = match command.as_str() {
            "FCALL" | "FCALL_RO" => {
                let function = text(1);
                let last = function.rsplit('_').next().unwrap_or_default();
                last.to_owned()
            }
            _ => command,
        };
        *self.seen.calls.entry(name).or_default() += 1;
    }

    /// A frame on its way to a subscriber: what is to be done with it.
    pub(super) fn judge(&mut self, hearing: Hearing, words: &[&[u8]], frame: &[u8]) -> Verdict {
        let (Some(kind), Some(channel)) = (words.first(), words.get(1)) else {
            return Verdict::pass_unless(hearing == Hearing::Nothing);
        };
        let is_of_document = channel.ends_with(b"}:live");
        let is_confirmed = *kind == b"ssubscribe" && !self.confirmations_kept;
        if hearing == Hearing::All && is_confirmed && is_of_document {
            self.seen.subscribed_at = Some(Instant::now());
        }
        if *kind == b"ssubscribe" && self.confirmations_kept {
            return Verdict::Meddle(Meddling::Drop);
        }
        if *kind != b"smessage" {
            return Verdict::pass_unless(hearing == Hearing::Nothing);
        }
        if !is_of_document {
            return Verdict::pass_unless(hearing != Hearing::All);
        }
        self.seen.messages += 1;
        if hearing != Hearing::All {
            return Verdict::Meddle(Meddling::Drop);
        }
        match self.rules.judge(frame) {
            Some(meddling) => {
                self.seen.meddled += 1;
                Verdict::Meddle(meddling)
            }
            None => Verdict::PassMessage,
        }
    }
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// It passes, and what waits for a message to follow it comes now.
    PassMessage,
    Meddle(Meddling),
}

impl Verdict {
    fn pass_unless(is_dropped: bool) -> Self {
        if is_dropped {
            Self::Meddle(Meddling::Drop)
        } else {
            Self::Pass
        }
    }
}

impl Connection {
    fn cut(&self) {
        for socket in &self.sockets {
            // It may have ended by itself.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
