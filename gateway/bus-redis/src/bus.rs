//! `RedisBus`: the parts put together.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    interfaces::{ClientLike as _, EventInterface as _},
};
use inkwire_bus::{Append, Bus, Listener, PresenceCall, QueueLimits, Read};
use inkwire_model::{DocumentId, Signal};
use tokio::sync::{broadcast::error::RecvError, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    appender::{Appender, Connection},
    clock::Clock,
    config::{AckLevel, Checked, InvalidConfig, RedisConfig},
    connection,
    fitness::{self, CheckError, Fitness},
    keys::Keys,
    link::{Health, Link, RedisTally},
    mail::Post,
    presence::{Leases, Nodes},
    queues::Confirmed,
    reader::Reader,
    review::{Courier, Drain},
    signal_message,
    subscriber::{self, Subscriber, Wakes},
};

/// A replica's way to the others, over one Redis.
pub struct RedisBus {
    pub(crate) link: Arc<Link>,
    /// Where nothing waits for replicas: tickets go here.
    pub(crate) side: Client,
    pub(crate) keys: Keys,
    pub(crate) post: Post,
    pub(crate) wakes: Arc<Wakes>,
    /// `None` where a message is stored once the master has it.
    pub(crate) confirmed: Option<Arc<Confirmed>>,
    pub(crate) queue_limits: QueueLimits,
    /// Brings notifications into their logs.
    pub(crate) courier: Arc<Courier>,
    appender: Appender,
    reader: Reader,
    subscriber: Subscriber,
    #[cfg(test)]
    pub(crate) leases: Arc<Leases>,
    /// Ends what takes requests.
    closing: CancellationToken,
    /// Ends the connections, after everything taken was answered.
    pub(crate) disconnecting: CancellationToken,
    requests: TaskTracker,
    connections: TaskTracker,
}

/// Why a bus could not be started. That Redis is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error("a timer could not be made: {0}")]
    Timer(#[from] io::Error),
    #[error("no address could be drawn: {0}")]
    Address(#[from] getrandom::Error),
}

impl RedisBus {
    /// Starts, and keeps trying to reach Redis: watch [`Self::health`] for the first contact, and end
    /// on [`Health::Unfit`]. Has to be called inside a tokio runtime.
    pub fn start(config: RedisConfig, listener: Arc<dyn Listener>) -> Result<Self, StartError> {
        let checked = config.checked()?;
        let (closing, disconnecting) = (CancellationToken::new(), CancellationToken::new());
        let (requests, connections) = (TaskTracker::new(), TaskTracker::new());
        let link = Arc::new(Link::new());

        let connect = || {
            let client = connection::client(&checked)?;
            let refused = link.clone();
            let refuse = move |why| refused.refuse(why);
            connection::serve(&client, &connections, &disconnecting, refuse);
            Ok::<_, InvalidConfig>(client)
        };
        // Reads, heads and probes: nothing here waits for replicas.
        let side = connect()?;
        let connect_to_append = || {
            let (client, clock) = (connect()?, Arc::new(Clock::new()));
            let following = {
                let (client, clock) = (client.clone(), clock.clone());
                let disconnecting = disconnecting.clone();
                async move { clock.follow(client, disconnecting).await }
            };
            connections.spawn(following);
            Ok::<_, InvalidConfig>(Connection { client, clock })
        };
        let lanes = (0..checked.config.append_connections)
            .map(|_| connect_to_append())
            .collect::<Result<Vec<_>, _>>()?;
        let aside = (checked.config.replicas > 0)
            .then(connect_to_append)
            .transpose()?;

        let watching = {
            let (link, side) = (link.clone(), side.clone());
            let (checked, disconnecting) = (checked.clone(), disconnecting.clone());
            async move { link.watch(side, checked, disconnecting).await }
        };
        connections.spawn(watching);
        let (post, carrier) = Post::new(&checked.keys, side.clone(), link.clone())?;
        requests.spawn(carrier.run(closing.clone()));
        let confirmed = match checked.config.level {
            AckLevel::Accepted => None,
            AckLevel::Replicated => Some(Arc::new(Confirmed {
                client: connect()?,
                replicas: checked.config.replicas,
                patience: Duration::from_millis(checked.config.wait_timeout_ms.into()),
            })),
        };
        let wakes = Arc::<Wakes>::default();
        let waking = wakes
            .clone()
            .run(checked.clone(), link.clone(), disconnecting.clone());
        connections.spawn(waking);
        let subscriber = Subscriber::start(
            &checked,
            &post.mailbox,
            &side,
            &link,
            &listener,
            &connections,
            &disconnecting,
        );
        let leases = Arc::new(Leases::default());
        let (reader, answering) = Reader::new(
            &checked,
            side.clone(),
            link.clone(),
            leases.clone(),
            listener.clone(),
        );
        requests.spawn(answering.run(closing.clone()));
        let nodes = Nodes::new(
            &checked,
            side.clone(),
            leases.clone(),
            listener.clone(),
            link.health(),
        );
        requests.spawn(nodes.run(closing.clone(), disconnecting.clone()));
        let courier = Arc::new(Courier::new(connect_to_append()?, &checked));
        let (drain, hints) = Drain::new(courier.clone(), link.clone());
        requests.spawn(drain.run(closing.clone()));
        let appender = Appender::start(
            &checked,
            lanes,
            aside,
            (&link, hints),
            &listener,
            &requests,
            &closing,
        )?;
        Ok(Self {
            link,
            side,
            keys: checked.keys.clone(),
            post,
            wakes,
            confirmed,
            queue_limits: checked.config.queues,
            courier,
            appender,
            reader,
            subscriber,
            #[cfg(test)]
            leases,
            closing,
            disconnecting,
            requests,
            connections,
        })
    }

    /// How it stands with Redis, as it changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.link.health()
    }

    /// What was counted.
    pub fn tally(&self) -> Arc<RedisTally> {
        self.link.tally.clone()
    }

    /// Answers what was asked, then disconnects. Requests made afterwards are answered `Unavailable`.
    pub async fn close(&self) {
        self.closing.cancel();
        self.requests.close();
        self.requests.wait().await;
        self.disconnecting.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

impl Drop for RedisBus {
    /// Without [`Self::close`] the tasks still end, but nobody waits for them.
    fn drop(&mut self) {
        self.closing.cancel();
        self.disconnecting.cancel();
    }
}

impl Bus for RedisBus {
    fn subscribe(&self, document: &DocumentId) {
        self.subscriber.subscribe(document);
    }

    fn unsubscribe(&self, document: &DocumentId) {
        self.subscriber.unsubscribe(document);
    }

    fn append(&self, append: Append) {
        self.appender.append(append);
    }

    fn read(&self, read: Read) {
        self.reader.read(read);
    }

    fn compare_heads(&self, documents: Vec<DocumentId>) {
        self.reader.compare_heads(documents);
    }

    fn signal(&self, document: &DocumentId, signal: Signal) {
        self.appender
            .signal(document, signal_message::pack(&signal));
    }

    fn presence(&self, call: PresenceCall) {
        self.reader.presence(call);
    }

    fn is_available(&self) -> bool {
        self.link.is_available()
    }
}

/// Waits until a connection can be made, over our own wire: it says why not, where fred only tries
/// again.
async fn reached(checked: &Checked, patience: Duration) -> Result<(), CheckError> {
    let end = Instant::now() + patience;
    loop {
        let Err(error) = subscriber::knock(checked).await else {
            return Ok(());
        };
        let why = error.to_string();
        if let Some(unfit) = connection::refusal_in(&why) {
            return Err(unfit.into());
        }
        if Instant::now() + KNOCK_AGAIN > end {
            let (host, port) = (&checked.host, checked.port);
            return Err(CheckError::Away(format!("{host}:{port}: {why}")));
        }
        tokio::time::sleep(KNOCK_AGAIN).await;
    }
}

/// How soon another connection is tried.
const KNOCK_AGAIN: Duration = Duration::from_millis(100);

/// Examines a Redis once, as `inkwire check` does: `Away` if it does not answer within `patience`.
pub async fn check(config: RedisConfig, patience: Duration) -> Result<Fitness, CheckError> {
    let checked = config.checked()?;
    reached(&checked, patience).await?;
    let client = connection::client(&checked)?;
    let mut errors = client.error_rx();
    let connecting = client.connect();
    let refused = async {
        loop {
            match errors.recv().await {
                Ok((error, _)) => {
                    if let Some(unfit) = connection::refusal(&error) {
                        break unfit.into();
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    let examined = async {
        client
            .wait_for_connect()
            .await
            .map_err(|error| fitness::away(&error))?;
        fitness::examine(&client, &checked.keys, &checked.config).await
    };
    let found = tokio::select! {
        found = examined => found,
        unfit = refused => Err(unfit),
        () = tokio::time::sleep(patience) => {
            Err(CheckError::Away(format!("no answer within {} ms", patience.as_millis())))
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(200), client.quit()).await;
    connecting.abort();
    found
}
