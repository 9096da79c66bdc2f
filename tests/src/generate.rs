//! Histories that nobody wrote, for where no real ones are: the same seed gives the same one.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{History, Patch, Text, Transaction};

/// What is typed: words of one and of several bytes, of one and of several code points.
const WORDS: [&str; 12] = [
    "the ",
    "review ",
    "of ",
    "naïve ",
    "façade ",
    "日本語 ",
    "Ωmega ",
    "emoji \u{1F58B}\u{fe0f} ",
    "e\u{301}tude ",
    "ship\n",
    "\"quoted\" ",
    "tab\t",
];

/// A history of `edits` transactions: typing at a cursor that now and then jumps, deleting back,
/// and rarely an edit in two places at once.
pub fn generate(edits: usize, seed: u64) -> History {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut text = Text::default();
    let mut cursor = 0;
    let mut typing = "".chars();
    let mut time_ms: u64 = 0;
    let mut transactions = Vec::with_capacity(edits);
    for _ in 0..edits {
        let jumps = rng.random_ratio(1, 50);
        if jumps {
            cursor = rng.random_range(0..=text.len());
        }
        let deletes = cursor > 0 && rng.random_ratio(1, 6);
        let mut patches = Vec::new();
        if deletes {
            let count = rng.random_range(1..=cursor.min(3));
            cursor -= count;
            patches.push(Patch(cursor, count, String::new()));
        } else {
            let next = typing.next().or_else(|| {
                typing = WORDS
                    .get(rng.random_range(0..WORDS.len()))
                    .unwrap_or(&"a")
                    .chars();
                typing.next()
            });
            patches.push(Patch(cursor, 0, next.unwrap_or('a').to_string()));
            cursor += 1;
        }
        if rng.random_ratio(1, 100) {
            patches.push(Patch(0, 0, "# ".into()));
            cursor += 2;
        }
        for patch in &patches {
            // Made to fit; were one not to, reading the history would name it.
            let _ = text.apply(patch);
        }
        time_ms += rng.random_range(20..400);
        transactions.push(Transaction {
            time: Some(rfc3339(time_ms)),
            patches,
        });
    }
    History {
        start_content: String::new(),
        end_content: text.to_string(),
        transactions,
    }
}

/// A time on 2024-01-01 or soon after.
fn rfc3339(ms: u64) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let (day, hour) = (1 + (hours / 24) % 31, hours % 24);
    format!("2024-01-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_history_of_mixed_text() {
        let history = generate(3_000, 1);
        assert_eq!(history, generate(3_000, 1));
        assert_ne!(history, generate(3_000, 2));
        assert_eq!(history.transactions.len(), 3_000);
        assert!(history.end_content.chars().any(|c| c.len_utf8() == 4));
        assert!(history.offsets_ms().last() > Some(&100_000));
    }
}
