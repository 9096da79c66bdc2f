//! Tokens: each key has its one algorithm and a token's header only chooses among the keys; an end is
//! required; nothing that a token holds is believed before its signature was checked.

mod claims;
mod fetch;
mod issue;
mod jwks_url;
mod key_set;
mod published;
mod secret;
mod source;

use std::sync::Arc;

use inkwire_model::UnixMillis;
use inkwire_session::{AuthenticationError, Grant};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, decode, decode_header, errors::ErrorKind,
};

pub use claims::ClaimRules;
pub use fetch::{FetchError, TrustError};
pub use issue::{TokenContent, issue};
pub use jwks_url::{InvalidJwksUrl, JwksUrl};
pub use key_set::{InvalidKeySet, KeySet};
pub use published::PublishedKeys;
pub use secret::{SecretTooShort, TokenSecret};
pub use source::{KeyReader, KeySource, ReadError};

use claims::Claims;
use key_set::Missing;
use published::Doubt;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// How tokens are checked.
#[derive(Debug, Clone, Default)]
pub struct TokenConfig {
    /// The secret of HS256, if tokens may be signed so.
    pub secret: Option<TokenSecret>,
    /// Where the keys of RS256, ES256 and EdDSA are, if tokens may be signed so.
    pub source: Option<KeySource>,
    pub rules: ClaimRules,
}

impl TokenConfig {
    /// Whether any token can be checked.
    pub fn is_configured(&self) -> bool {
        self.secret.is_some() || self.source.is_some()
    }
}

/// Checks tokens.
pub struct TokenVerifier {
    secret: Option<DecodingKey>,
    keys: Option<Arc<PublishedKeys>>,
    rules: ClaimRules,
}

impl TokenVerifier {
    /// `None` where nothing is configured to check a token with.
    pub fn new(config: &TokenConfig, keys: Option<Arc<PublishedKeys>>) -> Option<Self> {
        let secret = config.secret.as_ref().map(TokenSecret::decoding_key);
        (secret.is_some() || keys.is_some()).then(|| Self {
            secret,
            keys,
            rules: config.rules.clone(),
        })
    }

    /// What `token` gives at `now_ms`. Never waits: while a key is being looked up the answer is
    /// `Unavailable`, and a later attempt will know.
    pub fn verify(&self, token: &str, now_ms: UnixMillis) -> Result<Grant, AuthenticationError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(refused(&format!(
                "The token is longer than {TOKEN_BYTES_MAX} bytes."
            )));
        }
        let header = decode_header(token).map_err(|error| refused(&sentence(error.kind())))?;
        // An extension that must be understood, and none is (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(refused(
                "The token's header has crit, which is not supported.",
            ));
        }
        match header.alg {
            Algorithm::HS256 => self.verify_by_secret(token),
            Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => {
                self.verify_by_key(token, &header)
            }
            _ => Err(refused(NOT_ALLOWED)),
        }?
        .grant(&self.rules, now_ms)
    }

    fn verify_by_secret(&self, token: &str) -> Result<Claims, AuthenticationError> {
        let secret = self.secret.as_ref().ok_or_else(|| refused(NOT_ALLOWED))?;
        claims(token, secret, Algorithm::HS256)
    }

    fn verify_by_key(&self, token: &str, header: &Header) -> Result<Claims, AuthenticationError> {
        let keys = self.keys.as_ref().ok_or_else(|| refused(NOT_ALLOWED))?;
        let unknown = || match keys.miss(std::time::Instant::now()) {
            Doubt::Looking => AuthenticationError::Unavailable(
                "The token's key is being looked up; try again in a moment.".to_owned(),
            ),
            Doubt::None => {
                refused("The token's key (kid) is none of those that the issuer publishes.")
            }
        };
        let Some(set) = keys.current() else {
            return Err(unknown());
        };
        match set.find(header.kid.as_deref(), header.alg) {
            Ok(key) => claims(token, &key.decoding, key.algorithm),
            Err(Missing::Unknown) => Err(unknown()),
            Err(Missing::Algorithm) => Err(refused(
                "The token's alg is not the one that its key (kid) signs with.",
            )),
            Err(Missing::Ambiguous) => Err(refused(
                "The token's header has to name its key (kid): several would fit.",
            )),
        }
    }
}

const NOT_ALLOWED: &str = "The token is signed with an algorithm that this gateway has no key for.";

/// The claims of a token that is signed by this key, with this algorithm.
fn claims(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<Claims, AuthenticationError> {
    let mut validation = Validation::new(algorithm);
    // Checked afterwards, by our own rules and the caller's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "sub"]);
    decode::<Claims>(token, key, &validation)
        .map(|token| token.claims)
        .map_err(|error| refused(&sentence(error.kind())))
}

fn refused(sentence: &str) -> AuthenticationError {
    AuthenticationError::Unauthenticated(sentence.to_owned())
}

/// What is wrong with a token, for whoever sent it.
fn sentence(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::InvalidSignature => "The token's signature is wrong.".to_owned(),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => NOT_ALLOWED.to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("The token has no {claim}."),
        ErrorKind::Json(_) => "The token's header or claims are not as required: sub, exp and \
            documents (an object from document id to role)."
            .to_owned(),
        _ => "The token is no JSON Web Token.".to_owned(),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
#[path = "../../tests/issuer/mod.rs"]
mod issuer;
