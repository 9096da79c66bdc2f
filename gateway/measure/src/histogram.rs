//! `Histogram`: how many values fell between which bounds, and their sum.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// From a tenth of a millisecond to ten seconds: what a relay may take.
const DURATION_BOUNDS_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Values by bucket. Durations are counted in microseconds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram held when it was read; readings of the same bounds can be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramReading {
    pub bounds: &'static [u64],
    pub counts: Vec<u64>,
    pub sum: u64,
}

impl Histogram {
    /// One of durations.
    pub fn of_durations() -> Self {
        Self {
            bounds: DURATION_BOUNDS_US,
            counts: (0..=DURATION_BOUNDS_US.len())
                .map(|_| AtomicU64::new(0))
                .collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub fn record(&self, took: Duration) {
        self.record_times(took, 1);
    }

    /// The same duration, so many times.
    pub fn record_times(&self, took: Duration, times: u64) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket(self.bounds, us)) {
            count.fetch_add(times, Ordering::Relaxed);
            self.sum
                .fetch_add(us.saturating_mul(times), Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> HistogramReading {
        HistogramReading {
            bounds: self.bounds,
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// Which bucket of a histogram of durations this one falls into.
pub fn bucket_of(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    bucket(DURATION_BOUNDS_US, us)
}

/// The first whose bound the value does not exceed.
fn bucket(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

impl Default for Histogram {
    fn default() -> Self {
        Self::of_durations()
    }
}

impl HistogramReading {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds a reading of the same bounds.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_it() {
        let histogram = Histogram::of_durations();
        histogram.record(Duration::from_micros(100));
        histogram.record(Duration::from_micros(101));
        histogram.record_times(Duration::from_secs(60), 3);
        let read = histogram.read();
        assert_eq!(read.counts.first(), Some(&1));
        assert_eq!(read.counts.get(1), Some(&1));
        assert_eq!(read.counts.last(), Some(&3));
        assert_eq!((read.count(), read.sum), (5, 180_000_201));
    }

    #[test]
    fn readings_add_up() {
        let (one, two) = (Histogram::of_durations(), Histogram::of_durations());
        one.record(Duration::from_millis(1));
        two.record(Duration::from_millis(1));
        let mut sum = one.read();
        sum.add(&two.read());
        assert_eq!((sum.count(), sum.sum), (2, 2_000));
    }
}
