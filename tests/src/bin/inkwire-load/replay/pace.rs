//! When each edit is due.

use std::{str::FromStr, time::Duration};

use inkwire_tests::History;

/// Nobody waits for a writer who went to lunch.
const PAUSE_MAX_MS: u64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    PerSecond(f64),
    Max,
    Recorded,
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            "recorded" => Ok(Self::Recorded),
            number => match number.parse() {
                Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(Self::PerSecond(rate)),
                _ => Err("use a number of edits per second, max or recorded".into()),
            },
        }
    }
}

impl Pace {
    /// How long after the start each edit is due; `None`: as soon as may be.
    pub(super) fn schedule(self, history: &History) -> Option<Vec<Duration>> {
        match self {
            Self::Max => None,
            Self::PerSecond(rate) => {
                let edits = 0..history.transactions.len();
                Some(
                    edits
                        .map(|n| Duration::from_secs_f64(n as f64 / rate))
                        .collect(),
                )
            }
            Self::Recorded => {
                let (mut last_ms, mut due_ms) = (0, 0);
                let dues = history.offsets_ms().into_iter().map(|at_ms| {
                    due_ms += (at_ms - last_ms).min(PAUSE_MAX_MS);
                    last_ms = at_ms;
                    Duration::from_millis(due_ms)
                });
                Some(dues.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_parsed_and_kept() {
        assert_eq!("max".parse(), Ok(Pace::Max));
        assert_eq!("250.5".parse(), Ok(Pace::PerSecond(250.5)));
        for bad in ["", "0", "-1", "inf", "fast"] {
            assert!(bad.parse::<Pace>().is_err(), "{bad}");
        }
        let history = inkwire_tests::generate(5, 1);
        let schedule = Pace::PerSecond(10.0).schedule(&history).unwrap();
        assert_eq!(schedule[4], Duration::from_millis(400));
        assert!(Pace::Recorded.schedule(&history).unwrap().is_sorted());
    }
}
