//! The handles that an application holds. They only send requests to the driver and wait.

use std::sync::Arc;

use inkwire_model::{AccessAction, Code, DocumentId, Subject};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{
    core::{AppendError, AppendId, Counts, Draft, Event, JoinOptions, Memory},
    driver::{Command, Driver},
    options::ConnectOptions,
};

/// Requests that wait for the driver.
const COMMANDS_MAX: usize = 256;

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Connecting {
        url: String,
    },
    Open {
        url: String,
        session: Arc<str>,
        replica: Arc<str>,
        subject: Subject,
    },
    /// Not connected, for this reason; tried again by itself.
    Waiting {
        after_ms: u64,
        cause: String,
    },
    /// The gateway does not take these credentials, and the source has no others: every document
    /// ended with this code, and nothing is tried again.
    Refused {
        code: Code,
    },
    Closed,
}

/// Why a connection cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no URL to connect to")]
    NoUrl,
    #[error("{url} is no WebSocket URL: {why}")]
    Url { url: String, why: String },
}

/// Why a document was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("this connection has the document open already")]
    AlreadyOpen,
    #[error("the connection is closed")]
    Closed,
}

/// One connection to the gateway, whatever socket carries it at the moment.
///
/// It lives until it is closed, or until it and its documents are dropped.
#[derive(Clone)]
pub struct Connection {
    commands: mpsc::Sender<Command>,
    link: watch::Receiver<Link>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
    events_max: usize,
}

impl Connection {
    /// Starts connecting. What fails later is tried again for ever, but for credentials that are
    /// refused twice; see [`Connection::link`].
    pub fn open(options: ConnectOptions) -> Result<Self, OpenError> {
        crate::driver::check_urls(&options)?;
        let (commands, requests) = mpsc::channel(COMMANDS_MAX);
        let (link_out, link) = watch::channel(Link::Waiting {
            after_ms: 0,
            cause: "just opened".into(),
        });
        let events_max = options.events_max.max(1);
        let driver = Driver::new(options, requests, link_out);
        let task = tokio::spawn(driver.run());
        Ok(Self {
            commands,
            link,
            task: Arc::new(Mutex::new(Some(task))),
            events_max,
        })
    }

    /// Opens a document. Its events must be taken: while they queue, the connection is not read.
    pub async fn document(
        &self,
        id: DocumentId,
        options: JoinOptions,
    ) -> Result<(Document, Events), DocumentError> {
        let (events, receiver) = mpsc::channel(self.events_max);
        let (reply, answer) = oneshot::channel();
        let command = Command::Open {
            id: id.clone(),
            options: Box::new(options),
            events,
            reply,
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| DocumentError::Closed)?;
        answer.await.map_err(|_| DocumentError::Closed)??;
        let commands = self.commands.clone();
        Ok((Document { id, commands }, Events(receiver)))
    }

    /// Where the connection stands now, and every change of it.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Drops the TCP connection as a dead network does: no close, nothing flushed. For tests.
    /// `false` if there was none to drop.
    pub async fn cut(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        // A closed connection is as cut as can be.
        let asked = self.commands.send(Command::Cut { reply }).await;
        asked.is_ok() && answer.await.unwrap_or(false)
    }

    /// Closes the connection. What is not acknowledged is forgotten.
    pub async fn close(self) {
        let _ = self.commands.send(Command::Close).await;
        let task = self.task.lock().await.take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the connection's task failed");
        }
    }
}

/// A document to write to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Document {
    id: DocumentId,
    commands: mpsc::Sender<Command>,
}

impl Document {
    pub fn id(&self) -> &DocumentId {
        &self.id
    }

    /// Queues an entry, and waits while the queue is full. Entries of one caller keep their order;
    /// what becomes of each is told by the events.
    pub async fn append(&self, draft: Draft) -> Result<AppendId, AppendError> {
        self.submit(draft, true).await
    }

    /// Queues an entry, or says that the queue is full.
    pub async fn try_append(&self, draft: Draft) -> Result<AppendId, AppendError> {
        self.submit(draft, false).await
    }

    /// Sends a signal if the document is live, with the position that was last shown.
    pub async fn signal(&self, signal: Draft) {
        let id = self.id.clone();
        let _ = self.commands.send(Command::Signal { id, signal }).await;
    }

    /// Ends or restores a subject's access, as an owner; `false` if the document is not live. With `true`
    /// an event tells the outcome; an error `unavailable` if it is not known.
    pub async fn change_access(&self, subject: Subject, action: AccessAction) -> bool {
        let id = self.id.clone();
        let ask = |reply| Command::ChangeAccess {
            id,
            subject,
            action,
            reply,
        };
        self.ask(ask).await.unwrap_or(false)
    }

    /// What was sent, sent again, acknowledged, refused and lost so far.
    pub async fn counts(&self) -> Option<Counts> {
        let id = self.id.clone();
        self.ask(|reply| Command::Counts { id, reply })
            .await
            .flatten()
    }

    /// Leaves the document, and hands out what another process needs to go on as this client.
    pub async fn close(self) -> Option<Memory> {
        let id = self.id.clone();
        self.ask(|reply| Command::CloseDocument { id, reply })
            .await
            .flatten()
    }

    async fn submit(&self, draft: Draft, wait: bool) -> Result<AppendId, AppendError> {
        let id = self.id.clone();
        let answer = self
            .ask(|reply| Command::Append {
                id,
                draft,
                wait,
                reply,
            })
            .await;
        answer.unwrap_or(Err(AppendError::NotOpen))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// What happens to a document, in order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl From<mpsc::Receiver<Event>> for Events {
    /// Events that no connection tells: for the tests of an application.
    fn from(events: mpsc::Receiver<Event>) -> Self {
        Self(events)
    }
}

impl Events {
    /// The next event; `None` once the document or the connection is closed.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}
