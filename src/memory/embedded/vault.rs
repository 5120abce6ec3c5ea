//! The vault on the disk: records by their place, and when they end.
//!
//! The one thread that writes compares and stores in one transaction, so that only the disk says which version there is: what fails
//! leaves nothing in memory that the disk does not have, and what was used stays used. Reads ask the disk, too. A record is
//! asked for only when somebody proves who they are, and costs no memory but redb's pages, which are bounded: a million enrolled users
//! are some 1 GB of the file.

use super::PATIENCE;
use super::shared::{Shared, lock};
use super::store::{StoreFile, begun};
use crate::clock::Timestamp;
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::memory::vault::{Kept, Place, Put, Record, Version};
use redb::{Error, ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Of which kind a place is, and its hash.
type Key = (u8, u128);
/// When a record ends, in milliseconds since 1970, and its key.
type End = (u64, u8, u128);

/// A record: its version, when it ends (0 is never), and what it says.
pub(super) const RECORDS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("vault");
/// Records that end, the first one first.
pub(super) const ENDS: TableDefinition<'_, End, ()> = TableDefinition::new("vault_ends");

const OF_USER: u8 = 0;
const OF_OTHER: u8 = 1;
/// Before what a record says.
const HEAD_BYTES: usize = 16;
/// Records that end with one commit: some 0.1 s.
const ENDED_MAX: usize = 4_096;
/// Between two looks at what has ended, in ms: each costs a commit where something has.
const SWEEP_MS: i64 = 60_000;

/// What is asked of the vault.
#[derive(Debug)]
pub(super) enum Wish {
    /// That a record is put over the version that was read.
    Put { place: Place, over: Option<Version>, record: Option<(Version, Record)>, now: Timestamp },
    /// That what belongs to a user under one key belongs to them under another.
    Move { from: UserKey, to: UserKey },
}

/// What callers and the writer have in common of it.
#[derive(Debug, Default)]
pub(super) struct Vault {
    /// What ended before this is to go with the next commit.
    pub(super) due: Mutex<Option<Timestamp>>,
    looked: Mutex<Option<Timestamp>>,
    /// While a key is being replaced: of whom there is a record, some 40 bytes each, so that nobody else's login asks the disk.
    movable: Mutex<HashSet<UserKey>>,
    /// Who is known under another key by now, and from which one their record is to come.
    moving: Mutex<HashMap<UserKey, UserKey>>,
}

impl Vault {
    /// For a key that is being replaced by another one.
    pub(super) fn with_movable(store: &StoreFile) -> Result<Self, Error> {
        let mut movable = HashSet::new();
        for record in store.begin_read()?.open_table(RECORDS)?.range((OF_USER, 0)..=(OF_USER, u128::MAX))? {
            let (_, user) = record?.0.value();
            movable.insert(UserKey(user));
        }
        Ok(Self { movable: Mutex::new(movable), ..Self::default() })
    }

    /// Whether a user who is known under another key from now on has a record that is to go with them.
    pub(super) fn begins_to_move(&self, from: UserKey, to: UserKey) -> bool {
        let has_record = lock(&self.movable).contains(&from);
        if has_record {
            lock(&self.moving).insert(to, from);
        }
        has_record
    }

    /// Whose record is still under another key.
    fn is_to_come_from(&self, place: Place) -> Option<(UserKey, UserKey)> {
        let Place::User(to) = place else { return None };
        lock(&self.moving).get(&to).map(|from| (*from, to))
    }

    /// What was wished for is on the disk.
    pub(super) fn done(&self, wishes: &[Wish]) {
        for wish in wishes {
            if let Wish::Move { from, to } = wish {
                lock(&self.movable).remove(from);
                lock(&self.moving).remove(to);
            }
        }
    }

    /// Once a minute, what has ended is to go.
    pub(super) fn sweep(&self, now: Timestamp) {
        let mut looked = lock(&self.looked);
        if looked.is_none_or(|before| now.ms_since(before).abs() >= SWEEP_MS) {
            *looked = Some(now);
            *lock(&self.due) = Some(now);
        }
    }
}

impl Shared {
    /// A record as the last commit has it, read on a thread of its own.
    pub(super) async fn kept(
        self: &Arc<Self>,
        reads: &Arc<Semaphore>,
        place: Place,
        now: Timestamp,
    ) -> Result<Option<Kept>, MemoryError> {
        self.brought_here(place).await?;
        let unavailable = |why: String| MemoryError::Unavailable(why);
        let (shared, reads) = (Arc::clone(self), Arc::clone(reads));
        let read = async move {
            let permit = reads.acquire_owned().await.map_err(|error| unavailable(error.to_string()))?;
            let read = tokio::task::spawn_blocking(move || {
                let store = shared.store().ok_or_else(|| "the store is being opened anew".to_owned());
                let kept = store.and_then(|store| store.kept(place, now).map_err(|error| error.to_string()));
                drop(permit);
                kept
            });
            read.await.map_err(|error| unavailable(error.to_string()))?.map_err(unavailable)
        };
        let late = |_late| MemoryError::Unavailable("the disk takes too long".to_owned());
        tokio::time::timeout(PATIENCE, read).await.map_err(late)?
    }

    /// Puts a record; what is said is on the disk.
    pub(super) async fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        self.brought_here(place).await?;
        let record = record.map(|record| Version::random().map(|version| (version, record))).transpose()?;
        self.granted(Wish::Put { place, over, record, now }).await
    }

    /// Whoever asks for a record that is on its way from another key waits until it is here.
    async fn brought_here(&self, place: Place) -> Result<(), MemoryError> {
        match self.vault.is_to_come_from(place) {
            Some((from, to)) => self.granted(Wish::Move { from, to }).await.map(drop),
            None => Ok(()),
        }
    }

    async fn granted(&self, wish: Wish) -> Result<Put, MemoryError> {
        super::told_in_time(self.desk.wish(wish)).await
    }
}

impl StoreFile {
    /// A record, unless it has ended.
    fn kept(&self, place: Place, now: Timestamp) -> Result<Option<Kept>, Error> {
        let records = self.begin_read()?.open_table(RECORDS)?;
        let Some(found) = records.get(key_of(place))? else { return Ok(None) };
        let (head, content) = Head::of(found.value())?;
        Ok(head.is_alive(now).then(|| Kept { version: head.version, content: content.into() }))
    }

    /// Whether a record has ended.
    pub(super) fn has_ended(&self, now: Timestamp) -> Result<bool, Error> {
        let ends = self.begin_read()?.open_table(ENDS)?;
        Ok(ends.first()?.is_some_and(|(end, _)| end.value().0 < ms_of(now)))
    }

    /// How many records there are.
    pub(super) fn records(&self) -> Result<u64, Error> {
        Ok(begun(&self.begin_read()?, RECORDS)?.map_or(Ok(0), |records| records.len())?)
    }
}

/// The vault within a transaction.
pub(super) struct Tables<'t> {
    records: Table<'t, Key, &'static [u8]>,
    ends: Table<'t, End, ()>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(write: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self { records: write.open_table(RECORDS)?, ends: write.open_table(ENDS)? })
    }

    /// Does what is wished for, in its order: of two who put over one version, the first does.
    pub(super) fn grant(&mut self, wish: &Wish) -> Result<Put, Error> {
        match wish {
            Wish::Put { place, over, record, now } => {
                let key = key_of(*place);
                let found = self.head(key)?.filter(|head| head.is_alive(*now)).map(|head| head.version);
                if found != *over {
                    return Ok(Put::Changed);
                }
                match record {
                    Some((version, record)) => {
                        let head =
                            Head { version: *version, until: record.until.map_or(0, |until| ms_of(until).max(1)) };
                        self.insert(key, &head.before(&record.content))?;
                    }
                    None => self.remove(key)?,
                }
            }
            Wish::Move { from, to } => {
                let (from, to) = (key_of(Place::User(*from)), key_of(Place::User(*to)));
                let moved = self.records.get(from)?.map(|found| found.value().to_vec());
                if let Some(moved) = moved {
                    self.remove(from)?;
                    if self.head(to)?.is_none() {
                        self.insert(to, &moved)?;
                    }
                }
            }
        }
        Ok(Put::Done)
    }

    /// Removes what belongs to a user.
    pub(super) fn erase(&mut self, user: UserKey) -> Result<(), Error> {
        self.remove(key_of(Place::User(user)))
    }

    /// Removes what ended before this, some at a time; gives whether more may be left.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Result<bool, Error> {
        for _ in 0..ENDED_MAX {
            let first = self.ends.first()?.map(|(end, _)| end.value());
            match first {
                Some((until, kind, hash)) if until < ms_of(now) => self.remove((kind, hash))?,
                Some(_) | None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// As it lies in another store.
    pub(super) fn insert(&mut self, key: Key, record: &[u8]) -> Result<(), Error> {
        self.remove(key)?;
        let (Head { until, .. }, _) = Head::of(record)?;
        if until != 0 {
            self.ends.insert((until, key.0, key.1), ())?;
        }
        self.records.insert(key, record)?;
        Ok(())
    }

    fn remove(&mut self, key: Key) -> Result<(), Error> {
        if let Some(Head { until, .. }) = self.head(key)? {
            self.ends.remove((until, key.0, key.1))?;
            self.records.remove(key)?;
        }
        Ok(())
    }

    fn head(&self, key: Key) -> Result<Option<Head>, Error> {
        self.records.get(key)?.map(|found| Head::of(found.value()).map(|(head, _)| head)).transpose()
    }
}

/// Whose record this is the key of.
pub(super) fn user_of((kind, hash): Key) -> Option<UserKey> {
    (kind == OF_USER).then_some(UserKey(hash))
}

fn key_of(place: Place) -> Key {
    match place {
        Place::User(user) => (OF_USER, user.0),
        Place::Other(hash) => (OF_OTHER, u128::from_le_bytes(hash)),
    }
}

/// What stands before what a record says.
struct Head {
    version: Version,
    until: u64,
}

impl Head {
    fn of(record: &[u8]) -> Result<(Self, &[u8]), Error> {
        let damaged = || Error::Corrupted("a record of the vault is too short".to_owned());
        let (version, rest) = record.split_first_chunk().ok_or_else(damaged)?;
        let (until, content) = rest.split_first_chunk().ok_or_else(damaged)?;
        Ok((Self { version: Version(u64::from_le_bytes(*version)), until: u64::from_le_bytes(*until) }, content))
    }

    fn before(&self, content: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(HEAD_BYTES + content.len());
        record.extend_from_slice(&self.version.0.to_le_bytes());
        record.extend_from_slice(&self.until.to_le_bytes());
        record.extend_from_slice(content);
        record
    }

    /// Good at exactly its last millisecond.
    fn is_alive(&self, now: Timestamp) -> bool {
        self.until == 0 || ms_of(now) <= self.until
    }
}

fn ms_of(time: Timestamp) -> u64 {
    u64::try_from(time.unix_ms()).unwrap_or(0)
}
