//! Backups: what is in them, how many there are, who is no longer in them, and what is made of them.

use super::decisions::waiting;
use super::*;
use crate::memory::decisions::tests::{at, ids};
use crate::memory::embedded::backups::{back_up, backups};
use crate::memory::embedded::copy::WANTED;
use crate::memory::embedded::restore::{RestoreError, Restored, restore};
use std::path::PathBuf;

impl Bench {
    fn back_up(&self, memory: &Embedded) -> Result<Backup, BackupError> {
        self.runtime.block_on(memory.back_up())
    }

    /// Waits until all of these are on the disk, and backs up.
    fn backed_up(&self, memory: &Embedded, users: impl IntoIterator<Item = u32>) -> PathBuf {
        for number in users {
            teach(memory, self.user(number), NOW_S);
        }
        self.kept(memory, self.user(0)).expect("the disk is well");
        self.back_up(memory).expect("the disk is well").file
    }

    fn backups(&self) -> Vec<PathBuf> {
        let listed = backups(&self.settings).expect("the directory can be read");
        listed.into_iter().map(|file| file.path).collect()
    }

    fn restore(&self, backup: Option<&Path>, replaces: bool) -> Result<Restored, RestoreError> {
        let directory = StateDirectory::take(&self.settings.path, false).expect("nobody has it");
        restore(directory, (&self.settings, &self.secrets, Clock), backup, replaces, WANTED)
    }

    /// Which of the first users are known in a store that was put back from this backup.
    fn known_in(&self, backup: &Path, users: u32) -> Vec<u32> {
        let other = Self { secrets: self.secrets.clone(), ..Self::new() };
        other.restore(Some(backup), false).expect("it is good");
        let memory = other.started();
        (0..users).filter(|number| other.knows(&memory, self.user(*number))).collect()
    }
}

fn holds(file: &Path, bytes: &[u8]) -> bool {
    std::fs::read(file).expect("a file").windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn the_newest_backups_are_kept_and_each_is_what_was_on_the_disk() {
    let bench = Bench::new();
    let memory = bench.started();
    memory.keep(ids().decision(at(0)), waiting(7), false).expect("there is room");
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(bench.backed_up(&memory, [number]));
        assert_eq!(bench.backups().len(), made.len().min(3));
    }
    assert_eq!(bench.backups(), made[2..], "the oldest give way");
    for (users, backup) in (3..).zip(&made[2..]) {
        assert_eq!(bench.known_in(backup, 5), (0..users).collect::<Vec<_>>());
    }
    teach(&memory, bench.user(9), NOW_S);
    let last = bench.back_up(&memory).expect("the disk is well");
    assert_eq!((last.users, last.decisions, last.kept), (5, 1, 3), "what is not on the disk is in no backup");
    assert_eq!(last.bytes, std::fs::metadata(&last.file).expect("a file").len());
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&last.file).expect("a file"));
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn who_was_erased_is_in_no_backup_after_the_next_one() {
    let bench = Bench::new();
    let memory = bench.started();
    let first = bench.backed_up(&memory, 0..6);
    // One comes again, and one goes to another key, which is no erasure.
    for number in [1, 2] {
        bench.erase(&memory, bench.user(number)).expect("the disk is well");
    }
    let second = bench.backed_up(&memory, [2]);
    bench.erase(&memory, bench.user(3)).expect("the disk is well");
    memory.adopt(bench.user(4), bench.user(40)).expect("it is in memory");
    bench.kept(&memory, bench.user(40)).expect("the disk is well");
    assert_eq!(bench.known_in(&first, 6), [0, 3, 4, 5], "before the turn, those who went after the last one are there");
    let tag = bench.user(3).0.to_le_bytes();
    assert!(holds(&first, &tag) && holds(&second, &tag));
    let third = bench.back_up(&memory).expect("the disk is well").file;
    assert_eq!(bench.backups(), [first.clone(), second.clone(), third.clone()]);
    for backup in [&first, &second, &third] {
        assert!(!holds(backup, &tag), "it is in no page of {}", backup.display());
    }
    assert_eq!(bench.known_in(&first, 6), [0, 4, 5], "who came again is in what was made since");
    assert_eq!(bench.known_in(&second, 6), [0, 2, 4, 5]);
    assert_eq!(bench.known_in(&third, 6), [0, 2, 5]);
}

/// Whoever was erased from a backup that cannot be opened any more is still in it.
#[test]
fn a_backup_that_cannot_be_freed_of_the_erased_goes() {
    let bench = Bench::new();
    let memory = bench.started();
    let first = bench.backed_up(&memory, 0..3);
    let whole = std::fs::read(&first).expect("a file");
    std::fs::write(&first, &whole[..whole.len() / 2]).expect("a file can be written");
    let second = bench.backed_up(&memory, [3]);
    assert_eq!(bench.backups(), [first.clone(), second.clone()], "nobody was erased, and something may be read of it");
    bench.erase(&memory, bench.user(1)).expect("the disk is well");
    let third = bench.back_up(&memory).expect("the disk is well");
    assert_eq!((bench.backups(), third.kept), (vec![second, third.file], 2));
}

#[test]
fn a_tombstone_goes_when_no_token_of_before_can_be_left() {
    let bench = Bench::new();
    let memory = bench.started();
    let erased = |memory: &Embedded| {
        let store = memory.shared.store().expect("it is open");
        store::tombstones(&store.begin_read().expect("it can be read")).expect("it can be read").len()
    };
    teach(&memory, bench.user(0), NOW_S);
    bench.erase(&memory, bench.user(0)).expect("the disk is well");
    crash(&bench, memory);
    let memory = bench.started();
    for (days, left) in [(399, 1), (401, 0)] {
        let now = Timestamp::from_unix_ms(Clock.now().unix_ms() + days * DAY_MS).expect("a time");
        memory.age(now, &RetentionDays::default());
        bench.kept(&memory, bench.user(0)).expect("the disk is well");
        assert_eq!(erased(&memory), left, "after {days} days");
    }
}

#[test]
fn a_backup_that_fails_or_is_called_off_leaves_those_of_before() {
    let bench = Bench::new();
    let memory = bench.started();
    let first = bench.backed_up(&memory, 0..3);
    for (fault, for_good) in [(0, false), (3, false), (0, true)] {
        bench.disk.fail_write(fault, for_good);
        let failed = bench.back_up(&memory);
        bench.disk.mend();
        assert!(matches!(&failed, Err(BackupError::Failed(_))), "{fault}: {failed:?}");
    }
    bench.disk.fail_sync(0, true);
    assert!(bench.back_up(&memory).is_err());
    bench.disk.mend();
    let is_unwanted = AtomicBool::new(true);
    let called_off = memory.shared.back_up(&is_unwanted);
    assert!(called_off.is_err_and(|error| error.to_string().contains("called off")));
    let entries = std::fs::read_dir(first.parent().expect("a directory")).expect("it can be read");
    assert_eq!(entries.count(), 1, "nothing half made is left");
    bench.kept(&memory, bench.user(0)).expect("the store has nothing of it");
    assert!(!memory.is_degraded());
    assert!(bench.back_up(&memory).is_ok());
}

#[test]
fn a_backup_is_due_when_the_newest_is_old_enough() {
    let mut bench = Bench::new();
    bench.settings.backup_h = Bounded::of::<24>();
    let memory = bench.started();
    let later = |hours: i64| Timestamp::from_unix_ms(Clock.now().unix_ms() + hours * 3_600_000).expect("a time");
    let count_after = |hours: i64| {
        memory.age(later(hours), &RetentionDays::default());
        bench.backups().len()
    };
    assert_eq!([0, 23, 25].map(count_after), [0, 0, 1], "counted from the first start where there is none");
    assert_eq!([0, 23, 25].map(count_after), [1, 1, 2], "and from the newest one else");
    let mut never = Bench::new();
    never.settings.backup_h = Bounded::of::<0>();
    never.started().age(later(1_000), &RetentionDays::default());
    assert!(!never.settings.path.join("backups").exists());
}

#[test]
fn a_store_that_nobody_has_is_backed_up_and_stays_as_it_is() {
    let bench = Bench::new();
    let memory = bench.started();
    teach(&memory, bench.user(1), NOW_S);
    bench.kept(&memory, bench.user(1)).expect("the disk is well");
    crash(&bench, memory);
    let left = std::fs::read(bench.file()).expect("a file");
    let offline = || {
        let directory = StateDirectory::take(&bench.settings.path, true).expect("nobody has it");
        back_up(directory, &bench.settings, &bench.secrets, Clock, WANTED)
    };
    let made = offline().expect("a crash left it, and it can be read");
    assert!(std::fs::read(bench.file()).expect("a file") == left, "the next start puts it in order");
    assert_eq!(bench.known_in(&made.file, 3), [1]);
    std::fs::write(bench.file(), &left[..left.len() / 2]).expect("a file can be written");
    let refused = offline().expect_err("it is damaged").to_string();
    assert!(refused.contains(made.file.to_str().expect("UTF-8")), "{refused}");
    assert_eq!(bench.backups().len(), 1, "of a damaged store nothing is made");
}

#[test]
fn a_store_is_put_back_only_where_none_is_unless_that_is_said() {
    let bench = Bench::new();
    assert!(matches!(bench.restore(None, false), Err(RestoreError::NoBackup(_))));
    let memory = bench.started();
    let first = bench.backed_up(&memory, 0..4);
    let second = bench.backed_up(&memory, 4..6);
    bench.erase(&memory, bench.user(2)).expect("the disk is well");
    drop(memory);
    let store = std::fs::read(bench.file()).expect("a file");
    assert!(matches!(bench.restore(None, false), Err(RestoreError::Occupied(_))));
    let foreign = bench.directory.path().join("foreign");
    std::fs::write(&foreign, [7; 8_192]).expect("a file can be written");
    assert!(matches!(bench.restore(Some(&foreign), true), Err(RestoreError::Refused(..))));
    assert!(std::fs::read(bench.file()).expect("a file") == store, "what was there is as it was");

    let restored = bench.restore(Some(&first), true).expect("it is good");
    assert_eq!((restored.users, restored.stays_erased), (3, true), "the store that went knew who was erased");
    let memory = bench.started();
    let known =
        |memory: &Embedded| (0..6).filter(|number| bench.knows(memory, bench.user(*number))).collect::<Vec<_>>();
    assert_eq!(known(&memory), [0, 1, 3]);
    drop(memory);

    // The newest backup is damaged, and so is the store.
    for file in [&second, &bench.file()] {
        let length = std::fs::metadata(file).expect("a file").len();
        std::fs::File::options().write(true).open(file).expect("a file").set_len(length / 2).expect("it can be cut");
    }
    let refused = bench.start().map(drop).expect_err("it is damaged").to_string();
    let named = format!("`askance restore --replace` puts back its last good backup, {}", first.display());
    assert!(refused.contains(&named), "{refused}");
    let restored = bench.restore(None, true).expect("one of them is good");
    assert_eq!(
        (restored.backup, restored.users, restored.stays_erased),
        (first, 4, false),
        "nobody knows who was erased"
    );
    assert_eq!(known(&bench.started()), [0, 1, 2, 3]);
}
