//! HS256 tokens: the algorithm is ours and never the token's choice, an end is required, and
//! nothing that a token holds is believed before its signature was checked.

use std::{collections::HashMap, fmt, time::Duration};

use inkwire_model::{DocumentId, Role, Subject, UnixMillis};
use inkwire_session::{AuthenticationError, Grant, Roles};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};

/// How far the clocks of issuer and gateway may differ.
const LEEWAY_MS: u64 = 5_000;

/// Shortest secret: as many bytes as the signature has.
const SECRET_BYTES_MIN: usize = 32;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// A secret for HS256; its text never leaves it.
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
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

/// What a token says. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    documents: HashMap<String, String>,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
}

/// Checks tokens.
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
}

impl TokenVerifier {
    pub fn new(secret: &TokenSecret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The times are checked here, against the caller's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            key: DecodingKey::from_secret(&secret.0),
            validation,
        }
    }

    /// What `token` gives at `now_ms`.
    pub fn verify(&self, token: &str, now_ms: UnixMillis) -> Result<Grant, AuthenticationError> {
        use AuthenticationError::{TokenExpired, Unauthenticated};
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unauthenticated(format!(
                "The token is longer than {TOKEN_BYTES_MAX} bytes."
            )));
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| Unauthenticated(sentence(error.kind())))?
            .claims;
        let expires_at_ms = claims.exp.saturating_mul(1_000).saturating_add(LEEWAY_MS);
        if expires_at_ms <= now_ms {
            return Err(TokenExpired(
                "The token has expired; take a new one.".to_owned(),
            ));
        }
        let not_before_ms = claims.nbf.unwrap_or(0).saturating_mul(1_000);
        if not_before_ms > now_ms.saturating_add(LEEWAY_MS) {
            return Err(Unauthenticated(
                "The token is not valid yet (nbf).".to_owned(),
            ));
        }
        let subject = Subject::parse(&claims.sub)
            .map_err(|error| Unauthenticated(format!("The token's sub is not valid: {error}.")))?;
        Ok(Grant {
            subject,
            roles: Roles::Documents(parse_roles(&claims.documents)?),
            expires_at_ms: Some(expires_at_ms),
        })
    }
}

fn parse_roles(
    claims: &HashMap<String, String>,
) -> Result<HashMap<DocumentId, Role>, AuthenticationError> {
    let refused = |why: String| {
        AuthenticationError::Unauthenticated(format!(
            "The token's claim `documents` is not valid: {why}."
        ))
    };
    let mut roles = HashMap::with_capacity(claims.len());
    for (document, role) in claims {
        let document = DocumentId::parse(document).map_err(|error| refused(error.to_string()))?;
        let role = role.parse().map_err(|error: inkwire_model::InvalidRole| {
            refused(format!("for {document}: {error}"))
        })?;
        roles.insert(document, role);
    }
    Ok(roles)
}

/// What is wrong with a token, for whoever sent it.
fn sentence(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::InvalidSignature => "The token's signature is wrong.".to_owned(),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "The token is not signed with HS256.".to_owned()
        }
        ErrorKind::MissingRequiredClaim(claim) => format!("The token has no {claim}."),
        ErrorKind::Json(_) => "The token's header or claims are not as required: sub, exp and \
            documents (an object from document id to role)."
            .to_owned(),
        _ => "The token is no JSON Web Token.".to_owned(),
    }
}

/// A token for `subject` with these roles, valid from `now_ms` for `lifetime`.
pub fn issue(
    secret: &TokenSecret,
    subject: &Subject,
    roles: &[(DocumentId, Role)],
    lifetime: Duration,
    now_ms: UnixMillis,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now = now_ms / 1_000;
    let documents = roles
        .iter()
        .map(|(document, role)| (document.to_string(), role.to_string()));
    let claims = Claims {
        sub: subject.to_string(),
        documents: documents.collect(),
        exp: now.saturating_add(lifetime.as_secs()),
        nbf: None,
        iat: Some(now),
    };
    encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(&secret.0),
    )
}

#[cfg(test)]
mod tests {
    use inkwire_model::Code;
    use serde_json::{Value, json};

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;
    const NOW: u64 = NOW_MS / 1_000;

    fn secret() -> TokenSecret {
        TokenSecret::parse("0123456789abcdef0123456789abcdef\n").unwrap()
    }

    fn signed(algorithm: Algorithm, claims: &Value) -> String {
        let key = EncodingKey::from_secret(&secret().0);
        encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn verify(token: &str) -> Result<Grant, Code> {
        let verified = TokenVerifier::new(&secret()).verify(token, NOW_MS);
        verified.map_err(|error| error.code())
    }

    fn good() -> Value {
        json!({ "sub": "alice", "documents": { "essay-42": "writer" }, "exp": NOW + 60 })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    #[test]
    fn what_is_issued_is_verified() {
        let document = DocumentId::parse("team/essay").unwrap();
        let roles = [(document.clone(), Role::Owner)];
        let subject = Subject::parse("alice").unwrap();
        let token = issue(
            &secret(),
            &subject,
            &roles,
            Duration::from_secs(3600),
            NOW_MS,
        )
        .unwrap();
        let grant = verify(&token).unwrap();
        assert_eq!(grant.subject, subject);
        assert_eq!(grant.roles.role_in(&document), Some(Role::Owner));
        assert_eq!(
            grant.roles.role_in(&DocumentId::parse("other").unwrap()),
            None
        );
        assert_eq!(grant.expires_at_ms, Some(NOW_MS + 3_600_000 + LEEWAY_MS));
    }

    #[test]
    fn times_have_a_bounded_leeway() {
        let at =
            |name, seconds: u64| verify(&signed(Algorithm::HS256, &with(name, json!(seconds))));
        assert!(at("exp", NOW - 4).is_ok());
        assert_eq!(at("exp", NOW - 5), Err(Code::TokenExpired));
        assert_eq!(at("exp", 0), Err(Code::TokenExpired));
        assert!(at("nbf", NOW + 5).is_ok());
        assert_eq!(at("nbf", NOW + 6), Err(Code::Unauthenticated));
        assert!(at("exp", u64::MAX).is_ok());
    }

    #[test]
    fn other_algorithms_are_refused() {
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(
                verify(&signed(algorithm, &good())),
                Err(Code::Unauthenticated)
            );
        }
        // {"alg":"none","typ":"JWT"} and the good claims' shape, with and without a signature.
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        let signed = signed(Algorithm::HS256, &good());
        let parts: Vec<_> = signed.split('.').collect();
        for token in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
        ] {
            assert_eq!(verify(&token), Err(Code::Unauthenticated), "{token}");
        }
    }

    #[test]
    fn another_secret_signs_for_nobody() {
        let other = TokenSecret::parse("another secret of thirty-two bytes").unwrap();
        let key = EncodingKey::from_secret(&other.0);
        let token = encode(&Header::new(Algorithm::HS256), &good(), &key).unwrap();
        assert_eq!(verify(&token), Err(Code::Unauthenticated));
    }

    #[test]
    fn changed_claims_break_the_signature() {
        let one = signed(Algorithm::HS256, &good());
        let two = signed(Algorithm::HS256, &with("sub", json!("mallory")));
        let (one, two): (Vec<_>, Vec<_>) = (one.split('.').collect(), two.split('.').collect());
        let mixed = format!("{}.{}.{}", one[0], two[1], one[2]);
        assert_eq!(verify(&mixed), Err(Code::Unauthenticated));
    }

    #[test]
    fn missing_and_wrong_claims_are_refused() {
        let claims = [
            without("sub"),
            without("exp"),
            without("documents"),
            with("sub", json!("")),
            with("sub", json!("inkwire")),
            with("sub", json!(7)),
            with("exp", json!("tomorrow")),
            with("exp", json!(-1)),
            with("documents", json!(["essay-42"])),
            with("documents", json!({ "essay-42": "god" })),
            with("documents", json!({ "a b": "writer" })),
            json!([]),
        ];
        for claims in claims {
            let token = signed(Algorithm::HS256, &claims);
            assert_eq!(verify(&token), Err(Code::Unauthenticated), "{claims}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let long = "a.".repeat(TOKEN_BYTES_MAX);
        for token in ["", ".", "..", "a.b.c", "Bearer x", "\u{0}", "é.é.é", &long] {
            assert_eq!(verify(token), Err(Code::Unauthenticated));
        }
    }

    #[test]
    fn short_secrets_are_refused_and_none_is_shown() {
        assert_eq!(TokenSecret::parse("short \n"), Err(SecretTooShort(5)));
        assert_eq!(format!("{:?}", secret()), "TokenSecret");
    }
}
