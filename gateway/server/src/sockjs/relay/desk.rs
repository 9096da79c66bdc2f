//! `Desk`: where letters of other replicas arrive, and whom they are for. A request that is not known here
//! is begun, or answered as it was before; it is never begun twice.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use inkwire_bus::{Mail, Recipient, ReplicaAddress};
use inkwire_measure::Count;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::reach::OwnSessions,
    inflow::Ended,
    leases::Leases,
    letters::Letters,
    parcel::{Ask, Content, Letter, Parcel, Refused, RequestId},
    recent::Recent,
    serving,
};

/// Letters that one request may leave unread; more are lost.
const UNREAD_MAX: usize = 64;
/// Requests of other replicas that are served at once.
const SERVED_MAX: usize = 65_536;

/// What is counted of relayed requests.
#[derive(Debug, Default)]
pub struct RelayTally {
    /// Requests of sessions here that arrived at other replicas.
    pub requests: Count,
    /// Frames that went to responses at other replicas, and those that were sent again.
    pub frames: Count,
    pub frames_again: Count,
    /// Requests that failed for want of an answer, here or there: each ended its session.
    pub unconfirmed: Count,
}

pub(super) struct Desk {
    pub(super) mail: Arc<dyn Mail>,
    pub(super) own: OnceLock<Arc<dyn OwnSessions>>,
    pub(super) leases: Arc<Leases>,
    pub(super) letters: Arc<Letters>,
    pub(super) tasks: TaskTracker,
    pub(super) closing: CancellationToken,
    pub(super) tally: Arc<RelayTally>,
    runtime: Handle,
    places: Arc<Semaphore>,
    // Held for one look; never across an await.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Requests that read letters now.
    reading: HashMap<RequestId, mpsc::Sender<Content>>,
    /// Of sessions here: what was answered, or nothing yet.
    served: Recent<Option<Result<(), Refused>>>,
    /// Of sessions elsewhere.
    ended: Recent<Ended>,
}

/// The letters of one request, until it is dropped.
pub(super) struct Reading {
    desk: Arc<Desk>,
    request: RequestId,
    letters: mpsc::Receiver<Content>,
}

impl Desk {
    /// Inside a runtime alone.
    pub(super) fn new(
        mail: Arc<dyn Mail>,
        tasks: TaskTracker,
        closing: CancellationToken,
        tally: Arc<RelayTally>,
    ) -> Self {
        Self {
            mail,
            own: OnceLock::new(),
            leases: Arc::default(),
            letters: Arc::default(),
            tasks,
            closing,
            tally,
            runtime: Handle::current(),
            places: Arc::new(Semaphore::new(SERVED_MAX)),
            known: Mutex::default(),
        }
    }

    pub(super) fn tell(&self, to: ReplicaAddress, request: RequestId, content: Content) {
        // Without room it is lost, like a letter.
        let _is_put = self.letters.put(to, Parcel { request, content });
    }

    /// Letters of this request are read from now on.
    pub(super) fn read(self: &Arc<Self>, request: RequestId) -> Reading {
        let (sender, letters) = mpsc::channel(UNREAD_MAX);
        self.lock().reading.insert(request, sender);
        Reading {
            desk: self.clone(),
            request,
            letters,
        }
    }

    /// What became of a request here, for its letters that come later.
    pub(super) fn served(&self, request: RequestId, answer: Result<(), Refused>) {
        let mut known = self.lock();
        known.served.end(request, Some(answer), Instant::now());
    }

    /// How a request to another replica ended.
    pub(super) fn ended(&self, request: RequestId, how: Ended) {
        self.lock().ended.end(request, how, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic while it is held leaves maps that are still whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(self: &Arc<Self>, from: ReplicaAddress, parcel: Parcel) {
        let Parcel { request, content } = parcel;
        let mut known = self.lock();
        if let Some(reader) = known.reading.get(&request) {
            // One that does not fit is lost, and said again.
            let _is_read = reader.try_send(content);
            return;
        }
        let answer = match content {
            Content::Ask(ask) => match known.served.of(request) {
                Some(Some(answer)) => Content::Answer(*answer),
                Some(None) => Content::Wait,
                None => {
                    if let Ok(place) = self.places.clone().try_acquire_owned()
                        && known.served.begin(request, None, Instant::now())
                    {
                        drop(known);
                        self.serve(from, request, ask, place);
                    }
                    return;
                }
            },
            Content::Still => match known.served.of(request) {
                Some(Some(answer)) => Content::Answer(*answer),
                Some(None) => Content::Wait,
                None => return,
            },
            Content::Frames { .. } => {
                let ended = known.ended.of(request);
                ended.map_or(Content::Fail, |ended| ended.content())
            }
            _ => return,
        };
        drop(known);
        self.tell(from, request, answer);
    }

    fn serve(
        self: &Arc<Self>,
        from: ReplicaAddress,
        request: RequestId,
        ask: Ask,
        place: OwnedSemaphorePermit,
    ) {
        self.tally.requests.add(1);
        let desk = self.clone();
        let served = async move {
            serving::serve(desk, from, request, ask).await;
            drop(place);
        };
        self.tasks.spawn_on(served, &self.runtime);
    }
}

impl Reading {
    /// The next letter. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Option<Content> {
        self.letters.recv().await
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.desk.lock().reading.remove(&self.request);
    }
}

/// The desk as whoever brings the letters knows it.
pub(super) struct DeskRecipient(pub(super) Arc<Desk>);

impl Recipient for DeskRecipient {
    fn take(&self, letter: Bytes) {
        let Some(letter) = Letter::read(&letter) else {
            return tracing::debug!("a letter was not understood");
        };
        let from = letter.from();
        for parcel in letter.parcels {
            self.0.hear(from, parcel);
        }
    }
}
