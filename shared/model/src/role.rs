//! `Role`: what a subject may do in one document (C10).

use std::{fmt, str::FromStr};

/// A role in one document. Each has the rights of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Viewer,
    Reviewer,
    Writer,
    Owner,
}

/// What can be asked of a role: the columns of C10's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    Receive,
    Signal,
    Comment,
    Edit,
    Manage,
}

/// Why a text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role: use viewer, reviewer, writer or owner")]
pub struct InvalidRole(String);

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Reviewer, Self::Writer, Self::Owner];

    pub fn may(self, capability: Capability) -> bool {
        self >= capability.needs()
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reviewer => "reviewer",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

impl Capability {
    /// The least role that has it.
    pub fn needs(self) -> Role {
        match self {
            Self::Receive => Role::Viewer,
            Self::Signal | Self::Comment => Role::Reviewer,
            Self::Edit => Role::Writer,
            Self::Manage => Role::Owner,
        }
    }
}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| InvalidRole(text.chars().take(32).collect()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_contract() {
        use Capability::*;
        let table = [
            (Role::Viewer, [true, false, false, false, false]),
            (Role::Reviewer, [true, true, true, false, false]),
            (Role::Writer, [true, true, true, true, false]),
            (Role::Owner, [true, true, true, true, true]),
        ];
        for (role, rights) in table {
            assert_eq!(
                [Receive, Signal, Comment, Edit, Manage].map(|c| role.may(c)),
                rights
            );
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("admin".parse::<Role>().is_err());
    }
}
