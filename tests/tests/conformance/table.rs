//! Cases, and the table of what was run.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::frames::{CLOSE, frame};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    MessagePack,
}

impl Encoding {
    pub(crate) fn sub_protocol(self) -> &'static str {
        match self {
            Self::Json => "inkwire.v1.json",
            Self::MessagePack => "inkwire.v1.msgpack",
        }
    }
}

/// What is sent in a session that has said hello, and the whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Of RFC 6455.
    pub(crate) section: &'static str,
    pub(crate) name: String,
    pub(crate) encoding: Encoding,
    pub(crate) sent: Vec<u8>,
    /// The client ends its direction of the connection behind what it sent.
    pub(crate) ends: bool,
    pub(crate) expected: Vec<String>,
}

impl Case {
    fn new(section: &'static str, name: impl Into<String>, sent: Vec<u8>) -> Self {
        Self {
            section,
            name: name.into(),
            encoding: Encoding::Json,
            sent,
            ends: false,
            expected: Vec::new(),
        }
    }

    /// This comes back, and then the session still closes as it should.
    pub(crate) fn answered(
        section: &'static str,
        name: impl Into<String>,
        mut sent: Vec<u8>,
        answers: &[&str],
    ) -> Self {
        sent.extend(frame(CLOSE, 1000_u16.to_be_bytes()).bytes());
        let mut case = Self::new(section, name, sent);
        case.expected = answers.iter().map(|&answer| answer.to_owned()).collect();
        case.expected
            .extend(["CLOSE 1000".to_owned(), "END".to_owned()]);
        case
    }

    /// The connection ends with these answers, all of which are given.
    pub(crate) fn ended(
        section: &'static str,
        name: impl Into<String>,
        sent: Vec<u8>,
        answers: &[&str],
    ) -> Self {
        let mut case = Self::new(section, name, sent);
        case.expected = answers.iter().map(|&answer| answer.to_owned()).collect();
        case.expected.push("END".to_owned());
        case
    }

    /// The connection fails with an error that says why, and a close code.
    pub(crate) fn failed(
        section: &'static str,
        name: impl Into<String>,
        sent: Vec<u8>,
        code: u16,
    ) -> Self {
        let error = match code {
            1002 => "error malformed",
            1007 => "error bad_text",
            1009 => "error frame_too_large",
            other => panic!("no error has the close code {other}"),
        };
        Self::ended(section, name, sent, &[error, &format!("CLOSE {code}")])
    }

    pub(crate) fn in_messagepack(mut self) -> Self {
        self.encoding = Encoding::MessagePack;
        self
    }

    pub(crate) fn then_ends(mut self) -> Self {
        self.ends = true;
        self
    }
}

/// What was run, by section.
#[derive(Debug, Default)]
pub(crate) struct Results {
    sections: BTreeMap<String, (usize, usize)>,
    failures: Vec<String>,
}

impl Results {
    pub(crate) fn add(&mut self, section: &str, name: &str, failure: Option<String>) {
        let (right, wrong) = self.sections.entry(section.to_owned()).or_default();
        match failure {
            None => *right += 1,
            Some(failure) => {
                *wrong += 1;
                self.failures.push(format!("{section} {name}: {failure}"));
            }
        }
    }

    /// Prints the table, and fails if a case did.
    pub(crate) fn tell(&self, title: &str) {
        let mut table = format!("\n{title}\n{:24} {:>6} {:>7}\n", "section", "OK", "wrong");
        let (mut all_right, mut all_wrong) = (0, 0);
        for (section, (right, wrong)) in &self.sections {
            writeln!(table, "{section:24} {right:>6} {wrong:>7}").unwrap();
            all_right += right;
            all_wrong += wrong;
        }
        println!("{table}{:24} {all_right:>6} {all_wrong:>7}", "all");
        assert!(
            self.failures.is_empty(),
            "{title}:\n{}",
            self.failures.join("\n")
        );
        assert_ne!(all_right, 0, "{title}: nothing was run");
    }
}
