//! Why an append was not taken.

use inkwire_writer::QueueFull;

/// An append was not taken, and is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("the queue is full: {entries} entries, {bytes} bytes un-acknowledged")]
    QueueFull { entries: usize, bytes: usize },
    #[error("the payload has {bytes} bytes, the gateway takes {bytes_max}")]
    TooLarge { bytes: usize, bytes_max: u64 },
    #[error("its message has {bytes} bytes, the gateway takes {bytes_max}")]
    MessageTooLarge { bytes: usize, bytes_max: usize },
    #[error("this document was opened for reading only")]
    ReadOnly,
    #[error("the document ended: {0:?}")]
    Ended(inkwire_model::Code),
    #[error("this document is not open")]
    NotOpen,
}

impl From<QueueFull> for AppendError {
    fn from(QueueFull { entries, bytes }: QueueFull) -> Self {
        Self::QueueFull { entries, bytes }
    }
}
