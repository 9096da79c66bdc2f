//! Which append had which number, for entries whose content is no longer kept: a loss among them
//! is still told by name.

use inkwire_model::ClientSeq;

use crate::AppendId;

/// Runs of consecutive numbers and appends; a refusal before an entry begins a new one. Beyond this
/// many the oldest are told as one, which then names refused appends too.
const RUNS_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Released(Vec<(ClientSeq, AppendId)>);

impl Released {
    pub(super) fn add(&mut self, number: ClientSeq, append: AppendId) {
        let continues =
            |(n, a): &(ClientSeq, AppendId)| number.checked_sub(*n) == append.0.checked_sub(a.0);
        if self.0.last().is_some_and(continues) {
            return;
        }
        if self.0.len() == RUNS_MAX {
            self.0.remove(1);
        }
        self.0.push((number, append));
    }

    /// The append that had this number.
    pub(super) fn append_of(&self, number: ClientSeq) -> Option<AppendId> {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        let (first, append) = self.0.get(after.checked_sub(1)?)?;
        Some(AppendId(append.0 + (number - first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_again_across_refusals() {
        let mut released = Released::default();
        assert_eq!(released.append_of(1), None);
        for (number, append) in [(1, 1), (2, 2), (3, 5), (4, 6), (5, 9)] {
            released.add(number, AppendId(append));
        }
        let found: Vec<_> = (1..=5)
            .filter_map(|n| released.append_of(n))
            .map(|a| a.0)
            .collect();
        assert_eq!(found, [1, 2, 5, 6, 9]);
        assert_eq!(released.0.len(), 3);
    }
}
