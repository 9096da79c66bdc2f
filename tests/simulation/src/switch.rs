//! `Switch`: a rule that a test switches off, by the name that the contract's model gives it, and what has
//! to go wrong without it.

use inkwire_model::{Rule, without_rule};

use crate::world::BrokenModel;

#[derive(Debug, Clone, Copy)]
pub struct Switch {
    pub name: &'static str,
    what: Off,
    /// Names of violations, each of them for the right reason.
    pub breaks: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Off {
    /// A rule of our code.
    Rule(Rule),
    /// A rule of Redis or of the application, which the simulation plays itself.
    Model(fn(&mut BrokenModel)),
}

/// All that can be switched off.
pub const SWITCHES: &[Switch] = &[
    rule(
        "no_hash",
        Rule::HashComparison,
        &[
            "Forked",
            "SilentReset",
            "TwoContents",
            "Behind",
            "AcknowledgedAndMissing",
            "Broken",
            "Stuck",
        ],
    ),
    rule("no_gap", Rule::GapRepair, &["Broken"]),
    rule("dedup_by_seq", Rule::RepeatByHash, &[]),
    rule("no_buffer", Rule::BufferWhileReading, &["Late"]),
    rule("no_confirm", Rule::ConfirmedSubscription, &["Late"]),
    rule("no_rows", Rule::ClientRows, &["Repeated"]),
    rule(
        "no_digest_check",
        Rule::DigestOfDuplicate,
        &["AcknowledgedAndMissing"],
    ),
    rule("payload_digest", Rule::PayloadInDigest, &[]),
    rule(
        "acks_forgotten",
        Rule::RememberedAcks,
        &["AcknowledgedAndMissing"],
    ),
    rule(
        "writeonly_unwatched",
        Rule::WriteOnlyFollowed,
        &["AcknowledgedAndMissing"],
    ),
    rule(
        "reset_without_row",
        Rule::RowInReset,
        &["AcknowledgedAndMissing"],
    ),
    rule("send_before_joined", Rule::SendAfterJoined, &[]),
    rule("gap_below_held_silent", Rule::LossTold, &["Stuck"]),
    rule("row_expiry_guess", Rule::ExpiryTold, &["Repeated"]),
    rule("subject_keeps_client", Rule::SubjectIsClient, &[]),
    rule(
        "revocation_forgotten",
        Rule::RevocationRemembered,
        &["RevocationUndone"],
    ),
    model("row_before_log", |broken| broken.row_before_log = true, &[]),
    model(
        "dup_ack_without_wait",
        |broken| broken.duplicates_do_not_wait = true,
        &["ReplicatedAndLost"],
    ),
    model(
        "revocation_not_replicated",
        |broken| broken.revocations_do_not_wait = true,
        &["RevocationUndone"],
    ),
    model(
        "reload_keeps_id",
        |broken| broken.reload_keeps_client = true,
        &[],
    ),
];

const fn rule(name: &'static str, rule: Rule, breaks: &'static [&'static str]) -> Switch {
    Switch {
        name,
        what: Off::Rule(rule),
        breaks,
    }
}

const fn model(
    name: &'static str,
    breaking: fn(&mut BrokenModel),
    breaks: &'static [&'static str],
) -> Switch {
    Switch {
        name,
        what: Off::Model(breaking),
        breaks,
    }
}

impl Switch {
    pub fn named(name: &str) -> Option<Self> {
        SWITCHES.iter().find(|switch| switch.name == name).copied()
    }

    /// Does something without this rule.
    pub(crate) fn off<T>(self, act: impl FnOnce(BrokenModel) -> T) -> T {
        let mut broken = BrokenModel::default();
        match self.what {
            Off::Rule(rule) => without_rule(rule, || act(broken)),
            Off::Model(breaking) => {
                breaking(&mut broken);
                act(broken)
            }
        }
    }
}
