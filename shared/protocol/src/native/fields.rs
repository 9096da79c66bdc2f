//! All fields that a packet may have, borrowed from the message in one pass.
//!
//! They are one flat set per direction, since `type` may come after the fields that it explains.

use std::borrow::Cow;

use serde::Deserialize;

use super::scalar::Scalar;

/// The field `payload`, which is the one that the encodings show differently.
pub(super) trait PayloadField<'a>: Deserialize<'a> + Default {
    fn given(&self) -> GivenPayload<'_>;
}

/// What stood in the field `payload`.
pub(super) enum GivenPayload<'f> {
    Absent,
    /// A JSON value, as it was written.
    Json(&'f str),
    Bytes(&'f [u8]),
    WrongType,
}

/// Declares a set of fields; `$name` is the field's name on the wire.
macro_rules! field_set {
    ($(#[$doc:meta])* $set:ident { $($name:ident),* $(,)? } $($nested:ident: $type:ty)*) => {
        $(#[$doc])*
        #[derive(Default, Deserialize)]
        #[serde(default, bound(deserialize = "P: Deserialize<'de> + Default"))]
        pub(super) struct $set<'a, P> {
            $(#[serde(borrow)] pub(super) $name: Scalar<'a>,)*
            pub(super) payload: P,
            $(#[serde(borrow)] pub(super) $nested: Option<$type>,)*
        }
    };
}

field_set!(
    /// What a client may say.
    ClientFields {
        r#type, document, client_seq, kind, content_type, text, base64, traceparent, position,
        since, client, receive, token, subject, id, watch,
    }
);

field_set!(
    /// What the gateway may say.
    ServerFields {
        r#type, document, position, seq, at, author, client, client_seq, kind, content_type, text,
        base64, traceparent, duplicate, code, detail, after_ms, need, expected, max_bytes, why,
        row_client_seq, row_position, digests, role, subject, cause, session, replica,
        heartbeat_ms, payload_bytes_max, message_bytes_max, landing_ms, expires_at, action, id,
        version,
    }
    snapshot: SnapshotFields<'a, P>
    participants: Vec<ParticipantFields<'a>>
);

field_set!(
    /// The snapshot within a `reset`.
    SnapshotFields { position, content_type, text, base64 }
);

/// One of the participants in a list.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ParticipantFields<'a> {
    #[serde(borrow)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow)]
    pub(super) subject: Scalar<'a>,
    #[serde(borrow)]
    pub(super) role: Scalar<'a>,
    #[serde(borrow)]
    pub(super) since: Scalar<'a>,
}

/// One field with its name, for the sentence about its fault.
#[derive(Clone, Copy)]
pub(super) struct Field<'f, 'a> {
    pub(super) name: &'static str,
    pub(super) value: &'f Scalar<'a>,
}

/// `field!(fields.name)`: that field with its name.
macro_rules! field {
    ($fields:ident.$name:ident) => {
        $crate::native::fields::Field {
            name: stringify!($name),
            value: &$fields.$name,
        }
    };
}
pub(super) use field;

/// The three fields that can carry a payload, and the one that says what it is.
pub(super) struct PayloadFields<'f, 'a> {
    pub(super) payload: GivenPayload<'f>,
    pub(super) text: Field<'f, 'a>,
    pub(super) base64: Field<'f, 'a>,
    pub(super) content_type: Field<'f, 'a>,
}

/// `payload_fields!(fields)`: its payload, in whatever form.
macro_rules! payload_fields {
    ($fields:ident) => {
        $crate::native::fields::PayloadFields {
            payload: $fields.payload.given(),
            text: $crate::native::fields::field!($fields.text),
            base64: $crate::native::fields::field!($fields.base64),
            content_type: $crate::native::fields::field!($fields.content_type),
        }
    };
}
pub(super) use payload_fields;

/// In MessagePack a payload is a `bin`.
impl<'a> PayloadField<'a> for Scalar<'a> {
    fn given(&self) -> GivenPayload<'_> {
        match self {
            Scalar::Absent => GivenPayload::Absent,
            Scalar::Bytes(Cow::Borrowed(bytes)) => GivenPayload::Bytes(bytes),
            Scalar::Bytes(Cow::Owned(bytes)) => GivenPayload::Bytes(bytes),
            _ => GivenPayload::WrongType,
        }
    }
}
