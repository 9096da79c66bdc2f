//! Queues in Redis: a stream with one consumer group for each; leases run on Redis's clock.

mod call;
mod content;

use std::{sync::Arc, time::Duration};

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike as _,
    types::{ClusterHash, CustomCommand, Value},
};
use inkwire_bus::{
    LostLease, QueueFuture, QueueLimits, QueueListener, Queues, SendGroup, Sent, Turn, Turned,
    Unavailable,
};
use inkwire_model::QueueName;

use crate::{bus::RedisBus, functions, reader};

/// Where messages are stored so that replicas have them, if that was asked for.
pub(crate) struct Confirmed {
    /// Redis looks at nothing else of this connection while it waits.
    pub(crate) client: Client,
    pub(crate) replicas: u32,
    pub(crate) patience: Duration,
}

impl Confirmed {
    /// Calls a function, and waits until the replicas have what it wrote.
    pub(crate) async fn call(&self, args: Vec<Value>) -> Result<Value, Unavailable> {
        let reply = match self.write(args.clone()).await {
            Err(error) if functions::is_missing(&error) => {
                let loaded = functions::load(&self.client).await;
                loaded.map_err(|error| unavailable(&error))?;
                self.write(args).await
            }
            reply => reply,
        };
        reply.map_err(|error| unavailable(&error))
    }

    /// One pipeline, so that the connection that waits is the one that wrote: after a failover another
    /// one has nothing to wait for, and would say so at once (C3).
    async fn write(&self, args: Vec<Value>) -> Result<Value, Error> {
        let patience_ms = i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX);
        let wait = CustomCommand::new_static("WAIT", ClusterHash::Random, false);
        let wait_args: Vec<Value> = vec![i64::from(self.replicas).into(), patience_ms.into()];
        let pipeline = self.client.pipeline();
        // They only queue; an error shows in the replies.
        let _: Value = pipeline.custom(functions::fcall(), args).await?;
        let _: Value = pipeline.custom(wait, wait_args).await?;
        let mut replies = pipeline.try_all::<Value>().await.into_iter();
        let unknown = |why: &'static str| Error::new(ErrorKind::Unknown, why);
        let reply = replies.next().unwrap_or_else(|| Err(unknown("no reply")))?;
        let confirmed = replies
            .next()
            .unwrap_or_else(|| Err(unknown("no reply to WAIT")))?;
        match confirmed.as_u64() >= Some(self.replicas.into()) {
            true => Ok(reply),
            false => Err(unknown("too few replicas confirmed")),
        }
    }
}

fn unavailable(error: &Error) -> Unavailable {
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
