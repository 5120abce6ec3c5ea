//! A disk that fails at any one point: what was acknowledged is there, and the service goes on.

use super::decisions::waiting;
use super::vault::record;
use super::*;
use crate::memory::decisions::tests::{at, ids};
use crate::memory::vault::Place;

/// What happens in each run; gives what was acknowledged.
struct Story {
    kept: Vec<UserKey>,
    erased: Option<UserKey>,
    settled: Vec<DecisionId>,
    /// Codes that were used.
    used: Vec<Place>,
}

fn live_through(bench: &Bench, memory: &Embedded) -> Story {
    let ids = ids();
    let code = Place::User(bench.user(10));
    let mut story = Story { kept: Vec::new(), erased: None, settled: Vec::new(), used: Vec::new() };
    let sent = bench.put(memory, code, None, record(b"sent"));
    let kept = bench.runtime.block_on(memory.kept(code, at(0)));
    if let (Ok(Put::Done), Ok(Some(Kept { version, .. }))) = (sent, kept)
        && matches!(bench.put(memory, code, Some(version), record(b"used")), Ok(Put::Done))
    {
        story.used.push(code);
    }
    for number in 0..2 {
        // Logins never fail, whatever the disk does.
        teach(memory, bench.user(number), NOW_S);
        if bench.kept(memory, bench.user(number)).is_ok() {
            story.kept.push(bench.user(number));
        }
        let id = ids.decision(at(number));
        memory.keep(id, waiting(u128::from(100 + number)), false).expect("there is room");
        if bench.settle(memory, id).is_ok() {
            story.settled.push(id);
        }
    }
    // What is not acknowledged may be done all the same.
    story.kept.retain(|user| *user != bench.user(0));
    if bench.erase(memory, bench.user(0)).is_ok() {
        story.erased = Some(bench.user(0));
    }
    story
}

/// Runs the story with a fault, lets the disk be well again, and looks after a crash at what is there. Gives whether the fault
/// came to pass.
fn check(fault: impl Fn(&Disk), what: &str) -> bool {
    let bench = Bench::new();
    let memory = bench.started();
    fault(&bench.disk);
    let story = live_through(&bench, &memory);
    let has_failed = bench.disk.has_failed();
    bench.disk.mend();
    // Whoever waits has it tried at once; otherwise the window decides.
    bench.kept(&memory, bench.user(9)).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!memory.is_degraded(), "{what}: it is well again by itself");
    let late = bench.user(8);
    teach(&memory, late, NOW_S);
    bench.kept(&memory, late).unwrap_or_else(|error| panic!("{what}: {error}"));
    crash(&bench, memory);

    let memory = bench.start().unwrap_or_else(|error| panic!("{what}: {error}"));
    for user in story.kept.iter().chain([&late]) {
        assert!(bench.knows(&memory, *user), "{what}: an acknowledged user is lost");
    }
    if let Some(user) = story.erased {
        assert!(!bench.knows(&memory, user), "{what}: an erased user is back");
    }
    for id in story.settled {
        let again = bench.settle(&memory, id).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(again, Settlement::Taken, "{what}: an acknowledged outcome is lost");
    }
    for code in story.used {
        let found = bench.content(&memory, code);
        assert_eq!(found.as_deref(), Some(&b"used"[..]), "{what}: a code that was used is good again");
    }
    has_failed
}

/// Every point of the story, once and for good, until the story has no such point any more.
fn check_all(kind: &str, fault: impl Fn(&Disk, usize, bool)) {
    for stays_broken in [false, true] {
        let mut count = 0;
        while check(|disk| fault(disk, count, stays_broken), &format!("{kind} {count}, for good: {stays_broken}")) {
            count += 1;
        }
        assert!(count >= 5, "there were but {count}: {kind}");
    }
}

#[test]
fn whichever_write_fails_nothing_acknowledged_is_lost() {
    check_all("write", Disk::fail_write);
}

#[test]
fn whichever_sync_fails_nothing_acknowledged_is_lost() {
    check_all("sync", Disk::fail_sync);
}

#[test]
fn while_the_disk_takes_nothing_logins_go_on_and_promises_are_refused() {
    let bench = Bench::new();
    let memory = bench.started();
    teach(&memory, bench.user(1), NOW_S);
    bench.kept(&memory, bench.user(1)).expect("the disk is well");
    bench.disk.fail_sync(0, true);
    teach(&memory, bench.user(2), NOW_S);
    assert!(bench.kept(&memory, bench.user(2)).is_err());
    assert!(memory.is_degraded());
    assert!(memory.condition().trouble.is_some_and(|why| why.contains("EIO")));
    let id = ids().decision(at(0));
    memory.keep(id, waiting(5), false).expect("there is room");
    assert!(matches!(bench.settle(&memory, id), Err(MemoryError::Unavailable(_))), "it waits on");
    assert_eq!(memory.counts().pending, 1);
    assert!(matches!(bench.erase(&memory, bench.user(1)), Err(MemoryError::Unavailable(_))));
    assert!(bench.knows(&memory, bench.user(1)) && bench.knows(&memory, bench.user(2)));
    assert!(memory.close().is_err(), "what is not written is told at the end");
}

/// After an outage more is to be written than one commit takes.
#[test]
fn who_was_given_another_key_in_an_outage_is_under_it_before_they_leave_the_old_one() {
    let bench = Bench::new();
    let memory = bench.started();
    let (from, to) = (bench.user(1), bench.user(2));
    teach(&memory, from, NOW_S);
    bench.kept(&memory, from).expect("the disk is well");
    bench.disk.fail_write(0, true);
    (10..30_000).for_each(|number| teach(&memory, bench.user(number), NOW_S));
    assert!(memory.adopt(from, to).is_ok(), "a login goes on");
    assert!(bench.kept(&memory, bench.user(3)).is_err());
    bench.disk.mend();
    bench.kept(&memory, bench.user(3)).expect("the disk is well");
    let store = memory.shared.store().expect("it is open");
    let has = |user| store.row(user).expect("it can be read").is_some();
    assert!(has(to) && !has(from), "by the first commit that went well");
}

#[test]
fn after_a_failed_sync_the_store_is_written_anew() {
    let bench = Bench::new();
    let memory = bench.started();
    teach(&memory, bench.user(1), NOW_S);
    bench.kept(&memory, bench.user(1)).expect("the disk is well");
    let inode = |bench: &Bench| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(bench.file()).expect("a file"));
    let before = inode(&bench);
    bench.disk.fail_sync(0, false);
    teach(&memory, bench.user(2), NOW_S);
    assert!(bench.kept(&memory, bench.user(2)).is_err(), "a sync that failed is no sync");
    assert_eq!(inode(&bench), before);
    bench.kept(&memory, bench.user(2)).expect("the disk is well");
    assert_ne!(inode(&bench), before, "pages of which nobody knows whether they reached the disk are left behind");
}
