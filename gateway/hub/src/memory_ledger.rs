//! `MemoryLedger`: how many bytes wait for peers or came from them in part, over all connections of
//! this replica.
//!
//! It is counted in blocks: who holds less than one costs nothing, and who holds more touches the
//! ledger only when a block begins or ends. A block is small, since what is left uncounted is multiplied
//! by the sessions: two holders in each of 50,000 leave less than 100 MiB uncounted. What a receiver
//! that keeps up is sent is never counted.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What is counted at once: too little is counted for each holder by less than this.
pub const BLOCK_BYTES: usize = 1024;

/// Parts of the count, so that tasks on different cores rarely meet.
const CELLS: usize = 16;

/// The bytes of all holders.
#[derive(Debug)]
pub struct MemoryLedger {
    cells: [Cell; CELLS],
    next: AtomicUsize,
}

/// A part of the count, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell(AtomicUsize);

/// What one holder holds; nothing once it is dropped.
#[derive(Debug)]
pub struct Charge {
    ledger: Arc<MemoryLedger>,
    cell: usize,
    blocks: usize,
}

impl MemoryLedger {
    /// A holder of nothing yet.
    pub fn charge(self: &Arc<Self>) -> Charge {
        Charge {
            ledger: Arc::clone(self),
            cell: self.next.fetch_add(1, Ordering::Relaxed) % CELLS,
            blocks: 0,
        }
    }

    /// What all hold together, in whole blocks.
    pub fn bytes(&self) -> usize {
        let blocks: usize = self
            .cells
            .iter()
            .map(|cell| cell.0.load(Ordering::Relaxed))
            .sum();
        blocks.saturating_mul(BLOCK_BYTES)
    }
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self {
            cells: array::from_fn(|_| Cell::default()),
            next: AtomicUsize::new(0),
        }
    }
}

impl Charge {
    /// The holder holds so much now.
    pub fn set(&mut self, bytes: usize) {
        let blocks = bytes / BLOCK_BYTES;
        if blocks == self.blocks {
            return;
        }
        // A holder's blocks are all in its own cell: what is taken away was added there.
        if let Some(cell) = self.ledger.cells.get(self.cell) {
            if blocks > self.blocks {
                cell.0.fetch_add(blocks - self.blocks, Ordering::Relaxed);
            } else {
                cell.0.fetch_sub(self.blocks - blocks, Ordering::Relaxed);
            }
        }
        self.blocks = blocks;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_hold_little_are_counted() {
        let ledger: Arc<MemoryLedger> = Arc::default();
        let held = 16 * 1024 - 1;
        let charges: Vec<_> = (0..100_000)
            .map(|_| {
                let mut charge = ledger.charge();
                charge.set(held);
                charge
            })
            .collect();
        let truth = charges.len() * held;
        assert!(ledger.bytes() <= truth, "never more than there is");
        assert!(truth - ledger.bytes() < 100_000 * 1024);
    }

    #[test]
    fn whole_blocks_of_all_holders() {
        let ledger: Arc<MemoryLedger> = Arc::default();
        let mut charges: Vec<_> = (0..40).map(|_| ledger.charge()).collect();
        for charge in &mut charges {
            charge.set(BLOCK_BYTES - 1);
        }
        assert_eq!(ledger.bytes(), 0);
        for charge in &mut charges {
            charge.set(3 * BLOCK_BYTES + 5);
        }
        assert_eq!(ledger.bytes(), 120 * BLOCK_BYTES);
        charges[0].set(0);
        charges.truncate(10);
        assert_eq!(ledger.bytes(), 27 * BLOCK_BYTES);
        drop(charges);
        assert_eq!(ledger.bytes(), 0);
    }
}
