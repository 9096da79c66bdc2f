//! Who plays: which histories, how fast, and by which ways.

use std::{env, fs, time::Duration};

use bytes::Bytes;
use inkwire_client::ConnectOptions;
use inkwire_test_support::checkout;
use inkwire_tests::{History, generate};

use crate::scene::Scene;

/// Without real histories, so many are made.
const GENERATED: u64 = 3;

/// How clients reach the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Each replica has a writer and readers that try it first; HAProxy is where they go otherwise.
    Direct,
    /// Everybody by way of HAProxy, which spreads them.
    Balanced,
    /// Everybody by way of nginx.
    Nginx,
}

#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) paths: Paths,
    /// One document each.
    pub(crate) histories: Vec<Vec<Bytes>>,
    /// Edits of each document per second.
    pub(crate) rate: f64,
    /// Of each document, per replica.
    pub(crate) readers: usize,
    /// A session from which nothing comes for so long is given up by its client.
    pub(crate) silence: Duration,
}

/// Whether whole histories are played, for the table.
pub(crate) fn is_full() -> bool {
    env::var("INKWIRE_FAULTS").is_ok_and(|mode| mode == "full")
}

impl Default for Cast {
    fn default() -> Self {
        let (edits_max, rate, silence_s) = match is_full() {
            true => (usize::MAX, 400.0, 20),
            false => (1_600, 200.0, 3),
        };
        Self {
            paths: Paths::Direct,
            histories: histories(edits_max),
            rate,
            readers: 1,
            silence: Duration::from_secs(silence_s),
        }
    }
}

impl Cast {
    pub(crate) fn by(paths: Paths) -> Self {
        Self {
            paths,
            ..Self::default()
        }
    }

    /// How somebody who belongs to this replica connects.
    pub(crate) fn options(&self, scene: &Scene, replica: usize) -> ConnectOptions {
        let mut options = match self.paths {
            Paths::Direct => {
                ConnectOptions::new(scene.replicas[replica].url()).or(scene.haproxy.url())
            }
            Paths::Balanced => ConnectOptions::new(scene.haproxy.url()),
            Paths::Nginx => {
                let nginx = scene.nginx.as_ref().expect("a scene with nginx");
                ConnectOptions::new(nginx.url())
            }
        };
        let silence_ms = u64::try_from(self.silence.as_millis()).unwrap();
        options.session.dead_after_ms = silence_ms;
        options.session.ping_ms = silence_ms / 3;
        options.connect_timeout_ms = 2_000;
        options.backoff_max_ms = 1_000;
        options
    }
}

/// What is written: the payloads of real histories where they stand beside the checkout, or of some
/// that nobody wrote.
pub(crate) fn histories(edits_max: usize) -> Vec<Vec<Bytes>> {
    let folder = checkout().join("../shared/traces");
    let mut files: Vec<_> = fs::read_dir(folder)
        .map(|files| files.map(|file| file.unwrap().path()).collect())
        .unwrap_or_default();
    files.retain(|path| path.to_string_lossy().ends_with(".json.gz"));
    files.sort();
    let histories: Vec<History> = if files.is_empty() {
        let edits = edits_max.min(20_000);
        (1..=GENERATED).map(|seed| generate(edits, seed)).collect()
    } else {
        let read = files.iter().map(|path| History::read(path).unwrap());
        read.collect()
    };
    let payloads = histories.iter().map(|history| history.payloads().unwrap());
    payloads
        .map(|payloads| {
            payloads
                .into_iter()
                .take(edits_max)
                .map(Bytes::from)
                .collect()
        })
        .collect()
}
