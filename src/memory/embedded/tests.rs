//! What survives, and what is said when something does not.

mod backups;
mod damage;
mod decisions;
mod disk;
mod faults;
mod syncs;
mod vault;

use super::*;
use crate::bounded::Bounded;
use crate::history::Login;
use crate::keyed_hash::SecretError;
use disk::Disk;
use std::path::Path;
use tempfile::TempDir;

const NOW_S: u32 = 1_790_000_000;

/// A store in a directory of its own, on a disk that does what it is told.
struct Bench {
    directory: TempDir,
    disk: Arc<Disk>,
    settings: Settings,
    secrets: Secrets,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        // Nothing is written unless somebody waits, so that tests decide when.
        let settings =
            Settings { flush_ms: Bounded::of::<60_000>(), path: directory.path().join("state"), ..Settings::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { directory, disk: Arc::default(), settings, secrets: Secrets::new([5; 32], None), runtime }
    }

    fn start(&self) -> Result<Embedded, StartError> {
        let directory = StateDirectory::take(&self.settings.path, self.settings.must_exist)?;
        let place = Place::new(directory, self.settings.sync, self.secrets.clone(), Clock, self.disk.opener());
        Embedded::over(place, &self.settings, meters(), Clock, &|_, _| {}).map(|(memory, _)| memory)
    }

    fn started(&self) -> Embedded {
        self.start().expect("the store opens")
    }

    fn file(&self) -> std::path::PathBuf {
        self.settings.path.join("askance.redb")
    }

    fn user(&self, number: u32) -> UserKey {
        HashKey::fixed([5; 16]).user("default", &number.to_string())
    }

    /// Waits until what is known of a user is on the disk.
    fn kept(&self, memory: &Embedded, user: UserKey) -> Result<(), MemoryError> {
        self.runtime.block_on(told_in_time(memory.shared.desk.ask(Wanted::Kept(user, None))))
    }

    fn erase(&self, memory: &Embedded, user: UserKey) -> Result<(), MemoryError> {
        self.runtime.block_on(memory.erase(user))
    }

    /// Whether a user is known, be it from the store.
    fn knows(&self, memory: &Embedded, user: UserKey) -> bool {
        self.runtime.block_on(async {
            loop {
                match memory.visit(user, |history| (history.is_some(), None)) {
                    Ok(known) => return known,
                    Err(unvisited) => unvisited.fetched().await.expect("the store can be read"),
                }
            }
        })
    }
}

fn meters() -> StoreMeters {
    crate::telemetry::Meters::new().store
}

fn teach(memory: &Embedded, user: UserKey, time_s: u32) {
    let lesson = Lesson::Completed(Login { device: Some(DeviceTag(7)), ..Login::bare(time_s) });
    memory.visit(user, |_| ((), Some(lesson))).expect("the row is in memory");
}

/// A crash: what was not written is not, and nothing is put in order.
fn crash(bench: &Bench, memory: Embedded) {
    bench.disk.fail_write(0, true);
    bench.disk.fail_sync(0, true);
    drop(memory);
    bench.disk.mend();
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("a file can be copied");
}

#[test]
fn what_was_kept_is_there_after_a_crash_and_everything_after_a_stop() {
    let bench = Bench::new();
    let memory = bench.started();
    (0..3).for_each(|number| teach(&memory, bench.user(number), NOW_S));
    bench.kept(&memory, bench.user(0)).expect("the disk is well");
    teach(&memory, bench.user(3), NOW_S);
    crash(&bench, memory);
    let memory = bench.started();
    assert!((0..3).all(|number| bench.knows(&memory, bench.user(number))), "one group for all");
    assert!(!bench.knows(&memory, bench.user(3)), "nobody waited for this one");
    teach(&memory, bench.user(3), NOW_S);
    memory.close().expect("the disk is well");
    drop(memory);
    assert!(bench.knows(&bench.started(), bench.user(3)));
}

#[test]
fn an_erased_user_does_not_come_back_and_is_in_no_page_after_a_stop() {
    let bench = Bench::new();
    let memory = bench.started();
    (0..50).for_each(|number| teach(&memory, bench.user(number), NOW_S));
    bench.kept(&memory, bench.user(7)).expect("the disk is well");
    teach(&memory, bench.user(7), NOW_S + 1);
    bench.erase(&memory, bench.user(7)).expect("the disk is well");
    assert!(!bench.knows(&memory, bench.user(7)));
    teach(&memory, bench.user(8), NOW_S + 1);
    let tag = bench.user(7).0.to_le_bytes();
    let is_in_a_page = |bytes: &[u8]| bytes.windows(tag.len()).any(|window| window == tag);
    let crashed = bench.directory.path().join("crashed.redb");
    copy(&bench.file(), &crashed);
    assert!(is_in_a_page(&std::fs::read(&crashed).expect("a file")), "redb leaves freed pages as they are");
    memory.close().expect("the disk is well");
    drop(memory);
    assert!(!is_in_a_page(&std::fs::read(bench.file()).expect("a file")));
    let memory = bench.started();
    assert!(!bench.knows(&memory, bench.user(7)));
    assert_eq!(memory.counts().users, 49);
    crash(&bench, memory);
    std::fs::rename(&crashed, bench.file()).expect("a file can be renamed");
    assert!(!bench.knows(&bench.started(), bench.user(7)), "it was gone when that was said");
}

#[test]
fn users_beyond_the_bound_come_back_from_the_store() {
    let mut bench = Bench::new();
    bench.settings.users_max = Bounded::of::<16>();
    let memory = bench.started();
    for number in 0..200 {
        if number % 2 == 0 {
            bench.kept(&memory, bench.user(number)).expect("the disk is well");
            memory.sweep(Timestamp::from_unix_s(NOW_S));
        }
        teach(&memory, bench.user(number), NOW_S + number);
    }
    assert!((0..200).all(|number| bench.knows(&memory, bench.user(number))));
    assert!(!bench.knows(&memory, bench.user(200)), "a stranger is no reason to ask the store");
    bench.erase(&memory, bench.user(5)).expect("the disk is well");
    memory.close().expect("the disk is well");
    drop(memory);
    let memory = bench.started();
    assert_eq!(memory.counts().users, 199, "those that are in the store only are counted");
    for number in 0..200 {
        assert_eq!(bench.knows(&memory, bench.user(number)), number != 5, "{number}");
    }
}

#[test]
fn a_start_is_refused_with_what_is_to_be_done() {
    let told = |result: Result<Embedded, StartError>| result.err().map(|error| error.to_string()).unwrap_or_default();
    let mut bench = Bench::new();
    bench.settings.must_exist = true;
    assert!(told(bench.start()).contains("memory.must_exist"));
    assert!(!bench.settings.path.exists(), "nothing is made then");
    bench.settings.must_exist = false;
    let memory = bench.started();
    assert!(told(bench.start()).contains("another process"));
    teach(&memory, bench.user(1), NOW_S);
    drop(memory);
    bench.secrets = Secrets::new([6; 32], None);
    assert!(matches!(bench.start(), Err(StartError::Locked(_, SecretError::Foreign))));
    bench.secrets = Secrets::new([6; 32], Some([5; 32]));
    drop(bench.started());
    bench.secrets = Secrets::new([6; 32], None);
    bench.settings.must_exist = true;
    assert!(bench.knows(&bench.started(), bench.user(1)));
    for damage in [&b""[..], b"no store", &[0; 8192]] {
        std::fs::write(bench.file(), damage).expect("a file can be written");
        assert!(told(bench.start()).contains("damaged"), "{damage:?}");
        assert_eq!(std::fs::read(bench.file()).expect("a file"), damage, "it is left as it is");
    }
}

#[test]
fn one_group_serves_all_who_came_before_it_began() {
    let bench = Bench::new();
    let memory = bench.started();
    bench.disk.stall(true);
    let syncs = bench.disk.syncs.load(Ordering::Acquire);
    let told: Vec<Told> = (0..100)
        .map(|number| {
            teach(&memory, bench.user(number), NOW_S);
            memory.shared.desk.ask(Wanted::Kept(bench.user(number), None)).expect("the writer lives")
        })
        .collect();
    bench.disk.stall(false);
    for told in told {
        bench.runtime.block_on(told_in_time(Some(told))).expect("the disk is well");
    }
    let syncs = bench.disk.syncs.load(Ordering::Acquire) - syncs;
    assert!(syncs <= 2, "the first one, and all others behind it: {syncs}");
}
