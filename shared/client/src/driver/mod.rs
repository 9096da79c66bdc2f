//! The driver decides what happened, never what follows: socket, timers and requests go to the
//! core, and its outputs go to the socket and the application.

mod command;
mod inbox;
mod next;
mod socket;
mod token_task;

use std::{
    collections::BTreeMap,
    future::pending,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use inkwire_model::{Code, DocumentId, Retry};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep_until,
};

use crate::{
    connection::{Link, OpenError},
    core::{Backoff, Jitter, Now, Output, Session, SessionOptions},
    options::ConnectOptions,
};

pub(crate) use command::Command;
use inbox::Inbox;
use next::{Next, Stirred};
use socket::{End, Heard, Socket};
use token_task::Credentials;

/// Fails for what no retry can mend.
pub(crate) fn check_urls(options: &ConnectOptions) -> Result<(), OpenError> {
    if options.urls.is_empty() {
        return Err(OpenError::NoUrl);
    }
    options.urls.iter().try_for_each(|url| socket::check(url))
}

/// A session that lasts so long ends the growth of the pauses between connections.
const GOOD_SESSION_MS: u64 = 5_000;

/// What the connection's socket is at the moment.
enum Line {
    /// Until the next attempt; without one there is none to come.
    Down {
        until: Option<tokio::time::Instant>,
    },
    Up(Box<Socket>),
}

/// What happened.
enum Happening {
    Request(Option<Command>),
    Heard(Result<Heard, End>),
    Wrote,
    Deadline,
    Delivered,
    Token(Result<crate::token::Token, String>),
    Reconnect,
    Next(Stirred),
}

pub(crate) struct Driver {
    options: ConnectOptions,
    requests: mpsc::Receiver<Command>,
    link: watch::Sender<Link>,
    session: Session,
    inboxes: BTreeMap<DocumentId, Inbox>,
    started: Instant,
    backoff: Backoff,
    /// Since when the present session is open.
    welcomed_ms: Option<u64>,
    jitter: Jitter,
    credentials: Credentials,
    /// In use; an anonymous session has none.
    token: Option<String>,
    /// What the last session was refused with.
    refused_token: Option<Option<String>>,
    /// The cause that the gateway told.
    refusal: Option<Code>,
    next_url: usize,
    /// The connection to go over to.
    next: Next,
    /// Sockets that say goodbye.
    partings: JoinSet<()>,
}

impl Driver {
    pub(crate) fn new(
        options: ConnectOptions,
        requests: mpsc::Receiver<Command>,
        link: watch::Sender<Link>,
    ) -> Self {
        Self {
            session: Session::new(SessionOptions {
                encoding: options.encoding,
                ..options.session.clone()
            }),
            backoff: Backoff::new(options.backoff_first_ms, options.backoff_max_ms),
            jitter: Jitter::new(options.session.seed.map(|seed| seed.wrapping_add(1))),
            credentials: Credentials::new(options.token.clone()),
            welcomed_ms: None,
            token: None,
            refused_token: None,
            refusal: None,
            options,
            requests,
            link,
            inboxes: BTreeMap::new(),
            started: Instant::now(),
            next_url: 0,
            next: Next::None,
            partings: JoinSet::new(),
        }
    }

    /// Until it is closed, or nobody holds the connection any more.
    pub(crate) async fn run(mut self) {
        let mut line = Line::Down {
            until: Some(tokio::time::Instant::now()),
        };
        loop {
            let happening = match &mut line {
                Line::Down { until } => self.await_while_down(*until).await,
                Line::Up(socket) => {
                    let before = self.now();
                    let may_read = self.inboxes.values().all(Inbox::has_room);
                    let happening = self.await_while_up(socket, may_read).await;
                    if !may_read {
                        self.session
                            .did_not_read(self.now().elapsed_ms - before.elapsed_ms);
                    }
                    happening
                }
            };
            match happening {
                Happening::Request(None | Some(Command::Close)) => break,
                Happening::Request(Some(Command::Cut { reply })) => {
                    let is_up = matches!(line, Line::Up(_));
                    // Who cuts need not care whether it was one.
                    let _ = reply.send(is_up);
                    if let Line::Up(socket) = line {
                        socket.cut();
                        line = self.lost("cut".into());
                        continue;
                    }
                }
                Happening::Request(Some(command)) => self.request(command),
                Happening::Heard(Ok(Heard::Packet(packet))) => {
                    let now = self.now();
                    self.session.receive(*packet, now);
                }
                Happening::Heard(Ok(Heard::Nothing)) | Happening::Delivered => {}
                Happening::Heard(Err(end)) => {
                    if end.close_code == Some(Code::FrameTooLarge.row().close_code) {
                        self.session.message_too_large(self.now());
                    }
                    line = match self.are_refused(end.close_code) {
                        Some(code) => self.refused(code),
                        None => self.lost(end.why),
                    };
                }
                Happening::Wrote => self.session.wrote(self.now()),
                Happening::Deadline => self.session.tick(self.now()),
                Happening::Token(Ok(token)) => {
                    self.token = Some(token.text.clone());
                    self.next.renewed(&token);
                    self.session.renew_token(token.text, self.now());
                }
                Happening::Next(stirred) => self.next_stirred(stirred),
                Happening::Token(Err(cause)) => tracing::warn!(cause, "no token to renew with"),
                Happening::Reconnect => match self.connect().await {
                    Ok(socket) => line = Line::Up(Box::new(socket)),
                    Err(Interrupted::Failed(cause)) => line = self.lost(cause),
                    Err(Interrupted::Closed) => break,
                },
            }
            if let Some(cause) = self.pass_outputs(&mut line) {
                line = self.lost(cause);
            }
            self.retry_appends();
            while self.partings.try_join_next().is_some() {}
        }
        self.requests.close();
        if let Line::Up(socket) = line {
            socket.close().await;
        }
        while self.partings.join_next().await.is_some() {}
        self.link.send_replace(Link::Closed);
    }

    async fn await_while_down(&mut self, until: Option<tokio::time::Instant>) -> Happening {
        tokio::select! {
            request = self.requests.recv() => Happening::Request(request),
            () = inbox::deliver(&mut self.inboxes) => Happening::Delivered,
            () = async {
                match until {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            } => Happening::Reconnect,
        }
    }

    async fn await_while_up(&mut self, socket: &mut Socket, may_read: bool) -> Happening {
        let deadline_ms = self.session.next_deadline_ms();
        let deadline = deadline_ms.map(|ms| self.started + Duration::from_millis(ms));
        tokio::select! {
            request = self.requests.recv() => Happening::Request(request),
            () = inbox::deliver(&mut self.inboxes) => Happening::Delivered,
            happened = socket.step(may_read) => match happened {
                Ok(Some(heard)) => Happening::Heard(Ok(heard)),
                Ok(None) => Happening::Wrote,
                Err(cause) => Happening::Heard(Err(cause)),
            },
            stirred = self.next.stirs(may_read) => Happening::Next(stirred),
            token = self.credentials.renewed() => Happening::Token(token),
            () = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => pending().await,
                }
            } => Happening::Deadline,
        }
    }

    /// Opens a socket to the next URL, and says hello. Requests are served meanwhile.
    async fn connect(&mut self) -> Result<Socket, Interrupted> {
        let (url, connecting) = self.dial();
        self.link.send_replace(Link::Connecting { url });
        tokio::pin!(connecting);
        let connected = loop {
            let request = tokio::select! {
                connected = &mut connecting => break connected,
                request = self.requests.recv() => request,
                () = inbox::deliver(&mut self.inboxes) => continue,
            };
            match request {
                None | Some(Command::Close) => return Err(Interrupted::Closed),
                Some(Command::Cut { reply }) => {
                    let _ = reply.send(false);
                    return Err(Interrupted::Failed("cut".into()));
                }
                Some(command) => self.request(command),
            }
            self.pass_events();
            self.retry_appends();
        };
        let (socket, token) = connected.map_err(Interrupted::Failed)?;
        self.credentials.holds(token.as_ref());
        let now = self.now();
        self.token = token.map(|token| token.text);
        self.session.opened(self.token.clone(), now);
        Ok(socket)
    }

    /// The next URL, and the way to a socket there, with the token for its hello.
    fn dial(
        &mut self,
    ) -> (
        String,
        impl Future<Output = Result<next::Dialled, String>> + use<>,
    ) {
        let urls = &self.options.urls;
        let url = urls.iter().cycle().nth(self.next_url % urls.len().max(1));
        let url = url.cloned().unwrap_or_default();
        self.next_url = self.next_url.wrapping_add(1);
        let timeout = Duration::from_millis(self.options.connect_timeout_ms);
        let opening = socket::open(url.clone(), self.options.clone());
        let token = self.credentials.fetch();
        let connecting = tokio::time::timeout(timeout, async move {
            let token = token.await?;
            Ok((opening.await?, token))
        });
        let dialling = async move {
            let in_time = connecting.await;
            in_time.unwrap_or_else(|_| Err("no connection in time".to_owned()))
        };
        (url, dialling)
    }

    fn next_stirred(&mut self, stirred: Stirred) {
        let now = self.now();
        match stirred {
            Stirred::Opened { token } => self.session.next_opened(token, now),
            Stirred::Heard(packet) => self.session.receive_next(*packet, now),
            Stirred::Nothing => {}
            Stirred::Failed(cause) => {
                tracing::debug!(cause, "the next session failed; the present one goes on");
                self.session.next_failed(now);
            }
        }
    }

    fn lost(&mut self, cause: String) -> Line {
        let now = self.now();
        // A session that ends as soon as it began is no success.
        let lasted = |since_ms| now.elapsed_ms.saturating_sub(since_ms) >= GOOD_SESSION_MS;
        if self.welcomed_ms.take().is_some_and(lasted) {
            self.backoff.succeeded();
        }
        let after_ms = self.backoff.failed(&mut self.jitter);
        tracing::debug!(cause, after_ms, "not connected");
        self.session.closed(now);
        self.credentials.dropped();
        self.link.send_replace(Link::Waiting { after_ms, cause });
        self.pass_events();
        let until = tokio::time::Instant::now() + Duration::from_millis(after_ms);
        Line::Down { until: Some(until) }
    }

    /// Whether the gateway closed over credentials that it had refused before.
    fn are_refused(&mut self, close_code: Option<u16>) -> Option<Code> {
        let told = self.refusal.take();
        if close_code != Some(Code::Unauthenticated.row().close_code) {
            return None;
        }
        let former = self.refused_token.replace(self.token.clone());
        // The source was asked once more since, and had nothing else.
        (former.as_ref() == Some(&self.token)).then(|| told.unwrap_or(Code::Unauthenticated))
    }

    fn refused(&mut self, code: Code) -> Line {
        tracing::warn!(code = code.as_str(), "the credentials are refused for good");
        let now = self.now();
        self.session.refused(code, now);
        self.credentials.dropped();
        self.link.send_replace(Link::Refused { code });
        self.pass_events();
        Line::Down { until: None }
    }

    /// Hands out what the core wants done; a text if it wants another connection.
    fn pass_outputs(&mut self, line: &mut Line) -> Option<String> {
        let mut end = None;
        while let Some(output) = self.session.poll_output() {
            match (output, &mut *line) {
                (Output::Send(packet), Line::Up(socket)) => socket.queue(&packet),
                (Output::Send(_), Line::Down { .. }) => {}
                (Output::Event(id, event), _) => {
                    if let Some(inbox) = self.inboxes.get_mut(&id) {
                        inbox.push(event);
                    }
                }
                (
                    Output::Welcomed {
                        session,
                        replica,
                        subject,
                    },
                    Line::Up(socket),
                ) => {
                    self.refused_token = None;
                    self.welcomed_ms = Some(millis(self.started.elapsed()));
                    let url = socket.url().to_owned();
                    self.link.send_replace(Link::Open {
                        url,
                        session,
                        replica,
                        subject,
                    });
                }
                (Output::Welcomed { .. } | Output::GoOver { .. }, Line::Down { .. }) => {}
                (Output::OpenNext, _) => {
                    let (_, dialling) = self.dial();
                    self.next = Next::Opening(Box::pin(dialling));
                }
                (Output::SendNext(packet), _) => self.next.queue(&packet),
                (Output::DropNext { why }, _) => {
                    tracing::debug!(why, "the next session is dropped");
                    if let Some((socket, _)) = self.next.take() {
                        self.partings.spawn(socket.close());
                    }
                }
                (
                    Output::GoOver {
                        session,
                        replica,
                        subject,
                    },
                    Line::Up(present),
                ) => {
                    let Some((next, token)) = self.next.take() else {
                        end = Some("there is no next session to go over to".to_owned());
                        continue;
                    };
                    let former = std::mem::replace(present, next);
                    self.partings.spawn(former.close());
                    self.credentials.holds(token.as_ref());
                    self.token = token.map(|token| token.text);
                    self.refused_token = None;
                    self.welcomed_ms = Some(millis(self.started.elapsed()));
                    let url = present.url().to_owned();
                    self.link.send_replace(Link::Open {
                        url,
                        session,
                        replica,
                        subject,
                    });
                }
                (Output::Refused { code, detail, .. }, _) => {
                    tracing::warn!(code = code.as_str(), detail, "refused by the gateway");
                    self.credentials.refused();
                    self.refusal = (code.row().retry == Retry::Reauthenticated).then_some(code);
                }
                (Output::Disconnect { why }, _) => end = Some(why.to_owned()),
            }
        }
        end
    }

    /// After a loss there is nobody to send to, but events to tell.
    fn pass_events(&mut self) {
        let mut down = Line::Down { until: None };
        self.pass_outputs(&mut down);
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            elapsed_ms: millis(self.started.elapsed()),
            unix_ms: millis(unix),
        }
    }
}

/// Why no socket came of it.
enum Interrupted {
    Failed(String),
    Closed,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
