//! This replica's name: unique by chance, since two of one name would be one in every log.

use std::fs;

/// The host's name and a random suffix.
pub fn draw_name() -> String {
    format!(
        "{}-{:06x}",
        host_name(),
        rand::random::<u32>() & 0x00ff_ffff
    )
}

fn host_name() -> String {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = told
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let plain: String = told
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        .take(80)
        .collect();
    if plain.is_empty() {
        "replica".to_owned()
    } else {
        plain
    }
}
