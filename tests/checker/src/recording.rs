//! `Recording`: a run, in memory or as JSON lines.

use std::io::{BufRead, Write};

use crate::Event;

/// What happened to one document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    pub events: Vec<Event>,
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("the recording cannot be read or written")]
    Io(#[from] std::io::Error),
    #[error("line {line} is no event")]
    Line {
        line: usize,
        #[source]
        fault: serde_json::Error,
    },
    #[error("an event cannot be written")]
    Event(#[source] serde_json::Error),
}

impl Recording {
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// One event a line.
    pub fn read(from: impl BufRead) -> Result<Self, RecordingError> {
        let mut recording = Self::default();
        for (index, line) in from.lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let event = serde_json::from_str(&line).map_err(|fault| RecordingError::Line {
                line: index + 1,
                fault,
            })?;
            recording.push(event);
        }
        Ok(recording)
    }

    pub fn write(&self, mut to: impl Write) -> Result<(), RecordingError> {
        for event in &self.events {
            serde_json::to_writer(&mut to, event).map_err(RecordingError::Event)?;
            to.write_all(b"\n")?;
        }
        Ok(to.flush()?)
    }
}

impl Extend<Event> for Recording {
    fn extend<T: IntoIterator<Item = Event>>(&mut self, events: T) {
        self.events.extend(events);
    }
}

impl FromIterator<Event> for Recording {
    fn from_iter<T: IntoIterator<Item = Event>>(events: T) -> Self {
        Self {
            events: Vec::from_iter(events),
        }
    }
}
