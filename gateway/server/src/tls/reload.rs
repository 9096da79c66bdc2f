//! New certificates without a new start: the files are looked at every few seconds, and at once on SIGHUP.
//! A pair that cannot be used changes nothing but the log.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::ServerTls;

/// How often the files are looked at. What they hold is compared, not when they changed: mounted secrets
/// are links that are turned, and clocks are coarse.
const LOOK: Duration = Duration::from_secs(2);

/// Largest file that is read: chains have a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// SIGHUP, caught from here on.
pub struct Hangup(Signal);

impl Hangup {
    pub fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// What was read last.
#[derive(Default)]
struct Seen {
    /// `None` if it could not be read.
    texts: Option<(String, String)>,
    /// It is shown, or was complained of.
    is_settled: bool,
    has_looked: bool,
}

impl TlsFiles {
    /// Looks until the stop, and has `tls` show what is new.
    pub async fn watch(self, tls: ServerTls, mut hangup: Hangup, stop: CancellationToken) {
        let mut seen = Seen::default();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => false,
                asked = hangup.0.recv() => asked.is_some(),
            };
            let read = self.read().await;
            self.take(read, &tls, &mut seen, is_asked);
        }
    }

    /// Certificate and key are two files, and one is written before the other: a pair that does not fit is
    /// complained of when it still stands there at the next look.
    fn take(
        &self,
        read: io::Result<(String, String)>,
        tls: &ServerTls,
        seen: &mut Seen,
        is_asked: bool,
    ) {
        let is_same = match &read {
            Ok(texts) => seen.texts.as_ref() == Some(texts),
            Err(_) => seen.texts.is_none(),
        };
        if is_same && seen.is_settled && !is_asked {
            return;
        }
        // What stood there at the start is shown already.
        let is_first = !seen.has_looked;
        seen.has_looked = true;
        let outcome = match &read {
            Ok((certificate, key)) => tls
                .replace(certificate, key)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => {
                seen.is_settled = true;
                if !is_first || is_asked {
                    info!(certificate = %self.certificate.display(), "certificate loaded");
                }
            }
            Err(error) if is_same || is_asked => {
                seen.is_settled = true;
                error!(
                    certificate = %self.certificate.display(),
                    key = %self.key.display(),
                    %error,
                    "the new certificate cannot be used; the former one is still shown"
                );
            }
            Err(_) => seen.is_settled = false,
        }
        seen.texts = read.ok();
    }

    async fn read(&self) -> io::Result<(String, String)> {
        Ok((text(&self.certificate).await?, text(&self.key).await?))
    }
}

async fn text(path: &Path) -> io::Result<String> {
    let file = tokio::fs::File::open(path).await?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}
