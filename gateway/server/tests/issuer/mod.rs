//! An issuer of tokens, for tests: its keys are made when they are first needed, never committed.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::{elliptic_curve::sec1::ToEncodedPoint as _, pkcs8::EncodePrivateKey as _};
use rsa::{pkcs1::EncodeRsaPrivateKey as _, rand_core::OsRng, traits::PublicKeyParts as _};
use serde_json::{Value, json};

/// A private key, its name and the public half.
pub(crate) struct IssuerKey {
    pub(crate) kid: &'static str,
    pub(crate) algorithm: Algorithm,
    pub(crate) signing: EncodingKey,
    public: Value,
}

pub(crate) static RSA: LazyLock<IssuerKey> = LazyLock::new(|| {
    let key = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).expect("an RSA key");
    let der = key.to_pkcs1_der().expect("DER");
    let public = json!({
        "kty": "RSA",
        "n": text(&key.n().to_bytes_be()),
        "e": text(&key.e().to_bytes_be()),
    });
    IssuerKey {
        kid: "rsa-1",
        algorithm: Algorithm::RS256,
        signing: EncodingKey::from_rsa_der(der.as_bytes()),
        public,
    }
});

pub(crate) static EC: LazyLock<IssuerKey> = LazyLock::new(|| ec("ec-1"));

pub(crate) static ED: LazyLock<IssuerKey> = LazyLock::new(|| ed("ed-1"));

pub(crate) fn ec(kid: &'static str) -> IssuerKey {
    let key = p256::SecretKey::random(&mut OsRng);
    let der = key.to_pkcs8_der().expect("DER");
    let point = key.public_key().to_encoded_point(false);
    let (x, y) = (point.x().expect("x"), point.y().expect("y"));
    IssuerKey {
        kid,
        algorithm: Algorithm::ES256,
        signing: EncodingKey::from_ec_der(der.as_bytes()),
        public: json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) }),
    }
}

pub(crate) fn ed(kid: &'static str) -> IssuerKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let der = key.to_pkcs8_der().expect("DER");
    IssuerKey {
        kid,
        algorithm: Algorithm::EdDSA,
        signing: EncodingKey::from_ed_der(der.as_bytes()),
        public: json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": text(key.verifying_key().as_bytes()),
        }),
    }
}

impl IssuerKey {
    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.kid), claims)
    }

    /// A token whose header names this key.
    pub(crate) fn sign_as(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &self.signing).expect("a token")
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm);
        jwk
    }
}

/// The set of these keys, as an issuer publishes it.
pub(crate) fn jwks(keys: &[&IssuerKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
