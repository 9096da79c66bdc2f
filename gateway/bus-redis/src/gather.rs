//! A timer for the gathering of appends, finer than tokio's, which ticks once a millisecond.

use std::time::Duration;

#[cfg(target_os = "linux")]
pub(crate) use linux::FineTimer;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::FineTimer;

#[cfg(target_os = "linux")]
mod linux {
    use std::{io, os::fd::OwnedFd, time::Duration};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    /// A timer of the kernel that wakes this runtime's poll.
    #[derive(Debug)]
    pub(crate) struct FineTimer {
        timer: AsyncFd<OwnedFd>,
    }

    impl FineTimer {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that others may close; this one is owned"
        )]
        pub(crate) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Self {
                timer: AsyncFd::new(timer)?,
            })
        }

        /// Elapses once, after `time`.
        pub(crate) fn arm(&self, time: Duration) {
            let at = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
                    // Zero would disarm it.
                    tv_nsec: time.subsec_nanos().max(1).into(),
                },
            };
            // It fails only for arguments that are never given here; then the reply flushes.
            let _ = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &at);
        }

        pub(crate) async fn elapsed(&self) {
            if let Ok(mut ready) = self.timer.readable().await {
                // Armed again before the next wait, which resets the count that is not read here.
                ready.clear_ready();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::{io, time::Duration};

    /// A millisecond is the best that is to be had.
    #[derive(Debug)]
    pub(crate) struct FineTimer {
        time: std::sync::atomic::AtomicU64,
    }

    impl FineTimer {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self { time: 0.into() })
        }

        pub(crate) fn arm(&self, time: Duration) {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            self.time
                .store(micros, std::sync::atomic::Ordering::Relaxed);
        }

        pub(crate) async fn elapsed(&self) {
            let micros = self.time.load(std::sync::atomic::Ordering::Relaxed);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }
}

/// The most that a gathering takes, whatever is configured.
pub(crate) fn window(gather_us: u32) -> Duration {
    Duration::from_micros(gather_us.min(10_000).into())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_elapses_each_time_it_was_armed() {
        let timer = FineTimer::new().unwrap();
        for _ in 0..3 {
            let start = Instant::now();
            timer.arm(Duration::from_micros(500));
            timer.elapsed().await;
            assert!(start.elapsed() >= Duration::from_micros(500));
        }
    }
}
