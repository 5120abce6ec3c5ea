//! Records of the vault: one is put once, and what was acknowledged outlives whatever comes.

use super::*;
use crate::memory::embedded::backups::back_up;
use crate::memory::embedded::copy::WANTED;
use crate::memory::embedded::restore::restore;
use crate::memory::embedded::store::{Batch, StoreFile};
use crate::memory::embedded::vault::{ENDS, RECORDS};
use crate::memory::vault::{Place, Record};

/// Places that all threads race for, twice, and for how many of them at a time.
const RACES: u32 = 5_000;
const AT_ONCE: usize = 500;

pub(super) fn at(second: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + second)
}

pub(super) fn record(content: &[u8]) -> Option<Record> {
    Some(Record { content: content.into(), until: None })
}

fn record_until(content: &[u8], second: u32) -> Option<Record> {
    Some(Record { content: content.into(), until: Some(at(second)) })
}

impl Bench {
    pub(super) fn put(
        &self,
        memory: &Embedded,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
    ) -> Result<Put, MemoryError> {
        self.runtime.block_on(memory.put(place, over, record, at(0)))
    }

    /// What a record says, and its version.
    pub(super) fn look(&self, memory: &Embedded, place: Place) -> Option<(Box<[u8]>, Version)> {
        let kept = self.runtime.block_on(memory.kept(place, at(0))).expect("the disk can be read");
        kept.map(|kept| (kept.content, kept.version))
    }

    pub(super) fn content(&self, memory: &Embedded, place: Place) -> Option<Box<[u8]>> {
        self.look(memory, place).map(|(content, _)| content)
    }

    fn store_holds(&self, memory: &Embedded) -> (u64, bool) {
        let store = memory.shared.store().expect("it is open");
        (store.records().expect("it can be read"), store.has_ended(at(u32::MAX - NOW_S)).expect("it can be read"))
    }
}

fn says(content: &[u8]) -> Option<Box<[u8]>> {
    Some(content.into())
}

#[test]
fn a_record_is_put_over_what_was_read_and_outlives_a_crash() {
    let bench = Bench::new();
    let memory = bench.started();
    let [user, other] = [Place::User(bench.user(1)), Place::Other([1; 16])];
    for place in [user, other] {
        assert_eq!(bench.look(&memory, place), None);
        let put = |over, content: &[u8]| bench.put(&memory, place, over, record(content)).expect("the disk is well");
        assert_eq!((put(None, b"one"), put(None, b"two")), (Put::Done, Put::Changed));
        let (_, first) = bench.look(&memory, place).expect("it was put");
        assert_eq!((put(Some(first), b"three"), put(Some(first), b"four")), (Put::Done, Put::Changed));
    }
    crash(&bench, memory);
    let memory = bench.started();
    assert_eq!([user, other].map(|place| bench.content(&memory, place)), [says(b"three"), says(b"three")]);
    let (_, version) = bench.look(&memory, other).expect("it was put");
    let removed = bench.put(&memory, other, Some(version), None);
    assert_eq!(removed.ok(), Some(Put::Done));
    memory.close().expect("the disk is well");
    drop(memory);
    let memory = bench.started();
    assert_eq!([user, other].map(|place| bench.content(&memory, place)), [says(b"three"), None]);
}

/// All threads put over every version; each of them is told of its own.
#[test]
fn of_threads_that_race_for_one_version_exactly_one_is_done() {
    let mut bench = Bench::new();
    bench.settings.sync = Fsync::Never;
    let memory = bench.started();
    let place = |race: u32| Place::Other(u128::from(race).to_le_bytes());
    let race_all = |over: &[Option<Version>], content: &[u8]| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut done = Vec::new();
            for races in (0..RACES).collect::<Vec<_>>().chunks(AT_ONCE) {
                let mut puts: Vec<_> = races
                    .iter()
                    .map(|race| {
                        (*race, Box::pin(memory.put(place(*race), over[*race as usize], record(content), at(0))))
                    })
                    .collect();
                runtime.block_on(std::future::poll_fn(|context| {
                    puts.retain_mut(|(race, put)| match put.as_mut().poll(context) {
                        std::task::Poll::Pending => true,
                        std::task::Poll::Ready(told) => {
                            done.extend((told.expect("the disk is well") == Put::Done).then_some(*race));
                            false
                        }
                    });
                    if puts.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                }));
            }
            done
        };
        let mut done: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("it does not panic")).collect()
        });
        done.sort_unstable();
        assert!(done.iter().copied().eq(0..RACES), "{} of {RACES} were done", done.len());
    };
    race_all(&vec![None; RACES as usize], b"sent");
    let versions: Vec<_> =
        (0..RACES).map(|race| bench.look(&memory, place(race)).map(|(_, version)| version)).collect();
    race_all(&versions, b"used");
    assert!((0..RACES).step_by(97).all(|race| bench.content(&memory, place(race)) == says(b"used")));
}

#[test]
fn what_has_ended_is_not_there_and_goes_from_the_disk() {
    let bench = Bench::new();
    let memory = bench.started();
    let [short, long, never] = [1, 2, 3].map(|number| Place::Other([number; 16]));
    let put = |place, over, record| {
        assert_eq!(bench.put(&memory, place, over, record).expect("the disk is well"), Put::Done);
    };
    put(short, None, record_until(b"short", 10));
    put(long, None, record_until(b"long", 10));
    put(never, None, record(b"never"));
    let (_, version) = bench.look(&memory, long).expect("it was put");
    put(long, Some(version), record_until(b"long", 1_000));
    let kept = |place, second| bench.runtime.block_on(memory.kept(place, at(second))).expect("the disk can be read");
    assert!(kept(short, 10).is_some() && kept(short, 11).is_none(), "good at exactly its last moment");
    let anew = bench.runtime.block_on(memory.put(short, None, record_until(b"anew", 20), at(11)));
    assert_eq!(anew.ok(), Some(Put::Done), "what has ended is none");
    let sweep = |second, left| {
        memory.sweep(at(second));
        bench.kept(&memory, bench.user(0)).expect("the disk is well");
        assert_eq!(bench.store_holds(&memory), left, "after {second} s");
    };
    sweep(0, (3, true));
    sweep(30, (3, true));
    sweep(80, (2, true));
    assert!(kept(long, 80).is_some());
    sweep(2_000, (1, false));
    assert!(kept(never, 2_000).is_some());
}

#[test]
fn what_belongs_to_a_user_goes_with_them() {
    let mut bench = Bench::new();
    let memory = bench.started();
    let [before, erased] = [1, 2].map(|number| bench.user(number));
    for (user, until) in [(before, None), (erased, Some(at(1_000)))] {
        let record = Some(Record { content: b"factors".as_slice().into(), until });
        assert_eq!(bench.put(&memory, Place::User(user), None, record).ok(), Some(Put::Done));
    }
    let other = Place::Other(erased.0.to_le_bytes());
    assert_eq!(bench.put(&memory, other, None, record(b"of nobody")).ok(), Some(Put::Done));
    bench.erase(&memory, erased).expect("the disk is well");
    assert_eq!(bench.content(&memory, Place::User(erased)), None);
    assert_eq!(bench.content(&memory, other), says(b"of nobody"));
    assert_eq!(bench.store_holds(&memory), (2, false));
    memory.close().expect("the disk is well");
    drop(memory);

    bench.secrets = Secrets::new([6; 32], Some([5; 32]));
    let memory = bench.started();
    let after = bench.user(3);
    assert_eq!(bench.content(&memory, Place::User(after)), None, "nobody said yet who they are");
    bench.disk.fail_sync(0, true);
    assert!(memory.adopt(before, after).is_ok(), "a login goes on");
    assert!(
        bench.runtime.block_on(memory.kept(Place::User(after), at(0))).is_err(),
        "that they have none is not said before it is known"
    );
    bench.disk.mend();
    bench.kept(&memory, after).expect("the disk is well");
    assert!(memory.adopt(before, after).is_ok());
    assert_eq!(bench.content(&memory, Place::User(after)), says(b"factors"));
    assert_eq!(bench.content(&memory, Place::User(before)), None);
    assert!(memory.adopt(before, after).is_ok(), "once more is the same");
    crash(&bench, memory);
    let memory = bench.started();
    assert_eq!(bench.content(&memory, Place::User(after)), says(b"factors"), "even if nobody had waited");
    bench.erase(&memory, after).expect("the disk is well");
    assert_eq!(bench.content(&memory, Place::User(after)), None);
}

#[test]
fn while_the_disk_takes_nothing_a_record_stays_as_it_is() {
    let bench = Bench::new();
    let memory = bench.started();
    let place = Place::User(bench.user(1));
    assert_eq!(bench.put(&memory, place, None, record(b"sent")).ok(), Some(Put::Done));
    let (_, version) = bench.look(&memory, place).expect("it was put");
    bench.disk.fail_write(0, true);
    for _ in 0..2 {
        let refused = bench.put(&memory, place, Some(version), record(b"used"));
        assert!(matches!(refused, Err(MemoryError::Unavailable(_))), "{refused:?}");
    }
    assert!(memory.is_degraded());
    let kept = bench.runtime.block_on(memory.kept(place, at(0)));
    assert!(kept.is_err() || kept.is_ok_and(|kept| kept.is_some_and(|kept| &*kept.content == b"sent")));
    bench.disk.mend();
    bench.kept(&memory, bench.user(1)).expect("the disk is well");
    assert_eq!(bench.content(&memory, place), says(b"sent"), "a put that was refused is not done later");
}

#[test]
fn backups_have_the_vault_without_those_who_were_erased_since() {
    let bench = Bench::new();
    let memory = bench.started();
    let [first, second, other] = [Place::User(bench.user(1)), Place::User(bench.user(2)), Place::Other([9; 16])];
    for place in [first, second, other] {
        let put = bench.put(&memory, place, None, record_until(b"secret of somebody", 4_000_000));
        assert_eq!(put.ok(), Some(Put::Done));
    }
    let (_, version) = bench.look(&memory, second).expect("it was put");
    let backup = bench.runtime.block_on(memory.back_up()).expect("the disk is well").file;
    bench.erase(&memory, bench.user(1)).expect("the disk is well");
    bench.runtime.block_on(memory.back_up()).expect("the disk is well");
    memory.close().expect("the disk is well");
    drop(memory);
    let directory = StateDirectory::take(&bench.settings.path, false).expect("nobody has it");
    restore(directory, (&bench.settings, &bench.secrets, Clock), Some(&backup), true, WANTED).expect("it is good");
    let memory = bench.started();
    assert_eq!(bench.content(&memory, first), None);
    assert_eq!(bench.content(&memory, other), says(b"secret of somebody"));
    assert_eq!(bench.look(&memory, second), Some((b"secret of somebody".as_slice().into(), version)));
    assert_eq!(bench.store_holds(&memory), (2, true), "they end when they were to");
}

/// As the version before it left it.
#[test]
fn a_store_of_the_second_format_is_read_and_backed_up_as_it_is_and_gets_a_vault_when_it_is_opened() {
    let bench = Bench::new();
    let memory = bench.started();
    teach(&memory, bench.user(1), NOW_S);
    bench.kept(&memory, bench.user(1)).expect("the disk is well");
    {
        let store = memory.shared.store().expect("it is open");
        let write = store.begin_write().expect("the disk is well");
        write.delete_table(RECORDS).expect("it is there");
        write.delete_table(ENDS).expect("it is there");
        let mut meta = write.open_table(store::META).expect("it is there");
        meta.insert("format", 2_u32.to_le_bytes().as_slice()).expect("the disk is well");
        drop(meta);
        write.commit().expect("the disk is well");
    }
    memory.close().expect("the disk is well");
    drop(memory);
    let old = std::fs::read(bench.file()).expect("a file");
    let directory = StateDirectory::take(&bench.settings.path, true).expect("nobody has it");
    let made = back_up(directory, &bench.settings, &bench.secrets, Clock, WANTED).expect("it is good");
    assert!(std::fs::read(bench.file()).expect("a file") == old, "looking changes nothing");
    let use_it = |bench: &Bench| {
        let memory = bench.started();
        assert!(bench.knows(&memory, bench.user(1)));
        assert_eq!(memory.shared.store().and_then(|store| StoreFile::format(&store).ok()), Some(store::FORMAT_NOW));
        assert_eq!(bench.put(&memory, Place::User(bench.user(1)), None, record(b"factors")).ok(), Some(Put::Done));
        crash(bench, memory);
        assert_eq!(bench.content(&bench.started(), Place::User(bench.user(1))), says(b"factors"));
    };
    use_it(&bench);
    let directory = StateDirectory::take(&bench.settings.path, false).expect("nobody has it");
    restore(directory, (&bench.settings, &bench.secrets, Clock), Some(&made.file), true, WANTED).expect("it is good");
    use_it(&bench);
}

/// The order in which one commit takes what it is told.
#[test]
fn nobody_puts_over_what_was_erased_in_the_same_commit() {
    let bench = Bench::new();
    let memory = bench.started();
    let (user, place) = (bench.user(1), Place::User(bench.user(1)));
    assert_eq!(bench.put(&memory, place, None, record(b"of before")).ok(), Some(Put::Done));
    let (_, version) = bench.look(&memory, place).expect("it was put");
    let store = memory.shared.store().expect("it is open");
    let gone = vec![store::Gone { user, erased_at: Some(at(0)) }];
    let anew = Record { content: b"over it".as_slice().into(), until: None };
    let wish = |over| Wish::Put { place, over, record: Some((Version(7), anew.clone())), now: at(0) };
    let batch = Batch { gone, wishes: vec![wish(Some(version)), wish(None)], decisions_max: 10, ..Batch::default() };
    let written = store.write(&batch).expect("the disk is well");
    assert_eq!(written.puts, [Put::Changed, Put::Done], "what begins anew is nothing of before");
}
