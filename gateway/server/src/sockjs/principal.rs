//! `Principal`: who opened a session, as far as its requests can show. A session part is no secret that
//! could stand for credentials: a request that brings others than the first is refused.

use http::{HeaderMap, Uri};
use inkwire_model::Subject;
use sha2::{Digest as _, Sha256};

use crate::{problem::Problem, tickets::Credential};

/// What a request shows of who it is from. What is said inside the session (`hello`, CONNECT) is no part
/// of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// No credentials with the request.
    Nobody,
    /// A token in the header.
    Token {
        hash: [u8; 32],
        /// Whose it is; `None` where it is not valid (any more).
        subject: Option<Subject>,
    },
    /// A ticket in the address. Clients repeat it with every request; only the first redeems it.
    Ticket { hash: [u8; 32] },
}

impl Principal {
    /// Who a request with this credential is from; `subject_of` judges tokens.
    pub fn of(credential: &Credential, subject_of: impl FnOnce(&str) -> Option<Subject>) -> Self {
        match credential {
            Credential::Nothing => Self::Nobody,
            Credential::Token(token) => Self::Token {
                hash: Sha256::digest(token).into(),
                subject: subject_of(token),
            },
            Credential::Ticket { ticket, .. } => Self::Ticket {
                hash: Sha256::digest(ticket).into(),
            },
        }
    }

    /// As [`of`](Self::of), by a request's address and headers.
    pub fn read(
        uri: &Uri,
        headers: &HeaderMap,
        subject_of: impl FnOnce(&str) -> Option<Subject>,
    ) -> Result<(Self, Credential), Problem> {
        let credential = Credential::read(uri, headers)?;
        Ok((Self::of(&credential, subject_of), credential))
    }

    /// Whether a request of `other` belongs to a session that this one opened: the same credential, or
    /// another valid token of the same subject.
    pub fn admits(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Token { hash, subject },
                Self::Token {
                    hash: other_hash,
                    subject: other_subject,
                },
            ) => hash == other_hash || (subject.is_some() && subject == other_subject),
            (own, other) => own == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token: &str, subject: Option<&str>) -> Principal {
        Principal::of(&Credential::Token(token.to_owned()), |_| {
            subject.map(|subject| Subject::parse(subject).unwrap())
        })
    }

    fn ticket(ticket: &str) -> Principal {
        let credential = Credential::Ticket {
            ticket: ticket.to_owned(),
            origin: None,
        };
        Principal::of(&credential, |_| None)
    }

    #[test]
    fn only_who_opened_it() {
        let alice = token("a", Some("alice"));
        assert!(alice.admits(&alice));
        assert!(alice.admits(&token("a2", Some("alice"))), "renewed");
        assert!(alice.admits(&token("a", None)), "the same, by now expired");
        assert!(!alice.admits(&token("b", Some("bob"))));
        assert!(!alice.admits(&token("x", None)));
        assert!(!token("x", None).admits(&token("y", None)));
        assert!(!alice.admits(&Principal::Nobody));
        assert!(!Principal::Nobody.admits(&alice));
        assert!(Principal::Nobody.admits(&Principal::Nobody));
        assert!(ticket("t").admits(&ticket("t")));
        assert!(!ticket("t").admits(&ticket("u")));
        assert!(!ticket("t").admits(&Principal::Nobody));
        assert!(!ticket("t").admits(&alice));
    }
}
