//! What the admin port tells of numbers and traces, and that `docs/telemetry.md` tells the same.

use std::{collections::BTreeSet, fs, path::Path};

use inkwire_server::telemetry::{
    metrics::{METRICS, Metric},
    tracing::SPANS,
};

use crate::replica::{Replica, exchange, get, request};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/telemetry.md");
    fs::read_to_string(path).expect("docs/telemetry.md")
}

/// The table's row of a metric, as it has to stand in the page.
fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    format!(
        "| `{}` | `{}` | {} | `{}` | {} | {} |",
        metric.name,
        metric.otlp_name,
        metric.shape.as_str(),
        metric.unit,
        labels.join(" "),
        metric.sentence
    )
}

#[test]
fn the_page_lists_exactly_the_metrics_and_spans() {
    let page = page();
    let metrics = METRICS.iter().map(|metric| row(metric));
    let spans = SPANS
        .iter()
        .map(|(name, kind, sentence)| format!("| `{name}` | {kind} | {sentence} |"));
    let rows: Vec<_> = metrics.chain(spans).collect();
    let missing: Vec<_> = rows
        .iter()
        .filter(|row| !page.lines().any(|line| line == row.as_str()))
        .cloned()
        .collect();
    assert!(
        missing.is_empty(),
        "add these rows:\n{}",
        missing.join("\n")
    );
    let in_page = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(in_page, rows.len(), "the page has rows of what is no more");
}

#[test]
fn a_scrape_has_exactly_the_metrics_of_the_table() {
    let replica = Replica::start(&[]);
    get(replica.address, "/ws").expect_problem(400, "bad_handshake");
    let scrape = get(replica.admin, "/metrics");
    assert_eq!(scrape.status, 200, "{scrape:?}");
    assert!(
        scrape
            .head
            .contains("content-type: text/plain; version=0.0.4"),
        "{scrape:?}"
    );
    let types = scrape
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let exposed: BTreeSet<_> = types.map(str::to_owned).collect();
    let table = METRICS
        .iter()
        .map(|metric| format!("{} {}", metric.name, metric.shape.as_str()));
    assert_eq!(exposed, table.collect());
    let refused = "inkwire_handshake_duration_seconds_count{outcome=\"refused\"} 1";
    assert!(
        scrape.body.lines().any(|line| line == refused),
        "{scrape:?}"
    );

    let accept = "Accept: application/openmetrics-text; version=1.0.0";
    let open = request(replica.admin, "/metrics", &[accept, "Connection: close"]);
    assert!(
        open.head
            .contains("content-type: application/openmetrics-text"),
        "{open:?}"
    );
    assert!(open.body.trim_end().ends_with("# EOF"), "{open:?}");
    get(replica.address, "/metrics").expect_problem(404, "not_found");
}

fn ask(replica: &Replica, method: &str, path: &str) -> crate::replica::Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        replica.admin
    );
    crate::replica::Answer::parse(&exchange(replica.admin, &request))
}

#[test]
fn documents_are_traced_wholly_for_a_while() {
    // Nothing listens there, which hurts nobody.
    let endpoint = ["--otlp-endpoint", "http://127.0.0.1:9"];
    let replica = Replica::start(&endpoint);
    let added = ask(&replica, "PUT", "/tracing/documents/a%2Fb?for_s=60");
    assert_eq!(added.status, 200, "{added:?}");
    let list = get(replica.admin, "/tracing/documents").json();
    assert_eq!(list["documents"][0]["document"], "a/b");
    assert_eq!(
        ask(&replica, "DELETE", "/tracing/documents/a%2Fb").status,
        204
    );
    ask(&replica, "DELETE", "/tracing/documents/a%2Fb").expect_problem(404, "not_found");
    ask(&replica, "PUT", "/tracing/documents/a%2F%2Fb").expect_problem(400, "invalid_document_id");
    ask(&replica, "PUT", "/tracing/documents/a?for_s=0").expect_problem(400, "invalid");
}

#[test]
fn without_a_receiver_no_document_is_traced() {
    let replica = Replica::start(&[]);
    ask(&replica, "PUT", "/tracing/documents/a").expect_problem(409, "tracing_off");
    get(replica.admin, "/tracing/documents").expect_problem(409, "tracing_off");
}

#[test]
fn a_receiver_that_is_away_delays_no_stop() {
    let flags = [
        "--otlp-endpoint",
        "http://127.0.0.1:9",
        "--trace-ratio",
        "1",
    ];
    let mut replica = Replica::start(&flags);
    get(replica.address, "/ws").expect_problem(400, "bad_handshake");
    replica.terminate();
    replica.wait_for_log("traces are lost; what is served is not affected");
    assert!(replica.wait_exit().success());
}

#[test]
fn the_variables_of_opentelemetry_count() {
    let mut command = crate::replica::inkwire();
    command
        .args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let replica = Replica::start_command(&mut command);
    assert_eq!(get(replica.admin, "/tracing/documents").status, 200);
    let refused = crate::replica::inkwire()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://example.org")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{said}");
}
