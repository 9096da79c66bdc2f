//! The function library: its text, its name, and how it gets into a Redis.
//!
//! The name carries the data version and a digest of the text, so two builds whose functions differ
//! never run each other's, and a library is never replaced.

use std::sync::LazyLock;

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};
use sha1::{Digest as _, Sha1};

use crate::keys::DATA_VERSION;

const SOURCE: &str = concat!(
    include_str!("../lua/shared.lua"),
    include_str!("../lua/review.lua"),
    include_str!("../lua/append.lua"),
    include_str!("../lua/read.lua"),
    include_str!("../lua/comments.lua"),
    include_str!("../lua/documents.lua"),
    include_str!("../lua/permits.lua"),
    include_str!("../lua/tickets.lua"),
    include_str!("../lua/claims.lua"),
    include_str!("../lua/queues.lua"),
    include_str!("../lua/presence.lua"),
);

const NAME_PLACE: &str = "@LIBRARY@";

pub(crate) struct Library {
    name: String,
    pub(crate) text: String,
    pub(crate) append: String,
    pub(crate) read: String,
    /// Reads, and makes the document first if it is not there.
    pub(crate) open: String,
    pub(crate) put_snapshot: String,
    pub(crate) delete: String,
    /// Says what the user may not do.
    pub(crate) permits: String,
    pub(crate) comments: String,
    pub(crate) some_of: String,
    pub(crate) done_with: String,
    pub(crate) ticket_keep: String,
    pub(crate) ticket_redeem: String,
    pub(crate) claim: String,
    pub(crate) claim_release: String,
    pub(crate) claim_end: String,
    pub(crate) queue_send: String,
    pub(crate) queue_turn: String,
    pub(crate) presence: String,
    pub(crate) presence_reap: String,
    pub(crate) lease_renew: String,
    pub(crate) lease_end: String,
    pub(crate) documents_note: String,
    pub(crate) documents_forget: String,
    pub(crate) documents_some: String,
}

pub(crate) static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let [a, b, c, d, ..] = <[u8; 20]>::from(Sha1::digest(SOURCE));
    let name = format!("inkwire_{DATA_VERSION}_{a:02x}{b:02x}{c:02x}{d:02x}");
    Library {
        text: SOURCE.replace(NAME_PLACE, &name),
        append: format!("{name}_append"),
        read: format!("{name}_read"),
        open: format!("{name}_open"),
        put_snapshot: format!("{name}_put_snapshot"),
        delete: format!("{name}_delete"),
        permits: format!("{name}_permits"),
        comments: format!("{name}_comments"),
        some_of: format!("{name}_some_of"),
        done_with: format!("{name}_done_with"),
        ticket_keep: format!("{name}_ticket_keep"),
        ticket_redeem: format!("{name}_ticket_redeem"),
        claim: format!("{name}_claim"),
        claim_release: format!("{name}_claim_release"),
        claim_end: format!("{name}_claim_end"),
        queue_send: format!("{name}_queue_send"),
        queue_turn: format!("{name}_queue_turn"),
        presence: format!("{name}_presence"),
        presence_reap: format!("{name}_presence_reap"),
        lease_renew: format!("{name}_lease_renew"),
        lease_end: format!("{name}_lease_end"),
        documents_note: format!("{name}_documents_note"),
        documents_forget: format!("{name}_documents_forget"),
        documents_some: format!("{name}_documents_some"),
        name,
    }
});

/// Loads the library unless it is there.
pub(crate) async fn load(client: &Client) -> Result<(), fred::error::Error> {
    let args: Vec<Value> = vec!["LOAD".into(), LIBRARY.text.as_str().into()];
    let command = CustomCommand::new_static("FUNCTION", ClusterHash::Random, false);
    match client.custom::<Value, _>(command, args).await {
        Err(error) if error.details().contains("already exists") => Ok(()),
        // A Redis that refuses writes refuses this one too, before it looks whether it is there.
        Err(_) if is_there(client).await => Ok(()),
        other => other.map(drop),
    }
}

async fn is_there(client: &Client) -> bool {
    let args = vec!["LIST", "LIBRARYNAME", LIBRARY.name.as_str()];
    let command = CustomCommand::new_static("FUNCTION", ClusterHash::Random, false);
    let found: Result<Value, _> = client.custom(command, args).await;
    matches!(found, Ok(Value::Array(found)) if !found.is_empty())
}

/// Whether this error says that nothing was executed, for want of the function.
pub(crate) fn is_missing(error: &fred::error::Error) -> bool {
    error.details().contains("Function not found")
}

/// The command that calls a function. (fred's own `fcall` takes it for a blocking command.)
pub(crate) fn fcall() -> CustomCommand {
    // One server: the slot matters only in a Cluster.
    CustomCommand::new_static("FCALL", ClusterHash::Random, false)
}
