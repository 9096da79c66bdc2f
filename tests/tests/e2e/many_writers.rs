//! Several writers on different replicas in one document, each pipelining.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    cluster::Cluster,
    raw::{self, Heard, Raw},
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
    let total = usize::try_from(ENTRIES_PER_WRITER).unwrap() * writers;
    let mut reading = JoinSet::new();
    for url in cluster.readers() {
        reading.spawn(read(url, document.clone(), total));
    }
    let mut writing = JoinSet::new();
    for index in 0..writers {
        let url = cluster.replicas[index % cluster.replicas.len()].url();
        writing.spawn(write(url, document.clone(), index));
    }
    // A writer hears its document too, in the same order as everybody.
    let written = writing.join_all().await;
    let orders = reading.join_all().await;
    for order in &orders {
        assert_eq!(order, &orders[0]);
    }
    let mut next = HashMap::new();
    for (index, entry) in orders[0].iter().enumerate() {
        assert_eq!(entry.seq, u64::try_from(index).unwrap() + 1);
        let expected = next.entry(&entry.client).or_insert(1);
        assert_eq!(entry.client_seq, *expected, "the order of {}", entry.client);
        *expected += 1;
    }
    assert_eq!(next.len(), writers);
    let places: HashMap<_, _> = orders[0]
        .iter()
        .map(|entry| ((&entry.client, entry.client_seq), &entry.position))
        .collect();
    for (client, positions) in &written {
        for (client_seq, position) in (1..).zip(positions) {
            let place = places[&(client, client_seq)];
            assert_eq!(
                place, position,
                "what was acknowledged is where it was said"
            );
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    seq: u64,
    position: String,
    client: String,
    client_seq: u64,
    payload: Value,
}

/// All entries, as one reader gets them.
async fn read(url: String, document: String, total: usize) -> Vec<Seen> {
    let mut raw = Raw::open(&url, None).await;
    raw.join(&document, None).await;
    let mut order = Vec::with_capacity(total);
    while order.len() < total {
        let entry = raw.until("entry").await;
        order.push(Seen {
            seq: entry["seq"].as_u64().unwrap(),
            position: entry["position"].as_str().unwrap().to_owned(),
            client: entry["client"].as_str().unwrap().to_owned(),
            client_seq: entry["client_seq"].as_u64().unwrap(),
            payload: entry["payload"].clone(),
        });
    }
    order
}

/// Appends with as many on their way as the contract permits; says what was acknowledged where.
async fn write(url: String, document: String, index: usize) -> (String, Vec<String>) {
    let client = raw::client();
    let mut raw = Raw::joined(&url, &document, Some(&client)).await;
    let mut sent = 0;
    let mut positions = Vec::new();
    loop {
        let acknowledged = u64::try_from(positions.len()).unwrap();
        if acknowledged == ENTRIES_PER_WRITER {
            return (client, positions);
        }
        while sent < ENTRIES_PER_WRITER && sent - acknowledged < WINDOW {
            sent += 1;
            raw.append(&document, sent, json!({ "writer": index, "n": sent }))
                .await;
        }
        match raw.hear().await {
            Heard::Packet(packet) if packet["type"] == "ack" => {
                assert_eq!(packet["client_seq"], acknowledged + 1);
                assert_eq!(packet["duplicate"], false);
                positions.push(packet["position"].as_str().unwrap().to_owned());
            }
            Heard::Packet(packet) if packet["type"] == "entry" => {}
            other => panic!("writer {index} heard {other:?}"),
        }
    }
}
