//! The owner's side: what a request of another replica wants is done here, once.

use std::{sync::Arc, time::Instant};

use inkwire_bus::ReplicaAddress;
use tokio::time::sleep_until;

use super::{
    super::{
        attachment::{Attachment, Handed, Receiver},
        reach::SessionRefusal,
        session_key::SessionKey,
    },
    desk::Desk,
    outflow::{Failure, Flow, Outflow},
    parcel::{Ask, Content, Item, Refused, RequestId, Wish},
};

pub(super) async fn serve(desk: Arc<Desk>, from: ReplicaAddress, request: RequestId, ask: Ask) {
    let Ask {
        session: name,
        from: sender,
        wish,
    } = ask;
    let own = desk.own.get();
    let key = SessionKey::of_name(&name);
    let found = key.as_ref().and_then(|key| own?.own(key));
    let sender = sender.into();
    let answer = match (found, wish) {
        (None, _) => Err(Refused::Unknown),
        (Some(session), Wish::Send { messages }) => tokio::select! {
            sent = session.send(messages, &sender) => sent.map_err(Refused::from),
            () = desk.closing.cancelled() => return,
        },
        (
            Some(session),
            Wish::Attach {
                budget_bytes,
                overhead_bytes,
            },
        ) => {
            let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
            let receiver = Receiver {
                budget_bytes: bytes(budget_bytes),
                overhead_bytes: bytes(overhead_bytes),
            };
            match session.attach(receiver, &sender).await {
                Ok(attachment) => {
                    drop(session);
                    Outward {
                        desk: &desk,
                        from,
                        request,
                    }
                    .run(attachment)
                    .await
                }
                Err(refusal) => Err(refusal.into()),
            }
        }
        (Some(_), Wish::End) => {
            if let (Some(own), Some(key)) = (desk.own.get(), key.as_ref()) {
                own.end(key);
            }
            Ok(())
        }
    };
    desk.served(request, answer);
    desk.tell(from, request, Content::Answer(answer));
}

/// One response at another replica.
struct Outward<'a> {
    desk: &'a Arc<Desk>,
    from: ReplicaAddress,
    request: RequestId,
}

enum Event {
    Letter(Content),
    Handed(Option<Handed>),
    Deadline,
    Closing,
}

impl Outward<'_> {
    /// Until the response has its last frame, or failed. What late letters are answered then.
    async fn run(&self, mut attachment: Attachment) -> Result<(), Refused> {
        let mut letters = self.desk.read(self.request);
        let mut outflow = Outflow::new(Instant::now());
        let mut counted = 0;
        loop {
            while let Some(flow) = outflow.poll() {
                match flow {
                    Flow::Tell(content) => {
                        self.count(&content, &mut counted);
                        self.desk.tell(self.from, self.request, content);
                    }
                    Flow::Leave => attachment.leave(),
                    Flow::Complete => {
                        attachment.confirm();
                        return Ok(());
                    }
                    Flow::Failed(failure) => {
                        if failure != Failure::Told {
                            self.desk.tally.unconfirmed.add(1);
                        }
                        tracing::debug!(?failure, "a response at another replica failed");
                        attachment.fail();
                        return Err(SessionRefusal::Unknown.into());
                    }
                }
            }
            let deadline = outflow.next_deadline().unwrap_or_else(Instant::now);
            let event = tokio::select! {
                biased;
                Some(content) = letters.next() => Event::Letter(content),
                handed = attachment.next(), if outflow.has_room() => Event::Handed(handed),
                () = sleep_until(deadline.into()) => Event::Deadline,
                () = self.desk.closing.cancelled() => Event::Closing,
            };
            let now = Instant::now();
            match event {
                Event::Letter(content) => outflow.hear(&content, now),
                Event::Handed(Some(Handed { frame, is_last })) => {
                    outflow.push(Item { frame, is_last }, now);
                }
                // The session ended without a last frame.
                Event::Handed(None) => return Err(Refused::Unknown),
                Event::Deadline => outflow.handle_deadline(now),
                Event::Closing => return Err(Refused::Unreachable),
            }
        }
    }

    fn count(&self, content: &Content, counted: &mut u64) {
        if let Content::Frames { first, items } = content {
            let (all, last) = (items.len() as u64, first + items.len() as u64 - 1);
            let new = last.saturating_sub(*counted).min(all);
            *counted = last.max(*counted);
            self.desk.tally.frames.add(new);
            self.desk.tally.frames_again.add(all - new);
        }
    }
}
