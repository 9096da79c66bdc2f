//! `Recorder`: tells the checker what pages did, were told and were shown.

use std::{borrow::Cow, sync::Arc};

use inkwire_bus::LogPage;
use inkwire_checker::{
    AckLevel, Content, Entry, Event, LOG, Name, Position, Recording, Verdict, check,
};
use inkwire_client::core::{AppendId, Draft};
use inkwire_model::{ClientId, ClientSeq, Subject};

use crate::plan::Level;

pub(crate) struct Recorder(Recording);

impl Recorder {
    pub(crate) fn new(level: Level) -> Self {
        let mut recording = Recording::default();
        recording.push(Event::Deployed {
            level: match level {
                Level::Accepted => AckLevel::Accepted,
                Level::Replicated => AckLevel::Replicated,
            },
        });
        Self(recording)
    }

    pub(crate) fn client(&mut self, writer: &Name, author: &Subject, client: &ClientId) {
        self.0.push(Event::Client {
            writer: writer.clone(),
            author: author.as_str().into(),
            client: client.to_string().into(),
        });
    }

    pub(crate) fn submitted(&mut self, writer: &Name, append: AppendId, draft: &Draft) {
        self.0.push(Event::Submitted {
            writer: writer.clone(),
            append: append.0,
            content: content(draft),
        });
    }

    pub(crate) fn reworded(&mut self, writer: &Name, append: AppendId, draft: &Draft) {
        self.0.push(Event::Reworded {
            writer: writer.clone(),
            append: append.0,
            content: content(draft),
        });
    }

    pub(crate) fn acknowledged(
        &mut self,
        writer: &Name,
        append: AppendId,
        client_seq: ClientSeq,
        position: inkwire_model::Position,
    ) {
        self.0.push(Event::Acknowledged {
            writer: writer.clone(),
            append: append.0,
            client_seq,
            position: place(position),
        });
    }

    pub(crate) fn refused(&mut self, writer: &Name, append: AppendId) {
        self.0.push(Event::Refused {
            writer: writer.clone(),
            append: append.0,
        });
    }

    pub(crate) fn lost(&mut self, writer: &Name, from: AppendId, to: AppendId) {
        self.0.push(Event::Lost {
            writer: writer.clone(),
            from: from.0,
            to: to.0,
        });
    }

    pub(crate) fn renewed(&mut self, writer: &Name, last: Option<ClientSeq>) {
        let writer = writer.clone();
        self.0.push(Event::Renewed { writer, last });
    }

    /// The log has an entry here, whatever becomes of it.
    pub(crate) fn stood(&mut self, position: inkwire_model::Position) {
        let position = place(position);
        self.0.push(Event::Stood { position });
    }

    /// The page is gone, or its document ended: it holds nothing any more.
    pub(crate) fn forgot(&mut self, writer: &Name) {
        let writer = writer.clone();
        self.0.push(Event::Forgot { writer });
    }

    pub(crate) fn started(&mut self, reader: &Name) {
        self.0.push(Event::Started {
            reader: reader.clone(),
            position: None,
        });
    }

    pub(crate) fn reset(
        &mut self,
        reader: &Name,
        cause: inkwire_model::ResetCause,
        position: inkwire_model::Position,
    ) {
        self.0.push(Event::Reset {
            reader: reader.clone(),
            cause: format!("{cause:?}").into(),
            position: place(position),
        });
    }

    pub(crate) fn shown(&mut self, reader: &Name, entry: &inkwire_model::Entry) {
        self.0.push(Event::Shown {
            reader: reader.clone(),
            entry: copy(entry),
        });
    }

    pub(crate) fn live(&mut self, reader: &Name, position: inkwire_model::Position) {
        self.0.push(Event::Live {
            reader: reader.clone(),
            position: place(position),
        });
    }

    pub(crate) fn stopped(&mut self, reader: &Name) {
        let reader = reader.clone();
        self.0.push(Event::Stopped { reader });
    }

    /// What its application made of what it was shown.
    pub(crate) fn text(&mut self, reader: &Name, text: &str) {
        self.0.push(Event::Text {
            reader: reader.clone(),
            text: text.into(),
        });
    }

    /// What the log holds at the end, and what is to be said of it all.
    pub(crate) fn judge(&mut self, log: &LogPage) -> Verdict {
        self.0.push(Event::Started {
            reader: LOG.into(),
            position: Some(place(log.after)),
        });
        for entry in &log.entries {
            self.shown(&LOG.into(), entry);
        }
        let text: String = log.entries.iter().map(|entry| shown_as(entry)).collect();
        self.text(&LOG.into(), &text);
        check(&self.0)
    }
}

/// What an application appends to its text.
pub(crate) fn shown_as(entry: &inkwire_model::Entry) -> Cow<'_, str> {
    String::from_utf8_lossy(&entry.payload)
}

fn place(position: inkwire_model::Position) -> Position {
    position.to_string().parse().unwrap()
}

fn content(draft: &Draft) -> Content {
    let (kind, content_type) = (draft.kind.as_str(), draft.content_type.as_str());
    Content::new(kind, content_type, &draft.payload)
}

fn copy(entry: &inkwire_model::Entry) -> Arc<Entry> {
    let (kind, content_type) = (entry.kind.as_str(), entry.content_type.as_str());
    Arc::new(Entry {
        position: place(entry.position),
        author: entry.author.as_str().into(),
        client: entry.client.to_string().into(),
        client_seq: entry.client_seq,
        content: Content::new(kind, content_type, &entry.payload),
    })
}
