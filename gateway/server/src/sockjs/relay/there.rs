//! `There`: a session of another replica, as the requests see it that arrive here. A request goes on as a
//! task of its own, so that it is settled with the owner also when its client went away.

use std::{
    collections::VecDeque,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_bus::{LETTER_BYTES_MAX, ReplicaAddress};
use tokio::{
    sync::{Notify, oneshot},
    time::{sleep, sleep_until},
};

use super::{
    super::{
        attachment::{Attachment, Feed, Handed, Outcome, Receiver},
        principal::Principal,
        reach::{Answer, Session, SessionRefusal},
        session_key::SessionKey,
    },
    desk::Desk,
    inflow::{Inflow, Intake},
    leases::{LEASE, claim_of},
    parcel::{Ask, Content, Item, RequestId, Wish},
    sending::{Progress, Sending},
};

/// Frames between the relay and a response.
const FRAMES_MAX: usize = 4;
/// Messages of one letter; a larger message goes alone.
const SEND_BYTES: usize = LETTER_BYTES_MAX / 4;
/// How often it is tried to bar a session, and the pause between.
const BAR_ATTEMPTS: u32 = 5;
const BAR_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(super) struct There {
    pub(super) desk: Arc<Desk>,
    pub(super) key: SessionKey,
    pub(super) owner: ReplicaAddress,
}

impl Session for There {
    fn send<'a>(
        &'a self,
        messages: Vec<String>,
        from: &'a Principal,
    ) -> Answer<'a, Result<(), SessionRefusal>> {
        Box::pin(async move {
            for some in in_letters(messages) {
                let ask = self.ask(from, Wish::Send { messages: some });
                let sent = self.desk.tasks.spawn(self.clone().relay_send(ask));
                sent.await.unwrap_or(Err(SessionRefusal::Unreachable))?;
            }
            Ok(())
        })
    }

    fn attach<'a>(
        &'a self,
        receiver: Receiver,
        from: &'a Principal,
    ) -> Answer<'a, Result<Attachment, SessionRefusal>> {
        let ask = self.ask(from, Wish::attach(receiver));
        let (sender, opened) = oneshot::channel();
        self.desk
            .tasks
            .spawn(self.clone().relay_receiver(ask, sender));
        Box::pin(async move { opened.await.unwrap_or(Err(SessionRefusal::Unreachable)) })
    }
}

type Opened = Result<Attachment, SessionRefusal>;

enum Event {
    Letter(Content),
    /// The response took a frame, is to be left, or ended.
    Taken,
    Ended(Outcome),
    Deadline,
    /// The client went away before the session answered.
    Unasked,
    Closing,
}

impl There {
    fn ask(&self, from: &Principal, wish: Wish) -> Ask {
        Ask {
            session: self.key.to_string(),
            from: from.into(),
            wish,
        }
    }

    async fn relay_send(self, ask: Ask) -> Result<(), SessionRefusal> {
        let request = RequestId::draw();
        let end = Ask {
            wish: Wish::End,
            ..ask.clone()
        };
        let mut letters = self.desk.read(request);
        let mut sending = Sending::new(ask, Instant::now());
        loop {
            while let Some(progress) = sending.poll() {
                match progress {
                    Progress::Tell(content) => self.desk.tell(self.owner, request, content),
                    Progress::Answered(answer) => return answer.map_err(SessionRefusal::from),
                    Progress::Unconfirmed => {
                        self.bar(end).await;
                        return Err(SessionRefusal::Unreachable);
                    }
                }
            }
            let deadline = sending.next_deadline().unwrap_or_else(Instant::now);
            tokio::select! {
                Some(content) = letters.next() => sending.hear(&content, Instant::now()),
                () = sleep_until(deadline.into()) => sending.handle_deadline(Instant::now()),
                () = self.desk.closing.cancelled() => {
                    self.bar(end).await;
                    return Err(SessionRefusal::Unreachable);
                }
            }
        }
    }

    /// Says until it is answered that the session is to end; in vain for a while where its owner is gone.
    async fn tell_end(self, end: Ask) {
        let request = RequestId::draw();
        let mut letters = self.desk.read(request);
        let mut telling = Sending::new(end, Instant::now());
        loop {
            while let Some(progress) = telling.poll() {
                match progress {
                    Progress::Tell(content) => self.desk.tell(self.owner, request, content),
                    Progress::Answered(_) | Progress::Unconfirmed => return,
                }
            }
            let deadline = telling.next_deadline().unwrap_or_else(Instant::now);
            tokio::select! {
                Some(content) = letters.next() => telling.hear(&content, Instant::now()),
                () = sleep_until(deadline.into()) => telling.handle_deadline(Instant::now()),
                () = self.desk.closing.cancelled() => return,
            }
        }
    }

    /// Nobody finds the session from now on, so that nothing overtakes what may be lost; its owner hears
    /// of it by letter, or with its next renewal.
    async fn bar(&self, end: Ask) {
        self.desk.tally.unconfirmed.add(1);
        self.desk.tasks.spawn(self.clone().tell_end(end));
        for _ in 0..BAR_ATTEMPTS {
            let claim = claim_of(&self.key);
            if self.desk.mail.end(claim, LEASE * 4).await.is_ok() {
                return;
            }
            tokio::select! {
                () = sleep(BAR_PAUSE) => {}
                () = self.desk.closing.cancelled() => return,
            }
        }
        tracing::warn!(session = ?self.key, "a session of unknown state could not be ended");
    }

    async fn relay_receiver(self, ask: Ask, opened: oneshot::Sender<Opened>) {
        let request = RequestId::draw();
        let mut letters = self.desk.read(request);
        let mut inflow = Inflow::new(ask, Instant::now());
        let mut response = Response::Asked(opened);
        loop {
            while let Some(intake) = inflow.poll() {
                match intake {
                    Intake::Tell(content) => self.desk.tell(self.owner, request, content),
                    Intake::Opened => response = response.open(),
                    Intake::Write(item) => response.put(item),
                    Intake::Refused(why) => response = response.refuse(why.into()),
                    Intake::Lost => {
                        self.desk.tally.unconfirmed.add(1);
                        response = Response::Over;
                    }
                }
            }
            if let Some(ended) = inflow.ended() {
                return self.desk.ended(request, ended);
            }
            let written = response.hand_over();
            if written > 0 {
                inflow.written(written);
                continue;
            }
            let deadline = inflow.next_deadline().unwrap_or_else(Instant::now);
            let event = tokio::select! {
                biased;
                Some(content) = letters.next() => Event::Letter(content),
                event = response.changed() => event,
                () = sleep_until(deadline.into()) => Event::Deadline,
                () = self.desk.closing.cancelled() => Event::Closing,
            };
            let now = Instant::now();
            match event {
                Event::Letter(content) => inflow.hear(content, now),
                Event::Taken => {
                    if response.is_left() {
                        inflow.leave(now);
                    }
                }
                Event::Ended(Outcome::Complete) => inflow.written(usize::MAX),
                Event::Deadline => inflow.handle_deadline(now),
                Event::Ended(Outcome::Failed) | Event::Unasked | Event::Closing => inflow.fail(),
            }
        }
    }
}

/// The messages of one request, in as few sends as fit a letter each.
fn in_letters(messages: Vec<String>) -> Vec<Vec<String>> {
    // None is a send, too: it is asked whether it may.
    let mut sends = vec![Vec::new()];
    let mut bytes = 0;
    for message in messages {
        let length = message.len();
        match sends.last_mut() {
            Some(send) if send.is_empty() || bytes + length <= SEND_BYTES => send.push(message),
            _ => {
                sends.push(vec![message]);
                bytes = 0;
            }
        }
        bytes += length;
    }
    sends
}

/// The response that a relayed request has here.
enum Response {
    Asked(oneshot::Sender<Opened>),
    Open(Open),
    Over,
}

struct Open {
    feed: Feed,
    taken: Arc<Notify>,
    ending: oneshot::Receiver<Outcome>,
    /// Arrived, and without room in the response. No more than the window.
    waiting: VecDeque<Item>,
}

impl Response {
    fn open(self) -> Self {
        let Self::Asked(opened) = self else {
            return self;
        };
        let (taken, (sender, ending)) = (Arc::<Notify>::default(), oneshot::channel());
        let (feed, attachment) = Attachment::pair(FRAMES_MAX, taken.clone(), move |outcome| {
            let _nobody_waits_any_more = sender.send(outcome);
        });
        // Where nobody waits for it, it is dropped, and its ending says so.
        let _is_awaited = opened.send(Ok(attachment));
        Self::Open(Open {
            feed,
            taken,
            ending,
            waiting: VecDeque::new(),
        })
    }

    fn refuse(self, why: SessionRefusal) -> Self {
        if let Self::Asked(opened) = self {
            let _is_awaited = opened.send(Err(why));
        }
        Self::Over
    }

    fn put(&mut self, item: Item) {
        if let Self::Open(open) = self {
            open.waiting.push_back(item);
        }
    }

    /// Hands over what there is room for. How many of them count as written: the last one only when the
    /// response ended well.
    fn hand_over(&mut self) -> usize {
        let Self::Open(open) = self else {
            return 0;
        };
        let mut written = 0;
        while open.feed.has_room() {
            let Some(Item { frame, is_last }) = open.waiting.pop_front() else {
                break;
            };
            let is_handed = open.feed.hand(Handed { frame, is_last });
            written += usize::from(is_handed && !is_last);
        }
        written
    }

    fn is_left(&self) -> bool {
        matches!(self, Self::Open(open) if open.feed.is_left())
    }

    async fn changed(&mut self) -> Event {
        match self {
            Self::Asked(opened) => {
                opened.closed().await;
                Event::Unasked
            }
            Self::Open(open) => tokio::select! {
                biased;
                outcome = &mut open.ending => Event::Ended(outcome.unwrap_or(Outcome::Failed)),
                () = open.taken.notified() => Event::Taken,
            },
            Self::Over => pending().await,
        }
    }
}
