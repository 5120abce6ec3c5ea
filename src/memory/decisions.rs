//! Decisions: what was said on a login, what its outcome will teach, and who may tell it.

use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::history::Login;
use crate::keyed_hash::{HashKey, UserKey};
use serde::Deserialize;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// A UUID of version 7 (RFC 9562): sorts by time, and 74 bits of it cannot be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId(u128);

impl DecisionId {
    /// Parses the hyphenated form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(|id| Self(id.as_u128()))
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_u128(self.0), f)
    }
}

/// Makes ids: a keyed hash of a counter, which nobody without the key can foretell. Shared by all cores, without a lock.
#[derive(Debug)]
pub struct IdSource {
    key: HashKey,
    count: AtomicU64,
}

impl IdSource {
    /// Ids under `key`, which must not be used for another source.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self { key, count: AtomicU64::new(0) }
    }

    /// 128 bits that nobody can foretell.
    pub fn bits(&self) -> u128 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        self.key.tag(&[&count.to_le_bytes()])
    }

    /// A new decision's id.
    pub fn decision(&self, now: Timestamp) -> DecisionId {
        let [random @ .., _, _, _, _, _, _] = self.bits().to_le_bytes();
        let ms = u64::try_from(now.unix_ms()).unwrap_or(0);
        DecisionId(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().as_u128())
    }
}

/// Which client may report the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTag(pub u64);

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Whose login.
    pub user: UserKey,
    /// Whether the user had a history; those without go first when room is short.
    pub has_history: bool,
    /// Who asked, and alone may tell the outcome.
    pub client: ClientTag,
    /// What the outcome will teach.
    pub login: Login,
    /// The factors that were offered.
    pub offered: FactorSet,
    /// Whether a success needs proof beyond the first factor in order to teach.
    pub teaches_with_factor_only: bool,
    /// When it is forgotten unless settled.
    pub expires: Timestamp,
    /// What became of it.
    pub outcome: Option<LoginResult>,
}

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginResult {
    /// The user is in.
    Success,
    /// The factor was wrong, or the login was refused.
    Failure,
    /// The user went away.
    Abandoned,
}

/// Why an outcome is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another client scored this login.
    OtherClient,
    /// Another result was reported before.
    AlreadySettled,
    /// A success needs the factor that made it one.
    FactorMissing,
    /// That factor was not offered.
    FactorNotOffered,
}

impl Decision {
    /// Takes the outcome; gives what it teaches.
    ///
    /// # Errors
    ///
    /// See [`Refusal`]; the decision is then as it was.
    pub fn settle(
        &mut self,
        client: ClientTag,
        result: LoginResult,
        factor: Option<Factor>,
    ) -> Result<Option<Login>, Refusal> {
        if client != self.client {
            return Err(Refusal::OtherClient);
        }
        if let Some(settled) = self.outcome {
            return if settled == result { Ok(None) } else { Err(Refusal::AlreadySettled) };
        }
        if result != LoginResult::Success {
            self.outcome = Some(result);
            return Ok(None);
        }
        if !self.offered.is_empty() {
            let factor = factor.ok_or(Refusal::FactorMissing)?;
            if !self.offered.has(factor) {
                return Err(Refusal::FactorNotOffered);
            }
        }
        self.outcome = Some(result);
        let factor_passed = self.login.factor_passed || factor.is_some();
        let teaches = factor_passed || !self.teaches_with_factor_only;
        Ok(teaches.then(|| Login { factor_passed, ..self.login.clone() }))
    }
}

/// All decisions of a process, in shards of their own locks, bounded: when full, users without history go first, then
/// the oldest.
#[derive(Debug)]
pub(super) struct Decisions {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug)]
struct Shard {
    pending: Table,
    settled: Table,
}

/// A bounded map. An id may stand in a queue after it left the map; it is then passed over.
#[derive(Debug)]
struct Table {
    capacity: usize,
    decisions: HashMap<DecisionId, Decision>,
    strangers: VecDeque<DecisionId>,
    known: VecDeque<DecisionId>,
}

const SHARDS: usize = 16;

impl Decisions {
    pub(super) fn new(pending_max: usize, settled_max: usize) -> Self {
        let shard = || {
            let pending = Table::new(pending_max.div_ceil(SHARDS));
            Mutex::new(Shard { pending, settled: Table::new(settled_max.div_ceil(SHARDS)) })
        };
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    pub(super) fn keep(&self, id: DecisionId, decision: Decision) {
        let mut shard = self.shard(id);
        let table = if decision.outcome.is_some() { &mut shard.settled } else { &mut shard.pending };
        table.insert(id, decision);
    }

    pub(super) fn change<T>(
        &self,
        id: DecisionId,
        now: Timestamp,
        change: impl FnOnce(&mut Decision) -> T,
    ) -> Option<T> {
        let mut shard = self.shard(id);
        if let Some(settled) = shard.settled.decisions.get_mut(&id) {
            return Some(change(settled));
        }
        let decision = shard.pending.decisions.get_mut(&id).filter(|decision| now <= decision.expires)?;
        let answer = change(decision);
        if decision.outcome.is_some()
            && let Some(decision) = shard.pending.decisions.remove(&id)
        {
            shard.settled.insert(id, decision);
        }
        Some(answer)
    }

    pub(super) fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            lock(shard).pending.sweep(now);
        }
    }

    pub(super) fn pending(&self) -> usize {
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

impl Table {
    fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            decisions: HashMap::new(),
            strangers: VecDeque::new(),
            known: VecDeque::new(),
        }
    }

    fn insert(&mut self, id: DecisionId, decision: Decision) {
        while self.decisions.len() >= self.capacity {
            let Some(oldest) = self.strangers.pop_front().or_else(|| self.known.pop_front()) else { break };
            self.decisions.remove(&oldest);
        }
        let queue = if decision.has_history { &mut self.known } else { &mut self.strangers };
        queue.push_back(id);
        self.decisions.insert(id, decision);
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
                if decisions.get(id).is_some_and(|decision| now <= decision.expires) {
                    break;
                }
                decisions.remove(id);
                queue.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u32 = 1_790_000_000;

    fn at(seconds: u32) -> Timestamp {
        Timestamp::from_unix_s(NOW_S + seconds)
    }

    fn decision(has_history: bool) -> Decision {
        let login = Login {
            time: at(0),
            device: None,
            agent: None,
            network: None,
            asn: None,
            place: None,
            factor_passed: false,
        };
        Decision {
            user: UserKey(1),
            has_history,
            client: ClientTag(1),
            login,
            offered: FactorSet::EMPTY.with(Factor::Totp),
            teaches_with_factor_only: true,
            expires: at(900),
            outcome: None,
        }
    }

    #[test]
    fn a_success_needs_a_factor_that_was_offered_and_only_its_own_client_may_tell() {
        let mut held = decision(true);
        let success = LoginResult::Success;
        assert_eq!(held.settle(ClientTag(2), success, Some(Factor::Totp)), Err(Refusal::OtherClient));
        assert_eq!(held.settle(ClientTag(1), success, None), Err(Refusal::FactorMissing));
        assert_eq!(held.settle(ClientTag(1), success, Some(Factor::Sms)), Err(Refusal::FactorNotOffered));
        assert_eq!(held.outcome, None, "a refusal leaves nothing behind");
        let taught = held.settle(ClientTag(1), success, Some(Factor::Totp));
        assert!(taught.is_ok_and(|login| login.is_some_and(|login| login.factor_passed)));
        assert_eq!(held.settle(ClientTag(1), success, None), Ok(None), "again: nothing is learnt twice");
        assert_eq!(held.settle(ClientTag(1), LoginResult::Failure, None), Err(Refusal::AlreadySettled));
    }

    #[test]
    fn an_allow_at_low_confidence_teaches_only_with_a_factor() {
        let allowed = || Decision { offered: FactorSet::EMPTY, ..decision(true) };
        let settle = |mut held: Decision, factor| held.settle(ClientTag(1), LoginResult::Success, factor);
        assert_eq!(settle(allowed(), None), Ok(None));
        assert!(settle(allowed(), Some(Factor::Webauthn)).is_ok_and(|login| login.is_some()));
        let passkey = Decision { login: Login { factor_passed: true, ..allowed().login }, ..allowed() };
        assert!(settle(passkey, None).is_ok_and(|login| login.is_some()));
    }

    #[test]
    fn bounded_strangers_first_and_expired_ones_go() {
        let ids = IdSource::new(HashKey::fixed([1; 16]));
        let decisions = Decisions::new(SHARDS, SHARDS);
        let known: Vec<DecisionId> = std::iter::repeat_with(|| ids.decision(at(0))).take(200).collect();
        known.iter().for_each(|id| decisions.keep(*id, decision(true)));
        for _ in 0..10_000 {
            decisions.keep(ids.decision(at(0)), decision(false));
        }
        assert_eq!(decisions.pending(), SHARDS, "one a shard, whatever came");
        decisions.sweep(at(900));
        assert_eq!(decisions.pending(), SHARDS);
        decisions.sweep(at(901));
        assert_eq!(decisions.pending(), 0);
    }

    #[test]
    fn strangers_never_push_out_users_with_a_history() {
        let ids = IdSource::new(HashKey::fixed([1; 16]));
        let mut table = Table::new(4);
        let known = ids.decision(at(0));
        table.insert(known, decision(true));
        for _ in 0..100 {
            table.insert(ids.decision(at(0)), decision(false));
        }
        assert!(table.decisions.contains_key(&known));
        assert!(table.strangers.len() + table.known.len() <= 8);
    }

    #[test]
    fn an_expired_decision_cannot_be_settled() {
        let decisions = Decisions::new(100, 100);
        let id = IdSource::new(HashKey::fixed([1; 16])).decision(at(0));
        decisions.keep(id, decision(true));
        assert!(decisions.change(id, at(901), |_| ()).is_none());
        assert!(decisions.change(id, at(900), |_| ()).is_some());
    }

    #[test]
    fn ids_are_version_7_and_differ() {
        let ids = IdSource::new(HashKey::fixed([1; 16]));
        let (a, b) = (ids.decision(at(0)), ids.decision(at(0)));
        assert_ne!(a, b);
        assert_eq!(DecisionId::parse(&a.to_string()), Some(a));
        assert_eq!(a.to_string().as_bytes().get(14), Some(&b'7'));
        assert_eq!(DecisionId::parse("no-id"), None);
    }
}
