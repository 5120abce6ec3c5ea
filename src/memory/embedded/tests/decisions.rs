//! Decisions over a crash: those that wait, their outcomes, and what is left of them.

use super::*;
use crate::event::{Factor, FactorSet};
use crate::memory::decisions::tests::{at, given, ids, pending, settled};
use crate::memory::decisions::{ClientTag, Label, LoginResult, Pending};

pub(super) const PASSED: Report = Report {
    client: ClientTag(1),
    result: LoginResult::Success,
    factor: Some(Factor::Totp),
    verified_here: FactorSet::EMPTY,
};
const FRAUD: Feedback = Feedback { client: ClientTag(1), by_operator: false, label: Label::Fraud };

pub(super) fn waiting(number: u128) -> Decision {
    Decision::Pending(Box::new(Pending { given: given(number), ..pending() }))
}

impl Bench {
    pub(super) fn settle(&self, memory: &Embedded, id: DecisionId) -> Result<Settlement, MemoryError> {
        self.runtime.block_on(memory.settle(id, at(10), PASSED))
    }

    fn label(&self, memory: &Embedded, id: DecisionId) -> Result<Settlement, MemoryError> {
        self.runtime.block_on(memory.label(id, at(20), FRAUD))
    }
}

#[test]
fn a_decision_waits_over_a_crash_and_its_outcome_outlives_the_next() {
    let (bench, ids) = (Bench::new(), ids());
    let [first, second, third] = [1, 2, 3].map(|second| ids.decision(at(second)));
    let memory = bench.started();
    memory.keep(first, waiting(1), false).expect("there is room");
    memory.keep(second, settled(given(2)), false).expect("there is room");
    bench.kept(&memory, UserKey(1)).expect("the disk is well");
    memory.keep(third, waiting(3), false).expect("there is room");
    crash(&bench, memory);

    let memory = bench.started();
    assert_eq!(memory.counts().pending, 1, "nobody waited for the third");
    assert_eq!(bench.settle(&memory, third).expect("the disk is well"), Settlement::Unknown);
    assert_eq!(bench.settle(&memory, first).expect("the disk is well"), Settlement::Taken);
    let labelled = bench.label(&memory, second).expect("the disk is well");
    assert!(matches!(labelled, Settlement::Labelled(_)));
    crash(&bench, memory);

    let memory = bench.started();
    assert_eq!(memory.counts(), Counts { users: 2, pending: 0 });
    assert_eq!(bench.settle(&memory, first).expect("the disk is well"), Settlement::Taken, "the same again");
    let failed = Report { result: LoginResult::Failure, ..PASSED };
    let other = bench.runtime.block_on(memory.settle(first, at(30), failed)).expect("the disk is well");
    assert!(matches!(other, Settlement::Refused(_)));
    let marked = memory.visit(UserKey(2), |history| (history.is_some_and(|it| it.fraud_labelled().is_some()), None));
    assert!(marked.expect("it is in memory"));
}

#[test]
fn no_name_is_on_the_disk_in_clear_and_an_erased_user_has_no_decisions() {
    let (bench, ids) = (Bench::new(), ids());
    let memory = bench.started();
    for number in 0..40 {
        memory.keep(ids.decision(at(number)), waiting(u128::from(number % 4)), false).expect("there is room");
    }
    bench.erase(&memory, UserKey(2)).expect("the disk is well");
    memory.keep(ids.decision(at(41)), waiting(2), false).expect("there is room");
    crash(&bench, memory);
    let bytes = std::fs::read(bench.file()).expect("a file");
    assert!(!bytes.windows(5).any(|window| window == b"user-"));
    let memory = bench.started();
    assert_eq!(memory.counts().pending, 30, "all but those of one user");
    memory.close().expect("the disk is well");
    drop(memory);
    assert_eq!(bench.started().counts().pending, 30);
}

#[test]
fn the_store_has_as_many_decisions_as_memory_and_none_that_is_too_old() {
    let (mut bench, ids) = (Bench::new(), ids());
    (bench.settings.pending_max, bench.settings.decisions_max) = (Bounded::of::<16>(), Bounded::of::<512>());
    let count = |memory: &Embedded| {
        let mut count = 0;
        let store = memory.shared.store().expect("it is open");
        store.decisions(|_, _, _| count += 1).expect("it can be read");
        count
    };
    let memory = bench.started();
    let all: Vec<DecisionId> = (0..10).map(|day| ids.decision(at(day * 86_400))).collect();
    for id in &all {
        (0..80).for_each(|_| memory.keep(ids.decision(id.time()), settled(given(1)), true).expect("there is room"));
        bench.kept(&memory, UserKey(1)).expect("the disk is well");
    }
    assert_eq!(count(&memory), 528);
    memory.age(at(38 * 86_400), &RetentionDays::default());
    memory.keep(ids.decision(at(38 * 86_400)), settled(given(1)), true).expect("there is room");
    bench.kept(&memory, UserKey(1)).expect("the disk is well");
    assert_eq!(count(&memory), 161, "of the last two days that count, and the new one");
}

/// As a flood of names that nobody has: they are asked for a factor, and are not heard of again.
#[test]
fn strangers_take_no_place_in_memory_or_on_the_disk() {
    let (mut bench, ids) = (Bench::new(), ids());
    (bench.settings.pending_max, bench.settings.decisions_max) = (Bounded::of::<256>(), Bounded::of::<256>());
    let memory = bench.started();
    let mut file_bytes = Vec::new();
    for round in 0..6_u32 {
        for number in 0..2_000 {
            let user = u128::from(round * 2_000 + number) << 64;
            let seen = memory.visit(UserKey(user), |history| (history.is_some(), Some(Lesson::Unfinished(at(round)))));
            assert!(matches!(seen, Ok(false)));
            memory.keep(ids.decision(at(round)), waiting(user), false).expect("there is room");
        }
        memory.sweep(at(round));
        assert_eq!(memory.counts().users, 0);
        assert!(memory.counts().pending <= 256 + 16, "{:?}", memory.counts());
        bench.kept(&memory, UserKey(1)).expect("the disk is well");
        assert_eq!(memory.shared.changes.len(), 0);
        file_bytes.push(std::fs::metadata(bench.file()).expect("a file").len());
    }
    assert_eq!(memory.shared.store().map(|store| store.users().ok()), Some(Some(0)));
    // Pages that became free are used again.
    assert!(file_bytes[5] <= 2 * file_bytes[1], "{file_bytes:?}");
}

#[test]
fn a_device_that_was_forgotten_is_not_learnt_from_a_decision_that_waited_over_a_crash() {
    let (bench, ids) = (Bench::new(), ids());
    let device = DeviceTag(7);
    let login = Login { device: Some(device), ..Login::bare(NOW_S) };
    let decision = Pending { given: crate::memory::decisions::Given { login, ..given(1) }, ..pending() };
    let id = ids.decision(at(0));
    let memory = bench.started();
    memory.keep(id, Decision::Pending(Box::new(decision)), false).expect("there is room");
    bench.runtime.block_on(memory.forget_device(UserKey(1), device)).expect("the disk is well");
    crash(&bench, memory);
    let memory = bench.started();
    assert_eq!(bench.settle(&memory, id).expect("the disk is well"), Settlement::Taken);
    let devices = memory.visit(UserKey(1), |history| (history.map(|it| it.devices().count()), None));
    assert_eq!(devices.expect("it is in memory"), Some(0));
}
