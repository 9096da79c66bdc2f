//! What the kernel says of a process: CPU time and resident memory.

use std::fs;

use serde::Serialize;

/// `/proc` counts CPU time in hundredths of a second, on every Linux of today.
const MICROS_PER_TICK: u64 = 10_000;

/// One process at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) pid: u32,
    cpu_us: u64,
    pub(super) rss_kib: u64,
}

/// What a process used during a run.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    pid: u32,
    cpu_us: u64,
    cpu_us_per_delivery: f64,
    cpu_us_per_edit: f64,
    rss_kib: u64,
}

pub(super) fn sample(pids: &[u32]) -> anyhow::Result<Vec<Sample>> {
    pids.iter().map(|pid| Sample::of(*pid)).collect()
}

impl Sample {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let missing = || anyhow::anyhow!("nothing is known of process {pid}");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| missing())?;
        // The name, in parentheses, may hold blanks; utime and stime are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').ok_or_else(missing)?;
        let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let mut ticks = || fields.next().and_then(Result::ok).ok_or_else(missing);
        let cpu_us = (ticks()? + ticks()?) * MICROS_PER_TICK;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|rss| rss.split_whitespace().next()?.parse().ok());
        let rss_kib = rss.ok_or_else(missing)?;
        Ok(Self {
            pid,
            cpu_us,
            rss_kib,
        })
    }

    pub(super) fn cpu_us_since(self, before: Self) -> u64 {
        self.cpu_us.saturating_sub(before.cpu_us)
    }

    pub(super) fn since(self, before: Self, deliveries: u64, edits: u64) -> Usage {
        let cpu_us = self.cpu_us_since(before);
        let per = |count: u64| cpu_us as f64 / count.max(1) as f64;
        Usage {
            pid: self.pid,
            cpu_us,
            cpu_us_per_delivery: per(deliveries),
            cpu_us_per_edit: per(edits),
            rss_kib: self.rss_kib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let own = sample(&[std::process::id()]).unwrap();
        assert!(own[0].rss_kib > 100);
        assert!(Sample::of(u32::MAX).is_err());
    }
}
