//! Headers in the order they came; of a repeated one the first counts.

use std::fmt;

use super::Fault;

/// All names and values in one text, so that a frame costs two allocations whatever it carries.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// Where each name, and the value that follows it, ends in `text`.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first header with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Adds one at the end. If there is one of that name already, that one counts.
    pub fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// In order, repeated ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(name_end, end)| {
            let name = self.text.get(start..*name_end).unwrap_or_default();
            let value = self.text.get(*name_end..*end).unwrap_or_default();
            start = *end;
            (name, value)
        })
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What names and values take together.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Adds one whose parts `decode` appends.
    pub(super) fn push_decoded(
        &mut self,
        name: &str,
        value: &str,
        decode: impl Fn(&str, &mut String) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let start = self.text.len();
        let decoded = decode(name, &mut self.text).and_then(|()| {
            let name_end = self.text.len();
            decode(value, &mut self.text).map(|()| name_end)
        });
        match decoded {
            Ok(name_end) => self.ends.push((name_end, self.text.len())),
            // Half a header would be read as part of the next one.
            Err(_) => self.text.truncate(start),
        }
        decoded.map(|_| ())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.push(name, value);
        }
        headers
    }
}
