//! `SockJs`: what all base paths of a replica share.

use std::{sync::Arc, time::Duration};

use inkwire_protocol::sockjs::IframePage;
use tokio::time::sleep;

use super::{
    local::{LocalSessions, WayOutTimes},
    reach::{Relay, RelayAway, Session},
    request_body::BodyLimits,
    session_key::SessionKey,
};
use crate::config::SockJsConfig;

/// The sessions, and the settings of all base paths.
pub struct SockJs {
    pub sessions: Arc<LocalSessions>,
    /// `None` where no other replica could have a session.
    pub relay: Option<Arc<dyn Relay>>,
    pub(super) times: WayOutTimes,
    pub(crate) body: BodyLimits,
    pub(super) iframe: IframePage,
}

impl SockJs {
    pub fn new(config: &SockJsConfig, relay: Option<Arc<dyn Relay>>) -> Self {
        Self {
            sessions: Arc::default(),
            relay,
            times: config.times,
            body: config.body,
            iframe: IframePage::new(&config.client_url),
        }
    }

    /// The session of this name, wherever it is.
    pub(super) async fn find(
        &self,
        key: &SessionKey,
    ) -> Result<Option<Arc<dyn Session>>, RelayAway> {
        match (self.sessions.find(key), &self.relay) {
            (Some(here), _) => Ok(Some(here)),
            (None, Some(relay)) => patiently(|| relay.find(key)).await,
            (None, None) => Ok(None),
        }
    }
}

/// How often what the replicas share is asked, and the pause between: SockJS clients give up a session
/// for one failed request.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// Asks again for a moment while there is no answer.
pub(super) async fn patiently<T, A>(ask: impl Fn() -> A) -> Result<T, RelayAway>
where
    A: Future<Output = Result<T, RelayAway>>,
{
    for _ in 1..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(RelayAway) => sleep(PAUSE).await,
        }
    }
    ask().await
}
