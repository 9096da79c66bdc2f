//! What was sent and what came back, counted.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: BTreeMap<&'static str, usize>,
    answers: BTreeMap<String, usize>,
    connections: usize,
}

impl Tally {
    pub(super) fn one_connection() -> Self {
        Self {
            connections: 1,
            ..Self::default()
        }
    }

    pub(super) fn sent(&mut self, kind: &'static str) {
        *self.sent.entry(kind).or_default() += 1;
    }

    pub(super) fn heard(&mut self, answer: &str) {
        // An echoed code is one of thousands.
        let answer = match answer {
            "CLOSE (echo)" | "END" => answer,
            _ if answer.starts_with("PONG") => "PONG",
            _ if answer.starts_with("pong") => "pong",
            _ => answer,
        };
        *self.answers.entry(answer.to_owned()).or_default() += 1;
    }

    pub(super) fn frames(&self) -> usize {
        self.sent.values().sum()
    }

    pub(super) fn add(&mut self, other: Self) {
        for (kind, count) in other.sent {
            *self.sent.entry(kind).or_default() += count;
        }
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        self.connections += other.connections;
    }

    pub(super) fn tell(&self) {
        println!(
            "\n{} random frames on {} connections",
            self.frames(),
            self.connections
        );
        for (kind, count) in &self.sent {
            println!("  sent   {kind:40} {count:>6}");
        }
        for (answer, count) in &self.answers {
            println!("  heard  {answer:40} {count:>6}");
        }
    }
}
