//! What is in a store or a backup, looked at without changing anything.

use super::backend::Durable;
use super::backups::Backups;
use super::copy::look_at;
use super::start::{Access, Place, StartError, StateDirectory, open_file};
use super::store::{DECISIONS, StoreFile, tombstones};
use crate::clock::Clock;
use crate::keyed_hash::Secrets;
use crate::memory::Settings;
use redb::ReadableTableMetadata;
use std::fs;
use std::path::Path;

/// What is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Users.
    pub users: u64,
    /// Decisions.
    pub decisions: u64,
    /// Users who were erased, of whom that is known.
    pub erased: usize,
    /// The format.
    pub format: u32,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Looks at every page of a store that no process has.
///
/// # Errors
///
/// Why a start would be refused.
pub fn inspect(
    directory: StateDirectory,
    settings: &Settings,
    secrets: &Secrets,
    clock: Clock,
) -> Result<Contents, StartError> {
    let place = Place::new(directory, settings.sync, secrets.clone(), clock, Box::new(open_file));
    let file = place.file();
    let store =
        place.look_at(&file).map_err(|why| Backups::new(settings).advise(StartError::of(file.clone(), why), &place))?;
    contents(&store, &file).map_err(|error| StartError::of(file, error.into()))
}

/// Looks at every page of a backup.
///
/// # Errors
///
/// Why nothing can be put back from it.
pub fn inspect_backup(path: &Path, settings: &Settings, secrets: &Secrets, clock: Clock) -> Result<Contents, String> {
    let medium = open_file(path, Access::Read).map_err(|error| error.to_string())?;
    let store = look_at(Durable::new(medium, settings.sync, clock), secrets).map_err(|why| why.to_string())?;
    contents(&store, path).map_err(|error| error.to_string())
}

fn contents(store: &StoreFile, path: &Path) -> Result<Contents, redb::Error> {
    let read = store.begin_read()?;
    Ok(Contents {
        users: store.users()?,
        decisions: read.open_table(DECISIONS)?.len()?,
        erased: tombstones(&read)?.len(),
        format: store.format()?,
        bytes: fs::metadata(path)?.len(),
    })
}
