//! One call of the append function: typed arguments in, typed outcomes out (C1).
//!
//! A call may carry several appends of one document; what one of them was refused does not touch
//! the others, whether or not they happened to share a call.

use std::{collections::HashMap, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use fred::types::Value;
use inkwire_bus::{
    Append, AppendOutcome, CommentRefusal, Refusal, Retention, ReviewLimits, Ticket,
};
use inkwire_model::{ClientId, ClientRow, DocumentId, NewEntry};

use crate::{functions::LIBRARY, keys::Keys, record, review::pack_effect, row};

/// Most fields of the state that one call may name: Lua's stack holds no more than 8,000 values.
const FIELDS_MAX: usize = 3_000;

/// What a call says besides its entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// By the clock of Redis, since 1970.
    pub(crate) deadline: Duration,
    pub(crate) log_entries_max: u32,
    pub(crate) retention: Retention,
    pub(crate) row_kept_s: u32,
    /// `hash(0)`, should the document be new.
    pub(crate) hash0: [u8; 8],
    pub(crate) review: ReviewLimits,
}

/// Appends of one document on their way.
#[derive(Debug)]
pub(crate) struct AppendCall {
    pub(crate) document: DocumentId,
    /// Which appends share the call, and how many entries each has.
    pub(crate) parts: Vec<(Ticket, usize)>,
    pub(crate) bytes: usize,
    pub(crate) args: Vec<Value>,
    terms: Terms,
    fields: usize,
    head_at: usize,
    /// How many of its entries do something to comments.
    effects: usize,
}

/// From this number on a group of entries is taken whole.
const WHOLE: u16 = 1 << 15;

/// The reply has a form that the function never gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the function's reply has an unknown form")]
pub(crate) struct BadReply;

/// More clients in one append than a call can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an append has entries of more than {FIELDS_MAX} clients")]
pub(crate) struct TooManyClients;

/// Whether a change of access is among the entries.
pub(crate) fn changes_access(append: &Append) -> bool {
    append.entries.iter().any(is_access)
}

fn is_access(entry: &NewEntry) -> bool {
    matches!(entry.client, ClientId::Access(_))
}

/// The bytes that an append holds while it waits.
pub(crate) fn bytes_of(append: &Append) -> usize {
    let of_entry = |entry: &NewEntry| entry.payload.len() + 256;
    append.entries.iter().map(of_entry).sum()
}

impl AppendCall {
    pub(crate) fn new(
        keys: &Keys,
        document: DocumentId,
        appends: &[Append],
        terms: Terms,
    ) -> Result<Self, TooManyClients> {
        let mut fields = Fields::default();
        let mut entries: Vec<Value> = Vec::new();
        let mut effects: Vec<Value> = Vec::new();
        let mut bytes = 0;
        for (group, append) in appends.iter().enumerate() {
            bytes += bytes_of(append);
            for entry in &append.entries {
                let row_at = fields.place(row::field_of(&entry.key()))?;
                let access_at = match is_access(entry) {
                    true => 0,
                    false => fields.place(row::access_field_of(&entry.author))?,
                };
                if let Some(effect) = &entry.comment {
                    let place = entries.len() / 2;
                    effects.push(pack_effect(place, entry, effect, terms.review).into());
                }
                let mut key = BytesMut::with_capacity(30);
                key.put_u64(entry.client_seq);
                // Told apart by being different from the one before: wrapping does no harm.
                let whole = if append.whole { WHOLE } else { 0 };
                key.put_u16(group as u16 % WHOLE + whole);
                key.put_u16(row_at);
                key.put_u16(access_at);
                key.put_slice(entry.digest().as_bytes());
                entries.push(key.freeze().into());
                entries.push(record::pack(entry).into());
            }
        }

        let names = fields.names;
        let fields = names.len();
        let own = keys.of_append(&document);
        let mut args: Vec<Value> = Vec::with_capacity(8 + fields + entries.len() + effects.len());
        args.push(LIBRARY.append.as_str().into());
        args.push((own.len() as i64).into());
        args.extend(own.into_iter().map(Value::from));
        args.push(keys.live(&document).into());
        let head_at = args.len();
        args.push(terms.head(fields, effects.len()).into());
        args.extend(names.into_iter().map(Value::from));
        args.extend(entries);
        let effects_n = effects.len();
        args.extend(effects);
        Ok(Self {
            document,
            parts: appends
                .iter()
                .map(|a| (a.ticket, a.entries.len()))
                .collect(),
            bytes,
            args,
            terms,
            fields,
            head_at,
            effects: effects_n,
        })
    }

    /// Reads the reply: the outcomes of each append, in order.
    pub(crate) fn outcomes(&self, reply: Value) -> Result<Vec<Vec<AppendOutcome>>, BadReply> {
        let mut rest = reply.as_bytes().ok_or(BadReply)?;
        if rest == b"x" {
            let expired = AppendOutcome::Refused(Refusal::Expired);
            let all = |(_, n): &(Ticket, usize)| vec![expired.clone(); *n];
            return Ok(self.parts.iter().map(all).collect());
        }
        let mut next = || {
            let (outcome, after) = outcome(rest)?;
            rest = after;
            Ok(outcome)
        };
        let mut outcomes = Vec::with_capacity(self.parts.len());
        for (_, n) in &self.parts {
            outcomes.push((0..*n).map(|_| next()).collect::<Result<Vec<_>, _>>()?);
        }
        match rest {
            [] => Ok(outcomes),
            _ => Err(BadReply),
        }
    }

    /// Gives it another deadline: the server's clock may be known only when it is sent.
    pub(crate) fn expire_at(&mut self, deadline: Duration) {
        self.terms.deadline = deadline;
        if let Some(head) = self.args.get_mut(self.head_at) {
            *head = self.terms.head(self.fields, self.effects).into();
        }
    }

    /// The same call, to be sent again after it was not executed.
    pub(crate) fn again(&self) -> Self {
        Self {
            document: self.document.clone(),
            parts: self.parts.clone(),
            bytes: self.bytes,
            args: self.args.clone(),
            terms: self.terms,
            fields: self.fields,
            head_at: self.head_at,
            effects: self.effects,
        }
    }

    /// Whether it may put something into its document's outbox.
    pub(crate) fn reviews(&self) -> bool {
        self.effects > 0
    }

    pub(crate) fn entries(&self) -> usize {
        self.parts.iter().map(|(_, n)| n).sum()
    }
}

impl Terms {
    fn head(&self, fields: usize, effects: usize) -> Bytes {
        let mut head = BytesMut::with_capacity(46);
        head.put_slice(format!("{:010}", self.deadline.as_secs()).as_bytes());
        head.put_u32(self.deadline.subsec_micros());
        head.put_u32(self.log_entries_max);
        head.put_u32(match self.retention {
            Retention::Everything => 0,
            Retention::Latest(latest) => latest.max(1),
        });
        head.put_u32(self.row_kept_s);
        head.put_u16(u16::try_from(fields).unwrap_or(u16::MAX));
        head.put_slice(hash0_digits(self.hash0).as_bytes());
        head.put_u16(u16::try_from(effects).unwrap_or(u16::MAX));
        head.freeze()
    }
}

/// The identity of a new log, as 16 hex digits.
pub(crate) fn hash0_digits(hash0: [u8; 8]) -> String {
    inkwire_model::ChainHash::from_random(hash0).to_string()
}

/// The fields of the state that a call needs besides the position, each once.
#[derive(Default)]
struct Fields {
    names: Vec<String>,
    places: HashMap<String, u16>,
}

impl Fields {
    /// The place of a field: Lua counts from 1, and there stands the position.
    fn place(&mut self, name: String) -> Result<u16, TooManyClients> {
        // Entries of one client come in a row: its two fields are the last ones.
        let near = self
            .names
            .iter()
            .rev()
            .take(2)
            .position(|known| *known == name);
        if let Some(back) = near {
            return Ok((self.names.len() + 1 - back) as u16);
        }
        if let Some(place) = self.places.get(&name) {
            return Ok(*place);
        }
        if self.names.len() >= FIELDS_MAX {
            return Err(TooManyClients);
        }
        self.names.push(name.clone());
        let place = self.names.len() as u16 + 1;
        self.places.insert(name, place);
        Ok(place)
    }
}

/// The first outcome in a reply, and what follows it.
fn outcome(reply: &[u8]) -> Result<(AppendOutcome, &[u8]), BadReply> {
    let (kind, rest) = reply.split_first().ok_or(BadReply)?;
    let refused = |refusal| Ok((AppendOutcome::Refused(refusal), rest));
    match kind {
        b'0'..=b'9' => {
            let dash = reply.iter().take(17).position(|byte| *byte == b'-');
            let end = dash.ok_or(BadReply)? + 17;
            let (text, rest) = reply.split_at_checked(end).ok_or(BadReply)?;
            let text = std::str::from_utf8(text).map_err(|_| BadReply)?;
            let position = text.parse().map_err(|_| BadReply)?;
            Ok((AppendOutcome::Appended(position), rest))
        }
        b'=' => {
            let (position, rest) = rest.split_at_checked(24).ok_or(BadReply)?;
            let position = row::read_position(position).ok_or(BadReply)?;
            Ok((AppendOutcome::Duplicate(position), rest))
        }
        b'g' => {
            let (row, rest) = split_row(rest)?;
            let refusal = Refusal::Gap {
                expected: row.client_seq + 1,
                row: Some(row),
            };
            Ok((AppendOutcome::Refused(refusal), rest))
        }
        b'c' => {
            let (row, rest) = split_row(rest)?;
            Ok((
                AppendOutcome::Refused(Refusal::ClientConflict { row }),
                rest,
            ))
        }
        b'u' => refused(Refusal::UnknownClient),
        b'r' => refused(Refusal::Revoked),
        b'f' => refused(Refusal::LogFull),
        b'd' => refused(Refusal::Dropped),
        b'k' => {
            let (why, rest) = rest.split_first().ok_or(BadReply)?;
            let why = match why {
                b'f' => CommentRefusal::Forbidden,
                b'u' => CommentRefusal::UnknownComment,
                b'd' => CommentRefusal::Deleted,
                b'n' => CommentRefusal::TooManyComments,
                b'a' => CommentRefusal::TooManyAuthors,
                _ => return Err(BadReply),
            };
            Ok((AppendOutcome::Refused(Refusal::Comment(why)), rest))
        }
        _ => Err(BadReply),
    }
}

fn split_row(bytes: &[u8]) -> Result<(ClientRow, &[u8]), BadReply> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(BadReply)?;
    let length = u16::from_be_bytes(*length).into();
    let (row, rest) = rest.split_at_checked(length).ok_or(BadReply)?;
    Ok((row::read(row).ok_or(BadReply)?, rest))
}
