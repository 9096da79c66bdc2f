//! One-time tickets: what a client that cannot set headers puts into the address in the place of its
//! token. A ticket is random, short-lived, good for one handshake, and bound to the page that asked.

mod content;
mod credential;
mod rates;
mod routes;
mod stream;

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use inkwire_bus::{Redemption, TicketHash, Tickets, Unavailable};
use inkwire_model::{Subject, UnixMillis};
use inkwire_session::{Grant, Rate};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, time::timeout};

pub use credential::Credential;
pub(crate) use credential::unauthenticated;
pub use routes::routes;
pub(crate) use routes::{PREFLIGHT_MAX_AGE, permit_page};
pub use stream::{KnownStream, StreamSecret};

use content::Content;
use rates::Rates;

use crate::peer::AddressKey;

/// Random bytes of a ticket.
const TICKET_BYTES: usize = 32;

/// How long after its first use the same client may show a ticket again: proxies send a GET twice.
const REPEAT_WITHIN: Duration = Duration::from_secs(5);

/// Redemptions at once: they share a connection with what keeps documents whole.
const REDEMPTIONS_MAX: usize = 256;

/// How long one waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// How tickets are handed out, and how many may be tried.
#[derive(Debug, Clone, Copy)]
pub struct TicketConfig {
    pub lifetime: Duration,
    /// Of one subject.
    pub rate: Rate,
    /// Of those that one address shows in vain.
    pub refused_rate: Rate,
}

/// Hands tickets out and takes them back, on whatever replica they were handed out.
pub struct OneTimeTickets {
    kept: Arc<dyn Tickets>,
    lifetime: Duration,
    rates: Rates<Subject>,
    /// Whoever shows a ticket has not said who they are: without these, strangers had a call of the
    /// bus for each handshake.
    refused_rates: Rates<AddressKey>,
    turns: Semaphore,
}

/// A ticket, and how long it is valid.
pub struct Issued {
    pub ticket: String,
    pub expires_in: Duration,
}

/// Why there is no ticket, or none that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Unknown, over, redeemed before, or for another origin: who guesses learns nothing.
    #[error(
        "This ticket is unknown, over, or was used before; ask for a new one for each connection."
    )]
    Refused,
    #[error("Too many tickets for this subject; wait and ask again.")]
    Throttled { after: Duration },
    #[error("Too many refused tickets from this address; wait and try again.")]
    TooManyRefused { after: Duration },
    #[error("Tickets cannot be kept or looked up now; try again in a moment.")]
    Unavailable,
}

impl From<Unavailable> for TicketError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl OneTimeTickets {
    pub fn new(kept: Arc<dyn Tickets>, config: TicketConfig) -> Self {
        Self {
            kept,
            lifetime: config.lifetime,
            rates: Rates::new(config.rate),
            refused_rates: Rates::new(config.refused_rate),
            turns: Semaphore::new(REDEMPTIONS_MAX),
        }
    }

    /// A ticket that is worth `grant`, for a page of `origin`, or for a client that is no page.
    pub async fn issue(
        &self,
        grant: &Grant,
        origin: Option<&str>,
        now_ms: UnixMillis,
    ) -> Result<Issued, TicketError> {
        self.rates
            .take(&grant.subject)
            .map_err(|after| TicketError::Throttled { after })?;
        let left_ms = grant
            .expires_at_ms
            .map_or(u64::MAX, |at| at.saturating_sub(now_ms));
        let expires_in = self.lifetime.min(Duration::from_millis(left_ms));
        let secret: [u8; TICKET_BYTES] = rand::random();
        let content = Content::of(grant, origin).pack();
        self.kept.keep(hash(&secret), content, expires_in).await?;
        Ok(Issued {
            ticket: URL_SAFE_NO_PAD.encode(secret),
            expires_in,
        })
    }

    /// What a ticket is worth to a client at `peer`, whose page is of `origin`.
    pub async fn redeem(
        &self,
        ticket: &str,
        origin: Option<&str>,
        peer: IpAddr,
    ) -> Result<Grant, TicketError> {
        let secret: [u8; TICKET_BYTES] = URL_SAFE_NO_PAD
            .decode(ticket)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(TicketError::Refused)?;
        let redemption = Redemption {
            ticket: hash(&secret),
            redeemer: redeemer(origin, peer),
            repeat_within: REPEAT_WITHIN,
        };
        let content = self.redeem_in_turn(redemption, peer).await?;
        // One that was shown with another origin has leaked; it is spent.
        match content.grant_for(origin) {
            Some(grant) => Ok(grant),
            None => {
                // It was given back above.
                let _counted = self.refused_rates.take(&AddressKey::from(peer));
                Err(TicketError::Refused)
            }
        }
    }

    /// What is kept, for one of those who may ask the bus now.
    async fn redeem_in_turn(
        &self,
        redemption: Redemption,
        peer: IpAddr,
    ) -> Result<Content, TicketError> {
        // The turn comes first, so that a crowd behind one address waits instead of emptying its bucket.
        let turn = timeout(TURN_TIMEOUT, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(TicketError::Unavailable);
        };
        let address = AddressKey::from(peer);
        self.refused_rates
            .take(&address)
            .map_err(|after| TicketError::TooManyRefused { after })?;
        let kept = self.redeem_kept(redemption).await;
        // Taken before, so that also those on their way count.
        if !matches!(kept, Err(TicketError::Refused)) {
            self.refused_rates.give_back(&address);
        }
        kept
    }

    async fn redeem_kept(&self, redemption: Redemption) -> Result<Content, TicketError> {
        let content = self.kept.redeem(redemption).await?;
        let content = content.ok_or(TicketError::Refused)?;
        Content::unpack(&content).ok_or_else(|| {
            tracing::error!("what is kept under a ticket was not understood");
            TicketError::Refused
        })
    }
}

/// What is kept instead of the ticket.
fn hash(secret: &[u8]) -> TicketHash {
    TicketHash(Sha256::digest(secret).into())
}

fn redeemer(origin: Option<&str>, peer: IpAddr) -> [u8; 32] {
    let who = format!("{}\n{}", peer.to_canonical(), origin.unwrap_or_default());
    Sha256::digest(who).into()
}

#[cfg(test)]
mod tests;
