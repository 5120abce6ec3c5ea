//! Where decisions are kept in memory, bounded.

use super::{Decision, DecisionId, Feedback, LoginResult, Pending, Report, Settled, Settlement};
use crate::clock::Timestamp;
use crate::history::Lesson;
use crate::keyed_hash::UserKey;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All decisions of a process, in shards of their own locks, bounded: users without history never push out those with
/// one.
#[derive(Debug)]
pub(in crate::memory) struct Decisions {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug)]
struct Shard {
    pending: PendingTable,
    settled_known: Ring,
    settled_strangers: Ring,
}

/// A bounded map. An id may stand in a queue after it left the map; it is then passed over.
#[derive(Debug)]
struct PendingTable {
    capacity: usize,
    decisions: HashMap<DecisionId, Box<Pending>>,
    strangers: VecDeque<DecisionId>,
    known: VecDeque<DecisionId>,
    /// What was pushed out teaches at the next sweep, as if its time had passed.
    overdue: Vec<(UserKey, Lesson)>,
}

/// The last settled decisions: written one behind the other, which is what nearly every login does, and searched from
/// the newest, which few callers ever need.
#[derive(Debug)]
pub(super) struct Ring {
    capacity: usize,
    pub(super) entries: Vec<(DecisionId, Settled)>,
    next: usize,
}

pub(super) const SHARDS: usize = 16;
/// Of the settled decisions, this share is for users without a history.
const STRANGERS_SHARE: usize = 4;

impl Decisions {
    pub(in crate::memory) fn new(pending_max: usize, settled_max: usize) -> Self {
        let (pending, settled) = (pending_max.div_ceil(SHARDS), settled_max.div_ceil(SHARDS));
        let shard = || {
            Mutex::new(Shard {
                pending: PendingTable::new(pending),
                settled_known: Ring::new(settled - settled / STRANGERS_SHARE),
                settled_strangers: Ring::new(settled / STRANGERS_SHARE),
            })
        };
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    pub(in crate::memory) fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) {
        let mut shard = self.shard(id);
        match decision {
            Decision::Pending(pending) => shard.pending.insert(id, pending, has_history),
            Decision::Settled(settled) if has_history => shard.settled_known.push(id, settled),
            Decision::Settled(settled) => shard.settled_strangers.push(id, settled),
        }
    }

    /// Takes an outcome: `learn` is called under the lock, and the decision is settled only when that went well.
    pub(in crate::memory) fn settle<E>(
        &self,
        id: DecisionId,
        now: Timestamp,
        report: Report,
        learn: impl FnOnce(UserKey, &Lesson) -> Result<(), E>,
    ) -> Result<Settlement, E> {
        let mut shard = self.shard(id);
        if let Some(pending) = shard.pending.decisions.get(&id).filter(|pending| now <= pending.expires) {
            let lesson = match pending.settle(report) {
                Ok(lesson) => lesson,
                Err(refusal) => return Ok(Settlement::Refused(refusal)),
            };
            let (user, settled) = (pending.user, pending.settled(report.result));
            if let Some(lesson) = lesson {
                learn(user, &lesson)?;
            }
            shard.pending.decisions.remove(&id);
            shard.settled_known.push(id, settled);
            return Ok(Settlement::Taken);
        }
        Ok(match shard.settled(id).map(|settled| settled.again(report)) {
            None => Settlement::Unknown,
            Some(Err(refusal)) => Settlement::Refused(refusal),
            Some(Ok(())) => Settlement::Taken,
        })
    }

    /// Takes a label, said of a decision that waits or was settled.
    pub(in crate::memory) fn label<E>(
        &self,
        id: DecisionId,
        now: Timestamp,
        feedback: Feedback,
        learn: impl FnOnce(UserKey, &Lesson) -> Result<(), E>,
    ) -> Result<Settlement, E> {
        let shard = self.shard(id);
        let waiting = shard.pending.decisions.get(&id).filter(|pending| now <= pending.expires);
        let found = match waiting {
            Some(pending) => Some((pending.settled(LoginResult::Abandoned), false)),
            None => shard.settled(id).map(|settled| (settled, settled.result == LoginResult::Success)),
        };
        let Some((of, is_completed)) = found else { return Ok(Settlement::Unknown) };
        match feedback.teaches(&of, is_completed, now) {
            Ok(lesson) => learn(of.user, &lesson).map(|()| Settlement::Taken),
            Err(refusal) => Ok(Settlement::Refused(refusal)),
        }
    }

    /// Forgets what has expired; gives what that teaches.
    pub(in crate::memory) fn sweep(&self, now: Timestamp) -> Vec<(UserKey, Lesson)> {
        self.shards.iter().flat_map(|shard| lock(shard).pending.sweep(now)).collect()
    }

    pub(in crate::memory) fn pending(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).pending.decisions.len()).sum()
    }

    fn shard(&self, id: DecisionId) -> MutexGuard<'_, Shard> {
        // The low bits of a UUID of version 7 are random.
        let [low, ..] = id.0.to_le_bytes();
        lock(&self.shards[usize::from(low) % SHARDS])
    }
}

impl Shard {
    fn settled(&self, id: DecisionId) -> Option<Settled> {
        self.settled_known.find(id).or_else(|| self.settled_strangers.find(id))
    }
}

/// A panic while a shard is locked leaves at worst an id in a queue without its decision, which is passed over.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PendingTable {
    fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            decisions: HashMap::new(),
            strangers: VecDeque::new(),
            known: VecDeque::new(),
            overdue: Vec::new(),
        }
    }

    /// When full, users without history go first, then the oldest.
    fn insert(&mut self, id: DecisionId, pending: Box<Pending>, has_history: bool) {
        while self.decisions.len() >= self.capacity {
            let Some(oldest) = self.strangers.pop_front().or_else(|| self.known.pop_front()) else { break };
            let lesson = self.decisions.remove(&oldest).and_then(|pushed_out| taught_by(&pushed_out));
            if self.overdue.len() < self.capacity {
                self.overdue.extend(lesson);
            }
        }
        let queue = if has_history { &mut self.known } else { &mut self.strangers };
        queue.push_back(id);
        self.decisions.insert(id, pending);
        // Settled ones leave their ids behind; clearing them at twice the capacity costs one step an insertion.
        if self.strangers.len() + self.known.len() > 2 * self.capacity {
            self.strangers.retain(|id| self.decisions.contains_key(id));
            self.known.retain(|id| self.decisions.contains_key(id));
        }
    }

    /// Ids stand in the order of their expiry, so only the front needs a look.
    fn sweep(&mut self, now: Timestamp) -> Vec<(UserKey, Lesson)> {
        let Self { decisions, strangers, known, overdue, .. } = self;
        let mut lessons = std::mem::take(overdue);
        for queue in [strangers, known] {
            while let Some(id) = queue.front() {
                if decisions.get(id).is_some_and(|pending| now <= pending.expires) {
                    break;
                }
                lessons.extend(decisions.remove(id).and_then(|expired| taught_by(&expired)));
                queue.pop_front();
            }
        }
        lessons
    }
}

/// What a decision teaches that nobody told the outcome of.
fn taught_by(forgotten: &Pending) -> Option<(UserKey, Lesson)> {
    forgotten.unfinished().map(|lesson| (forgotten.user, lesson))
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), entries: Vec::new(), next: 0 }
    }

    pub(super) fn push(&mut self, id: DecisionId, settled: Settled) {
        match self.entries.get_mut(self.next) {
            Some(oldest) => *oldest = (id, settled),
            None => self.entries.push((id, settled)),
        }
        self.next = (self.next + 1) % self.capacity;
    }

    pub(super) fn find(&self, id: DecisionId) -> Option<Settled> {
        let (newer, older) = self.entries.split_at(self.next.min(self.entries.len()));
        let newest_first = newer.iter().rev().chain(older.iter().rev());
        newest_first.into_iter().find(|(known, _)| *known == id).map(|(_, settled)| *settled)
    }
}
