//! Copying a store into a new file: what is alive, as it was at one moment, without those who were erased since.

use super::backend::Durable;
use super::start::Place;
use super::store::{
    DECISIONS, ERASED, META, StoreFile, Tombstones, USERS, Unopened, VELOCITY, begun, tombstone, tombstones, user_of,
};
use super::vault::{self, RECORDS};
use crate::keyed_hash::{Secrets, UserKey};
use redb::{Error, ReadableTable, ReadableTableMetadata};
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) users: u64,
    pub(super) decisions: u64,
    /// Of the vault.
    pub(super) records: u64,
}

/// Told how many users are copied of how many; says whether the copy is wanted still.
pub(super) type Watch<'a> = &'a dyn Fn(u64, u64) -> bool;

/// A copy that nobody can call off.
pub(super) const WANTED: Watch<'static> = &|_, _| true;

/// Rows that are copied between two looks at whether they are wanted.
const WATCH_ROWS: u64 = 4_096;

impl Place {
    /// Writes what is alive into a new file, looks at every page of it as a start would, and only then gives it this name, whatever
    /// bore it before.
    pub(super) fn copy(
        &self,
        store: &StoreFile,
        to: &Path,
        erased: &Tombstones,
        watch: Watch<'_>,
    ) -> Result<Copied, Error> {
        let new = new_name(to);
        let copied = self.copy_and_look(store, &new, erased, watch).and_then(|copied| {
            File::open(&new)?.sync_all()?;
            fs::rename(&new, to)?;
            to.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())?;
            Ok(copied)
        });
        // A disk that is full is not to keep half a copy.
        copied.inspect_err(|_| fs::remove_file(&new).unwrap_or_default())
    }

    fn copy_and_look(
        &self,
        store: &StoreFile,
        new: &Path,
        erased: &Tombstones,
        watch: Watch<'_>,
    ) -> Result<Copied, Error> {
        let copy = self.create_file(new, &store.keys()?)?;
        let copied = store.copy_into(&copy, erased, watch)?;
        copy.close()?;
        let found = self.look_at(new).map_err(|why| Error::Io(io::Error::other(why.to_string())))?;
        let counts = Copied {
            users: found.users()?,
            decisions: found.begin_read()?.open_table(DECISIONS)?.len()?,
            records: found.records()?,
        };
        if counts == copied { Ok(copied) } else { Err(Error::Io(io::Error::other("the copy is not whole"))) }
    }

    /// A store that is only to be read, in any file.
    pub(super) fn look_at(&self, path: &Path) -> Result<StoreFile, Unopened> {
        look_at(self.read_only(path)?, self.secrets())
    }
}

/// A store that is only to be read: every page is checked. A damaged one may make redb panic.
pub(super) fn look_at(medium: Arc<Durable>, secrets: &Secrets) -> Result<StoreFile, Unopened> {
    let looked = catch_unwind(AssertUnwindSafe(|| StoreFile::look_at(medium, secrets)));
    looked.unwrap_or_else(|_| Err(Unopened::Damaged("reading it fails".to_owned())))
}

/// What a file is called until it is whole.
fn new_name(of: &Path) -> PathBuf {
    let mut name = of.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

impl StoreFile {
    /// Copies what is alive into an empty store, but for users of whom there is a tombstone among `erased`. What was erased is in
    /// no page of it.
    fn copy_into(&self, empty: &Self, erased: &Tombstones, watch: Watch<'_>) -> Result<Copied, Error> {
        // One moment for all tables: a user is in the copy, or a tombstone that came in their place.
        let (read, write) = (self.begin_read()?, empty.begin_write()?);
        let is_erased = |user: UserKey| !erased.is_empty() && erased.contains_key(&tombstone(user));
        let mut copied = Copied { users: 0, decisions: 0, records: 0 };
        {
            // Whatever the store says of itself, so that it is of the same format.
            let mut meta = write.open_table(META)?;
            for entry in read.open_table(META)?.iter()? {
                let (key, value) = entry?;
                meta.insert(key.value(), value.value())?;
            }
            let (rows, mut users) = (read.open_table(USERS)?, write.open_table(USERS)?);
            let of = rows.len()?;
            for (at, row) in (0_u64..).zip(rows.iter()?) {
                if at.is_multiple_of(WATCH_ROWS) && !watch(at, of) {
                    return Err(Error::Io(io::Error::other("it is called off")));
                }
                let (user, row) = row?;
                if !is_erased(UserKey(user.value())) {
                    users.insert(user.value(), row.value())?;
                    copied.users += 1;
                }
            }
            let mut decisions = write.open_table(DECISIONS)?;
            for row in read.open_table(DECISIONS)?.iter()? {
                let (id, record) = row?;
                if !user_of(record.value()).is_some_and(is_erased) {
                    decisions.insert(id.value(), record.value())?;
                    copied.decisions += 1;
                }
            }
            if let Some(rows) = begun(&read, VELOCITY)? {
                let mut copies = write.open_table(VELOCITY)?;
                for row in rows.iter()? {
                    let (number, row) = row?;
                    copies.insert(number.value(), row.value())?;
                }
            }
            if let Some(records) = begun(&read, RECORDS)? {
                let mut copies = vault::Tables::open(&write)?;
                for record in records.iter()? {
                    let (key, record) = record?;
                    if !vault::user_of(key.value()).is_some_and(is_erased) {
                        copies.insert(key.value(), record.value())?;
                        copied.records += 1;
                    }
                }
            }
            let mut stones = write.open_table(ERASED)?;
            for (who, at) in tombstones(&read)?.iter().chain(erased) {
                stones.insert(who, at)?;
            }
        }
        write.commit()?;
        Ok(copied)
    }
}
