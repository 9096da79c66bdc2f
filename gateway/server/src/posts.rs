//! `PostDesk`: the way of a request to append without a session. One task hands all that posts ask to
//! the hub, so that its order stays; nothing is decided here but when to look.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use inkwire_hub::{Delivery, Hub, MemberKey, Reach, Subscriber};
use inkwire_model::{ClientId, Code, DocumentId, Signal, Subject};
use inkwire_session::{
    Grant, SessionContext,
    posts::{Outcome, Post, PostLimits, Posts, news_of},
};
use tokio::{
    sync::{Notify, oneshot},
    time::sleep_until,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::clock;

/// When nothing is due.
const FAR: Duration = Duration::from_secs(3_600);

type Reply = oneshot::Sender<Vec<Outcome>>;

/// Appends without an open session. Cheap to clone.
#[derive(Clone)]
pub struct PostDesk(Arc<Inner>);

struct Inner {
    // Held for a step of the pure core; the hub's tasks come here for what concerns a post alone.
    posts: Mutex<Posts<Reply>>,
    asked: Notify,
}

impl PostDesk {
    /// Starts the task that serves posts until `stop` is cancelled.
    pub fn start(
        hub: Hub,
        context: &SessionContext,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let posts = Posts::new(
            PostLimits::default(),
            context.limits,
            context.subjects.joins.clone(),
            context.refusals.clone(),
        );
        let desk = Self(Arc::new(Inner {
            posts: Mutex::new(posts),
            asked: Notify::new(),
        }));
        let (serving, stop) = (desk.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = serving.serve(hub) => {}
                () = stop.cancelled() => {}
            }
        });
        desk
    }

    /// Appends, and says of each entry what became of it.
    pub async fn append(&self, grant: &Grant, post: Post) -> Vec<Outcome> {
        let count = post.entries.len();
        let (reply, answer) = oneshot::channel();
        let (subject, client) = (grant.subject.clone(), post.client.clone());
        let at = (Instant::now(), clock::now_ms());
        self.lock().append(grant, post, reply, at, |member| {
            self.reach(subject, client, member)
        });
        self.0.asked.notify_one();
        // Without an answer the hub has stopped.
        let gone = || vec![Outcome::Declined(Code::GoingAway); count];
        answer.await.unwrap_or_else(|_| gone())
    }

    /// Sends a signal to whoever is in the document now, or says why not.
    pub fn signal(
        &self,
        grant: &Grant,
        document: DocumentId,
        signal: Signal,
    ) -> Result<(), Outcome> {
        let now = Instant::now();
        let reach =
            |client: &ClientId, member| self.reach(grant.subject.clone(), client.clone(), member);
        self.lock().signal(grant, document, signal, now, reach)?;
        self.0.asked.notify_one();
        Ok(())
    }

    /// Takes one of the subject's requests that are no appends, or says how long to wait in ms.
    pub fn request(&self, subject: &Subject) -> Result<(), u64> {
        self.lock().request(subject, Instant::now())
    }

    async fn serve(&self, hub: Hub) {
        loop {
            let due = self.lock().next_deadline();
            let due = due.unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                () = self.0.asked.notified() => {}
                () = sleep_until(due.into()) => {}
            }
            let reach = |_: &DocumentId, subject: &Subject, client: &ClientId, member| {
                self.reach(subject.clone(), client.clone(), member)
            };
            let (answers, commands) = {
                let mut posts = self.lock();
                posts.look(Instant::now(), &reach);
                (posts.take_answers(), posts.take_commands())
            };
            for (reply, outcomes) in answers {
                // Who asked may have gone.
                let _gone = reply.send(outcomes);
            }
            if hub.hand_over(commands).await.is_err() {
                return;
            }
        }
    }

    fn reach(&self, subject: Subject, client: ClientId, member: MemberKey) -> Reach {
        Arc::new(Seated {
            desk: self.clone(),
            member,
            subject,
            client,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Posts<Reply>> {
        // After a panic in it a post is lost, which its sender takes for unknown; all others are whole.
        self.0.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the hub delivers to.
struct Seated {
    desk: PostDesk,
    member: MemberKey,
    subject: Subject,
    client: ClientId,
}

impl Subscriber for Seated {
    fn deliver(&self, _: &DocumentId, delivery: &Delivery<'_>) -> bool {
        // Others' entries, of which there are most, end here without a lock.
        match news_of(&self.subject, &self.client, delivery) {
            Some(news) => self.desk.lock().hear(self.member, news, Instant::now()),
            None => false,
        }
    }

    fn flush(&self) {
        self.desk.0.asked.notify_one();
    }

    fn has_room(&self) -> bool {
        true
    }
}
