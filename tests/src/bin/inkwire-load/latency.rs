//! Latencies, kept exactly up to a number of samples and thinned out beyond.

use std::time::Duration;

const SAMPLES_MAX: usize = 1 << 20;

#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies {
    micros: Vec<u32>,
    /// Every so many-th is kept.
    stride: u64,
    seen: u64,
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        self.stride = self.stride.max(1);
        self.seen += 1;
        if !self.seen.is_multiple_of(self.stride) {
            return;
        }
        self.micros
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        if self.micros.len() == SAMPLES_MAX {
            let mut keep = false;
            self.micros.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.micros.extend_from_slice(&other.micros);
    }

    /// In milliseconds; `None` without a sample.
    pub(crate) fn percentile_ms(&mut self, percent: usize) -> Option<f64> {
        self.micros.sort_unstable();
        let last = self.micros.len().checked_sub(1)?;
        let at = self.micros.get(last * percent / 100)?;
        Some(f64::from(*at) / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_samples() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_ms(50), None);
        for ms in 1..=101 {
            latencies.record(Duration::from_millis(ms));
        }
        assert_eq!(latencies.percentile_ms(50), Some(51.0));
        assert_eq!(latencies.percentile_ms(99), Some(100.0));
    }
}
