//! Metrics: gathered when somebody looks, from numbers that are written where things happen. The table
//! is the one list of them; `docs/telemetry.md` is checked against it.

mod gather;
mod process;
mod push;
mod table;
mod text;

pub use gather::{Family, Point, Sources, Value};
pub(super) use push::push;
pub use table::{METRICS, Metric, Shape};
pub use text::{OPEN_METRICS, PROMETHEUS, open_metrics, prometheus};
