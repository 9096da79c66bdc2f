//! Entries of one member that go to the log all or not at all, in one call of their own: one refusal
//! names the first of their numbers, and shuts the gate there.

use std::time::Instant;

use inkwire_bus::{AppendOutcome, Refusal, Unavailable, WHOLE_ENTRIES_MAX};
use inkwire_model::{Nack, NewEntry};

use super::{
    Appending, Document, Effects, OnItsWay,
    writing::{Refused, refuse, refused},
};
use crate::{MemberKey, Submission};

impl<M> Document<M> {
    pub(super) fn submit_whole(
        &mut self,
        key: MemberKey,
        submissions: Vec<Submission>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let Some(first) = submissions.first().map(|first| first.client_seq) else {
            return;
        };
        let Some(member) = self.members.find(key) else {
            return;
        };
        let is_told_again = !member.is_live() && member.has_joined;
        if is_told_again || !member.gate.admit(first) {
            return;
        }
        let under_way_max = self.config.under_way_max;
        let checked = member
            .may_send(submissions.len(), under_way_max)
            .and_then(|()| check(submissions));
        let entries = match checked {
            Ok(entries) => entries,
            Err(nack) => return refuse(member, &self.id, first, (nack, None), fx),
        };
        // Numbers that follow an admitted one are admitted: at the latest the one at which it was shut
        // opens the gate.
        let on_their_way = entries.iter().map(|entry| {
            member.gate.admit(entry.client_seq);
            OnItsWay {
                member: key,
                client_seq: entry.client_seq,
                sent: member.gate.sent(),
            }
        });
        let on_their_way = on_their_way.collect();
        // What came before goes before.
        self.send_outgoing(now, fx);
        self.append(entries, Appending::Whole(now, on_their_way), fx);
    }

    pub(super) fn answer_whole(
        &mut self,
        on_their_way: &[OnItsWay],
        result: Result<Vec<AppendOutcome>, Unavailable>,
        now: Instant,
        fx: &mut impl Effects<M>,
    ) {
        let retry_ms = self.config.retry_ms;
        let away = (Nack::Unavailable { after_ms: retry_ms }, None);
        let outcomes = match result {
            Ok(outcomes) if outcomes.len() == on_their_way.len() => outcomes,
            Ok(_) | Err(Unavailable) => return self.refuse_all(on_their_way, away, fx),
        };
        if outcomes.iter().any(is_refused) {
            let refusal = outcomes.into_iter().find_map(refusal_of);
            let refusal = refusal.map_or(away, |refusal| refused(refusal, retry_ms));
            return self.refuse_all(on_their_way, refusal, fx);
        }
        for (on_its_way, outcome) in on_their_way.iter().zip(outcomes) {
            self.answer(on_its_way, Ok(outcome), now, fx);
        }
    }

    fn refuse_all(
        &mut self,
        on_their_way: &[OnItsWay],
        refusal: Refused,
        fx: &mut impl Effects<M>,
    ) {
        let Some(first) = on_their_way.first() else {
            return;
        };
        let Some(member) = self.members.find(first.member) else {
            return;
        };
        let mut is_news = false;
        for each in on_their_way {
            let news = member.gate.answered(each.client_seq, each.sent);
            is_news |= news && each.client_seq == first.client_seq;
        }
        if is_news {
            refuse(member, &self.id, first.client_seq, refusal, fx);
        }
    }
}

/// The entries, if all of them can be taken and their numbers follow one another.
fn check(submissions: Vec<Submission>) -> Result<Vec<NewEntry>, Nack> {
    if submissions.len() > WHOLE_ENTRIES_MAX {
        return Err(Nack::Invalid {
            why: format!("a transaction has at most {WHOLE_ENTRIES_MAX} entries"),
        });
    }
    let follows = |pair: &[Submission]| match pair {
        [a, b] => a.client_seq.checked_add(1) == Some(b.client_seq),
        _ => true,
    };
    if !submissions.windows(2).all(follows) {
        return Err(Nack::Invalid {
            why: "the numbers of a transaction's entries follow one another".to_owned(),
        });
    }
    submissions.into_iter().map(|each| each.entry).collect()
}

fn is_refused(outcome: &AppendOutcome) -> bool {
    matches!(outcome, AppendOutcome::Refused(_))
}

/// Why the log refused the whole; of the other entries it says no more than that they were dropped.
fn refusal_of(outcome: AppendOutcome) -> Option<Refusal> {
    match outcome {
        AppendOutcome::Refused(Refusal::Dropped) => None,
        AppendOutcome::Refused(refusal) => Some(refusal),
        AppendOutcome::Appended(_) | AppendOutcome::Duplicate(_) => None,
    }
}
