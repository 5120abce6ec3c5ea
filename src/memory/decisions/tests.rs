use super::tables::{Ring, SHARDS};
use super::*;
use crate::keyed_hash::HashKey;

const NOW_S: u32 = 1_790_000_000;

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + seconds)
}

fn pending() -> Pending {
    let login =
        Login { time: at(0), device: None, agent: None, network: None, asn: None, place: None, factor_passed: false };
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
