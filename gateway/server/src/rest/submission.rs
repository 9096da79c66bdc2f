//! `Submission`: what a request appends, in whichever of its forms it came, and by what its sender can
//! name it.

use std::{borrow::Cow, sync::Arc};

use http::{StatusCode, header};
use inkwire_model::{ClientId, ClientSeq, ContentType, Kind, Subject};
use inkwire_protocol::native::{JsonPayload, is_as_typed};
use inkwire_session::posts::Posting;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Builder;

use super::{
    body::{RawBody, invalid, object},
    refused::Naming,
};
use crate::problem::Problem;

/// Entries of one request.
pub(super) const ENTRIES_MAX: usize = 256;

/// The headers that make a body the payload itself.
const CLIENT: &str = "inkwire-client";
const CLIENT_SEQ: &str = "inkwire-client-seq";
const KIND: &str = "inkwire-kind";

pub(super) struct Submission {
    pub(super) client: ClientId,
    pub(super) naming: Naming,
    pub(super) entries: Vec<Posting>,
    /// Whether the answer is a list, too.
    pub(super) is_batch: bool,
}

/// The body in JSON.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    entries: Option<Vec<&'a RawValue>>,
}

/// One entry in JSON.
#[derive(Deserialize)]
struct OneEntry<'a> {
    client_seq: Option<u64>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "given")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    base64: Option<Cow<'a, str>>,
}

/// A JSON value, `null` included.
pub(super) fn given<'de: 'a, 'a, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl Submission {
    pub(super) fn read(body: &RawBody, subject: &Subject) -> Result<Self, Problem> {
        let key = key_of(body, subject)?;
        let trace = body.trace()?;
        let is_raw = [CLIENT, CLIENT_SEQ, KIND]
            .iter()
            .any(|name| body.headers.contains_key(*name));
        match is_raw || !body.is_json() {
            true => Self::of_raw(body, key, trace),
            false => Self::of_json(body, key, trace),
        }
    }

    fn of_json(
        body: &RawBody,
        key: Option<ClientId>,
        trace: Option<Arc<str>>,
    ) -> Result<Self, Problem> {
        let envelope: Envelope<'_> = body.object()?;
        let (client, naming) = writer(envelope.client.as_deref(), key)?;
        let Some(entries) = envelope.entries else {
            let one: OneEntry<'_> = body.object()?;
            let posting = one.posting(naming, 1, trace).map_err(invalid)?;
            return Ok(Self {
                client,
                naming,
                entries: vec![posting],
                is_batch: false,
            });
        };
        if entries.is_empty() || entries.len() > ENTRIES_MAX {
            return Err(invalid(format!(
                "Give 1 to {ENTRIES_MAX} entries in one request."
            )));
        }
        let mut postings = Vec::<Posting>::with_capacity(entries.len());
        for (raw, number) in entries.into_iter().zip(1..) {
            let posting = object::<OneEntry<'_>>(raw.get())
                .and_then(|one| one.posting(naming, number, trace.clone()))
                .map_err(|why| invalid(format!("Entry {number} of `entries`: {why}")))?;
            let follows =
                |last: &Posting| last.client_seq.checked_add(1) == Some(posting.client_seq);
            if !postings.last().is_none_or(follows) {
                return Err(invalid(
                    "The client_seq of each of `entries` is one more than that before it.",
                ));
            }
            postings.push(posting);
        }
        Ok(Self {
            client,
            naming,
            entries: postings,
            is_batch: true,
        })
    }

    /// The body is the payload, and headers say the rest.
    fn of_raw(
        body: &RawBody,
        key: Option<ClientId>,
        trace: Option<Arc<str>>,
    ) -> Result<Self, Problem> {
        let Some(content_type) = body.header(header::CONTENT_TYPE.as_str())? else {
            return Err(Problem::of_http(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Say what the body is (Content-Type): application/json for the fields of an append, \
                 or the type of the payload that it is.",
            ));
        };
        let content_type = ContentType::parse(content_type).map_err(invalid)?;
        if !is_as_typed(&content_type, &body.bytes) {
            let why = format!("The Content-Type is {content_type} and the body is not JSON.");
            return Err(invalid(why));
        }
        let (client, naming) = writer(body.header(CLIENT)?, key)?;
        let given = match body.header(CLIENT_SEQ)? {
            Some(text) => Some(text.parse::<u64>().map_err(|_| {
                invalid("The header Inkwire-Client-Seq is to be a whole number of at least 1.")
            })?),
            None => None,
        };
        let posting = Posting {
            client_seq: number(naming, given, 1).map_err(invalid)?,
            kind: kind(body.header(KIND)?).map_err(invalid)?,
            content_type,
            payload: body.bytes.clone(),
            traceparent: trace,
        };
        Ok(Self {
            client,
            naming,
            entries: vec![posting],
            is_batch: false,
        })
    }
}

impl OneEntry<'_> {
    fn posting(
        self,
        naming: Naming,
        default: ClientSeq,
        traceparent: Option<Arc<str>>,
    ) -> Result<Posting, String> {
        let given = JsonPayload {
            payload: self.payload.map(RawValue::get),
            text: self.text.as_deref(),
            base64: self.base64.as_deref(),
            content_type: self.content_type.as_deref(),
        };
        let (content_type, payload) = given.read()?;
        Ok(Posting {
            client_seq: number(naming, self.client_seq, default)?,
            kind: kind(self.kind.as_deref())?,
            content_type,
            payload,
            traceparent,
        })
    }
}

/// Who writes the one entry of a request, and under which number.
pub(super) struct Authored {
    pub(super) client: ClientId,
    pub(super) client_seq: ClientSeq,
    pub(super) naming: Naming,
}

#[derive(Deserialize)]
struct AuthoredFields<'a> {
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    client_seq: Option<u64>,
}

impl Authored {
    /// From a body in JSON, which may be absent.
    pub(super) fn read(body: &RawBody, subject: &Subject) -> Result<Self, Problem> {
        let fields = match body.bytes.is_empty() {
            true => AuthoredFields {
                client: None,
                client_seq: None,
            },
            false => body.object()?,
        };
        let (client, naming) = writer(fields.client.as_deref(), key_of(body, subject)?)?;
        Ok(Self {
            client,
            client_seq: number(naming, fields.client_seq, 1).map_err(invalid)?,
            naming,
        })
    }
}

pub(super) fn kind(given: Option<&str>) -> Result<Kind, String> {
    let kind = given.map(Kind::parse).transpose()?;
    Ok(kind.unwrap_or_default())
}

/// Whose entries they are, and by what they can be named.
fn writer(given: Option<&str>, key: Option<ClientId>) -> Result<(ClientId, Naming), Problem> {
    match (given, key) {
        (Some(_), Some(_)) => Err(invalid(
            "Give an Idempotency-Key, or client and client_seq, not both.",
        )),
        (Some(client), None) => {
            let client = ClientId::parse(client).map_err(|error| invalid(error.to_string()))?;
            Ok((client, Naming::ByClient))
        }
        (None, Some(client)) => Ok((client, Naming::ByKey)),
        (None, None) => Ok((ClientId::random(), Naming::None)),
    }
}

/// The number of an entry: that of its client, or the next one of a client that the gateway made.
fn number(naming: Naming, given: Option<u64>, default: ClientSeq) -> Result<ClientSeq, String> {
    const NUMBER_MAX: u64 = (1 << 53) - 1;
    match (naming, given) {
        (Naming::ByClient, Some(number)) if (1..=NUMBER_MAX).contains(&number) => Ok(number),
        (Naming::ByClient, Some(_)) => {
            Err("`client_seq` is to be a whole number from 1 to 2^53 - 1".to_owned())
        }
        (Naming::ByClient, None) => Err("a client gives its client_seq".to_owned()),
        (_, Some(_)) => Err("a client_seq is of a client: give both, or none".to_owned()),
        (_, None) => Ok(default),
    }
}

/// The client that an `Idempotency-Key` of this subject stands for (C4).
fn key_of(body: &RawBody, subject: &Subject) -> Result<Option<ClientId>, Problem> {
    let Some(key) = body.idempotency_key()? else {
        return Ok(None);
    };
    let mut sha = Sha256::new();
    for field in ["inkwire idempotency key", subject.as_str(), key] {
        sha.update((field.len() as u64).to_be_bytes());
        sha.update(field.as_bytes());
    }
    let mut half = [0; 16];
    let whole: [u8; 32] = sha.finalize().into();
    half.copy_from_slice(whole.split_at(16).0);
    let uuid = Builder::from_custom_bytes(half).into_uuid();
    Ok(Some(ClientId::Uuid(uuid)))
}
