//! Who is in a document, whatever happens to those who hold them there: each that is gone has left
//! once, and whoever came back in time was never away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use inkwire_client::{ConnectOptions, Connection, Document, Event, Events, JoinOptions, State};
use inkwire_model::{DocumentId, ParticipantId, PresenceNews};
use inkwire_test_support::{Gateway, Redis};

use crate::{
    cast::is_full,
    redis_scene::{PATIENCE, Scene, follower, until},
    row::Row,
};

const PARTICIPANTS: usize = 1_000;
/// Where the first half of them goes when their replica dies.
const COMING_BACK: usize = PARTICIPANTS / 2;
const JOINING_AT_ONCE: usize = 50;
/// The one that dies, or stands still.
const FIRST: usize = 0;
/// How long the rest of the machine may keep a replica from its work, beyond what it waits for.
const BUSY: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(5);

/// Of a replica: as operators have it, or as short as the grace allows.
fn lease() -> Duration {
    Duration::from_secs(if is_full() { 10 } else { 6 })
}

fn settings() -> Vec<&'static str> {
    match is_full() {
        true => vec![],
        false => vec!["--lease-ms", "6000", "--lease-renew-ms", "1000"],
    }
}

fn essay() -> DocumentId {
    DocumentId::parse("essay").unwrap()
}

/// One who is in the document, and looks on or not.
struct Guest {
    seen: Arc<Mutex<Seen>>,
    connection: Connection,
    _document: Document,
}

/// What one was told.
#[derive(Default)]
struct Seen {
    is_live: bool,
    is_told: bool,
    here: BTreeSet<ParticipantId>,
    entered: BTreeMap<ParticipantId, Vec<Instant>>,
    left: BTreeMap<ParticipantId, Vec<Instant>>,
}

impl Seen {
    fn hear(&mut self, event: Event) {
        match event {
            Event::State(State::Live { .. }) => self.is_live = true,
            Event::State(_) => self.is_live = false,
            Event::Presence(PresenceNews::Present { participants, .. }) => {
                self.is_told = true;
                self.here = participants.into_iter().map(|one| one.who).collect();
            }
            Event::Presence(PresenceNews::Entered { participants, .. }) => {
                for one in participants {
                    let times = self.entered.entry(one.who.clone()).or_default();
                    times.push(Instant::now());
                    assert!(self.here.insert(one.who), "entered twice in a row");
                }
            }
            Event::Presence(PresenceNews::Left { participants, .. }) => {
                for who in participants {
                    assert!(self.here.remove(&who), "left twice in a row");
                    self.left.entry(who).or_default().push(Instant::now());
                }
            }
            _ => {}
        }
    }

    /// From here on counts what comes.
    fn forget(&mut self) {
        self.entered.clear();
        self.left.clear();
    }
}

impl Guest {
    /// Waits until it is live, and was told who is here if it looks on.
    async fn join(at: &[&Gateway], looks_on: bool) -> Self {
        let [first, others @ ..] = at else {
            panic!("nowhere to go");
        };
        let mut options = ConnectOptions::new(first.url());
        for other in others {
            options = options.or(other.url());
        }
        // Of a replica that stands still they think nothing.
        options.session.dead_after_ms = 120_000;
        let connection = Connection::open(options).unwrap();
        let options = JoinOptions {
            presence: looks_on,
            write_only: true,
            ..JoinOptions::default()
        };
        let (document, mut events): (Document, Events) =
            connection.document(essay(), options).await.unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let noting = Arc::clone(&seen);
        // Ends with the connection.
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                noting.lock().unwrap().hear(event);
            }
        });
        let guest = Self {
            seen,
            connection,
            _document: document,
        };
        until("it is there", PATIENCE, || {
            let seen = guest.seen();
            seen.is_live && (seen.is_told || !looks_on)
        })
        .await;
        guest
    }

    async fn join_all(count: usize, at: &[&Gateway]) -> Vec<Self> {
        let joining = (0..count).map(|_| Self::join(at, false));
        let joining = stream::iter(joining).buffer_unordered(JOINING_AT_ONCE);
        joining.collect().await
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn here(&self) -> BTreeSet<ParticipantId> {
        self.seen().here.clone()
    }
}

/// Somebody at each replica looks on, and `count` come to the first one.
async fn gather(scene: &Scene, count: usize) -> (Vec<Guest>, Vec<Guest>) {
    let mut watchers = Vec::new();
    for replica in &scene.replicas {
        watchers.push(Guest::join(&[replica], true).await);
    }
    let guests = Guest::join_all(count, &[&scene.replicas[FIRST]]).await;
    until_all_see(&watchers, watchers.len() + count, "all are there").await;
    (watchers, guests)
}

async fn until_all_see(watchers: &[Guest], count: usize, what: &str) {
    let all_see = || watchers.iter().all(|one| one.seen().here.len() == count);
    until(what, PATIENCE + lease(), all_see).await;
}

/// Whoever enters now is seen after all that was announced before.
async fn until_all_is_told(watchers: &[Guest], at: &Gateway) -> Guest {
    let count = watchers[0].seen().here.len() + 1;
    let last = Guest::join(&[at], false).await;
    until_all_see(watchers, count, "who came last is seen").await;
    last
}

/// What Redis holds for the document.
fn held(redis: &Redis) -> BTreeSet<ParticipantId> {
    let key = format!("inkwire:1:{{{}}}:presence", essay());
    let names = redis.command(&["HKEYS", &key]).unwrap_or_default();
    names.lines().filter_map(|name| name.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_thousand_dies() {
    let mut scene = Scene::on(|| Redis::start().unwrap(), &settings());
    let [first, second, third] = scene.replicas.as_slice() else {
        panic!("three replicas");
    };
    let watchers = [
        Guest::join(&[second], true).await,
        Guest::join(&[third], true).await,
    ];
    until_all_see(&watchers, 2, "they see one another").await;
    let to_stay = Guest::join_all(COMING_BACK / 2, &[first, second]).await;
    let to_stay_too = Guest::join_all(COMING_BACK / 2, &[first, third]).await;
    until_all_see(&watchers, 2 + COMING_BACK, "half is there").await;
    let staying = watchers[0].here();
    let _to_go = Guest::join_all(PARTICIPANTS - COMING_BACK, &[first]).await;
    until_all_see(&watchers, 2 + PARTICIPANTS, "all are there").await;
    let going: BTreeSet<_> = watchers[0].here().difference(&staying).cloned().collect();
    for watcher in &watchers {
        watcher.seen().forget();
    }

    let began = Instant::now();
    scene.replicas[FIRST].kill().unwrap();
    let are_back = || {
        let mut all = to_stay.iter().chain(&to_stay_too);
        all.all(|guest| guest.seen().is_live)
    };
    // Told that they are not live first, which takes a moment.
    until("they noticed", PATIENCE, || {
        to_stay.iter().any(|guest| !guest.seen().is_live) || began.elapsed() > GRACE
    })
    .await;
    until("half came back elsewhere", PATIENCE, are_back).await;
    let back_after = began.elapsed();
    until_all_see(&watchers, 2 + COMING_BACK, "the others have left").await;
    let _last = until_all_is_told(&watchers, &scene.replicas[1]).await;

    let mut recovered = Duration::ZERO;
    let (mut missing, mut twice) = (0, 0);
    for watcher in &watchers {
        let seen = watcher.seen();
        for who in &going {
            match seen.left.get(who).map(Vec::as_slice) {
                None => missing += 1,
                Some([at]) => recovered = recovered.max(at.duration_since(began)),
                Some(_) => twice += 1,
            }
        }
        let flickered: Vec<_> = seen
            .left
            .keys()
            .chain(seen.entered.keys())
            .filter(|who| staying.contains(who))
            .collect();
        assert!(flickered.is_empty(), "{flickered:?}");
        assert!(going.is_disjoint(&seen.here));
        assert_eq!(seen.left.len(), going.len());
    }
    println!(
        "{PARTICIPANTS} participants: {COMING_BACK} were back elsewhere after {back_after:?} and did not \
         flicker; the last of the others was seen to leave {recovered:?} after the kill; lease {:?}",
        lease()
    );
    assert_eq!((missing, twice), (0, 0), "one leave each");
    assert!(recovered < lease() + BUSY, "{recovered:?}");
    Row {
        fault: "replica with 1,000 participants killed, 500 come back elsewhere".to_owned(),
        sent: 0,
        acknowledged: 0,
        lost: missing,
        repeated: twice,
        resets: 0,
        longest_silence: Duration::ZERO,
        lasted: Duration::ZERO,
        recovered,
    }
    .print();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_is_shown_until_the_grace_is_over() {
    let scene = Scene::on(|| Redis::start().unwrap(), &settings());
    let watchers = [
        Guest::join(&[&scene.replicas[1]], true).await,
        Guest::join(&[&scene.replicas[2]], true).await,
    ];
    let guest = Guest::join(&[&scene.replicas[FIRST]], false).await;
    until_all_see(&watchers, 3, "it is there").await;
    let began = Instant::now();
    guest.connection.clone().close().await;
    until_all_see(&watchers, 2, "it has left").await;
    let _last = until_all_is_told(&watchers, &scene.replicas[FIRST]).await;
    for watcher in &watchers {
        let seen = watcher.seen();
        let left: Vec<_> = seen.left.values().flatten().collect();
        assert_eq!(left.len(), 1);
        assert!(left[0].duration_since(began) >= GRACE, "not before");
    }
}

/// The one that stood still is another incarnation afterwards, and holds the same people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_stands_still_beyond_its_lease() {
    let scene = Scene::on(|| Redis::start().unwrap(), &settings());
    let (watchers, _guests) = gather(&scene, 20).await;
    let all = watchers[1].here();
    scene.replicas[FIRST].freeze().unwrap();
    until_all_see(&watchers[1..], 2, "its lease is over").await;
    scene.replicas[FIRST].thaw().unwrap();
    until("all see all again", PATIENCE, || {
        watchers.iter().all(|watcher| watcher.here() == all) && held(&scene.redis) == all
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_forgets_everything() {
    let scene = Scene::on(|| Redis::start().unwrap(), &settings());
    let (watchers, _guests) = gather(&scene, 20).await;
    let all = watchers[1].here();
    scene.redis.command(&["FLUSHALL"]).unwrap();
    assert!(held(&scene.redis) != all);
    until("the set is whole again", PATIENCE, || {
        held(&scene.redis) == all && watchers.iter().all(|watcher| watcher.here() == all)
    })
    .await;
    for watcher in &watchers {
        assert!(watcher.seen().left.is_empty(), "nobody left");
    }
}

/// Those who had left are in the copy, and those who came are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_replaced_by_a_stale_copy() {
    let master = || {
        let at_once = ["--repl-diskless-sync-delay", "0"];
        Redis::options().args(at_once).start().unwrap()
    };
    let mut scene = Scene::on(master, &settings());
    let (copy, way) = follower(&scene.redis, master);
    let (watchers, leaving) = gather(&scene, 10).await;
    until("the copy has them", PATIENCE, || held(&copy).len() == 13).await;
    way.freeze();
    for guest in leaving {
        guest.connection.clone().close().await;
    }
    until_all_see(&watchers, 3, "they have left").await;
    let _coming = Guest::join_all(10, &[&scene.replicas[1]]).await;
    until_all_see(&watchers, 13, "others came").await;
    let truth = watchers[1].here();
    for proxy in &scene.proxies {
        proxy.freeze();
        proxy.cut();
    }
    drop(way);
    copy.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    drop(std::mem::replace(&mut scene.redis, copy));
    assert_ne!(held(&scene.redis), truth);
    for proxy in &scene.proxies {
        proxy.lead_to(scene.redis.port());
        proxy.thaw();
    }
    let is_true =
        || held(&scene.redis) == truth && watchers.iter().all(|watcher| watcher.here() == truth);
    until("the set is true again", PATIENCE + lease(), is_true).await;
}
