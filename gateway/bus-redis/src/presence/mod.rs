//! Who is in a document, in Redis (C13). Nothing is entered but under this replica's lease, and Redis
//! itself refuses what comes after its end; the dead are removed by whoever notices first.

mod announcement;
mod call;
mod lease;
mod nodes;

use fred::clients::Client;
use inkwire_bus::{PresenceAnswer, PresenceCall, Unavailable};
use inkwire_model::DocumentId;

pub(crate) use announcement::{is_presence, read as read_announcement};
pub(crate) use lease::{Lease, Leases};
pub(crate) use nodes::Nodes;

use crate::{functions::LIBRARY, keys::Keys, reader};

/// One call, with its note of the document before and after.
pub(crate) async fn answer(
    client: &Client,
    keys: &Keys,
    leases: &Leases,
    call: &PresenceCall,
) -> Result<PresenceAnswer, Unavailable> {
    let lease = leases.now();
    if lease.is_none() && !call.changes.is_empty() {
        return Err(Unavailable);
    }
    let failed = |error: fred::error::Error| {
        tracing::debug!(document = %call.document, %error, "a call of presence failed");
        Unavailable
    };
    if let Some(lease) = lease.as_ref().filter(|_| call::enters(call))
        && !leases.is_noted(lease, &call.document)
    {
        // Noted first: whoever removes this replica's participants has to find them all.
        let args = || call::args_to_note(keys, lease, &call.document);
        let reply = reader::call(client, args).await.map_err(failed)?;
        if call::is_too_late(&reply) {
            return Err(Unavailable);
        }
        leases.note(lease, &call.document);
    }
    let args = || call::args(keys, lease.as_ref(), call);
    let reply = reader::call(client, args).await.map_err(failed)?;
    let answer = call::answer(&reply, lease.as_ref(), call.read).map_err(|why| {
        if let Some(why) = why {
            tracing::error!(document = %call.document, why, "a set of participants was not understood");
        }
        Unavailable
    })?;
    if let Some(lease) = lease.filter(|_| call.is_last) {
        forget(client, keys, &lease, &call.document).await;
        leases.forget(&lease, &call.document);
    }
    Ok(answer)
}

/// What is still noted only costs the one a look who removes this replica's participants.
async fn forget(client: &Client, keys: &Keys, lease: &Lease, document: &DocumentId) {
    let args = || {
        vec![
            LIBRARY.documents_forget.as_str().into(),
            1.into(),
            keys.documents_of(&lease.incarnation).into(),
            document.to_string().into(),
        ]
    };
    if let Err(error) = reader::call(client, args).await {
        tracing::debug!(%document, %error, "a document stays noted");
    }
}
