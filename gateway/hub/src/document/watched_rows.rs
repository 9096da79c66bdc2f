//! Rows that members watch: who reads here and writes elsewhere learns with each comparison of heads whether
//! the log still holds what was acknowledged to its client there (C4).

use inkwire_bus::{Asker, LogPage, PageLimit, ReadFrom, Unavailable};

use super::{
    Document, Effects, Reading,
    member::{Member, Phase},
};
use crate::{Delivery, MemberKey};

impl<M> Document<M> {
    pub(super) fn watch_row(&mut self, member: MemberKey) {
        if let Some(member) = self.members.find(member) {
            member.watches_row = true;
        }
    }

    /// Reads the rows once heads were compared, if somebody watches one.
    pub(super) fn ask_for_watched_rows(&mut self, fx: &mut impl Effects<M>) {
        if !std::mem::take(&mut self.watched_rows_due) {
            return;
        }
        let Some(last) = self.last() else { return };
        let watches =
            |m: &&Member<M>| m.watches_row && m.phase == Phase::Live && m.client.is_some();
        let watching: Vec<(MemberKey, Asker)> = self
            .members
            .iter()
            .filter(watches)
            .map(|member| (member.key, member.asker()))
            .collect();
        for some in watching.chunks(self.config.askers_max) {
            let keys = some.iter().map(|(key, _)| *key);
            let members = keys.zip(0..).collect();
            let askers = some.iter().map(|(_, asker)| asker.clone()).collect();
            let limit = PageLimit {
                entries: 1,
                bytes: 1,
            };
            let reading = Reading::WatchedRows { members };
            self.read(ReadFrom::After(last), limit, askers, reading, fx);
        }
    }

    /// What cannot be read now is told after the next comparison.
    pub(super) fn tell_watched_rows(
        &mut self,
        members: Vec<(MemberKey, usize)>,
        result: Result<LogPage, Unavailable>,
        fx: &mut impl Effects<M>,
    ) {
        let Ok(page) = result else { return };
        for (key, asker) in members {
            let Some(member) = self.members.find(key).filter(|m| m.phase == Phase::Live) else {
                continue;
            };
            let row = page.standings.get(asker).and_then(|s| s.row.as_ref());
            fx.deliver(&member.to, &self.id, &Delivery::Row(row));
        }
    }
}
