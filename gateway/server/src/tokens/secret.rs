//! `TokenSecret`: the one secret of HS256 tokens; its text never leaves it.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey};

/// Shortest secret: as many bytes as the signature has.
const SECRET_BYTES_MIN: usize = 32;

/// A secret for HS256.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(Vec<u8>);

/// Why a text is no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token secret has at least {SECRET_BYTES_MIN} bytes, this one has {0}; make one with `openssl rand -base64 48`"
)]
pub struct SecretTooShort(usize);

impl TokenSecret {
    /// The secret in `text`, less the white space that editors leave at its end.
    pub fn parse(text: &str) -> Result<Self, SecretTooShort> {
        let bytes = text.trim_end().as_bytes();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(SecretTooShort(bytes.len()));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// One that nobody else knows, and that ends with this process.
    pub fn draw() -> Self {
        Self(rand::random::<[u8; SECRET_BYTES_MIN]>().to_vec())
    }

    pub(super) fn decoding_key(&self) -> DecodingKey {
        DecodingKey::from_secret(&self.0)
    }

    pub(super) fn encoding_key(&self) -> EncodingKey {
        EncodingKey::from_secret(&self.0)
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_secrets_are_refused_and_none_is_shown() {
        assert_eq!(TokenSecret::parse("short \n"), Err(SecretTooShort(5)));
        let secret = TokenSecret::parse("0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(format!("{secret:?}"), "TokenSecret");
    }
}
