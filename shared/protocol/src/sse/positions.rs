//! `Positions`: where a stream of one or several documents stands, as its events' ids say it, as
//! `Last-Event-ID` gives it back, and as `since` names it: positions joined by `,` in the order of the
//! documents, and nothing in the place of one that is not known.

use std::fmt;

use inkwire_model::Position;

/// The position of each document, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions(Vec<Option<Position>>);

/// Why a text is no id of such a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPositions {
    #[error("of {documents} documents there are {documents} positions joined by commas, not {0}", documents = .1)]
    Count(usize, usize),
    #[error("position {0}: a position is \"<seq>-<16 lower-case hex digits>\", or nothing")]
    Position(usize),
}

impl Positions {
    /// Nothing is known of any document.
    pub fn unknown(documents: usize) -> Self {
        Self(vec![None; documents])
    }

    /// Reads the positions of so many documents. An empty text says nothing of any.
    pub fn parse(text: &str, documents: usize) -> Result<Self, InvalidPositions> {
        if text.is_empty() {
            return Ok(Self::unknown(documents));
        }
        let count = text.bytes().filter(|byte| *byte == b',').count() + 1;
        if count != documents {
            return Err(InvalidPositions::Count(count, documents));
        }
        let parse = |(n, text): (usize, &str)| match text {
            "" => Ok(None),
            text => match text.parse() {
                Ok(position) => Ok(Some(position)),
                Err(_) => Err(InvalidPositions::Position(n + 1)),
            },
        };
        let positions = text.split(',').enumerate().map(parse);
        Ok(Self(positions.collect::<Result<_, _>>()?))
    }

    /// That of the document at this place.
    pub fn at(&self, place: usize) -> Option<Position> {
        self.0.get(place).copied().flatten()
    }

    /// The document at this place stands here now.
    pub fn set(&mut self, place: usize, position: Position) {
        if let Some(at) = self.0.get_mut(place) {
            *at = Some(position);
        }
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, position) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            if let Some(position) = position {
                position.fmt(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "5-0123456789abcdef";
    const B: &str = "0-00000000000000ff";

    #[test]
    fn what_is_written_is_read() {
        for (text, documents) in [
            (A.to_owned(), 1),
            (format!("{A},{B}"), 2),
            (format!(",{B},"), 3),
            (",".to_owned(), 2),
            (String::new(), 1),
        ] {
            let positions = Positions::parse(&text, documents).unwrap();
            assert_eq!(positions.to_string(), text);
            assert_eq!(positions.len(), documents);
        }
        let mut positions = Positions::parse("", 2).unwrap();
        assert_eq!(positions, Positions::unknown(2));
        positions.set(1, B.parse().unwrap());
        positions.set(2, A.parse().unwrap());
        assert_eq!(positions.to_string(), format!(",{B}"));
        assert_eq!((positions.at(0), positions.at(7)), (None, None));
    }

    #[test]
    fn what_is_none_has_its_fault() {
        for (text, documents, fault) in [
            (A.to_owned(), 2, InvalidPositions::Count(1, 2)),
            (format!("{A},{A}"), 1, InvalidPositions::Count(2, 1)),
            (",".repeat(100_000), 3, InvalidPositions::Count(100_001, 3)),
            (format!("{A},5"), 2, InvalidPositions::Position(2)),
            (format!(" {A}"), 1, InvalidPositions::Position(1)),
            ("undefined".to_owned(), 1, InvalidPositions::Position(1)),
        ] {
            assert_eq!(Positions::parse(&text, documents), Err(fault), "{text:.40}");
        }
    }
}
