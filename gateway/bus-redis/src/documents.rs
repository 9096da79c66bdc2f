//! Documents as REST and back ends see them, in Redis: `lua/documents.lua` says what each call does.

use std::sync::Arc;

use fred::{
    interfaces::HashesInterface as _,
    types::{Key, Value},
};
use inkwire_bus::{
    About, DocumentFuture, Documents, LogPage, PageLimit, PutSnapshot, Read, ReadFrom, SnapshotAt,
    SnapshotPut, SnapshotRefused, Ticket, Unavailable,
};
use inkwire_model::{
    ClientId, CommentId, ContentType, DocumentId, Kind, NewEntry, Position, Snapshot, Subject,
};

use crate::{
    append_call::hash0_digits,
    bus::RedisBus,
    functions::LIBRARY,
    read_call,
    reader::{self, ABOUT_FIELDS},
    record, row,
};

impl RedisBus {
    /// Calls a function that changes a document, at the level at which appends are acknowledged.
    fn change_document(
        &self,
        function: &'static str,
        document: &DocumentId,
        own: Vec<Value>,
    ) -> DocumentFuture<Value> {
        let keys = self.keys.of_append(document);
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let mut args: Vec<Value> = vec![function.into(), count.into()];
        args.extend(keys.into_iter().map(Value::from));
        args.extend(own);
        let (client, confirmed) = (self.side.clone(), self.confirmed.clone());
        let is_available = self.link.is_available();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            match confirmed {
                Some(confirmed) => confirmed.call(args).await,
                None => {
                    let reply = reader::call(&client, || args.clone()).await;
                    reply.map_err(|error| unavailable(&error))
                }
            }
        })
    }

    /// The fields of a document's state with these names.
    fn look<F: Into<Key> + Send + 'static>(
        &self,
        document: &DocumentId,
        fields: Vec<F>,
    ) -> DocumentFuture<Value> {
        let (client, key) = (self.side.clone(), self.keys.state(document));
        let is_available = self.link.is_available();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            let fields: Vec<Key> = fields.into_iter().map(Into::into).collect();
            let found = client.hmget(key, fields).await;
            found.map_err(|error| unavailable(&error))
        })
    }
}

impl Documents for RedisBus {
    fn about(&self, document: &DocumentId) -> DocumentFuture<Option<About>> {
        let found = self.look(document, ABOUT_FIELDS.to_vec());
        Box::pin(async move { Ok(reader::about(&found.await?)) })
    }

    fn is_revoked(&self, document: &DocumentId, subject: &Subject) -> DocumentFuture<bool> {
        let found = self.look(document, vec![row::access_field_of(subject)]);
        Box::pin(async move {
            let Value::Array(fields) = found.await? else {
                return Err(not_understood());
            };
            let access = fields.first().and_then(Value::as_bytes).and_then(row::read);
            Ok(access.is_some_and(|access| row::revokes(&access)))
        })
    }

    fn page(
        &self,
        document: &DocumentId,
        from: ReadFrom,
        limit: PageLimit,
    ) -> DocumentFuture<Option<LogPage>> {
        let read = Read {
            ticket: Ticket(0),
            document: document.clone(),
            from,
            limit,
            askers: Vec::new(),
        };
        let (client, keys) = (self.side.clone(), self.keys.clone());
        let is_available = self.link.is_available();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            let reply = reader::call(&client, || read_call::args(&keys, &read)).await;
            let reply = reply.map_err(|error| unavailable(&error))?;
            if read_call::is_absent(&reply) {
                return Ok(None);
            }
            let page = read_call::page(&read, reply);
            page.map(Some).map_err(|_| not_understood())
        })
    }

    fn snapshot(&self, document: &DocumentId) -> DocumentFuture<Option<Arc<Snapshot>>> {
        let found = self.look(document, vec!["snapshot_at", "snapshot"]);
        Box::pin(async move {
            let Value::Array(fields) = found.await? else {
                return Err(not_understood());
            };
            let [at, packed] = fields.as_slice() else {
                return Err(not_understood());
            };
            let Some(packed) = packed.as_bytes() else {
                return Ok(None);
            };
            let position = read_call::position(at).map_err(|_| not_understood())?;
            let snapshot = read_call::read_snapshot(position, packed);
            let snapshot = snapshot.map_err(|_| not_understood())?;
            Ok(Some(Arc::new(snapshot)))
        })
    }

    fn put_snapshot(
        &self,
        document: &DocumentId,
        put: PutSnapshot,
    ) -> DocumentFuture<Result<SnapshotPut, SnapshotRefused>> {
        let mut hash0 = [0; 8];
        if getrandom::fill(&mut hash0).is_err() {
            return Box::pin(async { Err(Unavailable) });
        }
        let at = match put.at {
            SnapshotAt::Position(position) => position.to_string(),
            SnapshotAt::Seed => String::new(),
        };
        let packed = read_call::pack_snapshot(&put.content_type, &put.payload);
        let mut own: Vec<Value> = vec![
            at.into(),
            Value::Bytes(packed),
            i64::from(put.tail_entries).into(),
            row::access_field_of(&put.author).into(),
            hash0_digits(hash0).into(),
        ];
        for (comment, mapped) in &put.anchors {
            own.push(comment.to_string().into());
            match mapped.range() {
                Some((start, end)) => own.extend([start, end].map(|n| n.to_string().into())),
                None => own.extend(["", ""].map(Value::from)),
            }
        }
        let reply = self.change_document(&LIBRARY.put_snapshot, document, own);
        Box::pin(async move { put_of(&reply.await?).ok_or_else(not_understood) })
    }

    fn delete(&self, document: &DocumentId) -> DocumentFuture<Option<Position>> {
        let (mut hash, mut other) = ([0; 8], [0; 8]);
        if getrandom::fill(&mut hash).is_err() || getrandom::fill(&mut other).is_err() {
            return Box::pin(async { Err(Unavailable) });
        }
        let reply = self.change_document(
            &LIBRARY.delete,
            document,
            vec![
                self.keys.live(document).into(),
                hash0_digits(hash).into(),
                Value::Bytes(record::pack(&of_no_history())),
                hash0_digits(other).into(),
            ],
        );
        Box::pin(async move {
            match reply.await? {
                Value::Null => Ok(None),
                start => {
                    let start = read_call::position(&start);
                    start.map(Some).map_err(|_| not_understood())
                }
            }
        })
    }
}

fn put_of(reply: &Value) -> Option<Result<SnapshotPut, SnapshotRefused>> {
    let Value::Array(reply) = reply else {
        return None;
    };
    match (reply.first()?.as_bytes()?, reply.as_slice()) {
        (b"k", [_, position, base]) => Some(Ok(SnapshotPut {
            position: read_call::position(position).ok()?,
            base: read_call::position(base).ok()?,
        })),
        (b"n", _) => Some(Err(SnapshotRefused::NotInHistory)),
        (b"o", _) => Some(Err(SnapshotRefused::NotNewer)),
        (b"r", _) => Some(Err(SnapshotRefused::Revoked)),
        (b"a", [_, lacking @ ..]) => {
            let id = |id: &Value| std::str::from_utf8(id.as_bytes()?).ok()?.parse().ok();
            let lacking: Option<Vec<CommentId>> = lacking.iter().map(id).collect();
            Some(Err(SnapshotRefused::LacksAnchors(lacking?)))
        }
        _ => None,
    }
}

/// What is announced where a log has no entry to announce.
fn of_no_history() -> NewEntry {
    NewEntry {
        at: 0,
        author: Subject::access_author(),
        client: ClientId::Access(Subject::access_author()),
        client_seq: 0,
        kind: Kind::default(),
        content_type: ContentType::default(),
        payload: bytes::Bytes::new(),
        traceparent: None,
        comment: None,
    }
}

fn unavailable(error: &fred::error::Error) -> Unavailable {
    tracing::debug!(%error, "a document's call failed");
    Unavailable
}

fn not_understood() -> Unavailable {
    tracing::error!("the answer of a document's call was not understood");
    Unavailable
}
