//! `TracedDocuments`: those of which an operator wants every entry traced, for a while.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use inkwire_model::DocumentId;

/// Most documents at once.
const DOCUMENTS_MAX: usize = 100;
/// Longest time: a day.
pub const TOO_LONG_S: u64 = 86_400;

/// A bounded list of documents, each until its time is over.
#[derive(Debug, Default)]
pub struct TracedDocuments {
    /// So that a list that is empty costs one look at a number.
    count: AtomicUsize,
    // Read for a lookup, written by operators; never held across an await.
    until: RwLock<HashMap<DocumentId, Instant>>,
}

/// The list is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {DOCUMENTS_MAX} documents are traced wholly at once; take one off the list")]
pub struct TooManyDocuments;

impl TracedDocuments {
    /// Puts a document on the list, or sets its end anew.
    pub fn add(
        &self,
        document: DocumentId,
        time: Duration,
        now: Instant,
    ) -> Result<(), TooManyDocuments> {
        let mut until = self.write();
        until.retain(|_, end| *end > now);
        if until.len() >= DOCUMENTS_MAX && !until.contains_key(&document) {
            return Err(TooManyDocuments);
        }
        until.insert(document, now + time);
        self.count.store(until.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes a document off the list. False if it was not on it.
    pub fn remove(&self, document: &DocumentId) -> bool {
        let mut until = self.write();
        let was_there = until.remove(document).is_some();
        self.count.store(until.len(), Ordering::Relaxed);
        was_there
    }

    /// The list, with the time that is left to each.
    pub fn list(&self, now: Instant) -> Vec<(DocumentId, Duration)> {
        let mut until = self.write();
        until.retain(|_, end| *end > now);
        self.count.store(until.len(), Ordering::Relaxed);
        let left = |(document, end): (&DocumentId, &Instant)| (document.clone(), *end - now);
        let mut list: Vec<_> = until.iter().map(left).collect();
        list.sort();
        list
    }

    pub fn contains(&self, document: &DocumentId) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let until = self.until.read().unwrap_or_else(PoisonError::into_inner);
        until.get(document).is_some_and(|end| *end > Instant::now())
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<DocumentId, Instant>> {
        // A panic while it is held leaves a map that is still whole.
        self.until.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str) -> DocumentId {
        DocumentId::parse(id).unwrap()
    }

    #[test]
    fn a_document_is_on_the_list_for_its_time() {
        let (documents, now) = (TracedDocuments::default(), Instant::now());
        assert!(!documents.contains(&document("a")));
        let minute = Duration::from_secs(60);
        documents.add(document("a"), minute, now).unwrap();
        assert!(documents.contains(&document("a")));
        assert!(!documents.contains(&document("b")));
        assert_eq!(documents.list(now), [(document("a"), minute)]);
        assert_eq!(documents.list(now + minute), []);
        assert!(!documents.contains(&document("a")));
        assert!(!documents.remove(&document("a")));
    }

    #[test]
    fn the_list_is_bounded() {
        let (documents, now) = (TracedDocuments::default(), Instant::now());
        let second = Duration::from_secs(1);
        for n in 0..DOCUMENTS_MAX {
            documents
                .add(document(&format!("d{n}")), second, now)
                .unwrap();
        }
        let full = documents.add(document("more"), second, now);
        assert_eq!(full, Err(TooManyDocuments));
        documents.add(document("d1"), second, now).unwrap();
        documents
            .add(document("more"), second, now + second)
            .unwrap();
    }
}
