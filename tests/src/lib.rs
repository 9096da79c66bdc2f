//! What the load tool and the tests share: editing histories, the texts they make, and recordings of
//! runs for the history checker.

mod generate;
mod history;
mod recording;
mod stomp_client;
mod tape;
mod text;
mod timestamp;

pub use generate::generate;
pub use history::{History, HistoryError, Patch, Transaction};
pub use recording::{read_recording, write_recording};
pub use stomp_client::StompClient;
pub use tape::{Tape, recording};
pub use text::{OutOfRange, Text};
