//! Credentials: asked for when they are needed, and again before they end.

use std::{future::Future, pin::Pin, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A token, and when it ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub expires_at_unix_ms: Option<u64>,
}

impl Token {
    /// A token that says itself when it ends, if it is a JWT with `exp`. Nothing is verified: that
    /// is the gateway's part.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let expires_at_unix_ms = jwt_expiry_unix_ms(&text);
        Self {
            text,
            expires_at_unix_ms,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("expires_at_unix_ms", &self.expires_at_unix_ms)
            .finish_non_exhaustive()
    }
}

/// What a source gives: a token, or the reason why there is none at the moment.
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<Token, String>> + Send>>;

/// Gives a token that is valid now.
pub type TokenSource = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

/// The same token every time.
pub fn constant_token(text: impl Into<String>) -> TokenSource {
    let token = Token::new(text);
    Arc::new(move || {
        let token = token.clone();
        Box::pin(async move { Ok(token) })
    })
}

fn jwt_expiry_unix_ms(text: &str) -> Option<u64> {
    let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_u64()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_says_when_it_ends() {
        let claims = URL_SAFE_NO_PAD.encode(br#"{"sub":"alice","exp":1700000000}"#);
        let token = Token::new(format!("e30.{claims}.c2ln"));
        assert_eq!(token.expires_at_unix_ms, Some(1_700_000_000_000));
        assert_eq!(Token::new("opaque").expires_at_unix_ms, None);
        assert!(!format!("{token:?}").contains("e30"), "no secret in logs");
    }
}
