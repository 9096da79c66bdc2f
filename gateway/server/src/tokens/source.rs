//! `KeySource`: where the issuer's keys come from, and the task that reads them again. It keeps the last
//! good set whatever happens, and asks no more often than it may, however many tokens name strange keys.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::Rng as _;
use tokio::{io::AsyncReadExt as _, time::sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    fetch::{FetchError, Fetcher, KEYS_BYTES_MAX, TrustError},
    jwks_url::JwksUrl,
    key_set::{InvalidKeySet, KeySet},
    published::PublishedKeys,
};

/// How often a file is looked at: it is small, and here.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// Where keys are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    Url {
        url: JwksUrl,
        ca_file: Option<PathBuf>,
        timeout: Duration,
        /// How often they are asked for without a cause.
        refresh: Duration,
        /// How soon again after a failure, or for a key that is not known.
        retry: Duration,
    },
}

/// Reads keys again and again.
pub struct KeyReader {
    place: Place,
    refresh: Duration,
    gap: Duration,
    keys: Arc<PublishedKeys>,
    /// What was read last: the same text is not parsed twice.
    last_text: Bytes,
}

enum Place {
    File(PathBuf),
    Url(Box<Fetcher>),
}

/// Why keys could not be read. The last good ones still count.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("it has more than {KEYS_BYTES_MAX} bytes")]
    TooLarge,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Keys(#[from] InvalidKeySet),
}

impl KeyReader {
    /// A reader that knows no keys yet: its first look is at once.
    pub fn new(source: &KeySource) -> Result<Self, TrustError> {
        let (place, refresh, gap) = match source {
            KeySource::File(path) => (Place::File(path.clone()), FILE_INTERVAL, FILE_INTERVAL),
            KeySource::Url {
                url,
                ca_file,
                timeout,
                refresh,
                retry,
            } => {
                let fetcher = Fetcher::new(url.clone(), ca_file.as_deref(), *timeout)?;
                (Place::Url(Box::new(fetcher)), *refresh, *retry)
            }
        };
        Ok(Self {
            place,
            refresh,
            gap,
            keys: Arc::new(PublishedKeys::new(None, gap)),
            last_text: Bytes::new(),
        })
    }

    /// The keys as they are known, for whoever checks tokens.
    pub fn keys(&self) -> Arc<PublishedKeys> {
        self.keys.clone()
    }

    /// Reads once, for `inkwire check`: how many keys there are.
    pub async fn examine(mut self) -> Result<usize, ReadError> {
        self.look().await?;
        Ok(self.keys.current().map_or(0, |set| set.count()))
    }

    /// Reads until the stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut is_good = true;
        loop {
            let looked_at = Instant::now();
            let read = tokio::select! {
                () = stop.cancelled() => return,
                read = self.look() => read,
            };
            let due = match read {
                Ok(()) => {
                    is_good = true;
                    self.refresh
                }
                Err(error) => {
                    // Once for a series of failures: the next word is that it went well.
                    if std::mem::replace(&mut is_good, false) {
                        warn!(source = %self, %error, "the keys of tokens cannot be read; the last ones still count");
                    } else {
                        debug!(source = %self, %error, "the keys of tokens cannot be read");
                    }
                    self.gap.min(self.refresh)
                }
            };
            // Replicas that started together do not ask together for ever.
            let due = looked_at + due.mul_f64(rand::rng().random_range(0.9..=1.1));
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(due.into()) => {}
                () = async {
                    sleep_until((looked_at + self.gap).into()).await;
                    self.keys.wanted().await;
                } => {}
            }
        }
    }

    /// Reads the keys once.
    async fn look(&mut self) -> Result<(), ReadError> {
        let text = match &self.place {
            Place::File(path) => read_file(path.clone()).await?,
            Place::Url(fetcher) => fetcher.fetch().await?,
        };
        if text == self.last_text {
            self.keys.confirm();
            return Ok(());
        }
        let set = KeySet::parse(&text)?;
        for why in set.skipped() {
            warn!(source = %self, why, "a key is not used");
        }
        info!(source = %self, keys = set.count(), "the keys of tokens were read");
        self.last_text = text;
        self.keys.replace(set);
        Ok(())
    }
}

impl std::fmt::Display for KeyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Url(fetcher) => write!(f, "{}", fetcher.url()),
        }
    }
}

async fn read_file(path: PathBuf) -> Result<Bytes, ReadError> {
    let file = tokio::fs::File::open(path).await?;
    let mut text = Vec::new();
    let limit = u64::try_from(KEYS_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut text)
        .await?;
    if text.len() > KEYS_BYTES_MAX {
        return Err(ReadError::TooLarge);
    }
    Ok(text.into())
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
