//! `Switch`: a rule that a test switches off, by the name that the contract's model gives it.

use inkwire_model::{Rule, without_rule};

use crate::world::BrokenModel;

#[derive(Debug, Clone, Copy)]
pub struct Switch {
    pub name: &'static str,
    what: Off,
    /// How a schedule may fail without it: anything else is a fault of the schedule or its judge. A hang
    /// is in none of them, since it says nothing of the rule.
    pub breaks: &'static [&'static str],
    /// No schedule fails without this rule alone, since another one notices as well.
    pub is_shadowed: bool,
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
        &["SilentReset", "AcknowledgedAndMissing", "RevocationUndone"],
    ),
    rule("no_gap", Rule::GapRepair, &["Broken"]),
    rule("no_buffer", Rule::BufferWhileReading, &["Late"]),
    rule("no_confirm", Rule::ConfirmedSubscription, &["Late"]),
    rule(
        "no_rows",
        Rule::ClientRows,
        &["Repeated", "Reordered", "NumberSkipped", "GivenUp"],
    ),
    rule(
        "no_digest_check",
        Rule::DigestOfDuplicate,
        &["AcknowledgedAndMissing"],
    ),
    rule("payload_digest", Rule::PayloadInDigest, &["Forked"]),
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
    rule(
        "send_before_joined",
        Rule::SendAfterJoined,
        &["GivenUp", "Repeated"],
    ),
    rule(
        "gap_below_held_silent",
        Rule::LossTold,
        &["AcknowledgedAndMissing"],
    ),
    rule("row_expiry_guess", Rule::ExpiryTold, &["Repeated"]),
    rule(
        "subject_keeps_client",
        Rule::SubjectIsClient,
        &[
            "AcknowledgedAndMissing",
            "GivenUp",
            "NeverSubmitted",
            "Stranger",
        ],
    ),
    rule(
        "revocation_forgotten",
        Rule::RevocationRemembered,
        &["RevocationUndone"],
    ),
    // The next entry, or whatever else reads the log, finds the fork that such a repeat would tell.
    shadowed(rule("dedup_by_seq", Rule::RepeatByHash, &[])),
    model(
        "no_heads",
        |broken| broken.heads_not_compared = true,
        &["AcknowledgedAndMissing", "SilentReset"],
    ),
    // The writer is told its row again by whatever it sends next.
    shadowed(model(
        "row_before_log",
        |broken| broken.row_before_log = true,
        &[],
    )),
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
        &["Reordered"],
    ),
];

const fn rule(name: &'static str, rule: Rule, breaks: &'static [&'static str]) -> Switch {
    Switch {
        name,
        what: Off::Rule(rule),
        breaks,
        is_shadowed: false,
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
        is_shadowed: false,
    }
}

const fn shadowed(switch: Switch) -> Switch {
    Switch {
        is_shadowed: true,
        ..switch
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
