//! `KeySet`: the public keys of a JWK Set (RFC 7517), each pinned to the one algorithm that it signs
//! with. No symmetric and no private key gets in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// Bits of an RSA modulus: fewer are too weak, more cost too much to check.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;
/// Longest RSA exponent.
const RSA_EXPONENT_BYTES_MAX: usize = 4;
/// Bytes of a coordinate of P-256, and of an Ed25519 key.
const COORDINATE_BYTES: usize = 32;
/// Most keys of a set: an issuer has a few.
const KEYS_MAX: usize = 64;

/// A public key and what it is good for.
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys of one JWK Set.
pub struct KeySet {
    keys: Vec<Key>,
    /// What was left out, and why.
    skipped: Vec<String>,
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    #[error("this is no JWK Set: {0}")]
    Json(String),
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    #[error("it has no key for RS256, ES256 or EdDSA{}", reasons(.0))]
    Empty(Vec<String>),
}

/// Why no key fits a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// No key has this name, or, without a name, this algorithm.
    Unknown,
    /// The key of this name signs with another algorithm.
    Algorithm,
    /// Several keys could be meant.
    Ambiguous,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    pub fn parse(text: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: Document =
            serde_json::from_slice(text).map_err(|error| InvalidKeySet::Json(error.to_string()))?;
        if document.keys.len() > KEYS_MAX {
            return Err(InvalidKeySet::TooMany);
        }
        let (mut keys, mut skipped) = (Vec::<Key>::new(), Vec::new());
        for (index, value) in document.keys.into_iter().enumerate() {
            let name = value.get("kid").and_then(Value::as_str).map(str::to_owned);
            let read = read_key(value).and_then(|key| {
                let is_same =
                    |known: &Key| known.kid == key.kid && known.algorithm == key.algorithm;
                // Two of one name would make it chance which one counts.
                if key.kid.is_some() && keys.iter().any(is_same) {
                    Err("its kid was there before")
                } else {
                    Ok(key)
                }
            });
            match read {
                Ok(key) => keys.push(key),
                Err(why) => {
                    let name = name.unwrap_or_else(|| format!("number {index}"));
                    let name: String = name.chars().take(64).collect();
                    skipped.push(format!("key {name:?}: {why}"));
                }
            }
        }
        if keys.is_empty() {
            return Err(InvalidKeySet::Empty(skipped));
        }
        Ok(Self { keys, skipped })
    }

    /// What was left out, and why, a sentence for each key.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The key that a token's header names.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, Missing> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| kid.is_none() || key.kid.as_deref() == kid)
            .peekable();
        let is_known = named.peek().is_some();
        let mut fitting = named.filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(Missing::Ambiguous),
            (None, _) if is_known && kid.is_some() => Err(Missing::Algorithm),
            (None, _) => Err(Missing::Unknown),
        }
    }
}

fn reasons(skipped: &[String]) -> String {
    if skipped.is_empty() {
        String::new()
    } else {
        format!(" ({})", skipped.join("; "))
    }
}

fn read_key(value: Value) -> Result<Key, &'static str> {
    if value.get("d").is_some() {
        return Err("it is private, and must never be published");
    }
    let told = value.get("alg").cloned();
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is no JWK")?;
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return Err("it is not for signatures (use)");
    }
    let operations = common.key_operations.as_ref();
    if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return Err("it is not for signatures (key_ops)");
    }
    let algorithm = algorithm_of(&jwk.algorithm)?;
    if told.is_some_and(|told| told != name_of(algorithm)) {
        return Err("its alg is none of RS256, ES256, EdDSA, or does not fit its type");
    }
    Ok(Key {
        kid: common.key_id.clone(),
        algorithm,
        decoding: DecodingKey::from_jwk(&jwk).map_err(|_| "it cannot be read")?,
    })
}

/// The one algorithm of a key of this type.
fn algorithm_of(parameters: &AlgorithmParameters) -> Result<Algorithm, &'static str> {
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            let (n, e) = (bytes(&rsa.n)?, bytes(&rsa.e)?);
            if !RSA_BITS.contains(&bits(&n)) {
                return Err("its modulus has fewer than 2048 or more than 4096 bits");
            }
            let is_odd = e.last().is_some_and(|last| last % 2 == 1);
            if e.len() > RSA_EXPONENT_BYTES_MAX || bits(&e) < 2 || !is_odd {
                return Err("its exponent is not usable");
            }
            Ok(Algorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            if bytes(&ec.x)?.len() != COORDINATE_BYTES || bytes(&ec.y)?.len() != COORDINATE_BYTES {
                return Err("its coordinates are not of P-256");
            }
            Ok(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            if bytes(&pair.x)?.len() != COORDINATE_BYTES {
                return Err("it has not the length of Ed25519");
            }
            Ok(Algorithm::EdDSA)
        }
        AlgorithmParameters::OctetKey(_) => {
            Err("it is a secret; HS256 has token_secret_file, and a secret is never published")
        }
        _ => Err("its type or curve is not supported"),
    }
}

fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        _ => "EdDSA",
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| "it is not in base64url")
}

/// Bits of a big-endian number, without leading zeros.
fn bits(bytes: &[u8]) -> usize {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros).copied().unwrap_or(0);
    ((bytes.len() - zeros) * 8).saturating_sub(first.leading_zeros() as usize)
}
