//! `Nodes`: renews this replica's lease, and removes the participants of replicas whose lease ended.
//!
//! A lease that Redis does not know any more is lost: this replica is another incarnation from then
//! on, and the hub enters everybody again. Several replicas may remove the same dead one's
//! participants; each document is done by one call, and announced by the one that finds something.

use std::{sync::Arc, time::Duration};

use fred::{clients::Client, error::Error, types::Value};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready, try_join_all},
};
use inkwire_bus::{BusEvent, Listener};
use inkwire_model::DocumentId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lease::{Lease, Leases};
use crate::{
    config::{Checked, RedisConfig},
    functions::LIBRARY,
    keys::Keys,
    link::Health,
    reader,
};

/// Documents of a dead replica that are looked up at once.
const DOCUMENTS_AT_ONCE: i64 = 256;
/// Of these, calls at the same time: each may have thousands of participants.
const CALLS_AT_ONCE: usize = 16;
/// After this another lease's end is looked at: clocks tick in milliseconds.
const JUST_AFTER: Duration = Duration::from_millis(5);
/// Pause after a call that failed.
const RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Nodes {
    client: Client,
    keys: Keys,
    config: RedisConfig,
    leases: Arc<Leases>,
    listener: Arc<dyn Listener>,
    health: watch::Receiver<Health>,
}

/// What Redis says of a renewal.
struct Renewed {
    ends_at_ms: u64,
    /// When another lease is over, unless it is renewed.
    next_end_ms: Option<u64>,
    dead: Vec<String>,
}

impl Nodes {
    pub(crate) fn new(
        checked: &Checked,
        client: Client,
        leases: Arc<Leases>,
        listener: Arc<dyn Listener>,
        health: watch::Receiver<Health>,
    ) -> Self {
        Self {
            client,
            keys: checked.keys.clone(),
            config: checked.config.clone(),
            leases,
            listener,
            health,
        }
    }

    /// Until `closing`: then it takes leave. `killed` ends it without a word.
    pub(crate) async fn run(mut self, closing: CancellationToken, killed: CancellationToken) {
        loop {
            let turn = async {
                if self
                    .health
                    .wait_for(|now| *now == Health::Available)
                    .await
                    .is_err()
                {
                    return std::future::pending().await;
                }
                let pause = self.turn().await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                biased;
                () = killed.cancelled() => return,
                () = closing.cancelled() => break,
                () = turn => {}
            }
        }
        tokio::select! {
            () = killed.cancelled() => {}
            () = self.take_leave() => {}
        }
    }

    /// Renews, and removes the dead; how long to wait before the next time.
    async fn turn(&self) -> Duration {
        let known = self.leases.now();
        let incarnation = match &known {
            Some(lease) => lease.incarnation.clone(),
            None => match new_incarnation() {
                Some(incarnation) => incarnation,
                None => return RETRY,
            },
        };
        let renewed = match self.renew(&incarnation, known.is_none()).await {
            Ok(Some(renewed)) => renewed,
            Ok(None) => {
                tracing::warn!("this replica's lease was lost; it enters its participants again");
                self.leases.set(None);
                let Some(incarnation) = new_incarnation() else {
                    return RETRY;
                };
                let Ok(Some(renewed)) = self.renew(&incarnation, true).await else {
                    return RETRY;
                };
                self.hold(incarnation, &renewed);
                self.listener.hear(BusEvent::LeaseLost);
                self.remove(&renewed.dead).await;
                return self.pause(&renewed);
            }
            Err(error) => {
                tracing::debug!(%error, "a lease was not renewed");
                return RETRY;
            }
        };
        self.hold(incarnation, &renewed);
        if known.is_none() {
            // What was asked before there was a lease was refused.
            self.listener.hear(BusEvent::LeaseLost);
        }
        self.remove(&renewed.dead).await;
        self.pause(&renewed)
    }

    fn hold(&self, incarnation: String, renewed: &Renewed) {
        self.leases.set(Some(Lease {
            incarnation,
            ends_at_ms: renewed.ends_at_ms,
        }));
    }

    fn pause(&self, renewed: &Renewed) -> Duration {
        let interval = Duration::from_millis(self.config.lease_renew_ms.into());
        let now_ms = renewed
            .ends_at_ms
            .saturating_sub(self.config.lease_ms.into());
        let until_end = renewed
            .next_end_ms
            .map(|end| Duration::from_millis(end.saturating_sub(now_ms)) + JUST_AFTER);
        until_end.map_or(interval, |until| until.min(interval))
    }

    async fn renew(&self, incarnation: &str, is_new: bool) -> Result<Option<Renewed>, Error> {
        let args = || {
            vec![
                LIBRARY.lease_renew.as_str().into(),
                1.into(),
                self.keys.leases().into(),
                incarnation.into(),
                i64::from(self.config.lease_ms).into(),
                i64::from(self.config.lease_renew_ms).into(),
                i64::from(is_new).into(),
                self.leases
                    .now()
                    .map_or(0, |lease| lease.ends_at_ms)
                    .to_string()
                    .into(),
            ]
        };
        let reply = reader::call(&self.client, args).await?;
        Ok(renewed(&reply))
    }

    /// Removes what the dead hold, in every document where they may hold somebody.
    async fn remove(&self, dead: &[String]) {
        for incarnation in dead {
            tracing::info!(
                incarnation,
                "a replica's lease ended; its participants are removed"
            );
            match self.remove_one(incarnation).await {
                Ok(()) => {}
                // It is claimed again a little later, by this replica or another.
                Err(error) => tracing::warn!(incarnation, %error, "not all were removed"),
            }
        }
    }

    async fn remove_one(&self, incarnation: &str) -> Result<(), Error> {
        let documents_key = self.keys.documents_of(incarnation);
        let own = |function: &'static str, rest: Vec<Value>| {
            let mut args: Vec<Value> = vec![function.into(), 1.into()];
            args.push(documents_key.as_str().into());
            args.extend(rest);
            args
        };
        loop {
            let some = || own(&LIBRARY.documents_some, vec![DOCUMENTS_AT_ONCE.into()]);
            let reply = reader::call(&self.client, some).await?;
            let names = texts(&reply);
            if names.is_empty() {
                break;
            }
            for some in names.chunks(CALLS_AT_ONCE) {
                let mut calls: Vec<BoxFuture<'static, Result<(), Error>>> = Vec::new();
                for name in some {
                    calls.push(self.reap(name, incarnation));
                }
                try_join_all(calls).await?;
            }
            let forget = || {
                let names = names.iter().map(|name| name.as_str().into());
                own(&LIBRARY.documents_forget, names.collect())
            };
            reader::call(&self.client, forget).await?;
        }
        self.end(incarnation, "").await
    }

    fn reap(&self, document: &str, incarnation: &str) -> BoxFuture<'static, Result<(), Error>> {
        let Ok(document) = DocumentId::parse(document) else {
            return ready(Ok(())).boxed();
        };
        let client = self.client.clone();
        let args: Vec<Value> = vec![
            LIBRARY.presence_reap.as_str().into(),
            1.into(),
            self.keys.presence(&document).into(),
            self.keys.live(&document).into(),
            incarnation.into(),
        ];
        async move { reader::call(&client, || args.clone()).await.map(drop) }.boxed()
    }

    /// Those who are still held here may come back elsewhere for a while.
    async fn take_leave(&self) {
        let Some(lease) = self.leases.now() else {
            return;
        };
        let stay = match self.leases.holds_nobody() {
            true => String::new(),
            false => self.config.presence_grace_ms.to_string(),
        };
        if let Err(error) = self.end(&lease.incarnation, &stay).await {
            tracing::debug!(%error, "the lease ends by itself");
        }
    }

    async fn end(&self, incarnation: &str, stay_ms: &str) -> Result<(), Error> {
        let args = || {
            vec![
                LIBRARY.lease_end.as_str().into(),
                1.into(),
                self.keys.leases().into(),
                incarnation.into(),
                stay_ms.into(),
            ]
        };
        reader::call(&self.client, args).await.map(drop)
    }
}

fn new_incarnation() -> Option<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok()?;
    Some(format!("{:016x}", u64::from_be_bytes(random)))
}

fn renewed(reply: &Value) -> Option<Renewed> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let [ends_at, next_end, dead @ ..] = parts.as_slice() else {
        return None;
    };
    let number = |value: &Value| value.as_string()?.parse().ok();
    Some(Renewed {
        ends_at_ms: number(ends_at)?,
        next_end_ms: number(next_end),
        dead: dead.iter().filter_map(Value::as_string).collect(),
    })
}

fn texts(reply: &Value) -> Vec<String> {
    match reply {
        Value::Array(parts) => parts.iter().filter_map(Value::as_string).collect(),
        _ => Vec::new(),
    }
}
