//! One-time tickets in Redis: one key for each, which expires by itself; redeemed by a function, so
//! that of many who try one is served.

use std::time::Duration;

use fred::types::Value;
use inkwire_bus::{Redemption, TicketFuture, TicketHash, Tickets, Unavailable};

use crate::{bus::RedisBus, functions::LIBRARY, reader};

impl Tickets for RedisBus {
    fn keep(&self, ticket: TicketHash, content: Vec<u8>, lifetime: Duration) -> TicketFuture<()> {
        // Redis deletes a key at once whose time is not positive.
        let lifetime_ms = millis(lifetime).max(1);
        let args = vec![Value::Bytes(content.into()), lifetime_ms.into()];
        let call = self.call_on_ticket(&LIBRARY.ticket_keep, ticket, args);
        Box::pin(async move { call.await.map(drop) })
    }

    fn redeem(&self, redemption: Redemption) -> TicketFuture<Option<Vec<u8>>> {
        let redeemer = redemption.redeemer.to_vec();
        let repeat_ms = millis(redemption.repeat_within).max(1);
        let args = vec![Value::Bytes(redeemer.into()), repeat_ms.into()];
        let call = self.call_on_ticket(&LIBRARY.ticket_redeem, redemption.ticket, args);
        Box::pin(async move {
            match call.await? {
                Value::Null => Ok(None),
                reply => match reply.as_bytes() {
                    Some(content) => Ok(Some(content.to_vec())),
                    None => Err(Unavailable),
                },
            }
        })
    }
}

impl RedisBus {
    /// Calls a function on the key of one ticket.
    fn call_on_ticket(
        &self,
        function: &'static str,
        ticket: TicketHash,
        own: Vec<Value>,
    ) -> TicketFuture<Value> {
        let (client, key) = (self.side.clone(), self.keys.ticket(&ticket));
        let is_available = self.link.is_available();
        Box::pin(async move {
            if !is_available {
                return Err(Unavailable);
            }
            let args = || {
                let mut args: Vec<Value> = vec![function.into(), 1.into(), key.as_str().into()];
                args.extend(own.iter().cloned());
                args
            };
            reader::call(&client, args).await.map_err(|error| {
                tracing::debug!(%error, "a ticket's call failed");
                Unavailable
            })
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
