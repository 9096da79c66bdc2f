//! `CodeCounts`: how often each code of the error table was said. A count only grows, and costs one
//! relaxed addition.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
};

use inkwire_model::{CODES, Code};

/// A count for each code.
#[derive(Debug)]
pub struct CodeCounts([AtomicU64; CODES.len()]);

impl CodeCounts {
    pub fn add(&self, code: Code) {
        // The table has a row for each code, in the order of the codes.
        if let Some(count) = self.0.get(code as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn of(&self, code: Code) -> u64 {
        let count = self.0.get(code as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Every code with its count.
    pub fn all(&self) -> impl Iterator<Item = (Code, u64)> {
        CODES.iter().map(|row| (row.code, self.of(row.code)))
    }
}

impl Default for CodeCounts {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_count_of_its_own() {
        let counts = CodeCounts::default();
        for (n, row) in CODES.iter().enumerate() {
            for _ in 0..n {
                counts.add(row.code);
            }
        }
        let all: Vec<_> = counts.all().collect();
        for (n, row) in CODES.iter().enumerate() {
            assert_eq!(all[n], (row.code, n as u64));
        }
    }
}
