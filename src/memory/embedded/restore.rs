//! Putting a backup in the place of the store, by a process that serves nobody.

use super::backups::{Backups, erased_since};
use super::copy::{Copied, Watch};
use super::start::{Place, StateDirectory, open_file};
use super::store::{StoreFile, Tombstones, tombstones};
use crate::clock::Clock;
use crate::keyed_hash::Secrets;
use crate::memory::Settings;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The backup, which stays.
    pub backup: PathBuf,
    /// Users who are known now.
    pub users: u64,
    /// Decisions that are kept now.
    pub decisions: u64,
    /// Whether those who were erased after the backup was made stay erased: the store that it replaced could be asked.
    pub stays_erased: bool,
}

/// Why nothing was put back. What was there is as it was.
#[derive(Debug)]
pub enum RestoreError {
    /// There is a store already.
    Occupied(PathBuf),
    /// There is no backup that is good.
    NoBackup(PathBuf),
    /// This one is none, or cannot be used.
    Refused(PathBuf, String),
    /// The new store cannot be written.
    Failed(String),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied(store) => write!(
                f,
                "memory.path: there is a store already, {}: move it away, or say --replace, and it is gone",
                store.display()
            ),
            Self::NoBackup(directory) => {
                write!(f, "memory.backup_path: there is no good backup in {}", directory.display())
            }
            Self::Refused(backup, why) => write!(f, "the backup {} cannot be put back: {why}", backup.display()),
            Self::Failed(why) => write!(f, "nothing was put back: {why}"),
        }
    }
}

impl std::error::Error for RestoreError {}

/// Puts this backup, or the newest one that is good, where the store is to be. It is read as a whole before and after.
///
/// # Errors
///
/// See [`RestoreError`].
pub fn restore(
    directory: StateDirectory,
    (settings, secrets, clock): (&Settings, &Secrets, Clock),
    backup: Option<&Path>,
    replaces: bool,
    watch: Watch<'_>,
) -> Result<Restored, RestoreError> {
    let has_store = directory.has_store();
    let place = Place::new(directory, settings.sync, secrets.clone(), clock, Box::new(open_file));
    if has_store && !replaces {
        return Err(RestoreError::Occupied(place.file()));
    }
    let (backup, from) = open(&place, &Backups::new(settings), backup)?;
    let failed = |error: redb::Error| RestoreError::Failed(error.to_string());
    let (erased, stays_erased) = match erased_meanwhile(&place).filter(|_| has_store) {
        Some(known) => (erased_since(&from, &known).map_err(failed)?, true),
        None => (Tombstones::new(), false),
    };
    let Copied { users, decisions, .. } = place.copy(&from, &place.file(), &erased, watch).map_err(failed)?;
    Ok(Restored { backup, users, decisions, stays_erased })
}

fn open(place: &Place, backups: &Backups, named: Option<&Path>) -> Result<(PathBuf, StoreFile), RestoreError> {
    match named {
        Some(path) => match place.look_at(path) {
            Ok(store) => Ok((path.to_owned(), store)),
            Err(why) => Err(RestoreError::Refused(path.to_owned(), why.to_string())),
        },
        None => {
            let found = backups.newest_good(place).map(|(file, store)| (file.path, store));
            found.ok_or_else(|| RestoreError::NoBackup(backups.directory().to_owned()))
        }
    }
}

/// Whom the store that is there knows to be erased; `None` when it cannot be read.
fn erased_meanwhile(place: &Place) -> Option<Tombstones> {
    let store = place.look_at(&place.file()).ok()?;
    tombstones(&store.begin_read().ok()?).ok()
}
