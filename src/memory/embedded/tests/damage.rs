//! A file that was cut, or lost a sector: it opens to what was committed once, or is refused and left as it is.

use super::*;
use crate::memory::embedded::backend::{Durable, Medium};
use crate::memory::embedded::store::{Batch, Cache, FORMAT_NOW, MIGRATIONS, Migration, StoreFile, Unopened};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A file in memory; a clone is the same one.
#[derive(Debug, Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Medium for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (bytes, offset) = (lock(&self.0), usize::try_from(offset).expect("small"));
        let part = bytes.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut bytes, offset) = (lock(&self.0), usize::try_from(offset).expect("small"));
        let end = bytes.len().max(offset + data.len());
        bytes.resize(end, 0);
        bytes[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.0).resize(usize::try_from(len).expect("small"), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(bytes.to_vec())))
    }

    fn durable(&self) -> Arc<Durable> {
        Durable::new(Box::new(self.clone()), Fsync::Always, Clock)
    }

    fn copy(&self) -> Vec<u8> {
        lock(&self.0).clone()
    }
}

fn secrets() -> Secrets {
    Secrets::new([5; 32], None)
}

fn open(bytes: &Bytes, migrations: &[Migration]) -> Result<StoreFile, Unopened> {
    let opened = catch_unwind(AssertUnwindSafe(|| StoreFile::open(bytes.durable(), &secrets(), migrations)));
    opened.unwrap_or_else(|_| Err(Unopened::Damaged("reading it fails".to_owned()))).map(|(store, _)| store)
}

type Rows = BTreeMap<u128, Vec<u8>>;

fn rows(store: &StoreFile) -> Result<Rows, redb::Error> {
    let mut all = Rows::new();
    store.rows((0, 1), |user, row| drop(all.insert(user.0, row.to_vec())))?;
    Ok(all)
}

/// A store of two commits, as it was left by a stop or by a crash, and what each commit held.
fn made(stops: bool) -> (Vec<u8>, [Rows; 2]) {
    let bytes = Bytes::default();
    let keys = secrets().unlock(None).expect("there is randomness").keep.expect("a new store has keys");
    let store = StoreFile::create(bytes.durable(), &keys).expect("memory takes everything");
    let commit = |numbers: std::ops::Range<u8>| {
        let row = |number: u8| (UserKey(u128::from(number) << 96), vec![number; 150].into_boxed_slice());
        let batch = Batch { rows: numbers.map(row).collect(), decisions_max: 10, ..Batch::default() };
        store.write(&batch).expect("memory takes everything");
        rows(&store).expect("it can be read")
    };
    let states = [commit(0..100), commit(50..200)];
    let crashed = bytes.copy();
    store.close().expect("memory takes everything");
    (if stops { bytes.copy() } else { crashed }, states)
}

/// Whether a start takes what is left of a store without going through it step by step.
fn is_whole(bytes: &Bytes) -> bool {
    let looked = AssertUnwindSafe(|| {
        StoreFile::unchecked(bytes.durable(), Cache::Passing).is_ok_and(|mut store| store.is_whole())
    });
    catch_unwind(looked).unwrap_or(false)
}

/// Opens what is left of a store; it is what was committed, or refused and as it was.
fn check(damaged: &[u8], states: &[Rows; 2], what: &str) -> bool {
    let bytes = Bytes::of(damaged);
    if is_whole(&bytes) {
        let store = StoreFile::unchecked(bytes.durable(), Cache::Passing).expect("it is whole");
        let rows = rows(&store).unwrap_or_else(|error| panic!("{what}: it is whole, and cannot be read: {error}"));
        assert!(rows == states[1], "{what}: {} rows that were not committed last", rows.len());
    }
    assert!(bytes.copy() == damaged, "{what}: looking changes nothing");
    match open(&bytes, MIGRATIONS) {
        Ok(store) => {
            let rows = rows(&store).unwrap_or_else(|error| panic!("{what}: it opened, and cannot be read: {error}"));
            assert!(states.contains(&rows), "{what}: {} rows that were never committed together", rows.len());
            true
        }
        Err(_) => {
            assert!(bytes.copy() == damaged, "{what}: it was refused, and is not as it was");
            false
        }
    }
}

const STEP: usize = 512;

#[test]
fn a_store_that_was_cut_opens_to_what_was_committed_or_is_refused() {
    for stops in [true, false] {
        let (whole, states) = made(stops);
        assert!(check(&whole, &states, "nothing is cut"));
        assert_eq!(is_whole(&Bytes::of(&whole)), stops, "what a crash left is put in order first");
        let opened = (0..whole.len()).step_by(STEP).filter(|end| {
            let what = format!("cut at {end} of {}, after a stop: {stops}", whole.len());
            check(&whole[..*end], &states, &what)
        });
        println!("of {} cuts {} opened", whole.len() / STEP, opened.count());
    }
}

#[test]
fn a_store_that_lost_a_sector_opens_to_what_was_committed_or_is_refused() {
    for stops in [true, false] {
        let (whole, states) = made(stops);
        let opened = (0..whole.len()).step_by(STEP).filter(|at| {
            let mut damaged = whole.clone();
            damaged[*at..whole.len().min(at + STEP)].fill(0);
            damaged == whole || check(&damaged, &states, &format!("a hole at {at}, after a stop: {stops}"))
        });
        println!("of {} holes {} opened", whole.len() / STEP, opened.count());
    }
}

#[test]
fn an_older_format_is_migrated_and_a_newer_one_refused() {
    // What the next format would be: every row grows by a byte.
    let grow: Migration = |write| {
        let mut users = write.open_table(store::USERS)?;
        let rows: Vec<(u128, Vec<u8>)> = redb::ReadableTable::iter(&users)?
            .flatten()
            .map(|(key, row)| (key.value(), row.value().to_vec()))
            .collect();
        for (key, mut row) in rows {
            row.push(1);
            users.insert(key, row.as_slice())?;
        }
        Ok(())
    };
    let (whole, [_, before]) = made(true);
    let bytes = Bytes::of(&whole);
    let migrations = [MIGRATIONS, &[grow]].concat();
    let migrated = open(&bytes, &migrations).expect("it is of the format of now");
    let after = rows(&migrated).expect("it can be read");
    assert!(after.iter().all(|(key, row)| row.split_last() == Some((&1, &before[key]))), "all of them, once");
    migrated.close().expect("memory takes everything");
    let again = open(&bytes, &migrations).expect("it is of the next format");
    assert_eq!(rows(&again).expect("it can be read"), after, "it is not migrated again");
    again.close().expect("memory takes everything");
    assert!(matches!(open(&bytes, MIGRATIONS), Err(Unopened::Newer(format)) if format == FORMAT_NOW + 1));
}

#[test]
fn a_start_refuses_a_store_that_lost_a_page_of_rows_after_it_was_left_in_order() {
    let bench = Bench::new();
    let memory = bench.started();
    (0..300).for_each(|number| teach(&memory, bench.user(number), NOW_S));
    drop(memory);
    let whole = std::fs::read(bench.file()).expect("a file");
    let tag = bench.user(7).0.to_le_bytes();
    let at = whole.windows(tag.len()).position(|window| window == tag).expect("a row");
    let mut damaged = whole.clone();
    damaged[at + 40] ^= 1;
    std::fs::write(bench.file(), &damaged).expect("a file can be written");
    assert!(matches!(bench.start(), Err(StartError::Damaged { .. })), "one bit of one row");
    assert!(std::fs::read(bench.file()).expect("a file") == damaged, "it is left as it is");
    std::fs::write(bench.file(), &whole).expect("a file can be written");
    assert!(bench.knows(&bench.started(), bench.user(7)));
}

/// As the first version left it, without a word on who was erased.
#[test]
fn a_store_of_the_first_format_is_read_as_it_is_and_migrated_when_it_is_opened() {
    let (whole, [_, rows_of_it]) = made(true);
    let bytes = Bytes::of(&whole);
    let store = open(&bytes, MIGRATIONS).expect("it is of the format of now");
    let write = store.begin_write().expect("memory takes everything");
    write.delete_table(store::ERASED).expect("it is there");
    let mut meta = write.open_table(store::META).expect("it is there");
    meta.insert("format", 1_u32.to_le_bytes().as_slice()).expect("memory takes everything");
    drop(meta);
    write.commit().expect("memory takes everything");
    store.close().expect("memory takes everything");
    let old = bytes.copy();
    let looked_at = StoreFile::look_at(bytes.durable(), &secrets()).expect("it can be read");
    let erased = store::tombstones(&looked_at.begin_read().expect("it can be read"));
    assert!(erased.expect("it can be read").is_empty());
    assert_eq!(rows(&looked_at).expect("it can be read"), rows_of_it);
    drop(looked_at);
    assert!(bytes.copy() == old, "looking changes nothing");
    let store = open(&bytes, MIGRATIONS).expect("it is migrated");
    let gone = store::Gone { user: UserKey(7 << 96), erased_at: Some(Timestamp::from_unix_s(NOW_S)) };
    let batch = Batch { gone: vec![gone], decisions_max: 10, ..Batch::default() };
    store.write(&batch).expect("memory takes everything");
    let erased = store::tombstones(&store.begin_read().expect("it can be read")).expect("it can be read");
    assert_eq!(erased.into_values().collect::<Vec<_>>(), [u64::from(NOW_S) * 1000]);
    assert_eq!(rows(&store).expect("it can be read").len(), rows_of_it.len() - 1);
}
