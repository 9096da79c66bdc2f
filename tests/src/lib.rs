//! What the load tool and the tests share: editing histories, and the texts they make.

mod align;
mod generate;
mod history;
mod tape;
mod text;
mod timestamp;

pub use align::{Difference, align};
pub use generate::generate;
pub use history::{History, HistoryError, Patch, Transaction};
pub use tape::{Tape, recording};
pub use text::{OutOfRange, Text};
