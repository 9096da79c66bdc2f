//! The JavaScript client behind a proxy that refuses WebSockets in the midst, then event streams, and
//! permits all again: one session, one cursor, nothing lost and nothing repeated.

use std::process::Command;

use inkwire_test_support::{Gateway, Redis, checkout, program};

use crate::{cluster::replica, raw};

/// Of each request another one answers.
const REPLICAS: usize = 2;

#[test]
fn the_javascript_client_goes_on_over_what_gets_through() {
    let redis = Redis::start().unwrap();
    let replicas: Vec<Gateway> = (0..REPLICAS)
        .map(|_| replica(&redis).start().unwrap())
        .collect();
    let addresses: Vec<String> = replicas.iter().map(Gateway::address).collect();
    let client = checkout().join("shared/client-js");
    assert!(
        client.join("build/src/index.js").is_file(),
        "run `npm ci && npm test` in {} first; the README's test command does",
        client.display()
    );
    let output = Command::new(program("node").unwrap())
        .arg(checkout().join("tests/tests/e2e/transports.mjs"))
        .env("CLIENT_JS", client)
        .env("GATEWAYS", addresses.join(","))
        .env("DOCUMENT", raw::document("transports"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["isRead"], true, "{told}");
    assert_eq!(told["isOwn"], true, "{told}");
    assert_eq!(told["acknowledged"], told["appended"], "{told}");
    assert_eq!(told["lost"], 0, "{told}");
    assert_eq!(told["resets"], 0, "{told}");
}
