//! One call of the presence function: typed arguments in, a version or a set out.

use fred::types::Value;
use inkwire_bus::{
    Holder, PresenceAnswer, PresenceCall, PresenceChange, PresenceSet, PresenceVersion,
};
use inkwire_model::{DocumentId, Participant, ParticipantId, Role};

use super::lease::Lease;
use crate::{functions::LIBRARY, keys::Keys};

/// Most participants of one document; beyond, nobody more is entered.
const PARTICIPANTS_MAX: i64 = 10_000;

/// Digits of a role and of a time.
const HEAD: usize = 14;
/// Digits of an incarnation, and of a session.
const HALF: usize = 16;

pub(super) fn enters(call: &PresenceCall) -> bool {
    let is_enter = |change: &PresenceChange| matches!(change, PresenceChange::Enter { .. });
    call.changes.iter().any(is_enter)
}

pub(super) fn args_to_note(keys: &Keys, lease: &Lease, document: &DocumentId) -> Vec<Value> {
    vec![
        LIBRARY.documents_note.as_str().into(),
        1.into(),
        keys.documents_of(&lease.incarnation).into(),
        lease.ends_at_ms.to_string().into(),
        document.to_string().into(),
    ]
}

pub(super) fn args(keys: &Keys, lease: Option<&Lease>, call: &PresenceCall) -> Vec<Value> {
    let ends_at_ms = lease.map_or(0, |lease| lease.ends_at_ms);
    let mut args: Vec<Value> = vec![
        LIBRARY.presence.as_str().into(),
        1.into(),
        keys.presence(&call.document).into(),
        keys.live(&call.document).into(),
        ends_at_ms.to_string().into(),
        lease
            .map_or(String::new(), |lease| lease.incarnation.clone())
            .into(),
        PARTICIPANTS_MAX.into(),
        i64::from(call.read).into(),
    ];
    args.extend(call.changes.iter().map(|change| {
        let text = match change {
            PresenceChange::Enter { who, role, holder } => {
                format!("e{}{:016x}{who}", role_digit(*role), holder.0)
            }
            PresenceChange::Leave { who, holder } => format!("l0{:016x}{who}", holder.0),
        };
        Value::from(text)
    }));
    args
}

/// Whether Redis says that the lease is over.
pub(super) fn is_too_late(reply: &Value) -> bool {
    reply.as_bytes() == Some(b"x")
}

/// `Err(None)` if the lease is over.
pub(super) fn answer(
    reply: &Value,
    lease: Option<&Lease>,
    read: bool,
) -> Result<PresenceAnswer, Option<&'static str>> {
    if is_too_late(reply) {
        return Err(None);
    }
    if !read {
        let version = reply.as_bytes().ok_or("it is no version")?;
        let version = match version {
            b"" => None,
            _ => Some(version_of(version)?),
        };
        return Ok(PresenceAnswer { version, set: None });
    }
    let Value::Array(fields) = reply else {
        return Err(Some("it is no set"));
    };
    let mut version = None;
    let mut set = PresenceSet::default();
    for pair in fields.chunks(2) {
        let [field, value] = pair else {
            return Err(Some("a field has no value"));
        };
        let field = field.as_bytes().ok_or("a field is no text")?;
        let value = value.as_bytes().ok_or("a value is no text")?;
        if field == b"version" {
            version = Some(version_of(value)?);
            continue;
        }
        let who: ParticipantId = text(field)?.parse().map_err(|_| "it names nobody")?;
        let value = text(value)?;
        let (head, holders) = value.split_at_checked(HEAD).ok_or("a value is short")?;
        for holder in holders.as_bytes().chunks(HALF * 2) {
            let (node, session) = holder.split_at_checked(HALF).ok_or("a holder is short")?;
            if lease.is_some_and(|lease| lease.incarnation.as_bytes() == node) {
                let session = u64::from_str_radix(text(session)?, 16);
                let session = session.map_err(|_| "a session is no number")?;
                set.held.push((who.clone(), Holder(session)));
            }
        }
        let participant = participant(head, who).ok_or("a head is none")?;
        set.participants.push(participant);
    }
    Ok(PresenceAnswer {
        version,
        set: Some(set),
    })
}

/// A role and a time, as they stand in a value and in an announcement.
pub(super) fn participant(head: &str, who: ParticipantId) -> Option<Participant> {
    let (role, since) = head.split_at_checked(1)?;
    let role = role.parse::<usize>().ok()?;
    Some(Participant {
        who,
        role: *Role::ALL.get(role)?,
        since: since.parse().ok()?,
    })
}

fn role_digit(role: Role) -> usize {
    Role::ALL.iter().position(|one| *one == role).unwrap_or(0)
}

fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8")
}

fn version_of(bytes: &[u8]) -> Result<PresenceVersion, &'static str> {
    text(bytes)?.parse().map_err(|_| "the version is none")
}
