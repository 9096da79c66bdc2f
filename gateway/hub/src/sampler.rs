//! `Sampler`: takes one of so many, by chance, for the price of a subtraction.
//!
//! Instead of throwing dice for each, it draws how many to let go by until the next one.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Takes a part of what passes.
#[derive(Debug)]
pub struct Sampler {
    ratio: f64,
    /// How many go by before the next is taken.
    left: u64,
    random: u64,
}

impl Sampler {
    /// Takes `ratio` of all; nothing at 0 and everything at 1.
    pub fn new(ratio: f64) -> Self {
        Self::seeded(ratio, RandomState::new().build_hasher().finish())
    }

    fn seeded(ratio: f64, seed: u64) -> Self {
        let mut sampler = Self {
            ratio,
            left: 0,
            random: seed,
        };
        sampler.left = sampler.draw();
        sampler
    }

    /// Whether this one is taken.
    #[inline]
    pub fn take(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        self.left = self.draw();
        true
    }

    /// How many to let go by: geometrically distributed.
    fn draw(&mut self) -> u64 {
        if self.ratio <= 0.0 {
            return u64::MAX;
        }
        if self.ratio >= 1.0 {
            return 0;
        }
        // In (0, 1], so that the logarithm is finite. The cast saturates.
        let unit = ((self.next_random() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        (unit.ln() / (-self.ratio).ln_1p()) as u64
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ratio: f64, of: usize) -> usize {
        let mut sampler = Sampler::seeded(ratio, 7);
        (0..of).filter(|_| sampler.take()).count()
    }

    #[test]
    fn nothing_and_everything() {
        assert_eq!(taken(0.0, 100_000), 0);
        assert_eq!(taken(1.0, 100_000), 100_000);
    }

    #[test]
    fn the_part_is_the_ratio() {
        for ratio in [0.001, 0.01, 0.5] {
            let part = taken(ratio, 1_000_000) as f64 / 1_000_000.0;
            assert!((part / ratio - 1.0).abs() < 0.1, "{part} for {ratio}");
        }
    }
}
