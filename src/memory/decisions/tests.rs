use super::tables::{Ring, SHARDS};
use super::*;
use crate::keyed_hash::HashKey;
use std::convert::Infallible;

const NOW_S: u32 = 1_790_000_000;

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + seconds)
}

fn login() -> Login {
    Login::bare(NOW_S)
}

fn pending() -> Pending {
    Pending {
        user: UserKey(1),
        client: ClientTag(1),
        login: login(),
        first_factor: FirstFactor::Pwd,
        offered: FactorSet::EMPTY.with(Factor::Totp),
        demanded: true,
        teaches: Teaches::WithFactor,
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

/// Settles, and gives what was learnt, too.
fn settle(decisions: &Decisions, id: DecisionId, now: Timestamp, report: Report) -> (Settlement, Option<Lesson>) {
    let mut learnt = None;
    let settlement = decisions.settle(id, now, report, |user, lesson| {
        assert_eq!(user, UserKey(1));
        learnt = Some(*lesson);
        Ok::<(), Infallible>(())
    });
    let Ok(settlement) = settlement;
    (settlement, learnt)
}

fn completed(proof: Proof) -> Option<Lesson> {
    Some(Lesson::Completed(Login { proof, ..login() }))
}

#[test]
fn a_success_needs_a_factor_that_was_offered_and_only_its_own_client_may_tell() {
    let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
    decisions.keep(id, boxed(), true);
    let success = LoginResult::Success;
    let settle = |report| settle(&decisions, id, at(1), report);
    let refused = |refusal| (Settlement::Refused(refusal), None);
    assert_eq!(settle(report(2, success, Some(Factor::Totp))), refused(Refusal::OtherClient));
    assert_eq!(settle(report(1, success, None)), refused(Refusal::FactorMissing));
    assert_eq!(settle(report(1, success, Some(Factor::Sms))), refused(Refusal::FactorNotOffered));
    assert_eq!(settle(report(1, success, Some(Factor::Totp))), (Settlement::Taken, completed(Proof::Factor)));
    assert_eq!(settle(report(1, success, None)), (Settlement::Taken, None), "again: nothing is learnt twice");
    assert_eq!(settle(report(1, LoginResult::Failure, None)), refused(Refusal::AlreadySettled));
    assert_eq!(settle(report(2, success, None)), refused(Refusal::OtherClient));
    assert_eq!(decisions.pending(), 0);
}

#[test]
fn what_cannot_be_learnt_is_not_settled() {
    let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
    decisions.keep(id, boxed(), true);
    let success = report(1, LoginResult::Success, Some(Factor::Totp));
    assert_eq!(decisions.settle(id, at(1), success, |_, _| Err("the store is away")), Err("the store is away"));
    assert_eq!(settle(&decisions, id, at(2), success), (Settlement::Taken, completed(Proof::Factor)), "told again");
}

#[test]
fn what_a_success_teaches_depends_on_what_it_proved() {
    let settle = |held: &Pending, factor| held.settle(report(1, LoginResult::Success, factor));
    let allowed = Pending { offered: FactorSet::EMPTY, ..pending() };
    assert_eq!(settle(&allowed, None), Ok(None), "an allow at low confidence");
    assert_eq!(settle(&allowed, Some(Factor::Webauthn)), Ok(completed(Proof::Strong)));
    let passkey = Pending { first_factor: FirstFactor::Passkey, ..allowed };
    assert_eq!(settle(&passkey, None), Ok(completed(Proof::Factor)));
    let phished = Pending { teaches: Teaches::WithPhishingResistantFactor, ..pending() };
    assert_eq!(settle(&phished, Some(Factor::Totp)), Ok(None), "a code can be passed on");
    let offered = FactorSet::EMPTY.with(Factor::Webauthn);
    assert_eq!(settle(&Pending { offered, ..phished }, Some(Factor::Webauthn)), Ok(completed(Proof::Strong)));
}

#[test]
fn a_demand_left_unmet_is_told_at_its_end() {
    let unfinished = Some(Lesson::Unfinished(at(0)));
    let failure = |held: &Pending| held.settle(report(1, LoginResult::Failure, None));
    assert_eq!(failure(&pending()), Ok(unfinished));
    assert_eq!(failure(&Pending { demanded: false, ..pending() }), Ok(None), "nothing was asked");
    let (ids, decisions) = (ids(), Decisions::new(SHARDS, SHARDS));
    decisions.keep(ids.decision(at(0)), boxed(), true);
    assert_eq!(decisions.sweep(at(900)), []);
    assert_eq!(
        decisions.sweep(at(901)).into_iter().map(|(_, lesson)| lesson).collect::<Vec<_>>(),
        Vec::from_iter(unfinished)
    );
    for _ in 0..1000 {
        decisions.keep(ids.decision(at(0)), boxed(), true);
    }
    assert_eq!(decisions.sweep(at(0)).len(), SHARDS, "pushed out counts as expired, and is bounded");
}

#[test]
fn who_may_label_what() {
    let (ids, decisions) = (ids(), Decisions::new(100, 100));
    let (waits, done) = (ids.decision(at(0)), ids.decision(at(0)));
    decisions.keep(waits, boxed(), true);
    decisions.keep(done, Decision::Settled(pending().settled(LoginResult::Success)), true);
    let label = |id, client, by_operator, label| {
        let mut learnt = None;
        let feedback = Feedback { client: ClientTag(client), by_operator, label };
        let labelled = decisions.label(id, at(5), feedback, |_, lesson| {
            learnt = Some(*lesson);
            Ok::<(), Infallible>(())
        });
        let Ok(settlement) = labelled;
        (settlement, learnt)
    };
    let fraud = Some(Lesson::Fraud { login: login(), labelled: at(5) });
    let legitimate = |by_operator| Some(Lesson::Legitimate { login: login(), by_operator });
    let refused = |refusal| (Settlement::Refused(refusal), None);
    for (id, client, by_operator, said, expected) in [
        (waits, 1, false, Label::Fraud, (Settlement::Taken, fraud)),
        (done, 1, false, Label::Fraud, (Settlement::Taken, fraud)),
        (done, 2, false, Label::Fraud, refused(Refusal::OtherClient)),
        (done, 2, true, Label::Fraud, (Settlement::Taken, fraud)),
        (done, 1, false, Label::Legitimate, (Settlement::Taken, legitimate(false))),
        (waits, 1, false, Label::Legitimate, refused(Refusal::NotCompleted)),
        (waits, 1, true, Label::Legitimate, (Settlement::Taken, legitimate(true))),
        (ids.decision(at(0)), 1, true, Label::Fraud, (Settlement::Unknown, None)),
    ] {
        assert_eq!(label(id, client, by_operator, said), expected, "{client} {by_operator} {said:?}");
    }
}

#[test]
fn bounded_and_expired_ones_go() {
    let (ids, decisions) = (ids(), Decisions::new(SHARDS, SHARDS));
    for _ in 0..10_000 {
        decisions.keep(ids.decision(at(0)), boxed(), false);
    }
    assert_eq!(decisions.pending(), SHARDS, "one a shard, whatever came");
    let _overdue = decisions.sweep(at(900));
    assert_eq!(decisions.pending(), SHARDS);
    let _expired = decisions.sweep(at(901));
    assert_eq!(decisions.pending(), 0);
}

#[test]
fn strangers_never_push_out_users_with_a_history() {
    let (ids, decisions) = (ids(), Decisions::new(4 * SHARDS, 4 * SHARDS));
    let settled = pending().settled(LoginResult::Success);
    let (waits, done) = (ids.decision(at(0)), ids.decision(at(0)));
    decisions.keep(waits, boxed(), true);
    decisions.keep(done, Decision::Settled(settled), true);
    for _ in 0..1000 {
        decisions.keep(ids.decision(at(0)), boxed(), false);
        decisions.keep(ids.decision(at(0)), Decision::Settled(settled), false);
    }
    for id in [waits, done] {
        let (known, _) = settle(&decisions, id, at(1), report(1, LoginResult::Success, Some(Factor::Totp)));
        assert_eq!(known, Settlement::Taken);
    }
}

#[test]
fn a_ring_holds_the_newest() {
    let (ids, mut ring) = (ids(), Ring::new(3));
    let all: Vec<DecisionId> = std::iter::repeat_with(|| ids.decision(at(0))).take(5).collect();
    let settled = pending().settled(LoginResult::Success);
    all.iter().for_each(|id| ring.push(*id, settled));
    let found: Vec<bool> = all.iter().map(|id| ring.find(*id).is_some()).collect();
    assert_eq!((found, ring.entries.len()), (vec![false, false, true, true, true], 3));
}

#[test]
fn an_expired_decision_cannot_be_settled() {
    let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
    decisions.keep(id, boxed(), true);
    let failure = report(1, LoginResult::Failure, None);
    assert_eq!(settle(&decisions, id, at(901), failure), (Settlement::Unknown, None));
    assert_eq!(settle(&decisions, id, at(900), failure), (Settlement::Taken, Some(Lesson::Unfinished(at(0)))));
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
