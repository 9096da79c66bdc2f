//! What a token says, and the rules that it has to meet. Nothing here is looked at before the
//! token's signature was checked.

use std::{collections::HashMap, fmt::Display};

use inkwire_model::{DocumentId, Role, Subject, UnixMillis};
use inkwire_session::{AuthenticationError, DestinationPattern, Grant, Roles};
use serde::{Deserialize, Deserializer, de};

/// What every token has to meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimRules {
    /// Whose tokens are taken; empty: anybody's who has a key.
    pub issuers: Vec<String>,
    /// For whom a token has to be; empty: for nobody in particular.
    pub audiences: Vec<String>,
    /// How far the clocks of issuer and gateway may differ.
    pub leeway_ms: u64,
}

/// The claims of a token.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: String,
    documents: HashMap<String, String>,
    #[serde(default)]
    destinations: HashMap<String, String>,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Option<Audience>,
}

/// A moment in milliseconds since 1970; on the wire seconds, with or without a fraction (RFC 7519).
struct NumericDate(UnixMillis);

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        if let Some(seconds) = number.as_u64() {
            return Ok(Self(seconds.saturating_mul(1_000)));
        }
        match number.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative, and beyond the last millisecond it stays there"
            )]
            Some(seconds) if seconds >= 0.0 => Ok(Self((seconds * 1_000.0) as u64)),
            _ => Err(de::Error::custom(
                "a time is a number of seconds since 1970",
            )),
        }
    }
}

impl Claims {
    /// What they give at `now_ms`, by these rules.
    pub(super) fn grant(
        self,
        rules: &ClaimRules,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        let expires_at_ms = self.exp.0.saturating_add(rules.leeway_ms);
        if expires_at_ms <= now_ms {
            let sentence = "The token has expired; take a new one.";
            return Err(AuthenticationError::TokenExpired(sentence.to_owned()));
        }
        let not_before_ms = self.nbf.as_ref().map_or(0, |nbf| nbf.0);
        if not_before_ms > now_ms.saturating_add(rules.leeway_ms) {
            return Err(refused("The token is not valid yet (nbf)."));
        }
        self.check_issuer(rules)?;
        self.check_audience(rules)?;
        let subject = Subject::parse(&self.sub)
            .map_err(|error| refused(&format!("The token's sub is not valid: {error}.")))?;
        Ok(Grant {
            subject,
            roles: Roles::Listed {
                documents: parse_roles("documents", &self.documents, DocumentId::parse)?,
                destinations: parse_roles(
                    "destinations",
                    &self.destinations,
                    DestinationPattern::parse,
                )?,
            },
            expires_at_ms: Some(expires_at_ms),
        })
    }

    fn check_issuer(&self, rules: &ClaimRules) -> Result<(), AuthenticationError> {
        let is_taken = |iss: &String| rules.issuers.contains(iss);
        if rules.issuers.is_empty() || self.iss.as_ref().is_some_and(is_taken) {
            return Ok(());
        }
        Err(refused(
            "The token's iss is none of those that this gateway takes (token_issuer).",
        ))
    }

    /// A token that names its audience is refused by whoever is not in it (RFC 7519, 4.1.3).
    fn check_audience(&self, rules: &ClaimRules) -> Result<(), AuthenticationError> {
        let is_ours = |name: &String| rules.audiences.contains(name);
        let is_taken = match &self.aud {
            None => rules.audiences.is_empty(),
            Some(Audience::One(name)) => is_ours(name),
            Some(Audience::Some(names)) => names.iter().any(is_ours),
        };
        if is_taken {
            return Ok(());
        }
        Err(refused(
            "The token's aud does not name this gateway (token_audience).",
        ))
    }
}

fn refused(sentence: &str) -> AuthenticationError {
    AuthenticationError::Unauthenticated(sentence.to_owned())
}

/// A claim of roles: what they are in, as `parse` reads it, and which.
fn parse_roles<T: Display, E: Display, R: FromIterator<(T, Role)>>(
    claim: &str,
    roles: &HashMap<String, String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<R, AuthenticationError> {
    let refused =
        |why: String| refused(&format!("The token's claim `{claim}` is not valid: {why}."));
    let role_in = |(name, role): (&String, &String)| {
        let name = parse(name).map_err(|error| refused(error.to_string()))?;
        let role = role
            .parse()
            .map_err(|error: inkwire_model::InvalidRole| refused(format!("for {name}: {error}")))?;
        Ok((name, role))
    };
    roles.iter().map(role_in).collect()
}
