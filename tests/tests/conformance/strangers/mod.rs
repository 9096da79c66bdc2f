//! Strangers beside a hundred live sessions: random frames, every case of the tables and every bad
//! packet. They get typed errors; the hundred get every entry and stay open.
//!
//! One seed decides what every stranger sends: `INKWIRE_SEED` repeats a run, and `INKWIRE_STRANGER`
//! beside it one stranger of it.

mod bad_packets;
mod crowd;
mod live;
mod random;
mod stranger;
mod tally;
mod tokens;

use std::env;

use futures_util::{StreamExt as _, stream};
use inkwire_test_support::Gateway;

use crate::{extended_connect, handshakes, http2::Connection, messages, wire};
use crowd::Crowd;
use stranger::stranger;
use tally::Tally;

/// Random frames in all.
const FRAMES: usize = 10_000;

/// As many failures say enough.
const FAILURES_MAX: usize = 10;

/// Strangers at a time.
const BESIDE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_frames_and_bad_input_beside_a_hundred_live_sessions() {
    let seed = number("INKWIRE_SEED").unwrap_or_else(rand::random);
    println!("INKWIRE_SEED={seed}");
    let gateway = wire::options()
        .token_secret(tokens::SECRET)
        .args([
            "--payload-bytes-max",
            &bad_packets::PAYLOAD_BYTES_MAX.to_string(),
        ])
        // The tables' cases say hello without a token.
        .args(["--allow-anonymous-anywhere", "--anonymous-role", "viewer"])
        .start()
        .unwrap();
    let crowd = Crowd::gather(&gateway).await;
    if let Some(n) = number("INKWIRE_STRANGER") {
        let connection = Connection::open(&gateway).await;
        stranger(&gateway, &connection, seed, n)
            .await
            .unwrap()
            .tell();
        return crowd.part().await;
    }
    let (tally, failures) = random_frames(&gateway, seed).await;
    tally.tell();
    bad_packets::all(&gateway).await;
    handshakes::all(&gateway).await;
    extended_connect::all(&gateway).await;
    messages::over_http1(&gateway).await;
    messages::over_http2(&gateway).await;
    crowd.part().await;
    assert!(
        failures.is_empty(),
        "INKWIRE_SEED={seed}\n{}",
        failures.join("\n")
    );
}

async fn random_frames(gateway: &Gateway, seed: u64) -> (Tally, Vec<String>) {
    let connection = Connection::open(gateway).await;
    let strangers = stream::iter(0..).map(|n| stranger(gateway, &connection, seed, n));
    let mut strangers = strangers.buffer_unordered(BESIDE);
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    while tally.frames() < FRAMES {
        match strangers.next().await.expect("there is always another one") {
            Ok(one) => tally.add(one),
            Err(failure) => {
                println!("INKWIRE_SEED={seed} {failure}");
                failures.push(failure);
            }
        }
        if failures.len() >= FAILURES_MAX {
            break;
        }
    }
    (tally, failures)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}
