//! Backups: copies of the store in files of their own, so many of them, the oldest giving way to the newest.
//!
//! A backup counts only when it was read again as a whole, and nothing of before gives way until then. Each says who had been erased when
//! it was made; with every new one, whoever was erased since is taken out of those that are kept.

use super::copy::{Copied, WANTED, Watch};
use super::shared::TOMBSTONE_DAYS;
use super::start::{Place, StartError, StateDirectory, make_directory, open_file};
use super::store::{StoreFile, Tombstones, tombstones};
use crate::clock::{Clock, DAY_MS, Timestamp};
use crate::keyed_hash::Secrets;
use crate::memory::{Backup, BackupError, Settings};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where backups of a store are, and how many.
#[derive(Debug, Clone)]
pub(super) struct Backups {
    directory: PathBuf,
    kept: usize,
}

/// A file that is called as backups are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFile {
    /// Where it is.
    pub path: PathBuf,
    /// When it was made, by its name.
    pub made: Timestamp,
}

/// Makes a backup of a store that no process has. The store stays as it is.
///
/// # Errors
///
/// The store cannot be had or read, or no backup can be written.
pub fn back_up(
    directory: StateDirectory,
    settings: &Settings,
    secrets: &Secrets,
    clock: Clock,
    watch: Watch<'_>,
) -> Result<Backup, BackupError> {
    let place = Place::new(directory, settings.sync, secrets.clone(), clock, Box::new(open_file));
    let backups = Backups::new(settings);
    let unopened = |why| BackupError::Unopened(backups.advise(StartError::of(place.file(), why), &place));
    let store = place.look_at(&place.file()).map_err(unopened)?;
    backups.make(&place, &store, clock.now(), watch)
}

/// The backups that these settings name, oldest first.
///
/// # Errors
///
/// Their directory cannot be read. One that is not there holds none.
pub fn backups(settings: &Settings) -> io::Result<Vec<BackupFile>> {
    Backups::new(settings).list()
}

impl Backups {
    pub(super) fn new(settings: &Settings) -> Self {
        let directory = settings.backup_path.clone().unwrap_or_else(|| settings.path.join("backups"));
        Self { directory, kept: settings.backups_kept.as_usize() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Oldest first.
    pub(super) fn list(&self) -> io::Result<Vec<BackupFile>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            files.extend(made(&path).map(|made| BackupFile { path, made }));
        }
        files.sort_unstable_by_key(|file| file.made);
        Ok(files)
    }

    /// Since when there was no newer backup: where none is, since there has been a place for them, which is made.
    pub(super) fn newest(&self, now: Timestamp, clock: Clock) -> io::Result<Timestamp> {
        make_directory(&self.directory)?;
        // One from the future was made by a clock that was wrong, and is no reason to make none.
        match self.list()?.iter().rev().find(|file| file.made <= now) {
            Some(file) => Ok(file.made),
            None => Ok(clock.of_file(fs::metadata(&self.directory)?.modified()?)),
        }
    }

    /// Copies the store into a new backup, and has the older ones give way, or give up who was erased since.
    pub(super) fn make(
        &self,
        place: &Place,
        store: &StoreFile,
        now: Timestamp,
        watch: Watch<'_>,
    ) -> Result<Backup, BackupError> {
        let failed = |why: &dyn std::fmt::Display| BackupError::Failed(format!("{}: {why}", self.directory.display()));
        make_directory(&self.directory).map_err(|error| failed(&error))?;
        let file = self.unused(now);
        let copied = place.copy(store, &file, &Tombstones::new(), watch).map_err(|error| failed(&error))?;
        let bytes = fs::metadata(&file).map_err(|error| failed(&error))?.len();
        let kept = self.turn(place, store, (&file, now)).map_err(|error| failed(&error))?;
        let Copied { users, decisions, .. } = copied;
        Ok(Backup { file, users, decisions, bytes, kept })
    }

    /// Two backups of one millisecond are two files.
    fn unused(&self, now: Timestamp) -> PathBuf {
        let later = (0..).filter_map(|ms| Timestamp::from_unix_ms(now.unix_ms() + ms));
        let mut paths = later.map(|time| self.directory.join(name(time)));
        paths.find(|path| !path.exists()).unwrap_or_else(|| self.directory.join(name(now)))
    }

    /// What `new` means for the backups before it; gives how many there are now.
    fn turn(&self, place: &Place, store: &StoreFile, (new, now): (&Path, Timestamp)) -> Result<usize, redb::Error> {
        let mut older = self.list()?;
        // Whatever the clock says, the one that was just made stays.
        older.retain(|file| file.path != new);
        let surplus = (older.len() + 1).saturating_sub(self.kept);
        // Nobody knows any more who was erased since the oldest ones.
        let too_old = older.iter().filter(|file| now.ms_since(file.made) > TOMBSTONE_DAYS * DAY_MS).count();
        for file in older.drain(..surplus.max(too_old)) {
            fs::remove_file(&file.path)?;
        }
        let erased = tombstones(&store.begin_read()?)?;
        let mut kept = 1;
        for BackupFile { path, made } in older {
            kept += 1;
            let Err(why) = free_of(place, &path, &erased) else { continue };
            let is_tainted = erased.values().any(|at| *at >= made.unix_ms().unsigned_abs());
            if is_tainted {
                tracing::warn!(backup = %path.display(), %why, "a backup is removed: those who were erased since cannot be taken out of it");
                fs::remove_file(&path)?;
                kept -= 1;
            } else {
                tracing::error!(backup = %path.display(), %why, "a backup is not good any more");
            }
        }
        Ok(kept)
    }

    /// The newest backup from which a store can be put back.
    pub(super) fn newest_good(&self, place: &Place) -> Option<(BackupFile, StoreFile)> {
        let files = self.list().ok()?;
        files
            .into_iter()
            .rev()
            .find_map(|file| Some((place.look_at(&file.path).ok()?, file)))
            .map(|(store, file)| (file, store))
    }

    /// The same error; of a store that is damaged it says what could take its place.
    pub(super) fn advise(&self, error: StartError, place: &Place) -> StartError {
        let StartError::Damaged { file, why, backup: None } = error else { return error };
        StartError::Damaged { file, why, backup: self.newest_good(place).map(|(file, _)| file.path) }
    }
}

/// Takes those out of a backup who were erased since it was made.
fn free_of(place: &Place, path: &Path, erased: &Tombstones) -> Result<(), String> {
    let backup = place.look_at(path).map_err(|why| why.to_string())?;
    let since = erased_since(&backup, erased).map_err(|error| error.to_string())?;
    if since.is_empty() {
        return Ok(());
    }
    place.copy(&backup, path, &since, WANTED).map(drop).map_err(|error| error.to_string())
}

/// Those among `erased` whom this store does not have as erased, or not at that time: they may have come again, and gone again.
pub(super) fn erased_since(store: &StoreFile, erased: &Tombstones) -> Result<Tombstones, redb::Error> {
    let known = tombstones(&store.begin_read()?)?;
    Ok(erased.iter().filter(|(who, at)| known.get(who) != Some(at)).map(|(who, at)| (*who, *at)).collect())
}

const PREFIX: &str = "askance-";
const SUFFIX: &str = "Z.redb";

/// `askance-2026-11-22T07-44-12-345Z.redb`: by name as by time, and no character that a shell or `scp` minds.
fn name(made: Timestamp) -> String {
    let text = made.to_string();
    let seconds = text.get(..19).unwrap_or_default().replace(':', "-");
    format!("{PREFIX}{seconds}-{:03}{SUFFIX}", made.unix_ms() % 1000)
}

fn made(path: &Path) -> Option<Timestamp> {
    let text = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (date, time) = text.split_once('T')?;
    let mut parts = time.splitn(4, '-');
    let (hours, minutes, seconds, ms) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Timestamp::parse(&format!("{date}T{hours}:{minutes}:{seconds}.{ms}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_found_by_its_name_and_nothing_else_is() {
        for ms in [0, 7, 1_790_000_000_345, 4_294_967_295_999] {
            let time = Timestamp::from_unix_ms(ms).expect("a time");
            assert_eq!(made(Path::new(&name(time))), Some(time), "{}", name(time));
        }
        let time = Timestamp::from_unix_ms(1_790_000_000_345).expect("a time");
        assert_eq!(name(time), "askance-2026-09-21T14-13-20-345Z.redb");
        for foreign in
            ["askance.redb", "askance-2026-09-21T14-13-20-345Z.redb.new", "askance-Z.redb", "askance-TZ.redb"]
        {
            assert_eq!(made(Path::new(foreign)), None, "{foreign}");
        }
    }
}
