//! SIGTERM: a replica drains, its clients make the next connection before they break the present one,
//! and nobody notices (C15).

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use inkwire_client::{Connection, Draft, Event, JoinOptions, Link, State};
use inkwire_model::{ClientId, DocumentId, Entry};
use inkwire_test_support::{Redis, checkout, program};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    cast::{Cast, Paths},
    play::Play,
    scene::Scene,
};

/// HAProxy looks every second, twice, before it sends nobody any more.
const SETTINGS: [&str; 6] = [
    "--drain-delay-ms",
    "3500",
    "--drain-after-ms",
    "2000",
    "--drain-window-ms",
    "8000",
];

pub(crate) fn scene(settings: &[&str]) -> Scene {
    let redis = Redis::start().unwrap();
    let url = redis.url();
    Scene::on(redis, &url, settings)
}

/// What replicas told when they had drained.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// Sessions that were told to move.
    pub(crate) told: u64,
    /// Of these, how many went by themselves.
    pub(crate) left: u64,
    /// The others' connections were closed when their time was over.
    pub(crate) cut: u64,
}

/// Stops and starts each replica in turn.
pub(crate) async fn restart_all(scene: &mut Scene) -> Drained {
    let mut all = Drained::default();
    for replica in &mut scene.replicas {
        let exit = tokio::task::block_in_place(|| replica.stop()).unwrap();
        assert!(exit.status.success(), "{}", exit.log);
        let drained = exit.log.lines().rfind(|line| line.contains("drained "));
        if let Some(line) = drained {
            all.told += field(line, "told");
            all.left += field(line, "left");
            all.cut += field(line, "cut");
            assert_eq!(field(line, "remaining"), 0, "{line}");
        }
        tokio::task::block_in_place(|| replica.start_again()).unwrap();
    }
    all
}

/// The same, where everybody has time to go.
async fn restart_all_at_leisure(scene: &mut Scene) -> u64 {
    let drained = restart_all(scene).await;
    assert_eq!(
        (drained.told, drained.cut),
        (drained.left, 0),
        "{drained:?}"
    );
    drained.told
}

/// `told=3` in a line of the log.
fn field(line: &str, name: &str) -> u64 {
    let plain: String = strip_colours(line);
    let value = plain
        .split_whitespace()
        .find_map(|word| word.strip_prefix(&format!("{name}=")).map(str::to_owned));
    value
        .unwrap_or_else(|| panic!("{name} in {plain}"))
        .parse()
        .unwrap()
}

fn strip_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut is_escape = false;
    for c in line.chars() {
        match c {
            '\u{1b}' => is_escape = true,
            'm' if is_escape => is_escape = false,
            c if !is_escape => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// Notes each time that a connection is anything but open.
fn watch(connection: &Connection) -> (Arc<Mutex<Vec<Link>>>, JoinHandle<()>) {
    let mut link = connection.link();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        while link.changed().await.is_ok() {
            let now = link.borrow_and_update().clone();
            if now == Link::Closed {
                return;
            }
            notes.lock().unwrap().push(now);
        }
    });
    (seen, task)
}

fn assert_always_open(seen: &Mutex<Vec<Link>>) -> usize {
    let seen = seen.lock().unwrap();
    for link in seen.iter() {
        assert!(matches!(link, Link::Open { .. }), "{seen:?}");
    }
    seen.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_restarted_one_after_the_other() {
    let fault = "replicas restarted one after the other (SIGTERM), all behind HAProxy";
    nobody_notices_a_restart(scene(&SETTINGS), Paths::Balanced, fault).await;
}

/// nginx asks no `/readyz`: it learns of a drain from the answer to a client that moves, and asks
/// another replica for that client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_restarted_behind_nginx() {
    let fault = "replicas restarted one after the other (SIGTERM), all behind nginx";
    nobody_notices_a_restart(scene(&SETTINGS).and_nginx(), Paths::Nginx, fault).await;
}

async fn nobody_notices_a_restart(mut scene: Scene, paths: Paths, fault: &str) {
    let mut play = Play::start(&scene, Cast::by(paths)).await;
    play.reach(0.1).await;
    let watched: Vec<_> = play.connections().map(watch).collect();
    play.fault_begins();
    let told = restart_all_at_leisure(&mut scene).await;
    play.fault_ends();
    play.recovered().await;
    let moves: usize = watched
        .iter()
        .map(|(seen, _)| assert_always_open(seen))
        .sum();
    assert!(moves > 0 && told > 0, "{moves} moves, {told} told");
    let outcome = play.finish(&scene, fault).await;
    assert_eq!(outcome.row.resets, 0);
    for (_, task) in watched {
        task.await.unwrap();
    }
}

/// A number and a payload, as the page tells them.
fn told_of(entry: &Entry) -> Value {
    let payload: Value = serde_json::from_slice(&entry.payload).unwrap();
    json!([entry.position.seq, payload])
}

/// The two clients in one document, each of them writing and reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn both_clients_go_over() {
    let library = checkout().join("shared/client-js");
    assert!(
        library.join("build/src/index.js").is_file() && library.join("node_modules").is_dir(),
        "run `npm ci && npm test` in {} first; test.sh does",
        library.display()
    );
    let mut scene = scene(&SETTINGS);
    let id = DocumentId::parse(&format!("drain-{}", ClientId::random())).unwrap();
    let mut page = Command::new(program("node").unwrap())
        .arg(checkout().join("tests/tests/faults/drain_page.mjs"))
        .args([library.as_os_str()])
        .args([scene.haproxy.url(), id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(page.stdout.take().unwrap()).lines();
    let first = tokio::task::block_in_place(|| lines.next())
        .unwrap()
        .unwrap();
    assert_eq!(first, "writing");

    let options = Cast::by(Paths::Balanced).options(&scene, 0);
    let connection = Connection::open(options).unwrap();
    let (document, mut events) = connection
        .document(id, JoinOptions::default())
        .await
        .unwrap();
    // What the page wrote before comes first.
    let mut entries = Vec::new();
    loop {
        match events.next().await.unwrap() {
            Event::Entry(entry) => entries.push(told_of(&entry)),
            Event::State(State::Live { .. }) => break,
            _ => {}
        }
    }
    let (seen, watching) = watch(&connection);
    let reading = tokio::spawn(async move {
        let mut acknowledged = 0;
        while let Some(event) = events.next().await {
            match event {
                Event::Entry(entry) => entries.push(told_of(&entry)),
                Event::Acked { .. } => acknowledged += 1,
                Event::State(State::Live { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        (entries, acknowledged)
    });
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = document.clone();
    let writing = tokio::spawn(async move {
        let mut written = 0_u64;
        while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            written += 1;
            let draft = Draft::edit(format!("\"rust {written}\""));
            writer.append(draft).await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
        written
    });
    let told = restart_all_at_leisure(&mut scene).await;
    assert!(told >= 2, "{told}");
    stop.send(()).unwrap();
    let written = writing.await.unwrap();

    drop(page.stdin.take());
    let last = tokio::task::block_in_place(|| lines.next())
        .unwrap()
        .unwrap();
    let page_told: Value = serde_json::from_str(&last).unwrap();
    assert!(page.wait().unwrap().success());
    let counts = loop {
        let counts = document.counts().await.unwrap();
        if counts.acknowledged == written {
            break counts;
        }
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(counts.lost, 0);
    // What is acknowledged is shown soon, here as there.
    sleep(Duration::from_millis(500)).await;
    connection.close().await;
    let (entries, acknowledged) = reading.await.unwrap();
    watching.await.unwrap();

    assert!(assert_always_open(&seen) > 0, "the Rust client went over");
    assert_eq!(page_told["phases"], json!(["connecting", "connected"]));
    assert!(
        page_told["replicas"].as_array().unwrap().len() > 1,
        "{last:.300}"
    );
    assert_eq!(page_told["faults"], json!([]));
    assert_eq!(page_told["acknowledged"], page_told["written"]);
    assert_eq!(acknowledged, written);
    let seqs: Vec<u64> = entries.iter().map(|e| e[0].as_u64().unwrap()).collect();
    let contiguous: Vec<u64> = (seqs[0]..).take(seqs.len()).collect();
    assert_eq!(seqs, contiguous, "each once, in order");
    let of = |name: &str| {
        let texts = entries.iter().map(|entry| entry[1].as_str().unwrap());
        texts
            .filter(|text| text.starts_with(name))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let expected = |name: &str, count: u64| {
        (1..=count)
            .map(|n| format!("{name} {n}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("rust"), expected("rust", written));
    assert_eq!(
        of("page"),
        expected("page", page_told["written"].as_u64().unwrap())
    );
    let shown = page_told["entries"].as_array().unwrap();
    assert_eq!(
        shown[..],
        entries[..shown.len()],
        "the page was shown the same"
    );
}
