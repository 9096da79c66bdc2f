//! Payloads: exactly one of three fields carries the bytes, and the bytes survive exactly.
//!
//! What goes out is chosen so that it comes back as the same bytes: a digest covers them.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use inkwire_model::ContentType;
use serde::de::IgnoredAny;

use super::{
    fields::{GivenPayload, PayloadFields},
    read::{Fault, content_type},
};

const TEXT_DEFAULT: &str = "text/plain; charset=utf-8";
const BYTES_DEFAULT: &str = "application/octet-stream";

/// How a JSON packet shows a payload.
pub(super) enum OutgoingPayload<'a> {
    Json(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
}

pub(super) fn outgoing<'a>(content_type: &ContentType, payload: &'a [u8]) -> OutgoingPayload<'a> {
    let is_json = is_json(content_type);
    if !is_json && !is_text(content_type) {
        return OutgoingPayload::Bytes(payload);
    }
    match std::str::from_utf8(payload) {
        Ok(text) if is_json && keeps_its_bytes(text) && is_json_value(text) => {
            OutgoingPayload::Json(text)
        }
        Ok(text) => OutgoingPayload::Text(text),
        Err(_) => OutgoingPayload::Bytes(payload),
    }
}

/// Reads a payload that is in a log, whichever field it stands in.
pub(super) fn logged(fields: PayloadFields<'_, '_>) -> Result<(ContentType, Bytes), Fault> {
    let (content_type, payload, _) = choose(fields)?;
    Ok((content_type, payload))
}

/// Reads a payload that a client sends. What calls itself JSON and is not is refused, here alone: a
/// reader takes what the log has.
pub(super) fn sent(fields: PayloadFields<'_, '_>) -> Result<(ContentType, Bytes), Fault> {
    as_typed(choose(fields)?)
}

fn as_typed(
    (content_type, payload, form): (ContentType, Bytes, Form),
) -> Result<(ContentType, Bytes), Fault> {
    if form == Form::JsonValue || is_as_typed(&content_type, &payload) {
        Ok((content_type, payload))
    } else {
        Err(Fault::invalid(format!(
            "the content_type is {content_type} and the payload is not JSON"
        )))
    }
}

/// Whether a payload that calls itself JSON is. The same is asked of it whatever the protocol.
pub fn is_as_typed(content_type: &ContentType, payload: &[u8]) -> bool {
    !is_json(content_type) || std::str::from_utf8(payload).is_ok_and(is_json_value)
}

/// What is known of a payload by the field it stood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It was parsed along with the packet.
    JsonValue,
    Unknown,
}

/// What of a JSON object carries a payload: the same three fields, whichever object it is.
#[derive(Debug, Default, Clone, Copy)]
pub struct JsonPayload<'a> {
    /// The text of a JSON value that was parsed.
    pub payload: Option<&'a str>,
    pub text: Option<&'a str>,
    pub base64: Option<&'a str>,
    pub content_type: Option<&'a str>,
}

impl JsonPayload<'_> {
    /// The payload that they carry, judged as one that a client sends; the error is a sentence for it.
    pub fn read(self) -> Result<(ContentType, Bytes), String> {
        let given_type = self.content_type.map(ContentType::parse).transpose()?;
        let payload = self
            .payload
            .map_or(GivenPayload::Absent, GivenPayload::Json);
        choose_given(payload, self.text, self.base64, given_type)
            .and_then(as_typed)
            .map_err(|fault| fault.detail)
    }
}

fn choose(fields: PayloadFields<'_, '_>) -> Result<(ContentType, Bytes, Form), Fault> {
    let given_type = content_type(fields.content_type)?;
    let (text, base64) = (fields.text.text()?, fields.base64.text()?);
    choose_given(fields.payload, text, base64, given_type)
}

fn choose_given(
    payload: GivenPayload<'_>,
    text: Option<&str>,
    base64: Option<&str>,
    given_type: Option<ContentType>,
) -> Result<(ContentType, Bytes, Form), Fault> {
    let or_default = |default: &str| match given_type {
        Some(given) => Ok(given),
        None => ContentType::parse(default).map_err(Fault::invalid),
    };
    match (payload, text, base64) {
        (GivenPayload::Json(json), None, None) => {
            let content_type = or_default("application/json")?;
            if !is_json(&content_type) {
                return Err(Fault::invalid(format!(
                    "the field `payload` is a JSON value, so its content_type cannot be \
                     {content_type}: use `text` or `base64`"
                )));
            }
            let payload = Bytes::copy_from_slice(json.as_bytes());
            Ok((content_type, payload, Form::JsonValue))
        }
        (GivenPayload::Bytes(bytes), None, None) => {
            let payload = Bytes::copy_from_slice(bytes);
            Ok((or_default(BYTES_DEFAULT)?, payload, Form::Unknown))
        }
        (GivenPayload::Absent, Some(text), None) => Ok((
            or_default(TEXT_DEFAULT)?,
            Bytes::copy_from_slice(text.as_bytes()),
            Form::Unknown,
        )),
        (GivenPayload::Absent, None, Some(base64)) => {
            let bytes = STANDARD.decode(base64).map_err(|e| {
                Fault::invalid(format!(
                    "the field `base64` is not padded standard Base64: {e}"
                ))
            })?;
            Ok((or_default(BYTES_DEFAULT)?, bytes.into(), Form::Unknown))
        }
        (GivenPayload::WrongType, ..) => {
            Err(Fault::invalid("the field `payload` is to be of type bin"))
        }
        _ => Err(Fault::invalid(
            "give exactly one of the fields `payload`, `text` and `base64`",
        )),
    }
}

/// White space around a value would be lost on the way, and a carriage return between its parts would be
/// a line feed at the end of an event stream. As text it is escaped.
fn keeps_its_bytes(text: &str) -> bool {
    text.trim_ascii().len() == text.len() && !text.contains('\r')
}

/// Does not recurse, however deep the value is.
fn is_json_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// `application/json` or `…+json`.
fn is_json(content_type: &ContentType) -> bool {
    let essence = essence(content_type);
    essence.eq_ignore_ascii_case("application/json")
        || essence
            .rsplit_once('+')
            .is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
}

fn is_text(content_type: &ContentType) -> bool {
    essence(content_type)
        .split_once('/')
        .is_some_and(|(main, _)| main.eq_ignore_ascii_case("text"))
}

/// The media type without its parameters.
fn essence(content_type: &ContentType) -> &str {
    let text = content_type.as_str();
    text.split_once(';').map_or(text, |(e, _)| e).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_an_event_stream_would_change_goes_as_text() {
        let json = ContentType::parse("application/json").unwrap();
        for (payload, as_value) in [
            ("{\"a\":\n1}", true),
            (r#"{"a":"\r\n"}"#, true),
            ("{\"a\":\r\n1}", false),
            ("[1,\r2]", false),
            (" 1", false),
        ] {
            match outgoing(&json, payload.as_bytes()) {
                OutgoingPayload::Json(text) => assert!(as_value && text == payload, "{payload:?}"),
                OutgoingPayload::Text(text) => assert!(!as_value && text == payload, "{payload:?}"),
                OutgoingPayload::Bytes(_) => panic!("{payload:?} went as bytes"),
            }
        }
    }
}
