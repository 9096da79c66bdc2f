//! `ServerKeys`: what back ends authenticate with. The file holds hashes alone; a key is compared with
//! every one of them in the same time, whichever fits.

use std::{fmt, sync::Arc};

use inkwire_model::{Role, Subject};
use inkwire_session::{Grant, Roles};
use sha2::{Digest as _, Sha256};

use crate::{problem::Problem, tickets::unauthenticated};

/// What every key begins with, so that it is never taken for a token.
const PREFIX: &str = "ik_";

/// Keys of one gateway at most: each request with a key is compared with all of them.
const KEYS_MAX: usize = 256;

/// Why a file holds no server keys. Neither keys nor hashes stand in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerKeys {
    #[error(
        "line {0}: a server key is name:sha256[:rights], with the 64 hex digits of the hash of the whole key"
    )]
    Form(usize),
    #[error("line {0}: a name is 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name(usize),
    #[error("line {0}: rights are act and notify with a comma between them, or none")]
    Rights(usize),
    #[error("line {0}: this name stands there twice")]
    Twice(usize),
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
}

/// What a key may beside being an owner everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// Speak for a subject (`Inkwire-Subject`).
    pub act: bool,
    /// Notify people.
    pub notify: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct ServerKey {
    subject: Subject,
    rights: Rights,
    hash: [u8; 32],
}

/// See the module.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerKeys {
    keys: Arc<[ServerKey]>,
}

impl ServerKeys {
    /// Reads lines of `name:sha256[:rights]`; empty ones and those that begin with `#` say nothing.
    pub fn parse(text: &str) -> Result<Self, InvalidServerKeys> {
        let mut keys = Vec::<ServerKey>::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_line(line, index + 1)?;
            if keys.iter().any(|other| other.subject == key.subject) {
                return Err(InvalidServerKeys::Twice(index + 1));
            }
            keys.push(key);
        }
        match keys.len() > KEYS_MAX {
            true => Err(InvalidServerKeys::TooMany),
            false => Ok(Self { keys: keys.into() }),
        }
    }

    /// What a bearer's text is worth as a server key: the grant and the rights. `None` if it is no
    /// server key by its form.
    pub(super) fn check(&self, key: &str) -> Option<Result<(Grant, Rights), Problem>> {
        if !key.starts_with(PREFIX) {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(key).into();
        let mut found = None;
        for key in &*self.keys {
            // All of them, whichever fits.
            if is_same(&key.hash, &hash) {
                found = Some(key);
            }
        }
        Some(match found {
            Some(key) => Ok((owner(key.subject.clone()), key.rights)),
            None => Err(unauthenticated("This server key is not known here.")),
        })
    }
}

/// Owner everywhere, for as long as the key stands in the file.
pub(super) fn owner(subject: Subject) -> Grant {
    Grant {
        subject,
        roles: Roles::Everywhere(Role::Owner),
        expires_at_ms: None,
    }
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.keys.iter().map(|key| &key.subject);
        f.debug_list().entries(names).finish()
    }
}

fn parse_line(line: &str, number: usize) -> Result<ServerKey, InvalidServerKeys> {
    let mut parts = line.split(':');
    let form = InvalidServerKeys::Form(number);
    let (Some(name), Some(hash)) = (parts.next(), parts.next()) else {
        return Err(form);
    };
    let rights = parts.next();
    if parts.next().is_some() {
        return Err(form);
    }
    let is_name = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let subject = Subject::parse(&format!("server:{name}"));
    let (true, Ok(subject)) = (is_name, subject) else {
        return Err(InvalidServerKeys::Name(number));
    };
    Ok(ServerKey {
        subject,
        rights: parse_rights(rights).ok_or(InvalidServerKeys::Rights(number))?,
        hash: parse_hash(hash).ok_or(form)?,
    })
}

/// Without rights, all of them.
fn parse_rights(text: Option<&str>) -> Option<Rights> {
    let mut rights = Rights {
        act: text.is_none(),
        notify: text.is_none(),
    };
    for right in text.into_iter().flat_map(|text| text.split(',')) {
        match right.trim() {
            "act" => rights.act = true,
            "notify" => rights.notify = true,
            "none" => {}
            _ => return None,
        }
    }
    Some(rights)
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        // A sign would be taken for a digit.
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(hash)
}

/// In the same time wherever they differ.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use inkwire_model::{DocumentId, Role};

    use super::*;

    const KEY: &str = "ik_0123456789abcdef0123456789abcdef";

    fn line(rights: &str) -> String {
        let hash: [u8; 32] = Sha256::digest(KEY).into();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("shop:{hex}{rights}")
    }

    #[test]
    fn a_key_is_an_owner_everywhere_with_its_rights() {
        let text = format!("# keys of the shop\n\n{}\n", line(":notify"));
        let keys = ServerKeys::parse(&text).unwrap();
        let (grant, rights) = keys.check(KEY).unwrap().unwrap();
        assert_eq!(grant.subject.as_str(), "server:shop");
        let document = DocumentId::parse("any").unwrap();
        assert_eq!(grant.role_in(&document), Some(Role::Owner));
        assert!(rights.notify && !rights.act);
        let (_, rights) = ServerKeys::parse(&line(""))
            .unwrap()
            .check(KEY)
            .unwrap()
            .unwrap();
        assert!(rights.notify && rights.act);
        assert!(keys.check("ik_another").unwrap().is_err());
        assert!(keys.check("eyJ.eyJ.sig").is_none(), "a token is none");
        assert!(ServerKeys::default().check(KEY).unwrap().is_err());
        assert!(!format!("{keys:?}").contains(&line("")[5..20]));
    }

    #[test]
    fn what_is_no_line_is_told_by_its_number() {
        use InvalidServerKeys::{Form, Name, Rights, Twice};
        let good = line("");
        for (text, fault) in [
            ("shop".to_owned(), Form(1)),
            ("shop:abc".to_owned(), Form(1)),
            (format!("{good}::"), Form(1)),
            (format!("\na b{}", &good[4..]), Name(2)),
            (line(":god"), Rights(1)),
            (format!("{good}\n{good}"), Twice(2)),
            (good.replace(|c: char| c.is_ascii_digit(), "+"), Form(1)),
        ] {
            assert_eq!(ServerKeys::parse(&text), Err(fault), "{text}");
        }
    }
}
