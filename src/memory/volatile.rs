//! Memory that a restart forgets: for tests and the demo.

use super::decisions::{
    Decision, DecisionId, Decisions, DeviceForgetter, Eraser, Feedback, Listing, Page, Query, Report, Settlement,
    Visitor, Walk,
};
use super::users::Users;
use super::vault::{Kept, Place, Put, Record, Shelf, Version};
use super::{Backend, Condition, Counts, Memory, MemoryError, Settings, Unvisited};
use crate::clock::Timestamp;
use crate::history::{Cutoffs, Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::privacy::RetentionDays;

/// Histories and decisions, in this process only.
#[derive(Debug)]
pub struct Volatile {
    users: Users,
    decisions: Decisions,
    vault: Shelf,
}

impl Volatile {
    /// Empty memory.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            users: Users::new(settings.users_max.as_usize()),
            decisions: Decisions::new(settings.pending_max.as_usize(), settings.decisions_max.as_usize()),
            vault: Shelf::default(),
        }
    }

    /// Drops a decision that waits, so that it teaches nothing, not even that it was left: for replays, whose attackers are
    /// known to be none of the user's.
    pub fn discard(&self, id: DecisionId) {
        self.decisions.discard(id);
    }

    /// Other requests of this core are served between two pieces.
    async fn walk(&self, visitor: &mut (impl Visitor + Send)) {
        let mut walk = Walk::default();
        while self.decisions.step(&mut walk, visitor) {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
impl Volatile {
    /// What is kept of a user, to come back to.
    pub(crate) fn row(&self, user: UserKey) -> Option<Box<[u8]>> {
        self.users.row(user)
    }

    /// Puts back what was kept of a user at some time.
    pub(crate) fn put_back(&self, user: UserKey, row: Option<Box<[u8]>>) {
        self.users.put_back(user, row);
    }
}

impl Memory for Volatile {
    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        self.users.visit(user, judge).map_err(|unread| Unvisited::Failed(unread.into()))
    }

    fn prefetch_place(&self, user: UserKey) {
        self.users.prefetch_place(user);
    }

    fn prefetch_row(&self, user: UserKey) {
        self.users.prefetch_row(user);
    }

    fn prefetch_decision(&self, id: DecisionId) {
        self.decisions.prefetch(id);
    }

    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        self.users.adopt(from, to).map_err(|(_, unread)| Unvisited::Failed(unread.into()))?;
        self.vault.adopt(from, to);
        Ok(())
    }

    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError> {
        self.decisions.keep(id, decision, has_history);
        Ok(())
    }

    async fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Result<Settlement, MemoryError> {
        Ok(self.decisions.settle(id, now, report, |user, lesson| self.users.learn(user, lesson))?)
    }

    async fn label(&self, id: DecisionId, now: Timestamp, feedback: Feedback) -> Result<Settlement, MemoryError> {
        Ok(self.decisions.label(id, now, feedback, |user, lesson| self.users.learn(user, lesson))?)
    }

    async fn decisions(&self, query: &Query) -> Result<Page, MemoryError> {
        let mut listing = Listing::new(query);
        self.walk(&mut listing).await;
        Ok(listing.page())
    }

    /// Decisions go before the row: an outcome that is taken meanwhile is learnt under its shard's lock, hence into a row
    /// that is yet to go.
    async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        self.walk(&mut Eraser(user)).await;
        self.decisions.unlearn(user);
        self.users.remove(user);
        self.vault.remove(user);
        Ok(())
    }

    async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        self.walk(&mut DeviceForgetter(user, device)).await;
        Ok(self.users.learn(user, &Lesson::Copied(device))?)
    }

    fn sweep(&self, now: Timestamp) {
        self.decisions.sweep(now, |user, lesson| {
            // A damaged row is told by the next login, which it costs a factor.
            let _damaged = self.users.learn(user, lesson);
        });
        self.users.sweep();
        self.vault.sweep(now);
    }

    fn age(&self, now: Timestamp, days: &RetentionDays) {
        self.users.age(&Cutoffs::new(now, days));
        self.decisions.age(now, days);
    }

    async fn kept(&self, place: Place, now: Timestamp) -> Result<Option<Kept>, MemoryError> {
        Ok(self.vault.kept(place, now))
    }

    async fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        self.vault.put(place, over, record, now)
    }

    fn is_degraded(&self) -> bool {
        false
    }

    fn condition(&self) -> Condition {
        Condition { backend: Backend::Volatile, trouble: None }
    }

    fn counts(&self) -> Counts {
        Counts { users: self.users.len(), pending: self.decisions.pending() }
    }
}
