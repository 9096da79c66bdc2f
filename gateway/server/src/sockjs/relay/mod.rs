//! Requests of a session that reach another replica than its owner. Frames are numbered by the owner and
//! confirmed by whoever writes them; sends are answered once the owner queued them; what stays unconfirmed
//! in either direction ends the session, rather than to overtake or to lose.
//!
//! What has to be said when is decided by `outflow`, `inflow` and `sending`, which read no clock; around
//! them stand one task for each request here (`there`) and at its owner (`serving`), and the `desk` where
//! letters arrive.

mod desk;
mod inflow;
mod leases;
mod letters;
mod outflow;
mod parcel;
mod recent;
mod sending;
mod serving;
mod terms;
mod there;

#[cfg(test)]
mod over_mail;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use inkwire_bus::{Mail, Owner, ReplicaAddress};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::desk::RelayTally;
use self::{
    desk::{Desk, DeskRecipient},
    leases::{LEASE, claim_of},
    there::There,
};
use super::{
    reach::{Answer, Claim, Lease, OwnSessions, Relay, RelayAway, Session},
    session_key::SessionKey,
};

/// Sessions of all replicas, over their mail.
pub struct MailRelay {
    desk: Arc<Desk>,
}

impl MailRelay {
    /// Starts the tasks that carry letters and renew claims; they end with `closing`. Other replicas reach
    /// the sessions here once [`serve`](Self::serve) says which they are. Inside a runtime alone.
    pub fn start(
        mail: Arc<dyn Mail>,
        tally: Arc<RelayTally>,
        tasks: &TaskTracker,
        closing: &CancellationToken,
    ) -> Self {
        let desk = Desk::new(mail.clone(), tasks.clone(), closing.clone(), tally);
        let desk = Arc::new(desk);
        let carrying = desk.letters.clone().carry(mail.clone(), closing.clone());
        tasks.spawn(carrying);
        let lost = {
            let desk = desk.clone();
            move |key: &SessionKey| {
                if let Some(own) = desk.own.get() {
                    own.end(key);
                }
            }
        };
        let keeping = desk.leases.clone().keep(mail, lost, closing.clone());
        tasks.spawn(keeping);
        Self { desk }
    }

    /// From now on letters are read, and these sessions are reached.
    pub fn serve(&self, own: Arc<dyn OwnSessions>) {
        let _the_first_stay = self.desk.own.set(own);
        let recipient = DeskRecipient(self.desk.clone());
        self.desk.mail.receive(Arc::new(recipient));
    }

    fn there(&self, key: &SessionKey, owner: ReplicaAddress) -> Arc<dyn Session> {
        Arc::new(There {
            desk: self.desk.clone(),
            key: key.clone(),
            owner,
        })
    }
}

impl Relay for MailRelay {
    fn claim<'a>(&'a self, key: &'a SessionKey) -> Answer<'a, Result<Claim, RelayAway>> {
        Box::pin(async move {
            let mail = &self.desk.mail;
            // Most requests find another's: looking is cheaper than a claim in vain.
            let owner = mail.find(claim_of(key)).await.map_err(|_| RelayAway)?;
            if let Some(Owner::Replica(owner)) = owner
                && owner != mail.address()
            {
                return Ok(Claim::Theirs(self.there(key, owner)));
            }
            // Held first: from here on nobody releases it behind our back.
            let hold = self.desk.leases.hold(key);
            let asked_at = tokio::time::Instant::now();
            let owner = mail.claim(claim_of(key), LEASE).await;
            match owner.map_err(|_| RelayAway)? {
                Owner::Replica(owner) if owner == mail.address() => {
                    hold.confirmed(asked_at);
                    Ok(Claim::Mine(Lease::new(hold)))
                }
                Owner::Replica(owner) => Ok(Claim::Theirs(self.there(key, owner))),
                // Somebody could not say what became of a send: for a while nobody opens it again.
                Owner::Ended => Err(RelayAway),
            }
        })
    }

    fn find<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> Answer<'a, Result<Option<Arc<dyn Session>>, RelayAway>> {
        Box::pin(async move {
            let mail = &self.desk.mail;
            let owner = mail.find(claim_of(key)).await.map_err(|_| RelayAway)?;
            Ok(match owner {
                Some(Owner::Replica(owner)) if owner != mail.address() => {
                    Some(self.there(key, owner))
                }
                _ => None,
            })
        })
    }
}
