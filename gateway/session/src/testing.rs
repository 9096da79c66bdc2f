//! What the transcripts of all protocols stand on: a socket, and somebody who reads tokens.

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use inkwire_hub::Wire;
use inkwire_model::{DocumentId, Subject, UnixMillis};

use crate::{
    AuthenticationError, Authenticator, DestinationPattern, DrainTally, Grant, Notice, Roles,
};

/// A socket that takes everything, unless it is full.
#[derive(Default)]
pub(crate) struct Socket {
    taken: Mutex<Vec<u8>>,
    is_full: AtomicBool,
}

impl Socket {
    /// What it took since the last look.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    /// Its receiver does not read, or does again.
    pub(crate) fn fill(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

impl Wire for Socket {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = self.taken.lock().unwrap();
        let before = taken.len();
        slices
            .iter()
            .for_each(|slice| taken.extend_from_slice(slice));
        Ok(taken.len() - before)
    }
}

/// Reads tokens like `alice essay=writer topic/news=viewer until=5000`; `*=role` is everywhere.
pub(crate) struct Notary {
    /// What a session without a token is worth, if there may be any.
    pub(crate) nobody: Option<&'static str>,
}

impl Authenticator for Notary {
    fn authenticate(
        &self,
        token: Option<&str>,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        let refused = |why: &str| AuthenticationError::Unauthenticated(why.to_owned());
        let token = token.or(self.nobody);
        let mut words = token
            .ok_or_else(|| refused("a token is needed here"))?
            .split(' ');
        let subject = words.next().and_then(|text| Subject::parse(text).ok());
        let subject = subject.filter(|subject| subject.as_str() != "forged");
        let subject = subject.ok_or_else(|| refused("the signature is wrong"))?;
        let (mut documents, mut destinations) = (HashMap::new(), Vec::new());
        let (mut everywhere, mut expires_at_ms) = (None, None);
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            match name {
                "until" => expires_at_ms = value.parse().ok(),
                "*" => everywhere = Some(value.parse().unwrap()),
                name => match DestinationPattern::parse(name) {
                    Ok(pattern) => destinations.push((pattern, value.parse().unwrap())),
                    Err(_) => {
                        let document = DocumentId::parse(name).unwrap();
                        documents.insert(document, value.parse().unwrap());
                    }
                },
            }
        }
        let listed = || Roles::Listed {
            documents,
            destinations: destinations.into_iter().collect(),
        };
        let grant = Grant {
            subject,
            roles: everywhere.map_or_else(listed, Roles::Everywhere),
            expires_at_ms,
        };
        match grant.has_expired(now_ms) {
            true => Err(AuthenticationError::TokenExpired("it is over".to_owned())),
            false => Ok(grant),
        }
    }
}

/// A drain: told after 1 s, to move within 300 ms, cut after 2 s.
pub(crate) fn drain(now: Instant) -> (Notice, Arc<DrainTally>) {
    let tally = Arc::new(DrainTally::default());
    let notice = Notice {
        tell_at: now + Duration::from_secs(1),
        after_ms: 300,
        cut_at: now + Duration::from_secs(2),
        tally: Arc::clone(&tally),
    };
    (notice, tally)
}
