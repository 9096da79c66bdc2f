//! The main job: keystrokes written on one replica reach reviewers on the others, in one order.

use std::{fs, path::Path};

use crate::{
    cluster::Cluster,
    history::histories,
    raw::{self, Raw},
    replay::Replay,
};

#[test]
fn every_reader_on_every_path_has_the_same_text() {
    let cluster = Cluster::start();
    let readers = cluster.readers();
    for history in histories() {
        let document = raw::document("plain");
        let run = Replay::start(history, &document, &cluster.haproxy.url(), &readers, &[]);
        run.finish().assert_identical(readers.len());
    }
}

#[test]
fn cut_links_lose_and_repeat_nothing() {
    let cluster = Cluster::start();
    let readers = cluster.readers();
    for history in histories() {
        let document = raw::document("cut");
        let writer = cluster.haproxy.url();
        let run = Replay::start(
            history,
            &document,
            &writer,
            &readers,
            &["--cut-every", "500"],
        );
        run.finish().assert_identical(readers.len());
    }
}

/// Each replica in turn, so that the one that the writer is on is among them.
#[tokio::test]
async fn killed_replicas_lose_and_repeat_nothing() {
    let mut cluster = Cluster::start();
    let readers = cluster.readers();
    for history in histories() {
        let document = raw::document("kill");
        // Slow enough for every kill to fall into the run.
        let writer = cluster.haproxy.url();
        let run = Replay::start(history, &document, &writer, &readers, &["--rate", "1500"]);
        let edits = edits(history);
        let turns = u64::try_from(cluster.replicas.len()).unwrap();
        for victim in 0..cluster.replicas.len() {
            let witness = (victim + 1) % cluster.replicas.len();
            let turn = u64::try_from(victim).unwrap() + 1;
            let url = cluster.replicas[witness].url();
            wait_for_entry(&url, &document, edits * turn / (turns + 1)).await;
            cluster.replicas[victim].kill().unwrap();
            cluster.replicas[victim].start_again().unwrap();
        }
        run.finish().assert_identical(readers.len());
    }
}

/// Reads the document until this entry is in it.
async fn wait_for_entry(url: &str, document: &str, seq: u64) {
    let mut reader = Raw::open(url, None).await;
    reader.join(document, None).await;
    while reader.until("entry").await["seq"].as_u64().unwrap() < seq {}
}

/// How many entries the history makes.
fn edits(history: &Path) -> u64 {
    #[derive(serde::Deserialize)]
    struct History {
        txns: Vec<serde::de::IgnoredAny>,
    }
    let file = fs::File::open(history).unwrap();
    let history: History = serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap();
    u64::try_from(history.txns.len()).unwrap()
}
