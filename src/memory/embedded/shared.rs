//! What callers, the writer and reads of the store have in common.

use super::PATIENCE;
use super::backups::Backups;
use super::desk::Desk;
use super::start::{Place, StartError};
use super::store::{self, Batch, StoreFile, Written};
use super::vault::Vault;
use crate::clock::{Clock, Started, Timestamp};
use crate::history::{Cutoffs, Lesson, UserHistory};
use crate::keyed_hash::UserKey;
use crate::memory::changes::Changes;
use crate::memory::decisions::{Decision, DecisionId, Decisions};
use crate::memory::record::RecordCipher;
use crate::memory::users::Users;
use crate::memory::{Backup, BackupError};
use crate::telemetry::StoreMeters;
use crate::velocity::Velocity;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// One for a store.
pub(super) struct Shared {
    pub(super) users: Users,
    pub(super) decisions: Decisions,
    pub(super) changes: Arc<Changes>,
    pub(super) cipher: RecordCipher,
    pub(super) vault: Vault,
    /// What is counted of sources, once it is to be kept.
    pub(super) velocity: OnceLock<Arc<Velocity>>,
    /// Decisions that the store may have.
    pub(super) decisions_max: usize,
    /// Decisions from before this are too old.
    pub(super) aged_before: Mutex<Option<Timestamp>>,
    /// Tombstones from before this are to go with the next commit.
    pub(super) tombstones_from: Mutex<Option<Timestamp>>,
    pub(super) desk: Desk,
    pub(super) place: Place,
    pub(super) backups: Backups,
    /// Between two backups that nobody asks for; zero is never.
    pub(super) backup_interval: Duration,
    /// Whose turn it is to make one.
    pub(super) backing_up: Arc<Semaphore>,
    /// `None` while it is to be opened anew.
    pub(super) store: Mutex<Option<Arc<StoreFile>>>,
    /// A sync failed: what is there is to be copied into a new file before anything is promised again.
    pub(super) must_rewrite: AtomicBool,
    pub(super) is_degraded: AtomicBool,
    pub(super) trouble: Mutex<Option<String>>,
    /// What was found out without a login of users whose history is in the store only.
    pub(super) later: Mutex<Vec<(UserKey, Lesson)>>,
    /// Up to when everything is on the disk, at least.
    pub(super) written_to: Mutex<Started>,
    /// Since when a commit is under way.
    pub(super) committing: Mutex<Option<Started>>,
    /// How many erasures there were: what was read before one is not put into memory behind it.
    pub(super) erasures: AtomicU64,
    pub(super) meters: StoreMeters,
    pub(super) clock: Clock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("place", &self.place).finish_non_exhaustive()
    }
}
/// Days for which it is kept that a user was erased. **Source:** RFC 6265bis, 5.6.1: a browser keeps no cookie for longer than 400 days.
pub(super) const TOMBSTONE_DAYS: i64 = 400;
/// Lessons that wait for a history from the store; what is more is not learnt: that demands were left unmet by users who were
/// away longest.
pub(super) const LATER_MAX: usize = 4_096;

impl Shared {
    /// What is to be written of these decisions.
    pub(super) fn batch(&self, ids: &[DecisionId]) -> Batch {
        let record = |id: &DecisionId| {
            let (decision, has_history) = self.decisions.held(*id)?;
            let user = match &decision {
                Decision::Pending(pending) => pending.given.user,
                Decision::Settled(settled) => settled.given.user,
            };
            // Without randomness nothing is sealed, and nothing is written in clear.
            let sealed = self.cipher.seal(*id, &decision).ok()?;
            Some((*id, store::record(user, has_history, &sealed)))
        };
        Batch {
            decisions: ids.iter().filter_map(record).collect(),
            decisions_max: u64::try_from(self.decisions_max).unwrap_or(u64::MAX),
            aged_below: lock(&self.aged_before).map_or(0, DecisionId::bits_since),
            tombstones_from: lock(&self.tombstones_from).take(),
            ..Batch::default()
        }
    }

    /// Adds what is to be written of these rows of what is counted of sources.
    pub(super) fn add_velocity(&self, rows: &[u32], batch: &mut Batch) {
        let Some(velocity) = self.velocity.get() else { return };
        let now = self.clock.now();
        batch.velocity = rows.iter().map(|row| (*row, velocity.row(*row, now))).collect();
        batch.velocity_rows_max = velocity.rows();
    }

    /// What of the vault is to go, where something has ended. Of a store that cannot be read that is tried again in a minute.
    pub(super) fn ended_before(&self) -> Option<Timestamp> {
        let due = lock(&self.vault.due).take();
        due.filter(|due| self.store().is_some_and(|store| store.has_ended(*due).unwrap_or(false)))
    }

    /// Writes a batch into the store; where that was given up, into one that is opened anew.
    pub(super) fn write(&self, batch: &Batch) -> Result<Written, String> {
        let store = self.store_or_reopen()?;
        store.write(batch).map_err(|error| {
            self.give_up(&store);
            error.to_string()
        })
    }

    pub(super) fn sync_what_is_due(&self) -> Result<(), String> {
        let Some(store) = self.store() else { return Ok(()) };
        store.durable().sync_what_is_due().map_err(|error| {
            self.give_up(&store);
            error.to_string()
        })
    }

    /// Whatever is still done with it, by redb or by a read, reaches the file no more.
    pub(super) fn give_up(&self, store: &StoreFile) {
        store.durable().retire();
        *lock(&self.store) = None;
        self.must_rewrite.fetch_or(store.durable().has_sync_failed(), Ordering::AcqRel);
    }

    pub(super) fn give_up_what_is_open(&self) {
        if let Some(store) = self.store() {
            self.give_up(&store);
        }
    }

    pub(super) fn store_or_reopen(&self) -> Result<Arc<StoreFile>, String> {
        if let Some(store) = self.store() {
            return Ok(store);
        }
        let told = |error: StartError| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let (mut store, _) = self.place.open().map_err(told)?;
        if self.must_rewrite.load(Ordering::Acquire) {
            self.place.rewrite(&store).map_err(|error| error.to_string())?;
            store.durable().retire();
            drop(store);
            (store, _) = self.place.open().map_err(told)?;
            self.must_rewrite.store(false, Ordering::Release);
        }
        let store = Arc::new(store);
        *lock(&self.store) = Some(Arc::clone(&store));
        Ok(store)
    }

    pub(super) fn store(&self) -> Option<Arc<StoreFile>> {
        lock(&self.store).clone()
    }

    /// Reads a history from the store into memory, unless it was erased meanwhile.
    pub(super) fn fetch(&self, user: UserKey) -> Result<(), String> {
        let erasures = self.erasures.load(Ordering::Acquire);
        let row = if self.desk.is_going(user) {
            None
        } else {
            let store = self.store().ok_or("the store is being opened anew")?;
            store.row(user).map_err(|error| error.to_string())?
        };
        // Where another user was erased, the caller looks again, and asks again.
        self.users.fill(user, row, || self.erasures.load(Ordering::Acquire) == erasures);
        Ok(())
    }

    /// Learns what had to wait for its history.
    pub(super) fn learn_later(&self) {
        for (user, lesson) in std::mem::take(&mut *lock(&self.later)) {
            if self.users.learn(user, &lesson).is_err() && self.fetch(user).is_ok() {
                // A damaged row is told by the next login, which it costs a factor.
                let _damaged = self.users.learn(user, &lesson);
            }
        }
    }

    /// Ages what is in the store only, as much of it as there is room for in memory beside the others.
    pub(super) fn age_elsewhere(&self, cutoffs: &Cutoffs) {
        let Some(store) = self.store() else { return };
        let mut aged = Vec::new();
        let room = self.users.spare();
        let read = store.rows((0, 1), |user, row| {
            if aged.len() < room && UserHistory::row_is_aged(row, cutoffs) && self.users.is_elsewhere(user) {
                aged.push(user);
            }
        });
        if let Err(error) = read {
            tracing::error!(%error, "what is too old is not forgotten; it is tried again in an hour");
        }
        for user in aged {
            if self.fetch(user).is_ok() {
                // A damaged row is told by the next login, which it costs a factor.
                let _damaged = self.users.learn(user, &Lesson::Aged(*cutoffs));
            }
        }
    }

    /// Copies what the store has into a new backup, beside the writer, until nobody wants it.
    pub(super) fn back_up(&self, is_unwanted: &AtomicBool) -> Result<Backup, BackupError> {
        let failed = |why: &str| BackupError::Failed(why.to_owned());
        let store = self.store().ok_or_else(|| failed("the store is being opened anew"))?;
        let watch = |_, _| !is_unwanted.load(Ordering::Acquire) && !self.desk.is_stopping();
        let make = || self.backups.make(&self.place, &store, self.clock.now(), &watch);
        let made = catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| Err(failed("reading the store fails")));
        match &made {
            Ok(Backup { file, users, decisions, .. }) => {
                self.meters.backup_time_s.set(f64::from(self.clock.now().unix_s()));
                tracing::info!(backup = %file.display(), users, decisions, "a backup was made");
            }
            Err(error) => tracing::error!(%error, "the backups are as they were"),
        }
        made
    }

    /// Makes a backup if the newest one is old enough, and nobody makes one just now.
    pub(super) fn back_up_if_due(&self, now: Timestamp) {
        if self.backup_interval.is_zero() {
            return;
        }
        let newest = match self.backups.newest(now, self.clock) {
            Ok(newest) => newest,
            Err(error) => {
                tracing::error!(%error, "backups cannot be had (memory.backup_path)");
                return;
            }
        };
        self.meters.backup_time_s.set(f64::from(newest.unix_s()));
        let is_due = u128::from(now.ms_since(newest).unsigned_abs()) >= self.backup_interval.as_millis();
        if let (true, Ok(_turn)) = (is_due, self.backing_up.try_acquire()) {
            // It is told, and tried again in an hour.
            let _made = self.back_up(&AtomicBool::new(false));
        }
    }

    /// Says how far behind the disk is, and that it hangs.
    pub(super) fn look_at_the_writer(&self) {
        let left = self.changes.len();
        let lag = if left == 0 { Duration::ZERO } else { lock(&self.written_to).elapsed() };
        self.meters.unwritten.set(f64::from(u32::try_from(left).unwrap_or(u32::MAX)));
        self.meters.flush_lag_s.set(lag.as_secs_f64());
        let hangs = lock(&self.committing).is_some_and(|began| began.elapsed() > PATIENCE);
        if hangs && !self.is_degraded.load(Ordering::Acquire) {
            tracing::error!("the disk does not answer; memory goes on without it");
            self.trouble(Some("the disk does not answer".to_owned()));
        }
        self.meters.degraded.set(f64::from(u8::from(self.is_degraded.load(Ordering::Acquire))));
    }

    pub(super) fn trouble(&self, why: Option<String>) {
        self.is_degraded.store(why.is_some(), Ordering::Release);
        *lock(&self.trouble) = why;
    }

    /// Closes the store; where something was erased, in a new file without the pages of before.
    pub(super) fn close(&self, has_erased: bool) -> Result<(), String> {
        let Some(store) = lock(&self.store).take() else { return Ok(()) };
        if has_erased {
            self.place.rewrite(&store).map_err(|error| error.to_string())?;
        }
        // A read that is still under way closes it when it ends.
        Arc::into_inner(store).map_or(Ok(()), StoreFile::close).map_err(|error| error.to_string())
    }
}

/// Whoever drops this does not want any more what somebody does for them on another thread.
#[derive(Debug, Default)]
pub(super) struct Unwanted(Arc<AtomicBool>);

impl Unwanted {
    pub(super) fn handle(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
