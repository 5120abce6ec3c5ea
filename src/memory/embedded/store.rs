//! The store: which tables it has, of which format, under whose key; opened, looked at, written and read.

use super::backend::{Backend, Durable};
pub(super) use super::unopened::Unopened;
use super::vault::{ENDS, RECORDS, Tables, Wish};
use crate::clock::Timestamp;
use crate::keyed_hash::{HashKey, Secrets, Unlocked, UserKey};
use crate::memory::decisions::DecisionId;
use crate::memory::vault::Put;
use redb::{
    AccessGuard, Database, Durability, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, RepairSession, StorageError, TableDefinition, TableError, Value, WriteTransaction,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the store says of itself.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Rows of histories, by the keyed hash of their user.
pub(super) const USERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("users");
/// Decisions by their ids, hence by time: the hashed key of the user, whether they have a history, and the sealed record.
pub(super) const DECISIONS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("decisions");
/// Who was erased, as [`tombstone`] has it, and when, in milliseconds since 1970.
pub(super) const ERASED: TableDefinition<'_, u128, u64> = TableDefinition::new("erased");
/// What is counted of sources, by the numbers of rows (`Velocity::rows`). A store of before it was counted has none.
pub(super) const VELOCITY: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("velocity");
/// In `meta`: the format, a `u32`.
const FORMAT: &str = "format";
/// In `meta`: what the keys are made of, sealed under the secret that the store was made with.
const KEYS: &str = "keys";
/// In `meta`: written to see whether the disk takes anything again.
const PROBE: &str = "probe";
/// What this program writes.
pub(super) const FORMAT_NOW: u32 = 3;
/// How much of a store redb keeps at hand. It is in the heap of the thread that read it, beside rows, so that what is given back later is
/// of no use to other threads: with 32 MiB each, a start over a million users left 75 bytes a user, and the first look for what is too
/// old another 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    /// Of the store that is served from. Rows are read from memory, so that few pages are ever read twice, and those the system has:
    /// with 32 MiB neither an import nor 5,000 users a second were written sooner (`benches/store`).
    Lasting,
    /// Of one that is gone through from end to end, and closed.
    Passing,
}

impl Cache {
    fn bytes(self) -> usize {
        match self {
            Self::Lasting => 2 << 20,
            Self::Passing => 1 << 20,
        }
    }
}

/// One step from a format to the next.
pub(super) type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// From each format to the next one, the first being format 1.
pub(super) const MIGRATIONS: &[Migration] = &[
    // Format 2 says who was erased.
    |write| write.open_table(ERASED).map(drop).map_err(redb::Error::from),
    // Format 3 has a vault, which a program of before would leave out of its copies.
    |write| Tables::open(write).map(drop),
];

/// Who was erased and when, as [`ERASED`] has it.
pub(super) type Tombstones = BTreeMap<u128, u64>;

/// Somebody whose row and decisions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) user: UserKey,
    /// When they were erased; `None` when they are known under another key from now on.
    pub(super) erased_at: Option<Timestamp>,
}

/// An open store. Reads see the last commit, and never wait for a write.
pub(super) struct StoreFile {
    database: Database,
    durable: Arc<Durable>,
}

impl fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreFile")
    }
}

/// What is written in one commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) gone: Vec<Gone>,
    /// Tombstones from before this are of no use any more.
    pub(super) tombstones_from: Option<Timestamp>,
    /// The rows, in the order of their keys.
    pub(super) rows: Vec<(UserKey, Box<[u8]>)>,
    /// What was decided, in the order of ids.
    pub(super) decisions: Vec<(DecisionId, Vec<u8>)>,
    /// Decisions that the store may have.
    pub(super) decisions_max: u64,
    /// Ids below this one are too old.
    pub(super) aged_below: u128,
    /// What is counted of sources; an empty row goes.
    pub(super) velocity: Vec<(u32, Vec<u8>)>,
    /// Rows of it from this number on go: the table has become smaller.
    pub(super) velocity_rows_max: u32,
    /// What is asked of the vault, in its order.
    pub(super) wishes: Vec<Wish>,
    /// Records of the vault that ended before this are to go.
    pub(super) ended_before: Option<Timestamp>,
    /// Whether something is to be written even if there is nothing.
    pub(super) is_probe: bool,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty()
            && self.rows.is_empty()
            && self.decisions.is_empty()
            && self.velocity.is_empty()
            && self.tombstones_from.is_none()
            && self.wishes.is_empty()
            && self.ended_before.is_none()
            && !self.is_probe
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Of the wishes, in their order.
    pub(super) puts: Vec<Put>,
    /// Whether more records have ended than were taken out.
    pub(super) more_ended: bool,
}

/// Whoever is erased goes first: nobody puts over what they had.
fn write_vault(write: &WriteTransaction, batch: &Batch) -> Result<Written, redb::Error> {
    let erased = || batch.gone.iter().filter(|gone| gone.erased_at.is_some());
    if erased().next().is_none() && batch.wishes.is_empty() && batch.ended_before.is_none() {
        return Ok(Written::default());
    }
    let mut vault = Tables::open(write)?;
    erased().try_for_each(|gone| vault.erase(gone.user))?;
    let puts = batch.wishes.iter().map(|wish| vault.grant(wish)).collect::<Result<_, _>>()?;
    let more_ended = batch.ended_before.map_or(Ok(false), |before| vault.sweep(before))?;
    Ok(Written { puts, more_ended })
}

impl StoreFile {
    /// An empty store in an empty medium, which keeps `keys`.
    pub(super) fn create(durable: Arc<Durable>, keys: &[u8]) -> Result<Self, redb::Error> {
        let database = builder(Cache::Passing).create_with_backend(Backend(Arc::clone(&durable)))?;
        let write = begin(&database)?;
        {
            let mut meta = write.open_table(META)?;
            meta.insert(FORMAT, FORMAT_NOW.to_le_bytes().as_slice())?;
            meta.insert(KEYS, keys)?;
            write.open_table(USERS)?;
            write.open_table(DECISIONS)?;
            write.open_table(ERASED)?;
            write.open_table(RECORDS)?;
            write.open_table(ENDS)?;
        }
        write.commit()?;
        Ok(Self { database, durable })
    }

    /// The store in a medium. Every page of it is checked: what a disk lost is told now, not when a user comes.
    /// Gives also the key of its hashes.
    pub(super) fn open(
        durable: Arc<Durable>,
        secrets: &Secrets,
        migrations: &[Migration],
    ) -> Result<(Self, HashKey), Unopened> {
        Self::tried_out(durable, Cache::Lasting)?.accepted(secrets, migrations)
    }

    /// The same of one that was tried out: it is of a known format and of this key, and is written to from now on.
    pub(super) fn accepted(self, secrets: &Secrets, migrations: &[Migration]) -> Result<(Self, HashKey), Unopened> {
        let (format, keys) = self.about()?;
        let steps = Self::steps(format, migrations)?;
        let Unlocked { key, keep } = secrets.unlock(Some(&keys)).map_err(Unopened::Locked)?;
        self.durable.accept().map_err(Unopened::Io)?;
        self.migrate(steps)?;
        if let Some(keys) = keep {
            let write = begin(&self.database)?;
            write.open_table(META)?.insert(KEYS, keys.as_slice()).map_err(redb::Error::from)?;
            write.commit().map_err(redb::Error::from)?;
        }
        Ok((self, key))
    }

    /// A store that was left in order, to be read while another handle sees to it that it is whole; nothing is written to it yet.
    pub(super) fn unchecked(durable: Arc<Durable>, cache: Cache) -> Result<Self, Unopened> {
        try_out(&durable)?;
        let mut builder = builder(cache);
        // One that a crash left is checked when it is put in order.
        builder.set_repair_callback(RepairSession::abort);
        let database = builder.create_with_backend(Backend(Arc::clone(&durable)))?;
        Ok(Self { database, durable })
    }

    /// Whether every page of it is what was written, with nothing to put in order.
    pub(super) fn is_whole(&mut self) -> bool {
        matches!(self.database.check_integrity(), Ok(true))
    }

    /// The same, only to be read, of whatever format it is up to the newest; the medium stays as it is.
    pub(super) fn look_at(durable: Arc<Durable>, secrets: &Secrets) -> Result<Self, Unopened> {
        let store = Self::tried_out(durable, Cache::Passing)?;
        let (format, keys) = store.about()?;
        Self::steps(format, MIGRATIONS)?;
        secrets.unlock(Some(&keys)).map_err(Unopened::Locked)?;
        Ok(store)
    }

    /// Whole, and not written to yet.
    fn tried_out(durable: Arc<Durable>, cache: Cache) -> Result<Self, Unopened> {
        try_out(&durable)?;
        let mut builder = builder(cache);
        builder.set_check_integrity_on_open(true);
        let database = builder.create_with_backend(Backend(Arc::clone(&durable)))?;
        Ok(Self { database, durable })
    }

    /// The format, and what the keys are made of.
    fn about(&self) -> Result<(u32, Vec<u8>), Unopened> {
        let read = self.database.begin_read().map_err(redb::Error::from)?;
        let meta = read.open_table(META).map_err(redb::Error::from)?;
        let format = meta.get(FORMAT).map_err(redb::Error::from)?;
        let format = format.and_then(|bytes| bytes.value().try_into().ok()).map(u32::from_le_bytes);
        let keys = meta.get(KEYS).map_err(redb::Error::from)?.map(|bytes| bytes.value().to_vec());
        format.zip(keys).ok_or_else(|| Unopened::Damaged("it does not say of which format it is".to_owned()))
    }

    /// What leads from this format to the newest.
    fn steps(format: u32, migrations: &[Migration]) -> Result<(u32, &[Migration]), Unopened> {
        let done = usize::try_from(format).unwrap_or(usize::MAX).checked_sub(1);
        let done = done.ok_or_else(|| Unopened::Damaged("there is no format 0".to_owned()))?;
        migrations.get(done..).map(|steps| (format, steps)).ok_or(Unopened::Newer(format))
    }

    /// All steps in one commit: a store is of one format or of the other.
    fn migrate(&self, (format, steps): (u32, &[Migration])) -> Result<(), Unopened> {
        if steps.is_empty() {
            return Ok(());
        }
        let write = begin(&self.database)?;
        for step in steps {
            step(&write)?;
        }
        let format_now = format + u32::try_from(steps.len()).unwrap_or(0);
        let mut meta = write.open_table(META).map_err(redb::Error::from)?;
        meta.insert(FORMAT, format_now.to_le_bytes().as_slice()).map_err(redb::Error::from)?;
        drop(meta);
        write.commit().map_err(redb::Error::from)?;
        tracing::info!(from = format, to = format_now, "the store was migrated");
        Ok(())
    }

    /// Writes one batch. When this is done, it is as durable as the policy has it.
    pub(super) fn write(&self, batch: &Batch) -> Result<Written, redb::Error> {
        let write = begin(&self.database)?;
        let written = write_vault(&write, batch)?;
        {
            let mut users = write.open_table(USERS)?;
            let mut erased = write.open_table(ERASED)?;
            for Gone { user, erased_at } in &batch.gone {
                users.remove(user.0)?;
                if let Some(at) = erased_at {
                    erased.insert(tombstone(*user), at.unix_ms().unsigned_abs())?;
                }
            }
            if let Some(from) = batch.tombstones_from {
                erased.retain(|_, at| at >= from.unix_ms().unsigned_abs())?;
            }
            for (user, row) in &batch.rows {
                users.insert(user.0, &**row)?;
            }
            let mut decisions = write.open_table(DECISIONS)?;
            if !batch.gone.is_empty() {
                let is_gone = |of: UserKey| batch.gone.iter().any(|gone| gone.user == of);
                decisions.retain(|_, record| !user_of(record).is_some_and(is_gone))?;
            }
            for (id, record) in &batch.decisions {
                decisions.insert(id.bits(), record.as_slice())?;
            }
            while decisions.len()? > batch.decisions_max
                || decisions.first()?.is_some_and(|(id, _)| id.value() < batch.aged_below)
            {
                decisions.pop_first()?;
            }
            if !batch.velocity.is_empty() {
                let mut velocity = write.open_table(VELOCITY)?;
                velocity.retain_in(batch.velocity_rows_max.., |_, _| false)?;
                for (number, row) in &batch.velocity {
                    match row.as_slice() {
                        [] => drop(velocity.remove(number)?),
                        row => drop(velocity.insert(number, row)?),
                    }
                }
            }
            if batch.is_probe {
                write.open_table(META)?.insert(PROBE, FORMAT_NOW.to_le_bytes().as_slice())?;
            }
        }
        write.commit()?;
        Ok(written)
    }

    /// The row of a user.
    pub(super) fn row(&self, user: UserKey) -> Result<Option<Box<[u8]>>, redb::Error> {
        let users = self.database.begin_read()?.open_table(USERS)?;
        Ok(users.get(user.0)?.map(|row| row.value().into()))
    }

    /// What the keys are made of, sealed.
    pub(super) fn keys(&self) -> Result<Vec<u8>, redb::Error> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get(KEYS)?.map(|keys| keys.value().to_vec()).unwrap_or_default())
    }

    /// Of which format it is.
    pub(super) fn format(&self) -> Result<u32, redb::Error> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get(FORMAT)?.and_then(|bytes| bytes.value().try_into().ok()).map_or(0, u32::from_le_bytes))
    }

    /// How many users there are.
    pub(super) fn users(&self) -> Result<u64, redb::Error> {
        Ok(self.database.begin_read()?.open_table(USERS)?.len()?)
    }

    /// Hands on all rows whose key is in this part of `parts`, in the order of their keys.
    pub(super) fn rows(
        &self,
        (part, parts): (u32, u32),
        mut each: impl FnMut(UserKey, &[u8]),
    ) -> Result<(), redb::Error> {
        let share = u128::MAX / u128::from(parts);
        let first = share * u128::from(part);
        let last = if part + 1 == parts { u128::MAX } else { first + (share - 1) };
        let users = self.database.begin_read()?.open_table(USERS)?;
        for row in users.range(first..=last)? {
            let (user, row) = row?;
            each(UserKey(user.value()), row.value());
        }
        Ok(())
    }

    /// Hands on all decisions, oldest first: the sealed record, and whether the user has a history.
    pub(super) fn decisions(&self, mut each: impl FnMut(DecisionId, &[u8], bool)) -> Result<(), redb::Error> {
        let decisions = self.database.begin_read()?.open_table(DECISIONS)?;
        for decision in decisions.iter()? {
            let (id, record) = decision?;
            if let Some((head, sealed)) = record.value().split_first_chunk::<RECORD_HEAD_BYTES>() {
                let [.., has_history] = *head;
                each(DecisionId::from_bits(id.value()), sealed, has_history != 0);
            }
        }
        Ok(())
    }

    /// Hands on all rows of what is counted of sources.
    pub(super) fn velocity(&self, mut each: impl FnMut(u32, &[u8])) -> Result<(), redb::Error> {
        let Some(rows) = begun(&self.database.begin_read()?, VELOCITY)? else { return Ok(()) };
        for row in rows.iter()? {
            let (number, row) = row?;
            each(number.value(), row.value());
        }
        Ok(())
    }

    /// What the file is worth, and what it was told.
    pub(super) fn durable(&self) -> &Arc<Durable> {
        &self.durable
    }

    /// For whoever reads several tables as they were at one moment.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }

    /// For whoever fills an empty store.
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        begin(&self.database)
    }

    /// Leaves the file in order, so that the next start need not look for what a crash left.
    pub(super) fn close(self) -> Result<(), redb::Error> {
        let Self { database, durable } = self;
        database.close()?;
        Ok(durable.sync_what_is_owing()?)
    }
}

/// Of a user, and one byte.
const RECORD_HEAD_BYTES: usize = 17;

/// A decision as it lies in the table. Whose it is stands before it as a hash, so that it can be erased without being opened.
pub(super) fn record(user: UserKey, has_history: bool, sealed: &[u8]) -> Vec<u8> {
    [&user.0.to_le_bytes(), &[u8::from(has_history)][..], sealed].concat()
}

pub(super) fn user_of(record: &[u8]) -> Option<UserKey> {
    record.first_chunk().map(|bytes| UserKey(u128::from_le_bytes(*bytes)))
}

/// Who was erased. A store of the first format does not say.
pub(super) fn tombstones(read: &ReadTransaction) -> Result<Tombstones, redb::Error> {
    let Some(erased) = begun(read, ERASED)? else { return Ok(Tombstones::new()) };
    let pair = |entry: Result<(AccessGuard<'_, u128>, AccessGuard<'_, u64>), StorageError>| {
        entry.map(|(who, at)| (who.value(), at.value()))
    };
    Ok(erased.iter()?.map(pair).collect::<Result<_, _>>()?)
}

/// What is left of a user who was erased: it is found by whoever names them, and is not what their row or their decisions were found by.
pub(super) fn tombstone(user: UserKey) -> u128 {
    let [tombstone @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        blake3::derive_key("askance 2026-11-22 tombstones", &user.0.to_le_bytes());
    u128::from_le_bytes(tombstone)
}

/// A table that stores of before do not have.
pub(super) fn begun<K: Key + 'static, V: Value + 'static>(
    read: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, redb::Error> {
    match read.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Has nothing written to a medium that may turn out to hold no store of ours.
fn try_out(durable: &Durable) -> Result<(), Unopened> {
    // redb makes a new store of an empty file, and nobody of whom we know does.
    if durable.len()? == 0 {
        return Err(Unopened::Damaged("the file is empty".to_owned()));
    }
    Ok(durable.try_out()?)
}

fn builder(cache: Cache) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(cache.bytes());
    builder
}

/// What an fsync is worth is the backend's to say.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    Ok(write)
}
