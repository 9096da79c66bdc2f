//! What clients send: JSON arrays of texts, in the form that each transport has for them.
//!
//! A text of JavaScript may hold half a character, a surrogate without the other. It becomes U+FFFD, which
//! is what a browser's own WebSocket does with it: editors cut text there, and the rest is still good.

use std::fmt;

use serde::{Deserializer, de};
use serde_json::value::RawValue;

/// Answered with status 500 and this text; a WebSocket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// There is none, or it is no array of texts.
    #[error("Payload expected.")]
    Missing,
    #[error("Broken JSON encoding.")]
    BrokenJson,
}

/// The body of `xhr_send`, whatever its content type. An array of none is a sign of life.
pub fn messages_of_xhr_send(body: &[u8]) -> Result<Vec<String>, PayloadFault> {
    if body.is_empty() {
        return Err(PayloadFault::Missing);
    }
    parse(body)
}

/// The body of `jsonp_send`: the parameter `d` of a form, or as `xhr_send` has it.
pub fn messages_of_jsonp_send(
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Vec<String>, PayloadFault> {
    let essence = content_type.and_then(|text| text.split(';').next());
    let is_form = essence.is_some_and(|essence| {
        let form = "application/x-www-form-urlencoded";
        essence.trim_ascii().eq_ignore_ascii_case(form)
    });
    if !is_form {
        return messages_of_xhr_send(body);
    }
    let mut parameters = form_urlencoded::parse(body);
    match parameters.find(|(name, _)| name == "d") {
        Some((_, d)) => messages_of_xhr_send(d.as_bytes()),
        None => Err(PayloadFault::Missing),
    }
}

/// A message of a WebSocket: an array of texts, or one text. An empty message is none.
pub fn messages_of_websocket(message: &[u8]) -> Result<Vec<String>, PayloadFault> {
    match message.trim_ascii_start().first() {
        None if message.is_empty() => Ok(Vec::new()),
        Some(b'"') => {
            let text = std::str::from_utf8(message).map_err(|_| PayloadFault::BrokenJson)?;
            let raw = serde_json::from_str(text).map_err(|_| PayloadFault::BrokenJson)?;
            Ok(vec![text_of(raw)?])
        }
        _ => parse(message),
    }
}

fn parse(json: &[u8]) -> Result<Vec<String>, PayloadFault> {
    // Nearly always it is this, at once.
    if let Ok(messages) = serde_json::from_slice(json) {
        return Ok(messages);
    }
    let text = std::str::from_utf8(json).map_err(|_| PayloadFault::BrokenJson)?;
    let value: &RawValue = serde_json::from_str(text).map_err(|_| PayloadFault::BrokenJson)?;
    let elements: Vec<&RawValue> =
        serde_json::from_str(value.get()).map_err(|_| PayloadFault::Missing)?;
    elements.into_iter().map(text_of).collect()
}

/// The text that a string of valid JSON stands for, whatever surrogates it has.
fn text_of(raw: &RawValue) -> Result<String, PayloadFault> {
    let octets = serde_json::Deserializer::from_str(raw.get())
        .deserialize_bytes(Octets)
        .map_err(|_| PayloadFault::Missing)?;
    Ok(with_whole_characters(&octets))
}

/// A string as octets, which serde_json gives out also where they are no text: a surrogate without its
/// other half is then written like any other character, in three.
struct Octets;

impl de::Visitor<'_> for Octets {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Vec<u8>, E> {
        Ok(octets.to_vec())
    }
}

/// Replaces each of those three.
fn with_whole_characters(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut was_broken = false;
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        let is_broken = !chunk.invalid().is_empty();
        // The first of the three is one chunk, each of the others one of its own.
        let continues = was_broken && chunk.valid().is_empty();
        if is_broken && !(continues && is_continuation(chunk.invalid())) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        was_broken = is_broken;
    }
    text
}

fn is_continuation(octets: &[u8]) -> bool {
    matches!(octets, [0x80..=0xbf])
}
