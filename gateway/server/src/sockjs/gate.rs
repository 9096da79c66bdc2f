//! `SockJs`: what all base paths of a replica share.

use std::sync::Arc;

use inkwire_protocol::sockjs::IframePage;

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
    pub(super) body: BodyLimits,
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
            (None, Some(relay)) => relay.find(key).await,
            (None, None) => Ok(None),
        }
    }
}
