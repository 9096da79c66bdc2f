//! `Switch`: a rule that a test switches off, by the name that the contract's model gives it.

use inkwire_model::{Rule, without_rule};

use crate::world::BrokenModel;

#[derive(Debug, Clone, Copy)]
pub struct Switch {
    pub name: &'static str,
    what: Off,
    /// No schedule is known to need it: another rule notices as well.
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
    rule("no_hash", Rule::HashComparison),
    rule("no_gap", Rule::GapRepair),
    rule("no_buffer", Rule::BufferWhileReading),
    rule("no_confirm", Rule::ConfirmedSubscription),
    rule("no_rows", Rule::ClientRows),
    rule("no_digest_check", Rule::DigestOfDuplicate),
    rule("payload_digest", Rule::PayloadInDigest),
    rule("acks_forgotten", Rule::RememberedAcks),
    rule("writeonly_unwatched", Rule::WriteOnlyFollowed),
    rule("reset_without_row", Rule::RowInReset),
    rule("send_before_joined", Rule::SendAfterJoined),
    rule("gap_below_held_silent", Rule::LossTold),
    rule("row_expiry_guess", Rule::ExpiryTold),
    rule("subject_keeps_client", Rule::SubjectIsClient),
    rule("revocation_forgotten", Rule::RevocationRemembered),
    // The next entry, or the comparison of heads, finds the fork that such a repeat would tell.
    shadowed(rule("dedup_by_seq", Rule::RepeatByHash)),
    // The writer is told its row again by whatever it sends next.
    shadowed(model("row_before_log", |broken| {
        broken.row_before_log = true;
    })),
    model("dup_ack_without_wait", |broken| {
        broken.duplicates_do_not_wait = true;
    }),
    model("revocation_not_replicated", |broken| {
        broken.revocations_do_not_wait = true;
    }),
    model("reload_keeps_id", |broken| {
        broken.reload_keeps_client = true;
    }),
];

const fn rule(name: &'static str, rule: Rule) -> Switch {
    Switch {
        name,
        what: Off::Rule(rule),
        is_shadowed: false,
    }
}

const fn model(name: &'static str, breaking: fn(&mut BrokenModel)) -> Switch {
    Switch {
        name,
        what: Off::Model(breaking),
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
