//! Queues in Redis: a stream with one consumer group for each; leases run on Redis's clock.

mod call;
mod content;

use std::{sync::Arc, time::Duration};

use fred::{
    clients::Client,
    interfaces::ClientLike as _,
    types::{ClusterHash, CustomCommand, Value},
};
use inkwire_bus::{
    LostLease, QueueFuture, QueueLimits, QueueListener, Queues, SendGroup, Sent, Turn, Turned,
    Unavailable,
};
use inkwire_model::QueueName;

use crate::{bus::RedisBus, reader};

/// Where messages are stored so that replicas have them, if that was asked for.
pub(crate) struct Confirmed {
    /// Redis looks at nothing else of this connection while it waits.
    pub(crate) client: Client,
    pub(crate) replicas: u32,
    pub(crate) patience: Duration,
}

impl Confirmed {
    /// Calls a function, and waits until the replicas have what it wrote.
    async fn call(&self, args: Vec<Value>) -> Result<Value, Unavailable> {
        let reply = reader::call(&self.client, || args.clone()).await;
        let reply = reply.map_err(|error| unavailable(&error))?;
        let patience_ms = i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX);
        let wait = CustomCommand::new_static("WAIT", ClusterHash::Random, false);
        let args: Vec<Value> = vec![i64::from(self.replicas).into(), patience_ms.into()];
        let confirmed: i64 = match self.client.custom(wait, args).await {
            Ok(confirmed) => confirmed,
            Err(error) => return Err(unavailable(&error)),
        };
        match confirmed >= i64::from(self.replicas) {
            true => Ok(reply),
            false => Err(Unavailable),
        }
    }
}

fn unavailable(error: &fred::error::Error) -> Unavailable {
    tracing::debug!(%error, "a queue's call failed");
    Unavailable
}

impl Queues for RedisBus {
    fn follow(&self, queue: &QueueName, listener: Arc<dyn QueueListener>) {
        self.wakes.follow(queue, listener);
    }

    fn unfollow(&self, queue: &QueueName) {
        self.wakes.unfollow(queue);
    }

    fn send(&self, queue: &QueueName, groups: Vec<SendGroup>) -> QueueFuture<Vec<Sent>> {
        let args = call::send(&self.keys, queue, &groups, &self.queue_limits);
        let (client, confirmed) = (self.side.clone(), self.confirmed.clone());
        let is_available = self.link.is_available();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            let reply = match confirmed {
                Some(confirmed) => confirmed.call(args).await?,
                None => {
                    let reply = reader::call(&client, || args.clone()).await;
                    reply.map_err(|error| unavailable(&error))?
                }
            };
            let sent = call::sent(reply).filter(|sent| sent.len() == groups.len());
            sent.ok_or_else(not_understood)
        })
    }

    fn turn(&self, queue: &QueueName, turn: Turn) -> QueueFuture<Result<Turned, LostLease>> {
        let args = call::turn(&self.keys, queue, &turn, &self.queue_limits);
        let (client, is_available) = (self.side.clone(), self.link.is_available());
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            let reply = reader::call(&client, || args.clone()).await;
            match reply.map_err(|error| unavailable(&error))? {
                Value::Null => Ok(Err(LostLease)),
                reply => {
                    let turned = call::turned(reply);
                    let turned = turned.filter(|t| t.receivers.len() == turn.receivers.len());
                    turned.map(Ok).ok_or_else(not_understood)
                }
            }
        })
    }

    fn limits(&self) -> QueueLimits {
        self.queue_limits
    }
}

fn not_understood() -> Unavailable {
    tracing::error!("the answer of a queue was not understood");
    Unavailable
}
