//! Several writers on different replicas in one document, each pipelining.

use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    cluster::Cluster,
    raw::{self, Heard, Raw},
    witness::assert_one_history,
};

const ENTRIES_PER_WRITER: u64 = 1_000;
/// As many as may be un-acknowledged (C2).
const WINDOW: u64 = 64;

#[tokio::test]
async fn two_writers_and_then_eight_have_one_order_everywhere() {
    let cluster = Cluster::start();
    for writers in [2, 8] {
        one_order(&cluster, writers).await;
    }
}

async fn one_order(cluster: &Cluster, writers: usize) {
    let document = raw::document("writers");
    let total = ENTRIES_PER_WRITER * u64::try_from(writers).unwrap();
    let mut sessions = JoinSet::new();
    for url in cluster.readers() {
        sessions.spawn(read(url, document.clone(), total));
    }
    // A writer hears its document too, in the same order as everybody.
    for index in 0..writers {
        let url = cluster.replicas[index % cluster.replicas.len()].url();
        sessions.spawn(write(url, document.clone(), index));
    }
    let sessions = sessions.join_all().await;
    let url = cluster.replicas[0].url();
    let counts = assert_one_history(&document, &url, None, sessions)
        .await
        .counts;
    assert_eq!((counts.entries, counts.acknowledged), (total, total));
    assert_eq!(counts.forgotten, 0);
}

/// All entries, as one reader gets them.
async fn read(url: String, document: String, total: u64) -> Raw {
    let mut raw = Raw::open(&url, None).await;
    raw.join(&document, None).await;
    for _ in 0..total {
        raw.until("entry").await;
    }
    raw
}

/// Appends with as many on their way as the contract permits, until all are acknowledged.
async fn write(url: String, document: String, index: usize) -> Raw {
    let mut raw = Raw::joined(&url, &document, Some(&raw::client())).await;
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < ENTRIES_PER_WRITER {
        while sent < ENTRIES_PER_WRITER && sent - acknowledged < WINDOW {
            sent += 1;
            raw.append(&document, sent, json!({ "writer": index, "n": sent }))
                .await;
        }
        match raw.hear().await {
            Heard::Packet(packet) if packet["type"] == "ack" => {
                acknowledged += 1;
                assert_eq!(packet["client_seq"], acknowledged);
                assert_eq!(packet["duplicate"], false);
            }
            Heard::Packet(packet) if packet["type"] == "entry" => {}
            other => panic!("writer {index} heard {other:?}"),
        }
    }
    raw
}
