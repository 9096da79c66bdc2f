//! The token in use, and the wait for the next one: it is asked for before the old one ends.

use std::{
    future::pending,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, sleep_until};

use crate::token::{Token, TokenFuture, TokenSource};

/// After a source that failed.
const RETRY: Duration = Duration::from_secs(5);
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
