//! The rules, by what they are about.

mod access;
mod away;
mod documents;
mod history;
mod order;
mod presence;
mod reading;
mod retention;
mod review;
mod subscriptions;
mod whole;
mod writers;

pub use access::*;
pub use away::*;
pub use documents::*;
pub use history::*;
pub use order::*;
pub use presence::*;
pub use reading::*;
pub use retention::*;
pub use review::*;
pub use subscriptions::*;
pub use whole::*;
pub use writers::*;

use std::sync::Arc;

use inkwire_model::{Entry, Position};

use crate::{AppendOutcome, Refusal};

/// Every rule, by the name of its function and of its test.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_contract_case {
    ($start:expr) => {
        $crate::contract_tests_of! { $start;
            a_revocation_refuses_from_its_seq_on_and_a_grant_ends_it
            a_change_of_access_counts_for_what_follows_it_in_its_call
            a_repeated_change_of_access_is_a_duplicate

            requests_are_answered_once_while_the_store_is_away
            a_writer_settles_what_was_unknown_by_sending_it_again
            subscriptions_come_back_when_the_store_does

            a_rolled_back_log_is_found_by_its_hash
            a_rolled_back_row_tells_its_writer_where_to_go_on

            a_snapshot_starts_every_reader_and_trims_the_log
            a_snapshot_of_no_use_is_refused
            a_document_may_begin_with_a_seed
            a_snapshot_makes_room_in_a_full_log
            a_revoked_subject_puts_no_snapshot
            a_deleted_document_is_told_as_deleted_and_keeps_its_rows
            a_deletion_is_heard_at_once
            a_rolled_back_snapshot_is_not_served

            seqs_are_contiguous_and_the_hashes_chain
            each_log_has_an_identity_of_its_own
            every_replica_hears_the_same_entries_at_the_same_positions
            nothing_is_announced_before_it_is_in_the_log
            a_call_keeps_the_order_of_its_entries
            calls_of_a_document_take_effect_in_the_order_of_making
            two_writers_at_once_make_one_order
            eight_writers_at_once_make_one_order

            a_comment_is_made_once_with_its_entry
            a_comment_is_changed_by_its_author_and_by_owners
            each_person_is_notified_once_of_a_comment
            a_whole_call_changes_all_comments_or_none
            comments_and_their_log_agree
            a_snapshot_says_where_every_open_anchor_is
            a_message_to_a_person_is_a_notification

            a_participant_is_announced_with_its_first_holder_and_its_last
            a_late_leave_removes_nothing_that_came_after_it
            announcements_of_presence_lead_from_version_to_version
            a_thousand_enter_in_one_call
            a_dead_replicas_participants_leave_once
            who_is_held_elsewhere_outlives_a_replica
            a_replica_that_lost_its_lease_is_told_and_enters_anew
            a_rolled_back_set_is_found_by_its_version
            presence_is_unavailable_while_the_store_is_away

            a_read_creates_the_document
            a_page_ends_at_its_limits
            a_resume_anywhere_gives_exactly_the_rest
            a_position_of_another_history_starts_over
            a_position_beyond_the_head_starts_over
            a_trimmed_position_starts_over_and_the_base_continues
            a_page_tells_where_its_askers_stand
            heads_of_many_documents_are_compared_at_once

            a_confirmed_subscription_hears_the_very_next_entry
            each_replica_confirms_for_itself
            a_follower_that_left_hears_nothing_more
            signals_reach_every_follower_and_nobody_else
            lost_subscriptions_are_told_and_come_back
            what_was_announced_to_nobody_is_found_by_its_head

            a_repeat_is_a_duplicate_and_takes_no_place
            other_content_under_a_used_number_is_a_conflict
            a_row_tells_the_last_64_numbers_apart
            a_number_ahead_is_a_gap
            number_0_is_nobodys
            an_unknown_client_starts_at_1
            the_same_client_under_another_subject_is_another_one
            a_refusal_touches_only_its_client
            a_full_log_takes_nothing_but_changes_of_access

            internal_ids_name_logs_like_any_other
            the_latest_entries_are_kept_and_the_base_follows
            a_log_of_the_latest_entries_is_never_full
            trimming_keeps_rows_and_revocations
            a_read_from_the_head_gives_only_what_comes

            a_whole_append_is_taken_whole_and_once
            one_refused_entry_refuses_the_whole
            a_whole_append_that_does_not_fit_is_refused
            what_a_whole_append_lacks_is_appended
            a_whole_append_of_unknown_outcome_is_sent_again
        }
    };
}

/// Each entry follows the one before.
fn assert_chain(entries: &[Arc<Entry>], after: Position) {
    let mut last = after;
    for entry in entries {
        assert!(entry.follows(last), "{} after {last}", entry.position);
        last = entry.position;
    }
}

/// The payloads, as text.
fn texts(entries: &[Arc<Entry>]) -> Vec<String> {
    let text = |entry: &Arc<Entry>| String::from_utf8_lossy(&entry.payload).into_owned();
    entries.iter().map(text).collect()
}

/// The positions of entries.
fn positions(entries: &[Arc<Entry>]) -> Vec<Position> {
    entries.iter().map(|entry| entry.position).collect()
}

/// An outcome in short.
fn name(outcome: &AppendOutcome) -> String {
    match outcome {
        AppendOutcome::Appended(position) => format!("appended {}", position.seq),
        AppendOutcome::Duplicate(position) => format!("duplicate {}", position.seq),
        AppendOutcome::Refused(Refusal::Gap { expected, .. }) => format!("gap {expected}"),
        AppendOutcome::Refused(Refusal::UnknownClient) => "unknown_client".into(),
        AppendOutcome::Refused(Refusal::ClientConflict { .. }) => "client_conflict".into(),
        AppendOutcome::Refused(Refusal::Revoked) => "revoked".into(),
        AppendOutcome::Refused(Refusal::Comment(_)) => "comment".into(),
        AppendOutcome::Refused(Refusal::LogFull) => "log_full".into(),
        AppendOutcome::Refused(Refusal::Expired) => "expired".into(),
        AppendOutcome::Refused(Refusal::Dropped) => "dropped".into(),
    }
}
