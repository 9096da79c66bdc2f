//! What a SEND says of its entry, parsed once: the same rules as for every other protocol.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use inkwire_model::{ClientId, ClientSeq, Code, ContentType, DocumentId, Kind, LogClass, Position};
use inkwire_protocol::{
    native::{is_as_typed, parse_traceparent},
    stomp::{Headers, SendFrame},
};
use inkwire_writer::Draft;

use super::{answers::Refused, message::TRANSFER_ENCODING, user_headers};

const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";

fn invalid(why: impl Into<String>) -> Refused {
    Refused::new(Code::Invalid, why)
}

/// The client and number of a SEND that its application numbers.
pub(super) fn given_number(headers: &Headers) -> Result<Option<(ClientId, ClientSeq)>, Refused> {
    let number = headers.get("client-seq").map(|text| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && *number > 0);
        number.ok_or_else(|| invalid("client-seq is a number from 1 on"))
    });
    match (client(headers)?, number.transpose()?) {
        (Some(client), Some(number)) => Ok(Some((client, number))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid(
            "a client-id needs a client-seq; without both the session numbers",
        )),
        (None, Some(_)) => Err(invalid(
            "a client-seq needs the client-id whose number it is",
        )),
    }
}

pub(super) fn client(headers: &Headers) -> Result<Option<ClientId>, Refused> {
    let client = headers.get("client-id").map(ClientId::parse);
    client
        .transpose()
        .map_err(|fault| invalid(fault.to_string()))
}

pub(super) fn position(headers: &Headers, name: &str) -> Result<Option<Position>, Refused> {
    let position = headers.get(name).map(str::parse);
    position.transpose().map_err(|_| {
        Refused::new(
            Code::InvalidPosition,
            format!("{name} is a position like 42-0123456789abcdef"),
        )
    })
}

/// What becomes an entry of `document`.
pub(super) fn draft(document: &DocumentId, send: SendFrame) -> Result<Draft, Refused> {
    let SendFrame { headers, body, .. } = send;
    let (content_type, body) = content(&headers, body)?;
    let kind = match document.class() {
        LogClass::Document => kind(&headers)?.unwrap_or_default(),
        LogClass::Topic(_) | LogClass::User(_) => Kind::default(),
    };
    if kind.is_access() {
        return Err(invalid(
            "only the gateway writes entries of the kinds access.*",
        ));
    }
    if !is_as_typed(&content_type, &body) {
        return Err(invalid(format!(
            "the content-type is {content_type} and the body is not JSON"
        )));
    }
    let (kind, payload) = match document.class() {
        LogClass::Document => (kind, body),
        LogClass::Topic(_) | LogClass::User(_) => {
            let (kind, payload) = user_headers::packed(&headers, body);
            (Kind::parse(kind).map_err(invalid)?, payload)
        }
    };
    let traceparent = headers.get("traceparent").map(parse_traceparent);
    let traceparent: Option<Arc<str>> = traceparent.transpose().map_err(invalid)?;
    Ok(Draft {
        kind,
        content_type,
        payload,
        traceparent,
    })
}

pub(super) fn kind(headers: &Headers) -> Result<Option<Kind>, Refused> {
    headers
        .get("kind")
        .map(Kind::parse)
        .transpose()
        .map_err(invalid)
}

/// The body as it was meant, and its type: without one, whether it is text is all that is known.
pub(super) fn content(headers: &Headers, body: Bytes) -> Result<(ContentType, Bytes), Refused> {
    let body = match headers.get(TRANSFER_ENCODING) {
        None => body,
        Some("base64") => {
            let decoded = STANDARD.decode(&body);
            decoded
                .map_err(|_| invalid("the body is not padded standard Base64"))?
                .into()
        }
        Some(_) => {
            return Err(invalid(format!(
                "the {TRANSFER_ENCODING} is base64, or left out"
            )));
        }
    };
    let default = match std::str::from_utf8(&body) {
        Ok(_) => TEXT,
        Err(_) => OCTETS,
    };
    let content_type = ContentType::parse(headers.get("content-type").unwrap_or(default));
    Ok((content_type.map_err(invalid)?, body))
}
