//! The token in use, and the wait for the next one: it is asked for before the old one ends.

use std::{
    future::pending,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, sleep_until};

use crate::token::{Token, TokenFuture, TokenSource};

/// After a source that failed.
const RETRY: Duration = Duration::from_secs(5);
/// After a renewal that the gateway refused.
const AGAIN: Duration = Duration::from_secs(1);
const MINIMUM: Duration = Duration::from_secs(1);

pub(super) struct Credentials {
    source: Option<TokenSource>,
    renew_at: Option<Instant>,
    fetching: Option<TokenFuture>,
}

impl Credentials {
    pub(super) fn new(source: Option<TokenSource>) -> Self {
        Self {
            source,
            renew_at: None,
            fetching: None,
        }
    }

    /// A token for a new connection.
    pub(super) fn fetch(&self) -> impl Future<Output = Result<Option<Token>, String>> + use<> {
        let token = self.source.as_ref().map(|source| source());
        async move {
            match token {
                Some(token) => token.await.map(Some),
                None => Ok(None),
            }
        }
    }

    /// This one is in use now: the next one is due when four fifths of its time are over.
    pub(super) fn holds(&mut self, token: Option<&Token>) {
        self.fetching = None;
        let expires_at = token.and_then(|token| token.expires_at_unix_ms);
        self.renew_at = expires_at.and_then(|at_ms| {
            let at = UNIX_EPOCH + Duration::from_millis(at_ms);
            let left = at.duration_since(SystemTime::now()).unwrap_or_default();
            Instant::now().checked_add((left * 4 / 5).max(MINIMUM))
        });
    }

    /// The renewal was refused: the credentials of before still count, for how long is not known.
    pub(super) fn refused(&mut self) {
        // Without an end known there was nothing to renew.
        if self.renew_at.is_some() && self.fetching.is_none() {
            self.renew_at = Some(Instant::now() + AGAIN);
        }
    }

    pub(super) fn dropped(&mut self) {
        self.renew_at = None;
        self.fetching = None;
    }

    /// The next token, when it is time. Cancel-safe.
    pub(super) async fn renewed(&mut self) -> Result<Token, String> {
        let (Some(source), Some(at)) = (&self.source, self.renew_at) else {
            return pending().await;
        };
        if self.fetching.is_none() {
            sleep_until(at).await;
        }
        let token = self.fetching.get_or_insert_with(|| source()).await;
        self.fetching = None;
        match &token {
            Ok(token) => self.holds(Some(token)),
            Err(_) => self.renew_at = Some(Instant::now() + RETRY),
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_refused_renewal_is_tried_again_before_the_next_is_due() {
        let in_an_hour = SystemTime::now() + Duration::from_secs(3_600);
        let expires_at = in_an_hour.duration_since(UNIX_EPOCH).unwrap_or_default();
        let token = Token {
            text: "token".to_owned(),
            expires_at_unix_ms: u64::try_from(expires_at.as_millis()).ok(),
        };
        let source: TokenSource = Arc::new({
            let token = token.clone();
            move || {
                let token = token.clone();
                Box::pin(async move { Ok(token) })
            }
        });
        let mut credentials = Credentials::new(Some(source));
        credentials.refused();
        assert_eq!(credentials.renew_at, None, "there is nothing to renew");
        credentials.holds(Some(&token));
        credentials.refused();
        let renewed = timeout(Duration::from_secs(20), credentials.renewed()).await;
        assert_eq!(renewed.map_err(|_| "not in time"), Ok(Ok(token)));
    }
}
