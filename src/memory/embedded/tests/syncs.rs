//! What an fsync is worth: when the disk is waited for, under each `memory.sync`.

use super::*;
use crate::memory::embedded::backend::Durable;
use crate::memory::embedded::start::Access;
use crate::memory::embedded::store::{Batch, StoreFile};

const HOUR: Duration = Duration::from_secs(3_600);

/// How often the disk was waited for: by a commit, by the next one, by a look when nothing is to be written, by another one
/// when a sync is due, and by the end.
fn syncs(sync: Fsync) -> [usize; 5] {
    let (directory, disk) = (TempDir::new().expect("a temporary directory"), Arc::<Disk>::default());
    let medium = disk.opener()(&directory.path().join("store"), Access::Create).expect("it can be made");
    let durable = Durable::new(medium, sync, Clock);
    durable.sync_each(HOUR);
    let keys = Secrets::new([5; 32], None).unlock(None).expect("there is randomness").keep.expect("a new one has keys");
    let store = StoreFile::create(Arc::clone(&durable), &keys).expect("the disk is well");
    let mut seen = disk.syncs.load(Ordering::Acquire);
    let mut since = || {
        let before = std::mem::replace(&mut seen, disk.syncs.load(Ordering::Acquire));
        seen - before
    };
    let commit = |number: u128| {
        let batch = Batch { rows: vec![(UserKey(number), vec![7; 99].into())], decisions_max: 9, ..Batch::default() };
        store.write(&batch).expect("the disk is well");
    };
    let mut counts = [0; 5];
    commit(1);
    counts[0] = since();
    commit(2);
    counts[1] = since();
    durable.sync_what_is_due().expect("the disk is well");
    counts[2] = since();
    durable.sync_each(Duration::ZERO);
    durable.sync_what_is_due().expect("the disk is well");
    counts[3] = since();
    durable.sync_each(HOUR);
    commit(3);
    since();
    store.close().expect("the disk is well");
    counts[4] = since();
    counts
}

#[test]
fn the_disk_is_waited_for_as_often_as_the_policy_says() {
    let [first, second, idle, due, end] = syncs(Fsync::Always);
    assert_eq!([first, second], [1, 1], "once a commit: by its checksums one that a crash tore is told");
    assert!(end > 0, "and at the end");
    assert_eq!([idle, due], [0, 0], "nothing is owing");
    assert_eq!(syncs(Fsync::EverySec), [0, 0, 0, 1, 1], "once for all, when it is due; and at the end");
    assert_eq!(syncs(Fsync::Never), [0; 5], "that is the system's business");
}

#[test]
fn what_is_answered_under_a_weaker_sync_outlives_the_process() {
    for sync in [Fsync::EverySec, Fsync::Never] {
        let mut bench = Bench::new();
        bench.settings.sync = sync;
        let memory = bench.started();
        teach(&memory, bench.user(1), NOW_S);
        bench.kept(&memory, bench.user(1)).expect("the disk is well");
        crash(&bench, memory);
        assert!(bench.knows(&bench.started(), bench.user(1)), "{sync:?}");
    }
}
