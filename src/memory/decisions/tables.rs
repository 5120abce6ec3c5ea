//! Where decisions are kept in memory, bounded.

use super::{Decision, DecisionId, Pending, Report, Settled, Settlement};
use crate::clock::Timestamp;
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

    pub(in crate::memory) fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Settlement {
        let mut shard = self.shard(id);
        if let Some(pending) = shard.pending.decisions.get(&id).filter(|pending| now <= pending.expires) {
            return match pending.settle(report) {
                Err(refusal) => Settlement::Refused(refusal),
                Ok(login) => {
                    let user = pending.user;
                    shard.pending.decisions.remove(&id);
                    shard.settled_known.push(id, Settled { client: report.client, result: report.result });
                    Settlement::Taken(login.map(|login| (user, login)))
                }
            };
        }
        let found = shard.settled_known.find(id).or_else(|| shard.settled_strangers.find(id));
        match found.map(|settled| settled.again(report)) {
            None => Settlement::Unknown,
            Some(Err(refusal)) => Settlement::Refused(refusal),
            Some(Ok(())) => Settlement::Taken(None),
        }
    }

    pub(in crate::memory) fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            lock(shard).pending.sweep(now);
        }
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
        }
    }

    /// When full, users without history go first, then the oldest.
    fn insert(&mut self, id: DecisionId, pending: Box<Pending>, has_history: bool) {
        while self.decisions.len() >= self.capacity {
            let Some(oldest) = self.strangers.pop_front().or_else(|| self.known.pop_front()) else { break };
            self.decisions.remove(&oldest);
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
    fn sweep(&mut self, now: Timestamp) {
        let Self { decisions, strangers, known, .. } = self;
        for queue in [strangers, known] {
            while let Some(id) = queue.front() {
                if decisions.get(id).is_some_and(|pending| now <= pending.expires) {
                    break;
                }
                decisions.remove(id);
                queue.pop_front();
            }
        }
    }
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
