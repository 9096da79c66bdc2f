//! What every bus promises, as tests: one function for each rule, run on each implementation.
//!
//! An implementation makes a [`Fixture`] and says `bus_contract_tests!(MyFixture::start());` in its
//! tests. Every fault hook is required, so that nothing is skipped silently.

mod cases;
mod fixture;
mod mail;
mod queues;
mod recorder;
mod replica;
mod tickets;
mod writer;

pub use cases::*;
pub use fixture::{Fixture, LOG_ENTRIES_MAX};
pub use mail::*;
pub use queues::*;
pub use recorder::{Recorder, TimedOut};
pub use replica::{Replica, WIDE, document};
pub use tickets::*;
pub use writer::Writer;

/// Makes one test of each rule; the expression is a future that starts a new [`Fixture`].
#[macro_export]
macro_rules! bus_contract_tests {
    ($start:expr) => {
        $crate::for_each_contract_case!($start);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests_of {
    ($start:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $start.await;
            $crate::contract::$case(&fixture).await;
            $crate::contract::Fixture::stop(fixture).await;
        }
    )*};
}
