use super::tables::{Ring, SHARDS};
use super::*;
use crate::clock::DAY_MS;
use crate::keyed_hash::{DeviceTag, HashKey, UserKey};
use crate::privacy::RetentionDays;
use crate::signals::{Code, Signal};
use crate::units::Confidence;
use crate::verdict::aggregate::Aggregator;
use crate::verdict::{Action, DecidedBy, Mode};
use std::convert::Infallible;

const NOW_S: u32 = 1_790_000_000;

pub(in crate::memory) fn at(seconds: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + seconds)
}

pub(in crate::memory) fn login() -> Login {
    Login::bare(NOW_S)
}

/// What is kept of a challenge of the `number`th user.
pub(in crate::memory) fn given(number: u128) -> Given {
    Given {
        user: UserKey(number),
        name: Name::new("default", &format!("user-{number}")),
        client: ClientTag(1),
        login: login(),
        ip: None,
        codes: [Code::InitialLogin; Signal::ALL.len()],
        action: Action::Challenge,
        would_be: Action::Challenge,
        mode: Mode::Enforce,
        confidence: Confidence::Low,
        decided_by: DecidedBy::Aggregator(Aggregator::Strict),
    }
}

pub(in crate::memory) fn settled(given: Given) -> Decision {
    Decision::Settled(Settled { given, result: Some(LoginResult::Success), factor: None })
}

pub(in crate::memory) fn pending() -> Pending {
    Pending {
        given: given(1),
        first_factor: FirstFactor::Pwd,
        offered: FactorSet::EMPTY.with(Factor::Totp),
        demanded: true,
        teaches: Teaches::WithFactor,
        visit: None,
        expires: at(900),
        forgets_device: false,
    }
}

fn boxed() -> Decision {
    Decision::Pending(Box::new(pending()))
}

pub(in crate::memory) fn ids() -> IdSource {
    IdSource::new(HashKey::fixed([1; 16]))
}

pub(in crate::memory) fn report(client: u64, result: LoginResult, factor: Option<Factor>) -> Report {
    Report { client: ClientTag(client), result, factor, verified_here: FactorSet::EMPTY }
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

/// What is learnt of what has expired.
fn swept(decisions: &Decisions, now: Timestamp) -> Vec<Lesson> {
    let mut lessons = Vec::new();
    decisions.sweep(now, |_, lesson| lessons.push(*lesson));
    lessons
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
    assert_eq!(swept(&decisions, at(900)), []);
    assert_eq!(swept(&decisions, at(901)), Vec::from_iter(unfinished));
    for _ in 0..1000 {
        decisions.keep(ids.decision(at(0)), boxed(), true);
    }
    assert_eq!(swept(&decisions, at(0)).len(), SHARDS, "pushed out counts as expired, and is bounded");
}

#[test]
fn who_may_label_what() {
    let (ids, decisions) = (ids(), Decisions::new(100, 100));
    let (waits, done) = (ids.decision(at(0)), ids.decision(at(0)));
    decisions.keep(waits, boxed(), true);
    decisions.keep(done, settled(given(1)), true);
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
    let said = || Settlement::Labelled(given(1).name);
    for (id, client, by_operator, said, expected) in [
        (waits, 1, false, Label::Fraud, (said(), fraud)),
        (done, 1, false, Label::Fraud, (said(), fraud)),
        (done, 2, false, Label::Fraud, refused(Refusal::OtherClient)),
        (done, 2, true, Label::Fraud, (said(), fraud)),
        (done, 1, false, Label::Legitimate, (said(), legitimate(false))),
        (waits, 1, false, Label::Legitimate, refused(Refusal::NotCompleted)),
        (waits, 1, true, Label::Legitimate, (said(), legitimate(true))),
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
    swept(&decisions, at(900));
    assert_eq!(decisions.pending(), SHARDS);
    swept(&decisions, at(901));
    assert_eq!(decisions.pending(), 0);
}

#[test]
fn strangers_never_push_out_users_with_a_history() {
    let (ids, decisions) = (ids(), Decisions::new(4 * SHARDS, 4 * SHARDS));
    let (waits, done) = (ids.decision(at(0)), ids.decision(at(0)));
    decisions.keep(waits, boxed(), true);
    decisions.keep(done, settled(given(1)), true);
    for _ in 0..1000 {
        decisions.keep(ids.decision(at(0)), boxed(), false);
        decisions.keep(ids.decision(at(0)), settled(given(1)), false);
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
    for held in 1..=all.len() {
        ring.push(all[held - 1], pending().into_settled(None, None));
        let found: Vec<bool> = all.iter().map(|id| ring.find(*id).is_some()).collect();
        let expected: Vec<bool> = (0..all.len()).map(|at| at < held && at + 3 >= held).collect();
        assert_eq!(found, expected, "after {held}");
    }
}

#[test]
fn an_expired_decision_cannot_be_settled() {
    let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
    decisions.keep(id, boxed(), true);
    let failure = report(1, LoginResult::Failure, None);
    assert_eq!(settle(&decisions, id, at(901), failure), (Settlement::Unknown, None));
    assert_eq!(settle(&decisions, id, at(900), failure), (Settlement::Taken, Some(Lesson::Unfinished(at(0)))));
}

/// Whichever way the clock goes: what is over does not wait again, and what waits is over an hour later at the latest.
#[test]
fn a_clock_that_jumps_by_an_hour_makes_nothing_valid_again() {
    let (decisions, ids) = (Decisions::new(1_024, 1_024), ids());
    let id = ids.decision(at(3_600));
    decisions.keep(id, Decision::Pending(Box::new(Pending { expires: at(4_500), ..pending() })), true);
    // Set forward.
    assert_eq!(swept(&decisions, at(4_501 + 3_600)).len(), 1);
    // And back, to before it was made.
    for back_s in [0, 3_600, 4_499] {
        let passed = report(1, LoginResult::Success, Some(Factor::Totp));
        let (settlement, learnt) = settle(&decisions, id, at(back_s), passed);
        assert!(!matches!(settlement, Settlement::Counted(_)) && learnt.is_none(), "{back_s} s: {settlement:?}");
        assert!(swept(&decisions, at(back_s)).is_empty(), "it is learnt once to be unmet");
    }
    let later = ids.decision(at(0));
    decisions.keep(later, Decision::Pending(Box::new(Pending { expires: at(900), ..pending() })), true);
    assert!(swept(&decisions, at(900)).is_empty());
    let passed = report(1, LoginResult::Success, Some(Factor::Totp));
    assert!(settle(&decisions, later, at(0), passed).1.is_some(), "who comes in time is in time");
}

#[test]
fn a_decision_left_to_expire_is_kept_for_a_label_and_takes_no_outcome() {
    let (decisions, id) = (Decisions::new(100, 100), ids().decision(at(0)));
    decisions.keep(id, boxed(), true);
    swept(&decisions, at(901));
    for result in [LoginResult::Success, LoginResult::Failure, LoginResult::Abandoned] {
        assert_eq!(settle(&decisions, id, at(902), report(1, result, None)), (Settlement::Unknown, None));
    }
    let feedback = Feedback { client: ClientTag(1), by_operator: false, label: Label::Fraud };
    assert_eq!(
        decisions.label(id, at(902), feedback, |_, _| Ok::<(), Infallible>(())),
        Ok(Settlement::Labelled(given(1).name))
    );
}

#[test]
fn decisions_go_when_their_days_are_over() {
    let (ids, decisions) = (ids(), Decisions::new(100, 100));
    let ms_later = |ms| Timestamp::from_unix_ms(at(0).unix_ms() + ms).unwrap_or(at(0));
    let made: Vec<DecisionId> = (0..3).map(|ms| ids.decision(ms_later(ms))).collect();
    decisions.keep(made[0], boxed(), true);
    for (id, is_known) in [(made[0], false), (made[1], true), (made[2], false)] {
        decisions.keep(id, settled(given(1)), is_known);
    }
    let label = |id, now| {
        let feedback = Feedback { client: ClientTag(1), by_operator: false, label: Label::Fraud };
        decisions.label(id, now, feedback, |_, _| Ok::<(), Infallible>(())).unwrap_or(Settlement::Unknown)
    };
    let days = RetentionDays::default();
    for (later_ms, expected) in [(0, [true; 3]), (1, [false, true, true]), (2, [false, false, true]), (3, [false; 3])] {
        let now = ms_later(30 * DAY_MS + later_ms);
        decisions.age(now, &days);
        let kept: Vec<bool> = made.iter().map(|id| label(*id, now) == Settlement::Labelled(given(1).name)).collect();
        assert_eq!(kept, expected, "30 days and {later_ms} ms");
    }
    assert_eq!(decisions.pending(), 0);
}

#[test]
fn a_device_forgotten_meanwhile_is_not_learnt_by_an_outcome_that_was_awaited() {
    let login = Login { device: Some(DeviceTag(7)), ..login() };
    let waits = Pending { forgets_device: true, given: Given { login, ..given(1) }, ..pending() };
    let learnt = waits.settle(report(1, LoginResult::Success, Some(Factor::Totp)));
    assert_eq!(learnt, Ok(completed(Proof::Factor)), "the rest is learnt");
}

/// The figures of config.toml: a decision in its table, with its id there and in the queue.
#[test]
fn decisions_take_as_much_memory_as_is_said() {
    let id = size_of::<DecisionId>();
    let settled = size_of::<Option<Settled>>() + id;
    // Of places four in nine are taken, or more.
    let pending = size_of::<Pending>() + size_of::<Option<(DecisionId, Box<Pending>)>>() * 9 / 4 + 2 * id;
    assert!(settled <= 290 && pending <= 430, "{settled} and {pending} bytes");
}

#[test]
fn ids_are_version_7_and_differ() {
    let ids = ids();
    let (a, b) = (ids.decision(at(0)), ids.decision(at(0)));
    assert_ne!(a, b);
    assert_eq!(DecisionId::parse(&a.to_string()), Some(a));
    assert_eq!(a.to_string().as_bytes().get(14), Some(&b'7'));
    assert_eq!(DecisionId::parse("no-id"), None);
    let later = Timestamp::from_unix_ms(at(0).unix_ms() + 1);
    assert!(later.is_some_and(|later| a < ids.decision(later) && later > a.time()), "ids sort by time");
    assert_eq!(a.time(), at(0));
}
