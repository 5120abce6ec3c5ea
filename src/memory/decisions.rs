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

    /// The hyphenated form.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &str {
        Uuid::from_u128(self.0).hyphenated().encode_lower(buffer)
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
    instance: u64,
}

impl IdSource {
    /// Ids under `key`, which must not be used for another source.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = key.tag(&[b"instance"]).to_le_bytes();
        Self { key, count: AtomicU64::new(0), instance: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// Names a request in logs and answers: this process, and a running number. Not a secret.
    pub fn request(&self) -> u128 {
        u128::from(self.instance) << 64 | u128::from(self.next())
    }

    /// 128 bits that nobody can foretell.
    fn bits(&self) -> u128 {
        self.key.tag(&[&self.next().to_le_bytes()])
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
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

/// A decision that waits for its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Whose login.
    pub user: UserKey,
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
}

/// What is kept of a decision that was settled: enough to answer whoever tells its outcome again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Who asked, and alone may tell the outcome.
    pub client: ClientTag,
    /// What became of it.
    pub result: LoginResult,
}

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Its outcome is awaited.
    Pending(Box<Pending>),
    /// A login that was let in and learnt, or refused: nothing is awaited.
    Settled(Settled),
}

/// What a client tells of a login's end.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Who tells it.
    pub client: ClientTag,
    /// How it ended.
    pub result: LoginResult,
    /// The factor that was passed.
    pub factor: Option<Factor>,
}

/// What a report led to.
#[derive(Debug, PartialEq)]
pub enum Settlement {
    /// There is no such decision, or its time has passed.
    Unknown,
    /// The decision does not admit it, and is as it was.
    Refused(Refusal),
    /// Taken; this is what it teaches.
    Taken(Option<(UserKey, Login)>),
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

impl Pending {
    /// Takes the outcome; gives what it teaches.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn settle(&self, report: Report) -> Result<Option<Login>, Refusal> {
        if report.client != self.client {
            return Err(Refusal::OtherClient);
        }
        if report.result != LoginResult::Success {
            return Ok(None);
        }
        if !self.offered.is_empty() {
            let factor = report.factor.ok_or(Refusal::FactorMissing)?;
            if !self.offered.has(factor) {
                return Err(Refusal::FactorNotOffered);
            }
        }
        let factor_passed = self.login.factor_passed || report.factor.is_some();
        let teaches = factor_passed || !self.teaches_with_factor_only;
        Ok(teaches.then(|| Login { factor_passed, ..self.login.clone() }))
    }
}

impl Settled {
    /// The same result again changes nothing; another one is refused.
    fn again(self, report: Report) -> Result<(), Refusal> {
        if report.client != self.client {
            Err(Refusal::OtherClient)
        } else if report.result != self.result {
            Err(Refusal::AlreadySettled)
        } else {
            Ok(())
        }
    }
}

/// All decisions of a process, in shards of their own locks, bounded: users without history never push out those with
/// one.
#[derive(Debug)]
pub(super) struct Decisions {
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
struct Ring {
    capacity: usize,
    entries: Vec<(DecisionId, Settled)>,
    next: usize,
}

const SHARDS: usize = 16;
/// Of the settled decisions, this share is for users without a history.
const STRANGERS_SHARE: usize = 4;

impl Decisions {
    pub(super) fn new(pending_max: usize, settled_max: usize) -> Self {
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

    pub(super) fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) {
        let mut shard = self.shard(id);
        match decision {
            Decision::Pending(pending) => shard.pending.insert(id, pending, has_history),
            Decision::Settled(settled) if has_history => shard.settled_known.push(id, settled),
            Decision::Settled(settled) => shard.settled_strangers.push(id, settled),
        }
    }

    pub(super) fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Settlement {
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
    fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), entries: Vec::new(), next: 0 }
    }

    fn push(&mut self, id: DecisionId, settled: Settled) {
        match self.entries.get_mut(self.next) {
            Some(oldest) => *oldest = (id, settled),
            None => self.entries.push((id, settled)),
        }
        self.next = (self.next + 1) % self.capacity;
    }

    fn find(&self, id: DecisionId) -> Option<Settled> {
        let (newer, older) = self.entries.split_at(self.next.min(self.entries.len()));
        let newest_first = newer.iter().rev().chain(older.iter().rev());
        newest_first.into_iter().find(|(known, _)| *known == id).map(|(_, settled)| *settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u32 = 1_790_000_000;

    fn at(seconds: u32) -> Timestamp {
        Timestamp::from_unix_s(NOW_S + seconds)
    }

    fn pending() -> Pending {
        let login = Login {
            time: at(0),
            device: None,
            agent: None,
            network: None,
            asn: None,
            place: None,
            factor_passed: false,
        };
        Pending {
            user: UserKey(1),
            client: ClientTag(1),
            login,
            offered: FactorSet::EMPTY.with(Factor::Totp),
            teaches_with_factor_only: true,
            expires: at(900),
        }
    }

    fn boxed() -> Decision {
        Decision::Pending(Box::new(pending()))
    }

    fn ids() -> IdSource {
        IdSource::new(HashKey::fixed([1; 16]))
    }

    fn report(client: u64, result: LoginResult, factor: Option<Factor>) -> Report {
        Report { client: ClientTag(client), result, factor }
    }

    #[test]
    fn a_success_needs_a_factor_that_was_offered_and_only_its_own_client_may_tell() {
        let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
        decisions.keep(id, boxed(), true);
        let success = LoginResult::Success;
        let settle = |report| decisions.settle(id, at(1), report);
        assert_eq!(settle(report(2, success, Some(Factor::Totp))), Settlement::Refused(Refusal::OtherClient));
        assert_eq!(settle(report(1, success, None)), Settlement::Refused(Refusal::FactorMissing));
        assert_eq!(settle(report(1, success, Some(Factor::Sms))), Settlement::Refused(Refusal::FactorNotOffered));
        let taken = settle(report(1, success, Some(Factor::Totp)));
        assert!(matches!(taken, Settlement::Taken(Some((UserKey(1), login))) if login.factor_passed));
        assert_eq!(settle(report(1, success, None)), Settlement::Taken(None), "again: nothing is learnt twice");
        assert_eq!(settle(report(1, LoginResult::Failure, None)), Settlement::Refused(Refusal::AlreadySettled));
        assert_eq!(settle(report(2, success, None)), Settlement::Refused(Refusal::OtherClient));
        assert_eq!(decisions.pending(), 0);
    }

    #[test]
    fn an_allow_at_low_confidence_teaches_only_with_a_factor() {
        let allowed = || Pending { offered: FactorSet::EMPTY, ..pending() };
        let settle = |held: &Pending, factor| held.settle(report(1, LoginResult::Success, factor));
        assert_eq!(settle(&allowed(), None), Ok(None));
        assert!(settle(&allowed(), Some(Factor::Webauthn)).is_ok_and(|login| login.is_some()));
        let passkey = Pending { login: Login { factor_passed: true, ..allowed().login }, ..allowed() };
        assert!(settle(&passkey, None).is_ok_and(|login| login.is_some()));
    }

    #[test]
    fn bounded_and_expired_ones_go() {
        let (ids, decisions) = (ids(), Decisions::new(SHARDS, SHARDS));
        for _ in 0..10_000 {
            decisions.keep(ids.decision(at(0)), boxed(), false);
        }
        assert_eq!(decisions.pending(), SHARDS, "one a shard, whatever came");
        decisions.sweep(at(900));
        assert_eq!(decisions.pending(), SHARDS);
        decisions.sweep(at(901));
        assert_eq!(decisions.pending(), 0);
    }

    #[test]
    fn strangers_never_push_out_users_with_a_history() {
        let (ids, decisions) = (ids(), Decisions::new(4 * SHARDS, 4 * SHARDS));
        let settled = Settled { client: ClientTag(1), result: LoginResult::Success };
        let (waits, done) = (ids.decision(at(0)), ids.decision(at(0)));
        decisions.keep(waits, boxed(), true);
        decisions.keep(done, Decision::Settled(settled), true);
        for _ in 0..1000 {
            decisions.keep(ids.decision(at(0)), boxed(), false);
            decisions.keep(ids.decision(at(0)), Decision::Settled(settled), false);
        }
        for id in [waits, done] {
            let known = decisions.settle(id, at(1), report(1, LoginResult::Success, Some(Factor::Totp)));
            assert!(matches!(known, Settlement::Taken(_)), "{known:?}");
        }
    }

    #[test]
    fn a_ring_holds_the_newest() {
        let (ids, mut ring) = (ids(), Ring::new(3));
        let all: Vec<DecisionId> = std::iter::repeat_with(|| ids.decision(at(0))).take(5).collect();
        let settled = Settled { client: ClientTag(1), result: LoginResult::Success };
        all.iter().for_each(|id| ring.push(*id, settled));
        let found: Vec<bool> = all.iter().map(|id| ring.find(*id).is_some()).collect();
        assert_eq!((found, ring.entries.len()), (vec![false, false, true, true, true], 3));
    }

    #[test]
    fn an_expired_decision_cannot_be_settled() {
        let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
        decisions.keep(id, boxed(), true);
        let failure = report(1, LoginResult::Failure, None);
        assert_eq!(decisions.settle(id, at(901), failure), Settlement::Unknown);
        assert_eq!(decisions.settle(id, at(900), failure), Settlement::Taken(None));
    }

    #[test]
    fn ids_are_version_7_and_differ() {
        let ids = ids();
        let (a, b) = (ids.decision(at(0)), ids.decision(at(0)));
        assert_ne!(a, b);
        assert_eq!(DecisionId::parse(&a.to_string()), Some(a));
        assert_eq!(a.to_string().as_bytes().get(14), Some(&b'7'));
        assert_eq!(DecisionId::parse("no-id"), None);
    }
}
