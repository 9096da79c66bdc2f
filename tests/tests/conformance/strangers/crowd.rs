//! A hundred sessions that exchange entries all the time: ten documents, in each two writers and eight
//! readers, two of the ten on streams of HTTP/2 connections.

use std::time::Duration;

use inkwire_test_support::Gateway;
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    live::{Got, Live},
    tokens::token,
};
use crate::http2::Connection;

const DOCUMENTS: usize = 10;
const WRITERS: usize = 2;
const READERS: usize = 8;

/// Of each writer.
const PACE: Duration = Duration::from_millis(200);

pub(super) struct Crowd {
    writing: Vec<JoinHandle<(Live, u64)>>,
    readers: Vec<Live>,
    stop: CancellationToken,
    /// Their streams are sessions of the crowd.
    _connections: Vec<Connection>,
}

/// The document with this number.
pub(super) fn document(n: usize) -> String {
    format!("live-{}", n % DOCUMENTS)
}

impl Crowd {
    pub(super) async fn gather(gateway: &Gateway) -> Self {
        let connections = vec![
            Connection::open(gateway).await,
            Connection::open(gateway).await,
        ];
        let stop = CancellationToken::new();
        let (mut writing, mut readers) = (Vec::new(), Vec::new());
        for n in 0..DOCUMENTS {
            let document = document(n);
            for m in 0..READERS {
                let token = token(&format!("reader-{n}-{m}"), &[(&document, "viewer")]);
                let over = (m == 0).then(|| &connections[n % connections.len()]);
                readers.push(Live::open(gateway, over, &token, &document, false).await);
            }
            for m in 0..WRITERS {
                let token = token(&format!("writer-{n}-{m}"), &[(&document, "writer")]);
                let over = (m == 0).then(|| &connections[n % connections.len()]);
                let live = Live::open(gateway, over, &token, &document, true).await;
                writing.push(tokio::spawn(write(live, format!("{n}/{m}"), stop.clone())));
            }
        }
        Self {
            writing,
            readers,
            stop,
            _connections: connections,
        }
    }

    /// Ends it: every session has every entry of its document, in one order, and closes when asked.
    pub(super) async fn part(self) {
        self.stop.cancel();
        let mut lives = self.readers;
        let mut written = [0; DOCUMENTS];
        for writing in self.writing {
            let (live, count) = writing.await.expect("a writer's session stays open");
            let n = (0..DOCUMENTS)
                .find(|n| document(*n) == live.document)
                .unwrap();
            written[n] += usize::try_from(count).unwrap();
            lives.push(live);
        }
        let sessions = lives.len();
        assert_eq!(sessions, DOCUMENTS * (WRITERS + READERS));
        let mut orders: Vec<Option<Vec<Got>>> = vec![None; DOCUMENTS];
        let mut deliveries = 0;
        for live in lives {
            let n = (0..DOCUMENTS)
                .find(|n| document(*n) == live.document)
                .unwrap();
            let got = live.part(written[n]).await;
            assert_eq!(got.len(), written[n], "{}", document(n));
            deliveries += got.len();
            let order = orders[n].get_or_insert_with(|| got.clone());
            assert_eq!(*order, got, "one order for everybody");
        }
        for (n, order) in orders.iter().flatten().enumerate() {
            assert_in_each_writers_order(n, order);
        }
        let entries: usize = written.iter().sum();
        println!(
            "{sessions} live sessions: {entries} entries written, {deliveries} delivered, each to \
             all of its document, in one order; none closed, none heard an error"
        );
    }
}

async fn write(mut live: Live, name: String, stop: CancellationToken) -> (Live, u64) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = 0;
    while !stop.is_cancelled() {
        pace.tick().await;
        written += 1;
        if !live.append(written, &format!("{name}/{written}")).await {
            break;
        }
    }
    (live, written)
}

fn assert_in_each_writers_order(n: usize, order: &[Got]) {
    for m in 0..WRITERS {
        let prefix = format!("{n}/{m}/");
        let numbers = order
            .iter()
            .filter_map(|got| got.text.strip_prefix(&prefix));
        for (index, number) in numbers.enumerate() {
            assert_eq!(number.parse(), Ok(index + 1), "{prefix}");
        }
    }
}
