//! `Given`: entries that the client numbers itself. They go to the log as they are, and it hears of
//! each refusal; what it sends again, and when, is its own business.

use std::collections::BTreeMap;

use inkwire_hub::Submission;
use inkwire_model::{ClientId, ClientSeq};

/// What may wait for the answer to the join.
const WAITING_MAX: usize = 64;
/// Receipts that may be due at once.
const RECEIPTS_MAX: usize = 1_024;

pub(super) struct Given {
    pub(super) client: ClientId,
    waiting: Vec<Run>,
    receipts: BTreeMap<ClientSeq, String>,
    /// Transactions: the last number of each by its first.
    wholes: BTreeMap<ClientSeq, ClientSeq>,
    submitted: ClientSeq,
    answered: ClientSeq,
}

/// As much waits as may.
pub(super) struct Crowded;

/// Entries that go to the hub in one command: one by one, or all or none.
pub(super) struct Run {
    pub(super) submissions: Vec<Submission>,
    pub(super) is_whole: bool,
}

impl Given {
    pub(super) fn new(client: ClientId) -> Self {
        Self {
            client,
            waiting: Vec::new(),
            receipts: BTreeMap::new(),
            wholes: BTreeMap::new(),
            submitted: 0,
            answered: 0,
        }
    }

    /// Before it was joined.
    pub(super) fn wait(&mut self, run: Run) -> Result<(), Crowded> {
        let waiting: usize = self.waiting.iter().map(|run| run.submissions.len()).sum();
        if waiting + run.submissions.len() > WAITING_MAX {
            return Err(Crowded);
        }
        self.waiting.push(run);
        Ok(())
    }

    pub(super) fn take_waiting(&mut self) -> Vec<Run> {
        std::mem::take(&mut self.waiting)
    }

    /// These numbers are answered as one.
    pub(super) fn expect_whole(&mut self, first: ClientSeq, last: ClientSeq) {
        self.wholes.insert(first, last);
    }

    pub(super) fn expect(
        &mut self,
        client_seq: ClientSeq,
        receipt: Option<String>,
    ) -> Result<(), Crowded> {
        self.submitted = client_seq;
        self.answered = self.answered.min(client_seq.saturating_sub(1));
        match receipt {
            Some(_) if self.receipts.len() >= RECEIPTS_MAX => Err(Crowded),
            Some(receipt) => {
                self.receipts.insert(client_seq, receipt);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Everything up to `client_seq` is in the log: what is to be answered for it.
    pub(super) fn acknowledged(&mut self, client_seq: ClientSeq) -> Vec<(ClientSeq, String)> {
        self.answered = self.answered.max(client_seq);
        self.wholes.retain(|_, last| *last > client_seq);
        let after = self.receipts.split_off(&client_seq.saturating_add(1));
        let done = std::mem::replace(&mut self.receipts, after);
        done.into_iter().collect()
    }

    /// What came after it is dropped unheard (C2). Its receipt, and whether it was a transaction's.
    pub(super) fn refused(&mut self, client_seq: ClientSeq) -> (Option<String>, bool) {
        self.answered = self.submitted;
        match self.wholes.remove(&client_seq) {
            Some(last) => (self.receipts.remove(&last), true),
            None => (self.receipts.remove(&client_seq), false),
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered >= self.submitted
    }
}
