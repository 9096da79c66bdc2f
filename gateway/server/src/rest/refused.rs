//! What a refusal by the log or by a limit looks like in HTTP: a problem whose members are those of the
//! native `nack`.

use http::header;
use inkwire_bus::Unavailable;
use inkwire_model::{ClientRow, Code, Nack, Position};
use inkwire_session::posts::Outcome;
use serde_json::{Value, json};

use crate::problem::Problem;

/// When to ask again.
const RETRY_MS: u64 = 1_000;

/// A refusal that passes by itself.
pub(super) fn later(code: Code, after_ms: u64) -> Problem {
    Problem::of(code, code.row().sentence)
        .with_member("after_ms", after_ms)
        .with(header::RETRY_AFTER, after_ms.div_ceil(1_000).max(1).into())
}

/// The log cannot be reached.
pub(super) fn unavailable(_: Unavailable) -> Problem {
    later(Code::Unavailable, RETRY_MS)
}

pub(super) fn unknown_document() -> Problem {
    let code = Code::UnknownDocument;
    Problem::of(code, code.row().sentence)
}

/// Where an entry was appended, or why it was not.
pub(super) fn settled(outcome: Outcome, naming: Naming) -> Result<(Position, bool), Problem> {
    Err(match outcome {
        Outcome::Appended {
            position,
            duplicate,
        } => return Ok((position, duplicate)),
        Outcome::Refused(Nack::ClientConflict { .. }) if naming == Naming::ByKey => {
            let code = Code::IdempotencyConflict;
            Problem::of(code, code.row().sentence)
        }
        Outcome::Refused(nack) => of_nack(nack),
        Outcome::Declined(code) => Problem::passing(code, code.row().sentence),
        // Nobody can ask again for what has no name.
        Outcome::Unknown { .. } if naming == Naming::None => {
            let code = Code::Unknown;
            Problem::of(code, code.row().sentence)
        }
        Outcome::Unknown { after_ms } => later(Code::Unavailable, after_ms),
    })
}

/// By what the sender can name what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    ByClient,
    ByKey,
    None,
}

fn of_nack(nack: Nack) -> Problem {
    let code = nack.code();
    let problem = Problem::of(code, code.row().sentence);
    match nack {
        Nack::Gap { expected, row } => {
            let problem = problem.with_member("expected", expected);
            match row {
                Some(row) => problem.with_member("row", of_row(&row)),
                None => problem,
            }
        }
        Nack::ClientConflict { row } => problem.with_member("row", of_row(&row)),
        Nack::Forbidden { need } => problem.with_member("need", need.as_str()),
        Nack::TooLarge { max_bytes } => problem.with_member("max_bytes", max_bytes),
        Nack::Throttled { after_ms } | Nack::Unavailable { after_ms } => later(code, after_ms),
        Nack::Invalid { why } => Problem::of(code, why),
        // There are more, and each has its sentence.
        _ => problem,
    }
}

fn of_row(row: &ClientRow) -> Value {
    let digest = |digest: &[u8; 4]| format!("{:08x}", u32::from_be_bytes(*digest));
    json!({
        "client_seq": row.client_seq,
        "position": row.position.to_string(),
        "digests": row.digests.iter().map(digest).collect::<String>(),
    })
}
