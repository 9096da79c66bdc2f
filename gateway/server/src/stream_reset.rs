//! `StreamReset`: the way to end one HTTP/2 stream that hyper gave away. hyper writes such a stream in
//! a task of its own, which a peer that gives no window would keep for as long as the connection
//! lives; whoever serves the stream can end that task here, and the stream with RST_STREAM.

use hyper::rt::Executor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

tokio::task_local! {
    /// That of the request which this task answers.
    static CURRENT: StreamReset;
}

/// Ends one stream's writing task. Cheap to clone.
#[derive(Clone, Default)]
pub struct StreamReset(CancellationToken);

impl StreamReset {
    /// That of the stream whose request is being answered; `None` where that is no stream.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Ends the stream, unless it has ended.
    pub fn now(&self) {
        self.0.cancel();
    }
}

/// Runs hyper's own tasks, tracked like all others.
#[derive(Clone)]
pub(crate) struct TrackedExecutor(pub(crate) TaskTracker);

impl<F> Executor<F> for TrackedExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        match StreamReset::current() {
            // Begun by the task that answers a request: it writes the stream that this one became.
            Some(reset) => self.0.spawn(async move {
                reset.0.run_until_cancelled(task).await;
            }),
            None => self
                .0
                .spawn(CURRENT.scope(StreamReset::default(), async move {
                    task.await;
                })),
        };
    }
}
