//! One flush: calls of different documents in one pipeline, at most one `WAIT` behind them.
//!
//! Whatever is not a reply of the function is an unknown outcome. A call is sent again only if Redis
//! itself said that it does not have the function, for then nothing was executed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::{
    clients::Client,
    error::Error,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};

use super::Connection;
use crate::{append_call::AppendCall, functions, review::index_command};

/// Replicas that have to confirm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) replicas: u32,
    pub(crate) timeout_ms: u32,
}

/// The outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

pub(crate) struct Flight {
    pub(crate) connection: Connection,
    /// Each with the time that is left of it.
    pub(crate) calls: Vec<(AppendCall, Lifetime)>,
    pub(crate) signals: Vec<(String, Bytes)>,
    /// The index of outboxes, told before the appends.
    pub(crate) index: String,
    pub(crate) wait: Option<Wait>,
    /// How long the flight may wait for its server's clock.
    pub(crate) patience: Duration,
}

/// When a call may still be executed: so long after this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    pub(crate) since: Instant,
    pub(crate) time: Duration,
}

impl Flight {
    /// The calls with their replies.
    pub(crate) async fn fly(self) -> Vec<(AppendCall, Result<Value, Unknown>)> {
        let Self {
            connection: Connection { client, clock },
            calls,
            signals,
            index,
            wait,
            patience,
        } = self;
        let now = tokio::time::timeout(patience, clock.server_time(&client)).await;
        let Ok(now) = now else {
            tracing::debug!("appends were not sent: the clock of their server is not known");
            let unsent = calls.into_iter().map(|(call, _)| (call, Err(Unknown)));
            return unsent.collect();
        };
        let due = |(mut call, Lifetime { since, time }): (AppendCall, Lifetime)| {
            call.expire_at((now + time).saturating_sub(since.elapsed()));
            call
        };
        let calls: Vec<AppendCall> = calls.into_iter().map(due).collect();
        let index = (index.as_str(), now);
        let mut replies = send(&client, &calls, &signals, index, wait).await;

        let missing: Vec<bool> = replies.iter().map(is_missing).collect();
        if missing.contains(&true) && load(&client).await {
            let (again, places): (Vec<AppendCall>, Vec<usize>) = calls
                .iter()
                .zip(&missing)
                .enumerate()
                .filter(|(_, (_, missing))| **missing)
                .map(|(at, (call, _))| (call.again(), at))
                .unzip();
            let repeated = send(&client, &again, &[], index, wait).await;
            for (at, reply) in places.into_iter().zip(repeated) {
                if let Some(place) = replies.get_mut(at) {
                    *place = reply;
                }
            }
        }
        let known = |reply: Reply| reply.map_err(|_| Unknown);
        calls
            .into_iter()
            .zip(replies.into_iter().map(known))
            .collect()
    }
}

/// Waits until replicas have what was written over this connection so far.
pub(super) async fn confirm(client: &Client, wait: Wait) -> Result<(), Unknown> {
    let count: Result<u32, Error> = client.custom(wait_command(), wait.args()).await;
    match count {
        Ok(count) if count >= wait.replicas => Ok(()),
        Ok(count) => {
            tracing::warn!(count, "too few replicas confirmed");
            Err(Unknown)
        }
        Err(_) => Err(Unknown),
    }
}

type Reply = Result<Value, Option<Error>>;

/// One reply for each call.
async fn send(
    client: &Client,
    calls: &[AppendCall],
    signals: &[(String, Bytes)],
    (index, now): (&str, Duration),
    wait: Option<Wait>,
) -> Vec<Reply> {
    let unknown = || calls.iter().map(|_| Err(None)).collect();
    let pipeline = client.pipeline();
    let mut commands = 0;
    let mut put = async |command: CustomCommand, args: Vec<Value>| {
        commands += 1;
        pipeline.custom::<Value, Value>(command, args).await.is_ok()
    };
    let reviewed: Vec<_> = calls
        .iter()
        .filter(|call| call.reviews())
        .map(|call| &call.document)
        .collect();
    let is_indexed = !reviewed.is_empty();
    if is_indexed {
        let (command, args) = index_command(index, &reviewed, now);
        if !put(command, args).await {
            return unknown();
        }
    }
    for call in calls {
        if !put(functions::fcall(), call.args.clone()).await {
            return unknown();
        }
    }
    for (channel, message) in signals {
        let publish = CustomCommand::new_static("SPUBLISH", ClusterHash::Random, false);
        let args = vec![channel.as_str().into(), message.clone().into()];
        if !put(publish, args).await {
            return unknown();
        }
    }
    if let Some(wait) = wait
        && !put(wait_command(), wait.args()).await
    {
        return unknown();
    }

    let mut replies = pipeline.try_all::<Value>().await;
    if replies.len() != commands {
        // One error for the whole pipeline: it was cut, timed out, or never went.
        if let Some(Err(error)) = replies.first() {
            tracing::debug!(%error, "appends of unknown outcome");
        }
        return unknown();
    }
    if is_indexed {
        // Where it stands there is nothing to know of: an append that was not announced is drained here.
        drop(replies.remove(0));
    }
    if let Some(wait) = wait {
        let confirmed = replies
            .pop()
            .and_then(Result::ok)
            .and_then(|count| count.as_u64());
        if confirmed.is_none_or(|count| count < wait.replicas.into()) {
            tracing::warn!(?confirmed, "too few replicas confirmed");
            let keep_missing = |reply: Result<Value, Error>| match reply {
                Err(error) if functions::is_missing(&error) => Err(Some(error)),
                _ => Err(None),
            };
            return replies
                .into_iter()
                .take(calls.len())
                .map(keep_missing)
                .collect();
        }
    }
    replies
        .into_iter()
        .take(calls.len())
        .map(|reply| reply.map_err(Some))
        .collect()
}

async fn load(client: &Client) -> bool {
    let loaded = functions::load(client).await;
    if let Err(error) = &loaded {
        tracing::warn!(%error, "the functions could not be loaded");
    }
    loaded.is_ok()
}

fn is_missing(reply: &Reply) -> bool {
    matches!(reply, Err(Some(error)) if functions::is_missing(error))
}

fn wait_command() -> CustomCommand {
    CustomCommand::new_static("WAIT", ClusterHash::Random, false)
}

impl Wait {
    fn args(self) -> Vec<Value> {
        vec![self.replicas.into(), self.timeout_ms.into()]
    }
}
