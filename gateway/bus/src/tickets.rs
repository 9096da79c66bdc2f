//! One-time tickets that any replica redeems: what is kept under a ticket is given out once, and again
//! only to the same redeemer a moment later. The ticket itself is never kept, only its hash.

use std::{
    collections::HashMap,
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::Unavailable;

/// An answer on its way.
pub type TicketFuture<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// What stands for a ticket: a hash that nobody can turn back into it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketHash(pub [u8; 32]);

impl fmt::Debug for TicketHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketHash")
    }
}

/// One attempt to redeem a ticket.
#[derive(Debug, Clone)]
pub struct Redemption {
    pub ticket: TicketHash,
    /// Stands for whoever redeems it.
    pub redeemer: [u8; 32],
    /// How long after the first time the same redeemer may come again: a proxy may send a GET twice.
    pub repeat_within: Duration,
}

/// Where tickets are kept, beside the logs; the same for all replicas.
pub trait Tickets: Send + Sync + 'static {
    /// Keeps `content` for `lifetime`, to the millisecond.
    fn keep(&self, ticket: TicketHash, content: Vec<u8>, lifetime: Duration) -> TicketFuture<()>;

    /// What was kept, in one atomic step with the note that it was redeemed; `None` if the ticket is
    /// unknown, over, or redeemed by somebody else or too long ago. It never prolongs a ticket's life.
    fn redeem(&self, redemption: Redemption) -> TicketFuture<Option<Vec<u8>>>;
}

/// Tickets of the embedded bus, bounded; above, `Unavailable`.
#[derive(Debug)]
pub struct MemoryTickets {
    // Held for as long as a look into a map takes; a sweep of it comes once for as many tickets.
    kept: Mutex<HashMap<TicketHash, Kept>>,
    tickets_max: usize,
}

#[derive(Debug)]
struct Kept {
    content: Vec<u8>,
    ends_at: Instant,
    redeemer: Option<[u8; 32]>,
}

/// Most tickets at once, unless told otherwise.
const TICKETS_MAX: usize = 100_000;

impl Default for MemoryTickets {
    fn default() -> Self {
        Self::new(TICKETS_MAX)
    }
}

impl MemoryTickets {
    pub fn new(tickets_max: usize) -> Self {
        Self {
            kept: Mutex::default(),
            tickets_max,
        }
    }

    fn keep_now(
        &self,
        ticket: TicketHash,
        content: Vec<u8>,
        lifetime: Duration,
    ) -> Result<(), Unavailable> {
        let now = Instant::now();
        let ends_at = now.checked_add(lifetime).ok_or(Unavailable)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A map grows by doubling: so often, and when it is full, those that are over make room.
        if kept.len() == kept.capacity() || kept.len() >= self.tickets_max {
            kept.retain(|_, ticket| ticket.ends_at > now);
        }
        if kept.len() >= self.tickets_max {
            return Err(Unavailable);
        }
        let redeemer = None;
        kept.insert(
            ticket,
            Kept {
                content,
                ends_at,
                redeemer,
            },
        );
        Ok(())
    }

    fn redeem_now(&self, redemption: &Redemption) -> Option<Vec<u8>> {
        let now = Instant::now();
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get_mut(&redemption.ticket)?;
        if kept.ends_at <= now {
            all.remove(&redemption.ticket);
            return None;
        }
        match kept.redeemer {
            None => {
                kept.redeemer = Some(redemption.redeemer);
                let repeat_ends_at = now.checked_add(redemption.repeat_within);
                kept.ends_at = repeat_ends_at.map_or(kept.ends_at, |at| kept.ends_at.min(at));
                Some(kept.content.clone())
            }
            Some(redeemer) => (redeemer == redemption.redeemer).then(|| kept.content.clone()),
        }
    }
}

impl Tickets for MemoryTickets {
    fn keep(&self, ticket: TicketHash, content: Vec<u8>, lifetime: Duration) -> TicketFuture<()> {
        Box::pin(ready(self.keep_now(ticket, content, lifetime)))
    }

    fn redeem(&self, redemption: Redemption) -> TicketFuture<Option<Vec<u8>>> {
        Box::pin(ready(Ok(self.redeem_now(&redemption))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn tickets_are_bounded_and_those_that_are_over_make_room() {
        let tickets = MemoryTickets::new(2);
        let hash = |n| TicketHash([n; 32]);
        assert_eq!(tickets.keep_now(hash(1), Vec::new(), LONG), Ok(()));
        assert_eq!(
            tickets.keep_now(hash(2), Vec::new(), Duration::ZERO),
            Ok(())
        );
        assert_eq!(tickets.keep_now(hash(3), Vec::new(), LONG), Ok(()));
        assert_eq!(
            tickets.keep_now(hash(4), Vec::new(), LONG),
            Err(Unavailable)
        );
    }
}
