//! What Prometheus says of our metrics, rules and dashboard.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use inkwire_test_support::{Gateway, Redis, checkout, http_request, program};
use serde_json::{Value, json};

use crate::{
    cluster::replica,
    raw::{self, Raw},
};

fn scrape(gateway: &Gateway) -> String {
    let reply = http_request(&gateway.admin_address(), "/metrics", &[]).unwrap();
    assert_eq!(reply.status, 200);
    reply.body
}

/// The value of the sample with this name and these labels.
fn value(scrape: &str, sample: &str) -> f64 {
    let line = scrape.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        (name == sample).then_some(value)
    });
    let line = line.unwrap_or_else(|| panic!("no {sample} in {scrape}"));
    line.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_counts_what_happened_and_promtool_has_nothing_against_it() {
    let redis = Redis::start().unwrap();
    let gateway = replica(&redis).start().unwrap();
    let document = raw::document("counted");
    let mut writer = Raw::joined(&gateway.url(), &document, Some(&raw::client())).await;
    let mut reader = Raw::joined(&gateway.url(), &document, None).await;
    for number in 1..=3 {
        writer.append(&document, number, json!("x")).await;
        writer.until("ack").await;
        reader.until("entry").await;
    }
    writer.append(&document, 9, json!("x")).await;
    writer.until("nack").await;
    let counted = scrape(&gateway);
    for (sample, expected) in [
        ("inkwire_appends_total{outcome=\"appended\"}", 3.0),
        ("inkwire_appends_total{outcome=\"gap\"}", 1.0),
        ("inkwire_entries_total", 3.0),
        ("inkwire_deliveries_total", 6.0),
        ("inkwire_delivery_duration_seconds_count", 6.0),
        ("inkwire_join_duration_seconds_count", 2.0),
        ("inkwire_documents", 1.0),
        (
            "inkwire_connections{transport=\"websocket\",protocol=\"native/json\"}",
            2.0,
        ),
        (
            "inkwire_handshake_duration_seconds_count{outcome=\"welcomed\"}",
            2.0,
        ),
        ("inkwire_bus_available", 1.0),
    ] {
        assert_eq!(value(&counted, sample), expected, "{sample}");
    }
    assert!(value(&counted, "inkwire_redis_round_trip_seconds_count") >= 4.0);
    assert!(value(&counted, "inkwire_same_node_duration_seconds_count") >= 1.0);

    let mut promtool = Command::new(program("promtool").unwrap())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(counted.as_bytes()).unwrap();
    drop(stdin);
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[test]
fn the_alert_rules_are_rules_about_metrics_that_there_are() {
    let rules = checkout().join("deploy/prometheus/alerts.yml");
    let said = Command::new(program("promtool").unwrap())
        .args(["check", "rules"])
        .arg(&rules)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");

    let gateway = Gateway::start().unwrap();
    let scrape = scrape(&gateway);
    let exposed: BTreeSet<&str> = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let dashboard = fs::read_to_string(checkout().join("deploy/grafana/inkwire.json")).unwrap();
    let _: Value = serde_json::from_str(&dashboard).unwrap();
    let rules = fs::read_to_string(rules).unwrap();
    for text in [dashboard, rules] {
        let is_part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        for word in text
            .split(is_part)
            .filter(|word| word.starts_with("inkwire_"))
        {
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| word.strip_suffix(suffix))
                .unwrap_or(word);
            assert!(exposed.contains(family), "{word} is no metric");
        }
    }
}
