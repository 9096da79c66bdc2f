//! Each connection is an open file, and what a shell permits by default is soon used up: the process
//! takes as many as it may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files besides connections: logs, Redis, the runtime's own.
const OTHER_FILES: u64 = 100;

/// Raises the limit as far as it goes without privileges, and warns if that is not far enough.
pub fn raise_limit(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "cannot raise the limit of open files");
    }
    let needed = u64::try_from(connections_max)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    if let Some(open_files_max) = getrlimit(Resource::Nofile).current
        && open_files_max < needed
    {
        warn!(
            open_files_max,
            connections_max, "fewer open files are permitted than connections"
        );
    }
}
