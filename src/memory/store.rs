//! The backend that the configuration names.
//!
//! An enum, since what a login needs waits for nothing, and a boxed future would cost it an allocation.

use super::decisions::{Decision, DecisionId, Feedback, Page, Query, Report, Settlement};
use super::embedded::Embedded;
use super::redis::Redis;
use super::vault::{Kept, Place, Put, Record, Version};
use super::volatile::Volatile;
use super::{Backup, BackupError, Condition, Counts, Memory, MemoryError, Share, Sharing, Unvisited};
use crate::clock::Timestamp;
use crate::history::{Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::privacy::RetentionDays;
use crate::velocity::Velocity;
use std::sync::Arc;

/// One of the backends.
#[derive(Debug)]
pub enum Store {
    /// See [`Volatile`].
    Volatile(Volatile),
    /// See [`Embedded`].
    Embedded(Embedded),
    /// See [`Redis`].
    Redis(Redis),
}

impl Store {
    /// Makes durable what is not yet, and ends; nobody asks for anything any more.
    ///
    /// # Errors
    ///
    /// Something may be lost.
    pub fn close(&self) -> Result<(), MemoryError> {
        match self {
            Self::Volatile(_) => Ok(()),
            Self::Embedded(memory) => memory.close(),
            Self::Redis(memory) => memory.close(),
        }
    }
}

impl Memory for Store {
    fn prefetch_place(&self, user: UserKey) {
        match self {
            Self::Volatile(memory) => memory.prefetch_place(user),
            Self::Embedded(memory) => memory.prefetch_place(user),
            Self::Redis(memory) => memory.prefetch_place(user),
        }
    }

    fn prefetch_row(&self, user: UserKey) {
        match self {
            Self::Volatile(memory) => memory.prefetch_row(user),
            Self::Embedded(memory) => memory.prefetch_row(user),
            Self::Redis(memory) => memory.prefetch_row(user),
        }
    }

    fn prefetch_decision(&self, id: DecisionId) {
        match self {
            Self::Volatile(memory) => memory.prefetch_decision(id),
            Self::Embedded(memory) => memory.prefetch_decision(id),
            Self::Redis(memory) => memory.prefetch_decision(id),
        }
    }

    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        match self {
            Self::Volatile(memory) => memory.visit(user, judge),
            Self::Embedded(memory) => memory.visit(user, judge),
            Self::Redis(memory) => memory.visit(user, judge),
        }
    }

    fn visit_at_login<T>(
        &self,
        id: DecisionId,
        how: Sharing,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        match self {
            Self::Volatile(memory) => memory.visit_at_login(id, how, user, judge),
            Self::Embedded(memory) => memory.visit_at_login(id, how, user, judge),
            Self::Redis(memory) => memory.visit_at_login(id, how, user, judge),
        }
    }

    fn name(&self, id: DecisionId, user: UserKey) -> DecisionId {
        match self {
            Self::Volatile(memory) => memory.name(id, user),
            Self::Embedded(memory) => memory.name(id, user),
            Self::Redis(memory) => memory.name(id, user),
        }
    }

    fn share(&self, id: DecisionId, user: UserKey, how: Sharing) -> Option<Share> {
        match self {
            Self::Volatile(memory) => memory.share(id, user, how),
            Self::Embedded(memory) => memory.share(id, user, how),
            Self::Redis(memory) => memory.share(id, user, how),
        }
    }

    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        match self {
            Self::Volatile(memory) => memory.adopt(from, to),
            Self::Embedded(memory) => memory.adopt(from, to),
            Self::Redis(memory) => memory.adopt(from, to),
        }
    }

    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError> {
        match self {
            Self::Volatile(memory) => memory.keep(id, decision, has_history),
            Self::Embedded(memory) => memory.keep(id, decision, has_history),
            Self::Redis(memory) => memory.keep(id, decision, has_history),
        }
    }

    async fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Result<Settlement, MemoryError> {
        match self {
            Self::Volatile(memory) => memory.settle(id, now, report).await,
            Self::Embedded(memory) => memory.settle(id, now, report).await,
            Self::Redis(memory) => memory.settle(id, now, report).await,
        }
    }

    async fn label(&self, id: DecisionId, now: Timestamp, feedback: Feedback) -> Result<Settlement, MemoryError> {
        match self {
            Self::Volatile(memory) => memory.label(id, now, feedback).await,
            Self::Embedded(memory) => memory.label(id, now, feedback).await,
            Self::Redis(memory) => memory.label(id, now, feedback).await,
        }
    }

    async fn decisions(&self, query: &Query) -> Result<Page, MemoryError> {
        match self {
            Self::Volatile(memory) => memory.decisions(query).await,
            Self::Embedded(memory) => memory.decisions(query).await,
            Self::Redis(memory) => memory.decisions(query).await,
        }
    }

    async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        match self {
            Self::Volatile(memory) => memory.erase(user).await,
            Self::Embedded(memory) => memory.erase(user).await,
            Self::Redis(memory) => memory.erase(user).await,
        }
    }

    async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        match self {
            Self::Volatile(memory) => memory.forget_device(user, device).await,
            Self::Embedded(memory) => memory.forget_device(user, device).await,
            Self::Redis(memory) => memory.forget_device(user, device).await,
        }
    }

    fn sweep(&self, now: Timestamp) {
        match self {
            Self::Volatile(memory) => memory.sweep(now),
            Self::Embedded(memory) => memory.sweep(now),
            Self::Redis(memory) => memory.sweep(now),
        }
    }

    fn age(&self, now: Timestamp, days: &RetentionDays) {
        match self {
            Self::Volatile(memory) => memory.age(now, days),
            Self::Embedded(memory) => memory.age(now, days),
            Self::Redis(memory) => memory.age(now, days),
        }
    }

    async fn kept(&self, place: Place, now: Timestamp) -> Result<Option<Kept>, MemoryError> {
        match self {
            Self::Volatile(memory) => memory.kept(place, now).await,
            Self::Embedded(memory) => memory.kept(place, now).await,
            Self::Redis(memory) => memory.kept(place, now).await,
        }
    }

    async fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        match self {
            Self::Volatile(memory) => memory.put(place, over, record, now).await,
            Self::Embedded(memory) => memory.put(place, over, record, now).await,
            Self::Redis(memory) => memory.put(place, over, record, now).await,
        }
    }

    async fn back_up(&self) -> Result<Backup, BackupError> {
        match self {
            Self::Embedded(memory) => memory.back_up().await,
            Self::Volatile(_) | Self::Redis(_) => Err(BackupError::NotHere),
        }
    }

    fn keep_velocity(&self, velocity: &Arc<Velocity>) {
        match self {
            Self::Volatile(memory) => memory.keep_velocity(velocity),
            Self::Embedded(memory) => memory.keep_velocity(velocity),
            Self::Redis(memory) => memory.keep_velocity(velocity),
        }
    }

    fn is_degraded(&self) -> bool {
        match self {
            Self::Volatile(memory) => memory.is_degraded(),
            Self::Embedded(memory) => memory.is_degraded(),
            Self::Redis(memory) => memory.is_degraded(),
        }
    }

    fn condition(&self) -> Condition {
        match self {
            Self::Volatile(memory) => memory.condition(),
            Self::Embedded(memory) => memory.condition(),
            Self::Redis(memory) => memory.condition(),
        }
    }

    fn counts(&self) -> Counts {
        match self {
            Self::Volatile(memory) => memory.counts(),
            Self::Embedded(memory) => memory.counts(),
            Self::Redis(memory) => memory.counts(),
        }
    }
}
