//! What both ends of a relay agree on: times and sizes. Whoever changes them keeps the order below.

use std::time::Duration;

/// How soon what was not confirmed is sent again; then half as soon each time, up to the second.
pub(super) const AGAIN: Duration = Duration::from_millis(150);
pub(super) const AGAIN_MAX: Duration = Duration::from_millis(500);
/// How often two ends that have nothing to say look whether the other one is there.
pub(super) const ALIVE: Duration = Duration::from_secs(2);
/// What stays unconfirmed for so long ends the session.
pub(super) const UNCONFIRMED_MAX: Duration = Duration::from_secs(3);
/// Who is silent for so long is gone. More than two signs of life.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(6);
/// How long a request waits for the session to take it as its receiver. More than [`UNCONFIRMED_MAX`]:
/// the one before it may still be on its way out.
pub(super) const ATTACH_MAX: Duration = Duration::from_secs(5);
/// How long a send waits in all, while its owner says that it is queueing it.
pub(super) const QUEUEING_MAX: Duration = Duration::from_secs(20);
/// How long a request is remembered after its end: no letter of it is on its way for longer.
pub(super) const REMEMBERED: Duration = Duration::from_secs(15);
/// Bytes of frames that were sent and not yet written to the response; one frame may reach above.
pub(super) const WINDOW_BYTES: usize = 64 << 10;

/// The pause behind this one.
pub(super) fn longer(pause: Duration, most: Duration) -> Duration {
    (pause * 2).min(most)
}
