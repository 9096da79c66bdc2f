//! `Given`: entries that the client numbers itself. They go to the log as they are, and it hears of
//! each refusal; what it sends again, and when, is its own business.
//!
//! What waits for an answer is kept in the order of sending, since a refusal also concerns what was sent
//! behind it: the hub drops that unheard until the refused number comes again (C2).

use std::collections::VecDeque;

use inkwire_hub::{QueueCommand, Submission};
use inkwire_model::{ClientId, ClientSeq, QueueName};

/// What may wait for the answer to the join.
const WAITING_MAX: usize = 128;
/// What may wait for an answer, and how much of it with a receipt.
const UNANSWERED_MAX: usize = 8_192;
const RECEIPTS_MAX: usize = 1_024;

/// Acknowledgements of queues' messages that wait for what was sent with them.
pub(super) type Settles = Vec<(QueueName, QueueCommand)>;

pub(super) struct Given {
    pub(super) client: ClientId,
    waiting: Vec<Run>,
    unanswered: VecDeque<Unanswered>,
    receipts: usize,
}

/// An entry, or the entries of a transaction.
#[derive(Default)]
pub(super) struct Unanswered {
    pub(super) first: ClientSeq,
    pub(super) last: ClientSeq,
    pub(super) receipt: Option<String>,
    pub(super) is_whole: bool,
    pub(super) settles: Settles,
}

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
            unanswered: VecDeque::new(),
            receipts: 0,
        }
    }

    /// Before it was joined.
    pub(super) fn wait(&mut self, run: Run) {
        self.waiting.push(run);
    }

    pub(super) fn take_waiting(&mut self) -> Vec<Run> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether so many entries more may be sent, or wait for the join.
    pub(super) fn has_room_for(&self, entries: usize, is_live: bool) -> bool {
        let waiting: usize = self.waiting.iter().map(|run| run.submissions.len()).sum();
        (is_live || waiting + entries <= WAITING_MAX)
            && self.unanswered.len() < UNANSWERED_MAX
            && self.receipts < RECEIPTS_MAX
    }

    pub(super) fn expect(&mut self, sent: Unanswered) {
        self.receipts += usize::from(sent.receipt.is_some());
        self.unanswered.push_back(sent);
    }

    /// Everything up to `client_seq` is in the log: what is answered by it.
    pub(super) fn acknowledged(&mut self, client_seq: ClientSeq) -> Vec<Unanswered> {
        self.take(|_, sent| sent.last <= client_seq)
    }

    /// What a refusal of `client_seq` is about, the refused first: what came behind it is dropped unheard,
    /// up to where that number comes again.
    pub(super) fn refused(&mut self, client_seq: ClientSeq) -> Vec<Unanswered> {
        let names = |sent: &Unanswered| (sent.first..=sent.last).contains(&client_seq);
        let Some(at) = self.unanswered.iter().position(names) else {
            return Vec::new();
        };
        let behind = self.unanswered.iter().skip(at + 1);
        let again = behind.take_while(|sent| sent.first > client_seq).count();
        self.take(|index, _| (at..=at + again).contains(&index))
    }

    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    fn take(&mut self, is_taken: impl Fn(usize, &Unanswered) -> bool) -> Vec<Unanswered> {
        let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
        for (index, sent) in self.unanswered.drain(..).enumerate() {
            match is_taken(index, &sent) {
                true => taken.push(sent),
                false => kept.push_back(sent),
            }
        }
        self.unanswered = kept;
        self.receipts -= taken.iter().filter(|sent| sent.receipt.is_some()).count();
        taken
    }
}
