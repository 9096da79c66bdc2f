//! `docs/configuration.md` lists exactly the keys that there are, with their defaults.

use std::{fs, path::Path};

use inkwire_server::config::keys::{KEYS, Key, Takes};

/// The table's row of a key, as it has to stand in the page.
fn row(key: &Key) -> String {
    let takes = match key.takes {
        Takes::Text(name) => name.to_lowercase(),
        Takes::List(name) => format!("list of {}", name.to_lowercase()),
        Takes::Number { min, max } => format!("{min} to {max}"),
        Takes::Switch => "true or false".to_owned(),
        Takes::Secret => format!("secret, only in `{}`", key.variable()),
    };
    let default = match key.default {
        "" => "none".to_owned(),
        default => format!("`{default}`"),
    };
    format!(
        "| `{}` | {takes} | {default} | {} |",
        key.name, key.sentence
    )
}

#[test]
fn the_page_lists_exactly_the_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(path).expect("docs/configuration.md");
    let missing: Vec<_> = KEYS
        .iter()
        .map(|key| row(key))
        .filter(|row| !page.contains(row))
        .collect();
    assert!(
        missing.is_empty(),
        "add these rows:\n{}",
        missing.join("\n")
    );
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        rows,
        KEYS.len(),
        "the page has rows of keys that are no more"
    );
}
