//! The review of documents in Redis: comments are read as they stand; what the append function puts into
//! a document's outbox is brought into its recipients' logs (C12).

mod drain;
mod effect;
mod stored;

use std::sync::Arc;

use fred::types::Value;
use inkwire_bus::{AppendOutcome, Review, ReviewFuture, Unavailable};
use inkwire_model::{Comment, CommentId, DocumentId, NewEntry, Subject};

pub(crate) use self::drain::{Courier, Drain, Hints, index_command};
pub(crate) use self::effect::pack as pack_effect;
#[cfg(feature = "fuzzing")]
pub(crate) use self::stored::comment as read_comment;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::stored::notice as read_notice;
use crate::{bus::RedisBus, functions::LIBRARY, reader};

impl Review for RedisBus {
    fn comments(&self, document: &DocumentId) -> ReviewFuture<Option<Vec<Comment>>> {
        self.read_comments(document, None)
    }

    fn comment(&self, document: &DocumentId, id: CommentId) -> ReviewFuture<Option<Comment>> {
        let found = self.read_comments(document, Some(id));
        Box::pin(async move { Ok(found.await?.unwrap_or_default().pop()) })
    }

    fn notify(&self, recipient: &Subject, message: NewEntry) -> ReviewFuture<AppendOutcome> {
        let courier = Arc::clone(&self.courier);
        let log = DocumentId::notifications_of(recipient);
        let is_available = self.link.is_available();
        Box::pin(async move {
            let log = log.filter(|_| is_available).ok_or(Unavailable)?;
            let outcomes = courier.append(vec![(log, message)]).await?;
            outcomes.into_iter().next().ok_or(Unavailable)
        })
    }
}

impl RedisBus {
    fn read_comments(
        &self,
        document: &DocumentId,
        id: Option<CommentId>,
    ) -> ReviewFuture<Option<Vec<Comment>>> {
        let client = self.side.clone();
        let is_available = self.link.is_available();
        let mut own: Vec<Value> = vec![LIBRARY.comments.as_str().into(), 3.into()];
        own.push(self.keys.state(document).into());
        own.push(self.keys.log(document).into());
        own.push(self.keys.comments(document).into());
        own.extend(id.map(|id| id.to_string().into()));
        let document = document.clone();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            let reply = reader::call(&client, || own.clone()).await;
            let reply = reply.map_err(|error| {
                tracing::debug!(%document, %error, "comments could not be read");
                Unavailable
            })?;
            if reply.is_null() {
                return Ok(None);
            }
            let mut comments = read(reply).ok_or_else(|| {
                tracing::error!(%document, "comments were not understood");
                Unavailable
            })?;
            comments.sort_by_key(|comment| comment.position.seq);
            Ok(Some(comments))
        })
    }
}

/// The comments in a reply: id, record and whether its anchor's position is gone.
pub(crate) fn read(reply: Value) -> Option<Vec<Comment>> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let comments = parts.chunks_exact(3).map(|each| match each {
        [id, record, gone] => {
            let is_gone = gone.as_u64()? != 0;
            stored::comment(id.as_bytes()?, record.as_bytes()?, is_gone)
        }
        _ => None,
    });
    comments.collect()
}
