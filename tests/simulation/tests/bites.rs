//! The suite bites: with any one rule switched off, a schedule that is known to need it fails, and for
//! the right reason; with all rules on it passes.
//!
//! How many schedules notice: `cargo run --release -p inkwire-simulation --example simulate -- --bites`.

use inkwire_simulation::{Options, Switch, simulate};

/// A rule, a schedule that needs it, and what goes wrong there without it.
const KNOWN: &[(&str, u64, &str)] = &[
    ("no_hash", 12, "SilentReset"),
    ("no_hash", 1, "SilentReset"),
    ("no_gap", 2, "Broken"),
    ("no_buffer", 197, "Late"),
    ("no_confirm", 83, "Late"),
    ("no_confirm", 109, "Late"),
    ("no_rows", 3, "Repeated"),
    ("no_digest_check", 2497, "AcknowledgedAndMissing"),
    ("payload_digest", 0, "Forked"),
    ("acks_forgotten", 871, "AcknowledgedAndMissing"),
    ("acks_forgotten", 810, "AcknowledgedAndMissing"),
    ("writeonly_unwatched", 26, "AcknowledgedAndMissing"),
    ("writeonly_unwatched", 13, "AcknowledgedAndMissing"),
    ("reset_without_row", 76, "AcknowledgedAndMissing"),
    ("send_before_joined", 54, "GivenUp"),
    ("gap_below_held_silent", 32, "AcknowledgedAndMissing"),
    ("gap_below_held_silent", 37, "AcknowledgedAndMissing"),
    ("row_expiry_guess", 204, "Repeated"),
    ("row_expiry_guess", 25, "Repeated"),
    ("revocation_forgotten", 15, "RevocationUndone"),
    ("dup_ack_without_wait", 257, "ReplicatedAndLost"),
    ("dup_ack_without_wait", 134, "ReplicatedAndLost"),
    ("revocation_not_replicated", 77, "RevocationUndone"),
    ("no_heads", 1044, "AcknowledgedAndMissing"),
    ("reload_keeps_id", 1695, "Reordered"),
    ("no_hash", 7, "SilentReset"),
    ("subject_keeps_client", 216, "AcknowledgedAndMissing"),
];

#[test]
fn a_schedule_fails_without_the_rule_that_it_needs() {
    for (name, seed, expected) in KNOWN {
        let without = Switch::named(name);
        let breaks = without.map_or(&[][..], |switch| switch.breaks);
        assert!(breaks.contains(expected), "{name} breaks {breaks:?}");
        let run = |without| {
            let trace = false;
            simulate(&Options {
                seed: *seed,
                trace,
                without,
            })
        };
        assert_eq!(run(None).violation, None, "seed {seed} with all rules");
        let violation = run(without).violation;
        let found = violation.as_ref().map(|violation| violation.name.as_str());
        assert_eq!(
            found,
            Some(*expected),
            "seed {seed} without {name}: {violation:?}"
        );
    }
}

#[test]
fn every_rule_is_known_to_be_needed() {
    for switch in inkwire_simulation::SWITCHES {
        let is_known = KNOWN.iter().any(|(name, ..)| *name == switch.name);
        assert_ne!(is_known, switch.is_shadowed, "{}", switch.name);
    }
}
