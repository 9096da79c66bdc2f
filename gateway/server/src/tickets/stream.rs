//! What an event stream's client shows when it connects again: a secret as random as a ticket, kept on the
//! same bus and so known to every replica, good for one stream, as long as the token would have been.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use inkwire_bus::{Redemption, TicketHash};
use inkwire_model::UnixMillis;
use inkwire_session::Grant;
use sha2::{Digest as _, Sha256};

use super::{Content, OneTimeTickets, TICKET_BYTES, TicketError};

/// How long one counts whose token has no end, or a later one.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);

/// It is shown by whoever has it, and again and again.
const ANYBODY: [u8; 32] = [0; 32];

/// A secret for one stream.
#[derive(Debug)]
pub struct StreamSecret {
    pub secret: String,
    pub lifetime: Duration,
}

/// What a secret that was shown is worth.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownStream {
    pub grant: Grant,
    /// It was given for this very ticket.
    pub is_of_ticket: bool,
}

impl OneTimeTickets {
    /// A secret for the stream that `stream` stands for, given to who showed `ticket`.
    pub async fn keep_stream(
        &self,
        grant: &Grant,
        stream: &[u8; 32],
        ticket: &str,
        now_ms: UnixMillis,
    ) -> Result<StreamSecret, TicketError> {
        let left_ms = grant
            .expires_at_ms
            .map_or(u64::MAX, |at| at.saturating_sub(now_ms));
        let lifetime = LIFETIME_MAX.min(Duration::from_millis(left_ms));
        let secret: [u8; TICKET_BYTES] = rand::random();
        let content = Content::of_stream(grant, &spent(ticket)).pack();
        self.kept
            .keep(key(&secret, stream), content, lifetime)
            .await?;
        Ok(StreamSecret {
            secret: URL_SAFE_NO_PAD.encode(secret),
            lifetime,
        })
    }

    /// What `secret` is worth for this stream. Its page's origin was checked; the browser sends the cookie
    /// to no other site's.
    pub async fn known_stream(
        &self,
        secret: &str,
        stream: &[u8; 32],
        ticket: Option<&str>,
        peer: IpAddr,
    ) -> Result<KnownStream, TicketError> {
        let secret: [u8; TICKET_BYTES] = URL_SAFE_NO_PAD
            .decode(secret)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(TicketError::Refused)?;
        let redemption = Redemption {
            ticket: key(&secret, stream),
            redeemer: ANYBODY,
            repeat_within: LIFETIME_MAX,
        };
        let content = self.redeem_in_turn(redemption, peer).await?;
        let is_of_ticket = ticket.is_some_and(|ticket| content.is_of_stream_of(&spent(ticket)));
        let grant = content.grant_for(None).ok_or(TicketError::Refused)?;
        Ok(KnownStream {
            grant,
            is_of_ticket,
        })
    }
}

/// Under what it is kept: it is worth nothing for another stream.
fn key(secret: &[u8], stream: &[u8; 32]) -> TicketHash {
    let whole = Sha256::new_with_prefix("stream")
        .chain_update(stream)
        .chain_update(secret);
    TicketHash(whole.finalize().into())
}

/// What is remembered of a ticket that was spent.
fn spent(ticket: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(ticket))
}
