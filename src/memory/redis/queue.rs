//! What waits: lessons and decisions until Redis is back, and demands until somebody meets them or nobody did.

use super::Inner;
use super::share::Record;
use crate::clock::Timestamp;
use crate::keyed_hash::UserKey;
use crate::memory::decisions::DecisionId;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Between two looks at what waits.
const LOOK: Duration = Duration::from_millis(100);
/// Calls at a time, so that logins are served beside them.
const AT_ONCE: usize = 64;
/// Users whose lessons wait while Redis serves; then imports wait, too.
const CROWD: usize = 2_048;

#[derive(Debug)]
pub(super) struct Queue {
    max: usize,
    held: Mutex<Held>,
    crowd: AtomicUsize,
    added: Notify,
    thinned: Notify,
    lost: AtomicU64,
    /// In the order of their expiry.
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug, Default)]
struct Held {
    users: HashSet<UserKey>,
    records: VecDeque<(DecisionId, Record)>,
}

/// A demand of this replica.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) id: DecisionId,
    pub(super) user: UserKey,
    pub(super) login: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) has_history: bool,
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            held: Mutex::default(),
            crowd: AtomicUsize::new(0),
            added: Notify::new(),
            thinned: Notify::new(),
            lost: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Something of this user is not in Redis.
    pub(super) fn add_user(&self, user: UserKey) {
        self.add_user_if(user, || true);
    }

    pub(super) fn add_user_if(&self, user: UserKey, is_so: impl FnOnce() -> bool) {
        if !is_so() {
            return;
        }
        let mut held = lock(&self.held);
        if held.users.len() < self.max {
            held.users.insert(user);
        } else if !held.users.contains(&user) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.crowd.store(held.users.len(), Ordering::Relaxed);
        self.added.notify_one();
    }

    /// The oldest makes room.
    pub(super) fn add_record(&self, id: DecisionId, record: Record) {
        let mut held = lock(&self.held);
        if held.records.len() >= self.max {
            held.records.pop_front();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        held.records.push_back((id, record));
        self.added.notify_one();
    }

    /// Forgets the decisions of somebody who is erased.
    pub(super) fn forget(&self, user: UserKey) {
        lock(&self.held).records.retain(|(_, record)| record.user != user);
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.crowd.load(Ordering::Relaxed) >= CROWD
    }

    /// Until there is room for more.
    pub(super) async fn thinned(&self) {
        let thinned = self.thinned.notified();
        if self.is_crowded() {
            thinned.await;
        }
    }

    /// At the end of its time, this demand was left unmet.
    pub(super) fn await_outcome(&self, demand: Option<Waiting>) {
        let Some(demand) = demand else { return };
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= self.max {
            waiting.pop_front();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        waiting.push_back(demand);
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// Users and decisions that wait.
    pub(super) fn len(&self) -> usize {
        let held = lock(&self.held);
        held.users.len() + held.records.len()
    }

    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    fn take(&self) -> (Vec<UserKey>, Vec<(DecisionId, Record)>) {
        let mut held = lock(&self.held);
        let users: Vec<UserKey> = held.users.iter().take(AT_ONCE).copied().collect();
        users.iter().for_each(|user| {
            held.users.remove(user);
        });
        let records = held.records.len().min(AT_ONCE);
        let records = held.records.drain(..records).collect();
        self.crowd.store(held.users.len(), Ordering::Relaxed);
        self.thinned.notify_waiters();
        (users, records)
    }

    fn expired(&self, now: Timestamp) -> Vec<Waiting> {
        let mut waiting = lock(&self.waiting);
        let is_over = |demand: &&Waiting| now > demand.expires;
        let count = waiting.iter().take(AT_ONCE).take_while(is_over).count();
        waiting.drain(..count).collect()
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells Redis what waits, for as long as the process lives.
pub(super) async fn keep_empty(inner: &Arc<Inner>) {
    loop {
        // Whatever wakes it, it looks at all that waits.
        tokio::select! {
            () = inner.queue.added.notified() => {}
            () = inner.nodes.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        while inner.nodes.all_serve() && one_round(inner).await {}
    }
}

/// Until nothing waits, or Redis does not take it.
pub(super) async fn empty(inner: &Arc<Inner>) {
    while inner.queue.len() > 0 && one_round(inner).await {}
}

/// Gives whether something was done, all of it went well, and more may be there.
async fn one_round(inner: &Arc<Inner>) -> bool {
    let (users, records) = inner.queue.take();
    let expired = inner.queue.expired(inner.clock.now());
    let is_idle = users.is_empty() && records.is_empty() && expired.is_empty();
    let mut calls = JoinSet::new();
    for user in users {
        let inner = Arc::clone(inner);
        calls.spawn(async move {
            let is_done = inner.share_lessons(user).await.unwrap_or(false);
            if !is_done {
                inner.queue.add_user(user);
            }
            is_done
        });
    }
    for (id, record) in records {
        let inner = Arc::clone(inner);
        calls.spawn(async move {
            let is_done = inner.share_record(id, &record).await.is_ok();
            if !is_done {
                inner.queue.add_record(id, record);
            }
            is_done
        });
    }
    for demand in expired {
        let inner = Arc::clone(inner);
        calls.spawn(async move {
            let is_done = inner.expire(demand).await.is_ok();
            if !is_done {
                inner.queue.await_outcome(Some(demand));
            }
            is_done
        });
    }
    let mut went_well = true;
    while let Some(done) = calls.join_next().await {
        went_well &= done.unwrap_or(false);
    }
    !is_idle && went_well
}
