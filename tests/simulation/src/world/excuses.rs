//! What a page may tell its application that it gave up: each loss and each new client needs a reason
//! of its own, of this page and of this cause.

use inkwire_client::LossCause;
use inkwire_model::{ClientKey, ClientRow, ClientSeq, Code, Nack};

use super::{Revocation, World};
use crate::plan::RETAINS_ALL;

/// What befell a page under its present client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Excuses {
    /// It came in with a memory that was out of date: others write as the same client.
    pub(crate) old_memory: bool,
    /// The log lost entries of this client.
    pub(crate) rolled_back: bool,
    /// The log forgot this client after a day.
    pub(crate) row_expired: bool,
    /// It was told a row that the log was beyond already: the row of a reset may be older than an
    /// acknowledgement that overtook it. A client that does not hold the difference asks again, is told
    /// that nothing is lost, and goes on under another name.
    pub(crate) old_row: bool,
    /// Another user came after it was welcomed.
    pub(crate) user_changed: bool,
}

impl World {
    /// Whether `client` may be told of a loss for this cause.
    pub(super) fn may_lose(&self, client: usize, cause: LossCause) -> bool {
        let excuses = self.excuses(client);
        match cause {
            LossCause::NotHeld => excuses.old_memory || self.lost_what_is_not_kept(client),
            LossCause::RowExpired => excuses.old_memory || excuses.row_expired,
            LossCause::Unknown => excuses.old_memory,
            LossCause::SubjectChanged => excuses.old_memory || excuses.user_changed,
            LossCause::Ended => self.is_revoked(client),
        }
    }

    /// Whether `client` may go on as another client.
    pub(super) fn may_renew(&self, client: usize) -> bool {
        let excuses = self.excuses(client);
        excuses.old_memory
            || excuses.row_expired
            || excuses.user_changed
            || (excuses.old_row && !self.retains_all())
            || self.lost_what_is_not_kept(client)
            // An entry was refused, of which an earlier attempt may have landed.
            || self.is_revoked(client)
    }

    /// Whether `client` may be refused for good.
    pub(super) fn may_be_refused(&self, client: usize, nack: &Nack) -> bool {
        matches!(nack, Nack::Revoked | Nack::Forbidden { .. }) && self.is_revoked(client)
    }

    /// Whether the document may end for `client`.
    pub(super) fn may_end(&self, client: usize, code: Code) -> bool {
        code == Code::Revoked && self.is_revoked(client)
    }

    /// How far the log knows each page's present client.
    pub(super) fn rows(&self) -> Vec<ClientSeq> {
        let rows = self.clients.iter().map(|of| {
            let document = of.page.core.document(&self.document);
            let id = document.and_then(|document| document.client());
            let (Some(author), Some(id)) = (&of.page.record.author, id) else {
                return 0;
            };
            self.redis.row_of(ClientKey {
                subject: author.clone(),
                client: id.clone(),
            })
        });
        rows.collect()
    }

    /// The log is another one now: whose entries are gone?
    pub(super) fn excuse_who_lost(&mut self, before: &[ClientSeq]) {
        let now = self.rows();
        for ((of, before), now) in self.clients.iter_mut().zip(before).zip(now) {
            of.page.record.excuses.rolled_back |= now < *before;
        }
    }

    /// A page is told how far the log knows its client.
    pub(super) fn compare_row(&mut self, client: usize, row: Option<&ClientRow>) {
        let told = row.map_or(0, |row| row.client_seq);
        if self.rows().get(client).is_some_and(|known| told < *known) {
            self.counts.add("told an old row");
            self.clients[client].page.record.excuses.old_row = true;
        }
    }

    fn excuses(&self, client: usize) -> Excuses {
        self.clients[client].page.record.excuses
    }

    fn lost_what_is_not_kept(&self, client: usize) -> bool {
        self.excuses(client).rolled_back && !self.retains_all()
    }

    fn retains_all(&self) -> bool {
        self.plan.retained_bytes_max == RETAINS_ALL
    }

    /// The last client is the one whose access is revoked, if anybody's.
    fn is_revoked(&self, client: usize) -> bool {
        client + 1 == self.clients.len() && self.revocation != Revocation::None
    }
}
