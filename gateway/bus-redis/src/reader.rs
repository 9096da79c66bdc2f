//! Reads and head comparisons: bounded, many at once, on a connection that no append waits behind.

use std::sync::Arc;

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, HashesInterface},
    types::Value,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use inkwire_bus::{About, BusEvent, Head, Listener, LogPage, PresenceCall, Read, Unavailable};
use inkwire_model::DocumentId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Checked,
    functions,
    keys::Keys,
    link::Link,
    presence::{self, Leases},
    read_call,
};

/// Reads in flight at once: each may bring a whole page.
const IN_FLIGHT_MAX: usize = 32;
/// The fields of a document's state that say where its log begins and ends.
pub(crate) const ABOUT_FIELDS: [&str; 3] = ["position", "base", "snapshot_at"];
/// Heads asked for in one pipeline.
const HEADS_AT_ONCE: usize = 512;

enum Question {
    Read(Read),
    Heads(Vec<DocumentId>),
    Presence(PresenceCall),
}

/// The asking side.
pub(crate) struct Reader {
    questions: mpsc::Sender<Question>,
    listener: Arc<dyn Listener>,
}

/// The answering side: a task.
pub(crate) struct Answering {
    questions: mpsc::Receiver<Question>,
    client: Client,
    keys: Keys,
    link: Arc<Link>,
    leases: Arc<Leases>,
    listener: Arc<dyn Listener>,
}

impl Reader {
    pub(crate) fn new(
        checked: &Checked,
        client: Client,
        link: Arc<Link>,
        leases: Arc<Leases>,
        listener: Arc<dyn Listener>,
    ) -> (Self, Answering) {
        let (sender, questions) = mpsc::channel(checked.config.queued_reads_max);
        let answering = Answering {
            questions,
            client,
            keys: checked.keys.clone(),
            link,
            leases,
            listener: listener.clone(),
        };
        (
            Self {
                questions: sender,
                listener,
            },
            answering,
        )
    }

    pub(crate) fn read(&self, read: Read) {
        self.ask(Question::Read(read));
    }

    pub(crate) fn compare_heads(&self, documents: Vec<DocumentId>) {
        self.ask(Question::Heads(documents));
    }

    pub(crate) fn presence(&self, call: PresenceCall) {
        self.ask(Question::Presence(call));
    }

    fn ask(&self, question: Question) {
        if let Err(refused) = self.questions.try_send(question) {
            self.listener.hear(refusal(refused.into_inner()));
        }
    }
}

impl Answering {
    pub(crate) async fn run(mut self, closing: CancellationToken) {
        let mut in_flight: FuturesUnordered<BoxFuture<'static, BusEvent>> = FuturesUnordered::new();
        let mut is_closing = false;
        loop {
            tokio::select! {
                Some(event) = in_flight.next(), if !in_flight.is_empty() => {
                    self.listener.hear(event);
                }
                question = self.questions.recv(), if in_flight.len() < IN_FLIGHT_MAX => {
                    match question {
                        None if in_flight.is_empty() => return,
                        None => is_closing = true,
                        Some(question) if self.link.is_available() => {
                            in_flight.push(self.answer(question));
                        }
                        Some(question) => self.listener.hear(refusal(question)),
                    }
                }
                () = closing.cancelled(), if !is_closing => {
                    is_closing = true;
                    self.questions.close();
                }
            }
            if is_closing {
                while let Ok(question) = self.questions.try_recv() {
                    self.listener.hear(refusal(question));
                }
                while let Some(event) = in_flight.next().await {
                    self.listener.hear(event);
                }
                return;
            }
        }
    }

    fn answer(&self, question: Question) -> BoxFuture<'static, BusEvent> {
        let (client, keys) = (self.client.clone(), self.keys.clone());
        match question {
            Question::Read(read) => async move {
                let result = page(&client, &keys, &read).await;
                BusEvent::Page {
                    ticket: read.ticket,
                    document: read.document,
                    result,
                }
            }
            .boxed(),
            Question::Presence(call) => {
                let leases = self.leases.clone();
                async move {
                    let result = presence::answer(&client, &keys, &leases, &call).await;
                    BusEvent::PresenceAnswered {
                        ticket: call.ticket,
                        document: call.document,
                        result,
                    }
                }
                .boxed()
            }
            Question::Heads(documents) => async move {
                let mut found = Vec::with_capacity(documents.len());
                for some in documents.chunks(HEADS_AT_ONCE) {
                    found.extend(heads(&client, &keys, some).await);
                }
                BusEvent::Heads(found)
            }
            .boxed(),
        }
    }
}

async fn page(client: &Client, keys: &Keys, read: &Read) -> Result<LogPage, Unavailable> {
    let mut reply = call(client, || read_call::args(keys, read)).await;
    if matches!(&reply, Ok(reply) if read_call::is_absent(reply)) {
        let mut hash0 = [0; 8];
        getrandom::fill(&mut hash0).map_err(|_| Unavailable)?;
        reply = call(client, || read_call::args_to_open(keys, read, hash0)).await;
    }
    match reply {
        Ok(reply) => read_call::page(read, reply).map_err(|why| {
            tracing::error!(document = %read.document, %why, "a page was not understood");
            Unavailable
        }),
        Err(error) => {
            tracing::debug!(document = %read.document, %error, "a read failed");
            Err(Unavailable)
        }
    }
}

/// Calls a function, and once more if it had to be loaded.
pub(crate) async fn call(client: &Client, args: impl Fn() -> Vec<Value>) -> Result<Value, Error> {
    let call = || client.custom(functions::fcall(), args());
    match call().await {
        Err(error) if functions::is_missing(&error) && functions::load(client).await.is_ok() => {
            call().await
        }
        reply => reply,
    }
}

async fn heads(client: &Client, keys: &Keys, documents: &[DocumentId]) -> Vec<Head> {
    let pipeline = client.pipeline();
    for document in documents {
        // It only queues; an error shows in the number of replies.
        let fields = ABOUT_FIELDS.to_vec();
        let _: Result<Value, Error> = pipeline.hmget(keys.state(document), fields).await;
        let _: Result<Value, Error> = pipeline.hget(keys.presence(document), "version").await;
    }
    let replies = pipeline.try_all::<Value>().await;
    let is_whole = replies.len() == documents.len() * 2;
    let mut replies = replies
        .into_iter()
        .map(|reply| reply.ok().filter(|_| is_whole));
    documents
        .iter()
        .map(|document| {
            let about = replies.next().flatten().and_then(|reply| about(&reply));
            let presence = replies.next().flatten();
            Head {
                document: document.clone(),
                position: about.map(|about| about.head),
                covered: about.map(|about| about.covered()),
                presence: presence.and_then(|version| read_call::position(&version).ok()),
            }
        })
        .collect()
}

/// What [`ABOUT_FIELDS`] say; `None` if the document is not there.
pub(crate) fn about(reply: &Value) -> Option<About> {
    let Value::Array(fields) = reply else {
        return None;
    };
    let [head, base, snapshot] = fields.as_slice() else {
        return None;
    };
    Some(About {
        head: read_call::position(head).ok()?,
        base: read_call::position(base).ok()?,
        snapshot: read_call::position(snapshot).ok(),
    })
}

/// The answer while Redis is away, or the queue is full.
fn refusal(question: Question) -> BusEvent {
    match question {
        Question::Read(read) => BusEvent::Page {
            ticket: read.ticket,
            document: read.document,
            result: Err(Unavailable),
        },
        Question::Presence(call) => BusEvent::PresenceAnswered {
            ticket: call.ticket,
            document: call.document,
            result: Err(Unavailable),
        },
        Question::Heads(documents) => BusEvent::Heads(
            documents
                .into_iter()
                .map(|document| Head {
                    document,
                    position: None,
                    covered: None,
                    presence: None,
                })
                .collect(),
        ),
    }
}
