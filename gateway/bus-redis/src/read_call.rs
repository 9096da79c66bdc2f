//! One call of the read function: typed arguments in, a page out (C6).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use fred::types::Value;
use inkwire_bus::{Continuity, LogPage, Read, ReadFrom, Standing};
use inkwire_model::{ClientKey, ContentType, Position, ResetCause, Snapshot};

use crate::{
    append_call::{BadReply, hash0_digits},
    functions::LIBRARY,
    keys::Keys,
    record::RecordReader,
    row,
};

/// The fields before those of the askers.
const OWN_FIELDS: [&str; 4] = ["position", "base", "snapshot_at", "deleted"];

/// A call that reads what is there.
pub(crate) fn args(keys: &Keys, read: &Read) -> Vec<Value> {
    args_of(&LIBRARY.read, keys, read)
}

/// A call that makes the document first if it is not there: a write, which Redis may refuse.
pub(crate) fn args_to_open(keys: &Keys, read: &Read, hash0: [u8; 8]) -> Vec<Value> {
    let mut args = args_of(&LIBRARY.open, keys, read);
    args.push(hash0_digits(hash0).into());
    args
}

/// Whether the reply says that the document is not there.
pub(crate) fn is_absent(reply: &Value) -> bool {
    reply.is_null()
}

fn args_of(function: &str, keys: &Keys, read: &Read) -> Vec<Value> {
    let fields = OWN_FIELDS.len() + read.askers.len() * 2;
    let limit = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut head = BytesMut::with_capacity(10);
    head.put_u32(limit(read.limit.entries));
    head.put_u32(limit(read.limit.bytes));
    head.put_u16(u16::try_from(fields).unwrap_or(u16::MAX));

    let mut args: Vec<Value> = Vec::with_capacity(9 + fields);
    args.push(function.into());
    let own = keys.of_append(&read.document);
    args.push((own.len() as i64).into());
    args.extend(own.into_iter().map(Value::from));
    args.push(head.freeze().into());
    args.push(match read.from {
        ReadFrom::Start => String::new().into(),
        ReadFrom::After(position) => position.to_string().into(),
        ReadFrom::Head => "+".into(),
    });
    args.extend(OWN_FIELDS.map(Value::from));
    for asker in &read.askers {
        args.push(row::access_field_of(&asker.subject).into());
        // No row has an empty name.
        args.push(
            asker
                .client
                .as_ref()
                .map_or_else(String::new, |client| {
                    row::field_of(&ClientKey {
                        subject: asker.subject.clone(),
                        client: client.clone(),
                    })
                })
                .into(),
        );
    }
    args
}

pub(crate) fn page(read: &Read, reply: Value) -> Result<LogPage, BadReply> {
    let Value::Array(reply) = reply else {
        return Err(BadReply);
    };
    let [
        kind,
        after,
        head,
        records,
        covered,
        snapshot,
        standings @ ..,
    ] = reply.as_slice()
    else {
        return Err(BadReply);
    };
    if standings.len() != read.askers.len() * 2 {
        return Err(BadReply);
    }
    let records = records.as_bytes().ok_or(BadReply)?;
    let entries = RecordReader::default().read_all(records).map_err(|why| {
        tracing::error!(document = %read.document, %why, "a log holds what no gateway wrote");
        BadReply
    })?;
    Ok(LogPage {
        continuity: match kind.as_bytes() {
            Some(b"c") => Continuity::Continues,
            Some(b"t") => Continuity::Broken(ResetCause::Trimmed),
            Some(b"d") => Continuity::Broken(ResetCause::Diverged),
            Some(b"x") => Continuity::Broken(ResetCause::Deleted),
            _ => return Err(BadReply),
        },
        snapshot: match snapshot.as_bytes().ok_or(BadReply)? {
            [] => None,
            packed => Some(Arc::new(read_snapshot(position(after)?, packed)?)),
        },
        after: position(after)?,
        entries: entries.into_iter().collect::<Vec<Arc<_>>>(),
        head: position(head)?,
        covered: position(covered)?.seq,
        standings: standings
            .chunks_exact(2)
            .map(standing)
            .collect::<Result<_, _>>()?,
    })
}

pub(crate) fn position(value: &Value) -> Result<Position, BadReply> {
    let bytes = value.as_bytes().ok_or(BadReply)?;
    let text = std::str::from_utf8(bytes).map_err(|_| BadReply)?;
    text.parse().map_err(|_| BadReply)
}

/// A snapshot as it stands in the state.
pub(crate) fn read_snapshot(position: Position, packed: &[u8]) -> Result<Snapshot, BadReply> {
    let (length, rest) = packed.split_first_chunk::<2>().ok_or(BadReply)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (content_type, payload) = rest.split_at_checked(length).ok_or(BadReply)?;
    let content_type = std::str::from_utf8(content_type).map_err(|_| BadReply)?;
    Ok(Snapshot {
        position,
        content_type: ContentType::parse(content_type).map_err(|_| BadReply)?,
        payload: Bytes::copy_from_slice(payload),
    })
}

/// The same, to be kept there.
pub(crate) fn pack_snapshot(content_type: &ContentType, payload: &[u8]) -> Bytes {
    let content_type = content_type.as_str();
    let mut packed = BytesMut::with_capacity(2 + content_type.len() + payload.len());
    packed.put_u16(u16::try_from(content_type.len()).unwrap_or(u16::MAX));
    packed.put_slice(content_type.as_bytes());
    packed.put_slice(payload);
    packed.freeze()
}

fn standing(fields: &[Value]) -> Result<Standing, BadReply> {
    let mut rows = fields.iter().map(|field| match field.as_bytes() {
        None => Err(BadReply),
        Some([]) => Ok(None),
        Some(bytes) => row::read(bytes).map(Some).ok_or(BadReply),
    });
    let access = rows.next().ok_or(BadReply)??;
    Ok(Standing {
        revoked: access.is_some_and(|row| row::revokes(&row)),
        row: rows.next().ok_or(BadReply)??,
    })
}
