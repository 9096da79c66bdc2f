//! A client's row as the functions keep it; the layout stands in `lua/shared.lua`.

use std::str::FromStr;

use inkwire_model::{ClientKey, ClientRow, Position, ShortDigest, Subject};

const STAMP_BYTES: usize = 10;

/// The field of a client's row.
pub(crate) fn field_of(client: &ClientKey) -> String {
    match &client.client {
        inkwire_model::ClientId::Access(subject) => access_field_of(subject),
        uuid => format!("client:{uuid}:{}", client.subject),
    }
}

/// The field of the row that numbers the changes of a subject's access.
pub(crate) fn access_field_of(subject: &Subject) -> String {
    format!("access:{subject}")
}

/// Reads a row; `None` if it has another form.
pub(crate) fn read(bytes: &[u8]) -> Option<ClientRow> {
    let (_, rest) = bytes.split_at_checked(STAMP_BYTES)?;
    let (client_seq, rest) = split_number(rest)?;
    let (position, digests) = rest.split_at_checked(24)?;
    let digests = digests
        .chunks_exact(4)
        .filter_map(|short| ShortDigest::try_from(short).ok())
        .collect();
    Some(ClientRow {
        client_seq,
        position: read_position(position)?,
        digests,
    })
}

/// Reads seq (8 bytes) and hash (16 digits), as a row and the answer to a duplicate hold them.
pub(crate) fn read_position(bytes: &[u8]) -> Option<Position> {
    let (seq, hash) = split_number(bytes)?;
    let hash = std::str::from_utf8(hash).ok()?;
    Position::from_str(&format!("{seq}-{hash}")).ok()
}

/// Whether the row of a subject's access changes says that it is revoked.
pub(crate) fn revokes(row: &ClientRow) -> bool {
    inkwire_model::AccessAction::of(row.client_seq) == inkwire_model::AccessAction::Revoke
}

fn split_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}
