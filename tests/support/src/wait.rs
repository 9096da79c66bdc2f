//! Waiting for a condition with a deadline: the only way these tests let time pass.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long a process may take to become ready on a busy machine.
pub const START_TIMEOUT: Duration = Duration::from_secs(20);

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Asks `condition` until it holds; `what` names it in the failure.
pub fn wait_until(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + timeout;
    while !condition() {
        if Instant::now() >= deadline {
            bail!("waited {timeout:?} in vain for this: {what}");
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}
