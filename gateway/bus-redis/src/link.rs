//! What is known of the server: whether it can be used.
//!
//! One task examines the server at first contact and after each reconnection, and asks it for a sign
//! of life once a second; nothing is appended until an examination went well.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    interfaces::{ClientLike, EventInterface},
    types::{ClusterHash, CustomCommand},
};
use inkwire_measure::{Count, Histogram};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Checked,
    connection,
    fitness::{self, CheckError, Unfit},
};

/// How often the server is asked for a sign of life.
const PULSE: Duration = Duration::from_secs(1);
/// When a Redis that was not reached since the start is worth a warning.
const ABSENT_AFTER: Duration = Duration::from_secs(1);
/// How soon it is tried again while it is away.
const RETRY: Duration = Duration::from_millis(100);

/// How it stands with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// No contact yet; why the last attempt failed, if there was one.
    Connecting,
    Available,
    /// It was available and is not now.
    Away,
    /// It answers and cannot be used: the replica should end, naming this.
    Unfit(Unfit),
}

/// What is counted of the connections to the server.
#[derive(Debug, Default)]
pub struct RedisTally {
    /// From the sending of gathered appends to the last of their replies.
    pub round_trip: Histogram,
    /// Subscriber connections that ended and were opened again.
    pub reconnects: Count,
    /// Letters to other replicas that found no room, or Redis away.
    pub letters_lost: Count,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) tally: Arc<RedisTally>,
    health: watch::Sender<Health>,
    // Held to read or write a text; never across an await.
    absence: Mutex<Option<String>>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            tally: Arc::default(),
            health: watch::Sender::new(Health::Connecting),
            absence: Mutex::default(),
        }
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(crate) fn is_available(&self) -> bool {
        *self.health.borrow() == Health::Available
    }

    /// We are not let in.
    pub(crate) fn refuse(&self, why: Unfit) {
        self.set(Health::Unfit(why));
    }

    /// A connection could not be made or ended, for this reason: what an operator is told while there
    /// is no contact. A refusal counts only until there was one.
    pub(crate) fn note_absence(&self, why: &io::Error) {
        let text = why.to_string();
        if *self.health.borrow() == Health::Connecting
            && let Some(unfit) = connection::refusal_in(&text)
        {
            self.refuse(unfit);
        }
        *self.absence() = Some(text);
    }

    fn absence(&self) -> MutexGuard<'_, Option<String>> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, health: Health) {
        self.health.send_if_modified(|known| {
            // Before the first contact it is not away, it was never there.
            let health = match (&*known, health) {
                (Health::Connecting | Health::Unfit(_), Health::Away) => return false,
                (_, health) => health,
            };
            if *known == health {
                return false;
            }
            match &health {
                Health::Available => tracing::info!("Redis is available"),
                Health::Away => tracing::warn!("Redis is away"),
                Health::Unfit(why) => tracing::error!(%why, "Redis is unfit"),
                Health::Connecting => {}
            }
            *known = health;
            true
        });
    }

    /// Watches the server through `client` until `closing`.
    pub(crate) async fn watch(&self, client: Client, checked: Checked, closing: CancellationToken) {
        let mut reconnected = client.reconnect_rx();
        let mut examined = false;
        let mut warned = false;
        let began = Instant::now();
        let mut told_absent = false;
        loop {
            let answer = tokio::select! {
                () = closing.cancelled() => break,
                answer = self.look(&client, &checked, examined, &mut warned) => answer,
            };
            examined = answer.is_ok();
            self.set(match &answer {
                Ok(()) => Health::Available,
                Err(CheckError::Unfit(why)) => Health::Unfit(why.clone()),
                Err(why) => {
                    tracing::debug!(%why, "Redis does not answer");
                    let is_overdue = began.elapsed() > ABSENT_AFTER;
                    if is_overdue && !told_absent && *self.health.borrow() == Health::Connecting {
                        told_absent = true;
                        tracing::warn!(%why, "Redis was not reached yet; it is tried for ever");
                    }
                    Health::Away
                }
            });
            let pause = if examined { PULSE } else { RETRY };
            tokio::select! {
                () = closing.cancelled() => break,
                // Also if events of it were missed: another server may be behind the address.
                _ = reconnected.recv() => examined = false,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.set(Health::Away);
    }

    async fn look(
        &self,
        client: &Client,
        checked: &Checked,
        examined: bool,
        warned: &mut bool,
    ) -> Result<(), CheckError> {
        if !client.is_connected() {
            let why = self.absence().clone();
            return Err(CheckError::Away(why.unwrap_or("not connected".to_owned())));
        }
        if !examined {
            let fitness = fitness::examine(client, &checked.keys, &checked.config).await?;
            if !std::mem::replace(warned, true) {
                for warning in &fitness.warnings {
                    tracing::warn!("{warning}");
                }
            }
        }
        self.ask(client).await
    }

    async fn ask(&self, client: &Client) -> Result<(), CheckError> {
        let command = CustomCommand::new_static("PING", ClusterHash::Random, false);
        let answer: Result<String, _> = client.custom(command, Vec::<String>::new()).await;
        answer.map(drop).map_err(|error| fitness::away(&error))
    }
}
