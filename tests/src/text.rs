//! `Text`: a document's content, edited at positions that count code points.

use crate::Patch;

/// A text that is edited in its middle. One `char` per place: a position is an index, and an edit
/// moves what comes after it, which at the size of documents costs microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Vec<char>);

/// A patch that does not fit the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deleting {deleted} at {position} goes past the end of {len} code points")]
pub struct OutOfRange {
    pub position: usize,
    pub deleted: usize,
    pub len: usize,
}

impl Text {
    pub fn apply(&mut self, patch: &Patch) -> Result<(), OutOfRange> {
        let Patch(position, deleted, inserted) = patch;
        let end = position.checked_add(*deleted);
        let Some(end) = end.filter(|end| *end <= self.0.len()) else {
            return Err(OutOfRange {
                position: *position,
                deleted: *deleted,
                len: self.0.len(),
            });
        };
        self.0.splice(position..&end, inserted.chars());
        Ok(())
    }

    /// Length in code points.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where this text and another one part, in code points.
    pub fn first_difference(&self, other: &Self) -> Option<usize> {
        let common = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b);
        let common = common.count();
        (self != other).then_some(common)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.chars().collect())
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|c| write!(f, "{c}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_code_points() {
        let mut text = Text::from("a\u{1F58B}\u{e9}z");
        text.apply(&Patch(2, 1, "\u{2764}\u{fe0f}".into())).unwrap();
        assert_eq!(text.to_string(), "a\u{1F58B}\u{2764}\u{fe0f}z");
        assert_eq!(text.len(), 5);
        text.apply(&Patch(5, 0, "!".into())).unwrap();
        assert_eq!(text.first_difference(&Text::from("a\u{1F58B}b")), Some(2));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut text = Text::from("abc");
        for patch in [
            Patch(4, 0, "x".into()),
            Patch(2, 2, String::new()),
            Patch(1, usize::MAX, String::new()),
        ] {
            assert!(text.apply(&patch).is_err(), "{patch:?}");
        }
        assert_eq!(text, Text::from("abc"));
    }
}
