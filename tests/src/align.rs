//! Which items of one sequence another one lacks, and which it has too often: by order, so that a
//! missing item and a repeated one elsewhere do not cancel out.

/// Beyond so many steps the answer is an upper bound: what is that different is only counted.
const STEPS_MAX: usize = 4_000;

/// How a sequence differs from the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Difference {
    /// Wanted, and not there in its place.
    pub missing: usize,
    /// There, and not wanted in that place.
    pub surplus: usize,
}

/// The least deletions and insertions that lead from `wanted` to `got` (Myers).
pub fn align<T: PartialEq>(wanted: &[T], got: &[T]) -> Difference {
    let same = wanted.iter().zip(got).take_while(|(w, g)| w == g).count();
    let (wanted, got) = (
        wanted.get(same..).unwrap_or_default(),
        got.get(same..).unwrap_or_default(),
    );
    let pairs = wanted.iter().rev().zip(got.iter().rev());
    let same = pairs.take_while(|(w, g)| w == g).count();
    let (wanted, got) = (
        wanted.get(..wanted.len() - same).unwrap_or_default(),
        got.get(..got.len() - same).unwrap_or_default(),
    );
    let steps = steps(wanted, got).unwrap_or(wanted.len() + got.len());
    // missing + surplus = steps, and surplus - missing = got - wanted.
    let surplus = (steps + got.len()).saturating_sub(wanted.len()) / 2;
    Difference {
        missing: steps - surplus,
        surplus,
    }
}

/// How many deletions and insertions there are at least; `None`: more than are counted.
fn steps<T: PartialEq>(wanted: &[T], got: &[T]) -> Option<usize> {
    if wanted.is_empty() || got.is_empty() {
        return Some(wanted.len() + got.len());
    }
    let most = (wanted.len() + got.len()).min(STEPS_MAX);
    // Diagonal k = x - y is kept at k + most + 1: the furthest x that so many steps reach on it.
    let mut furthest = vec![0; 2 * most + 3];
    for step in 0..=most {
        for turn in 0..=step {
            let diagonal = (most + 1 + 2 * turn).checked_sub(step)?;
            let below = furthest.get(diagonal + 1).copied()?;
            let above = furthest.get(diagonal - 1).copied()?;
            let goes_down = turn == 0 || (turn != step && above < below);
            let mut x: usize = if goes_down { below } else { above + 1 };
            // y = x - k, which is negative for no path that is followed.
            let mut y = (x + most + 1).checked_sub(diagonal)?;
            while let (Some(w), Some(g)) = (wanted.get(x), got.get(y))
                && w == g
            {
                (x, y) = (x + 1, y + 1);
            }
            *furthest.get_mut(diagonal)? = x;
            if x >= wanted.len() && y >= got.len() {
                return Some(step);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(wanted: &str, got: &str) -> (usize, usize) {
        let (wanted, got): (Vec<_>, Vec<_>) = (wanted.chars().collect(), got.chars().collect());
        let Difference { missing, surplus } = align(&wanted, &got);
        (missing, surplus)
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_are_told_apart() {
        for (wanted, got, expected) in [
            ("", "", (0, 0)),
            ("abc", "abc", (0, 0)),
            ("abc", "", (3, 0)),
            ("", "abc", (0, 3)),
            ("abcdef", "abcef", (1, 0)),
            ("abcdef", "abccdef", (0, 1)),
            ("abcdef", "abcdefef", (0, 2)),
            ("abcdef", "abxdef", (1, 1)),
            ("abcdef", "abdcef", (1, 1)),
            ("xaybxczd", "aybxxczxd", (1, 2)),
        ] {
            assert_eq!(difference(wanted, got), expected, "{wanted} {got}");
        }
    }

    #[test]
    fn a_repeat_does_not_hide_a_loss_of_the_same_content() {
        assert_eq!(difference("xabcxdef", "abcxdefx"), (1, 1));
    }

    #[test]
    fn two_that_have_nothing_in_common_are_all_different() {
        let (wanted, got): (Vec<_>, Vec<_>) = ((0..12_000).collect(), (20_000..32_000).collect());
        let all = Difference {
            missing: 12_000,
            surplus: 12_000,
        };
        assert_eq!(align(&wanted, &got), all);
    }
}
