//! Makes HS256 tokens, for `inkwire token`.

use std::{collections::HashMap, fmt::Display, time::Duration};

use inkwire_model::{DocumentId, Role, Subject, UnixMillis};
use inkwire_session::DestinationPattern;
use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;

use super::TokenSecret;

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    documents: HashMap<String, String>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    destinations: HashMap<String, String>,
    exp: u64,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// What a token is made of.
pub struct TokenContent<'a> {
    pub subject: &'a Subject,
    pub roles: &'a [(DocumentId, Role)],
    pub destinations: &'a [(DestinationPattern, Role)],
    pub lifetime: Duration,
    /// The first issuer and audience that the gateway takes, if it asks for any.
    pub issuer: Option<&'a str>,
    pub audience: Option<&'a str>,
}

fn texts<T: Display>(roles: &[(T, Role)]) -> HashMap<String, String> {
    let text = |(of, role): &(T, Role)| (of.to_string(), role.to_string());
    roles.iter().map(text).collect()
}

/// A token with this content, valid from `now_ms`.
pub fn issue(
    secret: &TokenSecret,
    content: &TokenContent<'_>,
    now_ms: UnixMillis,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now = now_ms / 1_000;
    let claims = Claims {
        sub: content.subject.as_str(),
        documents: texts(content.roles),
        destinations: texts(content.destinations),
        exp: now.saturating_add(content.lifetime.as_secs()),
        iat: now,
        iss: content.issuer,
        aud: content.audience,
    };
    encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &secret.encoding_key(),
    )
}
