//! Tokens of those who belong here and of those who do not.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub(super) const SECRET: &str = "a secret of the tests, long enough for HS256";

/// A token for these documents and roles.
pub(super) fn token(subject: &str, documents: &[(&str, &str)]) -> String {
    signed(SECRET, &claims(subject, documents, 600))
}

/// Claims that end in so many seconds.
pub(super) fn claims(subject: &str, documents: &[(&str, &str)], seconds: i64) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let expires = i64::try_from(now).unwrap() + seconds;
    let documents: serde_json::Map<String, Value> = documents
        .iter()
        .map(|(document, role)| ((*document).to_owned(), json!(role)))
        .collect();
    json!({ "sub": subject, "documents": documents, "exp": expires })
}

pub(super) fn signed(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}
