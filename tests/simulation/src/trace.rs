//! `Trace`: one line for each thing that happened: time, who, what. Its hash is always kept, its lines
//! only where somebody will read them.

use std::fmt;

use crate::agenda::Micros;

pub(crate) struct Trace {
    lines: Option<Vec<String>>,
    hash: u64,
}

impl Trace {
    pub(crate) fn new(keeps_lines: bool) -> Self {
        Self {
            lines: keeps_lines.then(Vec::new),
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// `tag` stands for the line in the hash, since most lines are never made.
    pub(crate) fn add(&mut self, at: Micros, tag: u64, line: fmt::Arguments<'_>) {
        for word in [at, tag] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3);
            self.hash ^= self.hash >> 29;
        }
        if let Some(lines) = &mut self.lines {
            let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
            lines.push(format!("{seconds:>4}.{micros:06} {line}"));
        }
    }

    pub(crate) fn keeps_lines(&self) -> bool {
        self.lines.is_some()
    }

    pub(crate) fn finish(self) -> (u64, Vec<String>) {
        (self.hash, self.lines.unwrap_or_default())
    }
}
