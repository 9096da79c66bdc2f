//! docs/stomp.md says what the code does: its limits are the defaults, its errors are rows of the table
//! of codes.

use std::path::PathBuf;

use inkwire_model::{CODES, Code};
use inkwire_protocol::stomp::{ConversationLimits, ConversationTimes, Frame, Version, encode};

fn page() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/stomp.md");
    std::fs::read_to_string(path).expect("the page")
}

/// The cells of the rows of the table with this head.
fn rows(page: &str, head: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|line| *line != head).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_limits_are_the_defaults() {
    let limits = ConversationLimits::default();
    let expected = [
        limits.decoder.headers_max,
        limits.decoder.line_bytes_max,
        limits.decoder.head_bytes_max,
        limits.decoder.body_bytes_max,
        limits.subscriptions_max,
        limits.transactions_max,
        limits.transaction_sends_max,
        limits.gathered_bytes_max,
    ];
    let page = page();
    let written: Vec<usize> = rows(&page, "| what | at most |")
        .iter()
        .map(|cells| cells[2].trim_end_matches(" bytes").parse().unwrap())
        .collect();
    assert_eq!(written, expected);
    let linger_s = ConversationTimes::default().linger_ms / 1000;
    assert!(page.contains(&format!("waits {linger_s} s for the client's close")));
}

#[test]
fn the_errors_are_of_the_table_of_codes() {
    let rows = rows(&page(), "| what | `code` | close |");
    for cells in &rows {
        let code = Code::parse(cells[2].trim_matches('`')).unwrap();
        assert_eq!(cells[3], code.row().close_code.to_string(), "{}", cells[2]);
    }
    // Whatever ends a connection for a fault against a protocol can be a fault against this one.
    for row in CODES.iter().filter(|row| row.close_code == 1002) {
        let is_shown = rows
            .iter()
            .any(|cells| cells[2].trim_matches('`') == row.name);
        assert!(is_shown, "{}", row.name);
    }
}

#[test]
fn the_example_is_what_is_sent() {
    let detail = "the subscription 0 stands already";
    let error = encode(
        &Frame::error(Code::DuplicateId, detail, Some("7")),
        Version::V1_2,
    );
    let text = String::from_utf8(error.to_vec())
        .unwrap()
        .replace('\0', "^@");
    assert!(page().contains(&format!("```\n{text}\n```")), "{text}");
}
