//! Memory of one machine: everything in this process's memory, and durable in a file behind one writer.
//!
//! Two promises. What may be lost for `memory.flush_ms` (histories) is noted, and written with the next group; nobody waits. What
//! may not (outcomes, labels, erasures, forgotten devices, records of the vault) is noted the same way, and answered when the group that holds it is
//! on the disk. While the disk takes nothing, the latter is refused, and the former goes on in memory.

mod backend;
pub mod backups;
mod copy;
mod desk;
pub mod inspect;
mod load;
pub mod restore;
mod shared;
mod start;
mod store;
mod unopened;
mod vault;
mod writer;

pub use backend::Fsync;
pub use start::{StartError, StateDirectory};

use super::changes::Changes;
use super::decisions::{
    Decision, DecisionId, Decisions, DeviceForgetter, Eraser, Feedback, Held, Listing, Page, Query, Report, Settlement,
    Visitor, Walk,
};
use super::users::{Unread, Users};
use super::vault::{self as records, Kept, Put, Version};
use super::{Backend, Backup, BackupError, Condition, Counts, Fetch, Memory, MemoryError, Settings, Unvisited};
use crate::clock::{Clock, DAY_MS, Timestamp};
use crate::history::{Cutoffs, Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, HashKey, Secrets, UserKey};
use crate::privacy::RetentionDays;
use crate::telemetry::StoreMeters;
use crate::velocity::Velocity;
use backups::Backups;
use desk::{Desk, Told, Wanted};
use load::{load, load_decisions, load_velocity};
use shared::{LATER_MAX, Shared, TOMBSTONE_DAYS, Unwanted, lock};
use start::Place;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{StoreFile, Unopened};
use tokio::sync::Semaphore;
use vault::{Vault, Wish};
use writer::Writer;

/// Histories and decisions in memory, and a file behind them.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Reads of the store at a time, so that a flood of users who were away takes no more threads.
    reads: Arc<Semaphore>,
}

/// Reads of the store at a time, on threads of their own.
const READS_MAX: usize = 16;
/// Who asks for something durable waits no longer than this: a disk that hangs is one that failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the start has come: rows in memory, of so many.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl Embedded {
    /// Opens the store in this directory, or makes one, and brings it into memory. Gives also the key of its hashes. Coordinates
    /// are written with so many decimals of a degree.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; what was there is as it was.
    pub fn start(
        directory: StateDirectory,
        settings: &Settings,
        secrets: &Secrets,
        meters: StoreMeters,
        (clock, coordinate_decimals): (Clock, u32),
        progress: Progress<'_>,
    ) -> Result<(Self, HashKey), StartError> {
        let place = Place::new(directory, settings.sync, secrets.clone(), clock, Box::new(start::open_file))
            .rounding_to(coordinate_decimals);
        Self::over(place, settings, meters, clock, progress)
    }

    fn over(
        place: Place,
        settings: &Settings,
        meters: StoreMeters,
        clock: Clock,
        progress: Progress<'_>,
    ) -> Result<(Self, HashKey), StartError> {
        let backups = Backups::new(settings);
        let (pending_max, settled_max) = (settings.pending_max.as_usize(), settings.decisions_max.as_usize());
        let decisions_max = pending_max + settled_max;
        let changes = Arc::new(Changes::new(decisions_max));
        let read = |store: &StoreFile| {
            let users = Users::over(settings.users_max.as_usize(), Arc::clone(&changes));
            let known = store.users().unwrap_or(0);
            // What a store says of itself is believed up to the bound; beyond it the table grows.
            users.reserve(usize::try_from(known).unwrap_or(0).min(settings.users_max.as_usize()));
            load(store, &users, progress).map(|()| users)
        };
        let damaged = |error: redb::Error| StartError::of(place.file(), Unopened::Damaged(error.to_string()));
        let advise = |error| backups.advise(error, &place);
        place.create_if_new()?;
        let (store, key, users) = match place.open_while(|store| read(store).ok()) {
            Some(opened) => opened,
            None => {
                let (store, key) = place.open().map_err(advise)?;
                let users = read(&store).map_err(|error| advise(damaged(error)))?;
                (store, key, users)
            }
        };
        let decisions = Decisions::over(pending_max, settled_max, Arc::clone(&changes));
        let cipher = place.cipher();
        let loaded = load_decisions(&store, (&decisions, &users, &changes), (&cipher, &key));
        loaded.map_err(|error| advise(damaged(error)))?;
        let vault = if key.is_being_replaced() { Vault::with_movable(&store) } else { Ok(Vault::default()) };
        let vault = vault.map_err(|error| advise(damaged(error)))?;
        let shared = Arc::new(Shared {
            users,
            decisions,
            changes,
            cipher,
            vault,
            velocity: OnceLock::new(),
            decisions_max,
            aged_before: Mutex::default(),
            tombstones_from: Mutex::default(),
            backups,
            backup_interval: Duration::from_secs(u64::from(settings.backup_h.get()) * 3_600),
            backing_up: Arc::new(Semaphore::new(1)),
            desk: Desk::default(),
            place,
            store: Mutex::new(Some(Arc::new(store))),
            must_rewrite: AtomicBool::new(false),
            is_degraded: AtomicBool::new(false),
            trouble: Mutex::default(),
            later: Mutex::default(),
            written_to: Mutex::new(clock.start()),
            committing: Mutex::new(None),
            erasures: AtomicU64::new(0),
            meters,
            clock,
        });
        let window = Duration::from_millis(settings.flush_ms.get().into());
        let writers = Arc::clone(&shared);
        let run = move || Writer::new(&writers, window).run();
        let writer = std::thread::Builder::new().name("askance-store".to_owned()).spawn(run);
        let writer = Mutex::new(Some(writer.map_err(StartError::Thread)?));
        Ok((Self { shared, writer, reads: Arc::new(Semaphore::new(READS_MAX)) }, key))
    }

    /// Writes what is left, and leaves the store in order. Whoever comes later is refused.
    ///
    /// # Errors
    ///
    /// Something is not on the disk.
    pub fn close(&self) -> Result<(), MemoryError> {
        self.shared.desk.stop();
        let writer = lock(&self.writer).take();
        if writer.is_some_and(|thread| thread.join().is_err()) {
            return Err(MemoryError::Unavailable("the writer died".to_owned()));
        }
        lock(&self.shared.trouble).clone().map_or(Ok(()), |why| Err(MemoryError::Unavailable(why)))
    }

    /// While the disk takes nothing, nobody is promised anything.
    fn refuse_if_degraded(&self) -> Result<(), MemoryError> {
        if !self.is_degraded() {
            return Ok(());
        }
        let why = lock(&self.shared.trouble).clone();
        Err(MemoryError::Unavailable(why.unwrap_or_default()))
    }

    /// An outcome or a label that is taken is on the disk before that is said, be it said for the first time or again.
    async fn taken_durably(&self, id: DecisionId, settlement: Settlement) -> Result<Settlement, MemoryError> {
        match &settlement {
            Settlement::Unknown | Settlement::Refused(_) => {}
            Settlement::Taken | Settlement::Labelled(_) | Settlement::Counted(_) => {
                if let Some(user) = self.shared.decisions.user_of(id) {
                    told_in_time(self.shared.desk.ask(Wanted::Kept(user, Some(id)))).await?;
                }
            }
        }
        Ok(settlement)
    }

    fn learn(&self, user: UserKey, lesson: &Lesson) -> Result<(), Unvisited> {
        self.shared.users.learn(user, lesson).map_err(|unread| self.unvisited(user, unread))
    }

    /// Brings a history here that is in the store only.
    fn fetch(&self, user: UserKey) -> Fetch {
        let (shared, reads) = (Arc::clone(&self.shared), Arc::clone(&self.reads));
        Box::pin(async move {
            let unavailable = |why: String| MemoryError::Unavailable(why);
            let permit = reads.acquire_owned().await.map_err(|error| unavailable(error.to_string()))?;
            let read = tokio::task::spawn_blocking(move || {
                let fetched = shared.fetch(user);
                drop(permit);
                fetched
            });
            read.await.map_err(|error| unavailable(error.to_string()))?.map_err(unavailable)
        })
    }

    fn unvisited(&self, user: UserKey, unread: Unread) -> Unvisited {
        match unread {
            Unread::Damaged(error) => error.into(),
            Unread::Elsewhere => Unvisited::Elsewhere(self.fetch(user)),
        }
    }

    /// Other requests of this core are served between two pieces.
    async fn walk(&self, visitor: &mut (impl Visitor + Send)) {
        let mut walk = Walk::default();
        while self.shared.decisions.step(&mut walk, visitor) {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "memory was not closed in order");
        }
    }
}

impl Memory for Embedded {
    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        self.shared.users.visit(user, judge).map_err(|unread| self.unvisited(user, unread))
    }

    fn prefetch_place(&self, user: UserKey) {
        self.shared.users.prefetch_place(user);
    }

    fn prefetch_row(&self, user: UserKey) {
        self.shared.users.prefetch_row(user);
    }

    fn prefetch_decision(&self, id: DecisionId) {
        self.shared.decisions.prefetch(id);
    }

    /// It is on the disk under the new key before it is no longer there under the old one.
    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        let is_moved = self.shared.users.adopt(from, to).map_err(|(user, unread)| self.unvisited(user, unread))?;
        if is_moved {
            // Nobody waits: until then it is found again under the old key, and joined.
            drop(self.shared.desk.ask(Wanted::Kept(to, None)));
            drop(self.shared.desk.ask(Wanted::Moved(from)));
        }
        if self.shared.vault.begins_to_move(from, to) {
            drop(self.shared.desk.wish(Wish::Move { from, to }));
        }
        Ok(())
    }

    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError> {
        self.shared.decisions.keep(id, decision, has_history);
        Ok(())
    }

    async fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Result<Settlement, MemoryError> {
        self.refuse_if_degraded()?;
        loop {
            let settled = self.shared.decisions.settle(id, now, report, |user, lesson| self.learn(user, lesson));
            return match settled {
                Ok(settlement) => self.taken_durably(id, settlement).await,
                Err(unvisited) => {
                    unvisited.fetched().await?;
                    continue;
                }
            };
        }
    }

    async fn label(&self, id: DecisionId, now: Timestamp, feedback: Feedback) -> Result<Settlement, MemoryError> {
        self.refuse_if_degraded()?;
        loop {
            let labelled = self.shared.decisions.label(id, now, feedback, |user, lesson| self.learn(user, lesson));
            return match labelled {
                Ok(settlement) => self.taken_durably(id, settlement).await,
                Err(unvisited) => {
                    unvisited.fetched().await?;
                    continue;
                }
            };
        }
    }

    async fn decisions(&self, query: &Query) -> Result<Page, MemoryError> {
        let mut listing = Listing::new(query);
        self.walk(&mut listing).await;
        Ok(listing.page())
    }

    /// Decisions go before the row: an outcome that is taken meanwhile is learnt under its shard's lock, hence into a row
    /// that is yet to go. From the row on there is no wait, so that whoever goes away leaves no half of it.
    async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        self.refuse_if_degraded()?;
        self.walk(&mut Eraser(user)).await;
        self.shared.decisions.unlearn(user);
        lock(&self.shared.later).retain(|(of, _)| *of != user);
        // Before and behind: a read of the store that began in between is not put into memory either.
        self.shared.erasures.fetch_add(1, Ordering::AcqRel);
        self.shared.users.remove(user);
        let told = self.shared.desk.ask(Wanted::Erased(user, self.shared.clock.now()));
        self.shared.erasures.fetch_add(1, Ordering::AcqRel);
        told_in_time(told).await
    }

    async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        self.refuse_if_degraded()?;
        let forgetter = DeviceForgetter(user, device);
        self.walk(&mut Noting { changes: &self.shared.changes, user, visitor: forgetter }).await;
        while let Err(unvisited) = self.learn(user, &Lesson::Copied(device)) {
            unvisited.fetched().await?;
        }
        told_in_time(self.shared.desk.ask(Wanted::Kept(user, None))).await
    }

    fn sweep(&self, now: Timestamp) {
        let Shared { users, decisions, later, .. } = &*self.shared;
        decisions.sweep(now, |user, lesson| {
            // A damaged row is told by the next login, which it costs a factor.
            if let Err(Unread::Elsewhere) = users.learn(user, lesson) {
                let mut later = lock(later);
                if later.len() < LATER_MAX {
                    later.push((user, *lesson));
                }
            }
        });
        users.sweep();
        self.shared.vault.sweep(now);
        self.shared.look_at_the_writer();
    }

    /// Those who are in the store only come into memory for it, some at a time, and go again.
    fn age(&self, now: Timestamp, days: &RetentionDays) {
        let cutoffs = Cutoffs::new(now, days);
        self.shared.users.age(&cutoffs);
        self.shared.decisions.age(now, days);
        let days_ms = i64::from(days.decisions.get()) * DAY_MS;
        *lock(&self.shared.aged_before) = Timestamp::from_unix_ms(now.unix_ms() - days_ms);
        let tombstones_ms = TOMBSTONE_DAYS * DAY_MS;
        *lock(&self.shared.tombstones_from) = Timestamp::from_unix_ms(now.unix_ms() - tombstones_ms);
        self.shared.age_elsewhere(&cutoffs);
        self.shared.velocity.get().into_iter().for_each(|velocity| velocity.sweep(now));
        self.shared.back_up_if_due(now);
    }

    /// One at a time; whoever comes meanwhile has another one made behind it.
    async fn back_up(&self) -> Result<Backup, BackupError> {
        let failed = |error: &dyn std::fmt::Display| BackupError::Failed(error.to_string());
        let turn = Arc::clone(&self.shared.backing_up).acquire_owned().await.map_err(|error| failed(&error))?;
        let (shared, unwanted) = (Arc::clone(&self.shared), Unwanted::default());
        let is_unwanted = unwanted.handle();
        let made = tokio::task::spawn_blocking(move || {
            let made = shared.back_up(&is_unwanted);
            drop(turn);
            made
        });
        made.await.map_err(|error| failed(&error))?
    }

    /// What cannot be read begins anew: it costs no user anything.
    fn keep_velocity(&self, velocity: &Arc<Velocity>) {
        let loaded = self.shared.store().map(|store| load_velocity(&store, velocity, self.shared.clock.now()));
        if let Some(Err(error)) = loaded {
            tracing::error!(%error, "velocity cannot be read, and begins anew");
        }
        self.shared.velocity.get_or_init(|| Arc::clone(velocity));
    }

    async fn kept(&self, place: records::Place, now: Timestamp) -> Result<Option<Kept>, MemoryError> {
        self.shared.kept(&self.reads, place, now).await
    }

    async fn put(
        &self,
        place: records::Place,
        over: Option<Version>,
        record: Option<records::Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        self.refuse_if_degraded()?;
        self.shared.put(place, over, record, now).await
    }

    fn is_degraded(&self) -> bool {
        self.shared.is_degraded.load(Ordering::Acquire)
    }

    fn condition(&self) -> Condition {
        let trouble = if self.is_degraded() { lock(&self.shared.trouble).clone() } else { None };
        Condition { backend: Backend::Embedded, trouble }
    }

    fn counts(&self) -> Counts {
        Counts { users: self.shared.users.len(), pending: self.shared.decisions.pending() }
    }
}

/// Notes the waiting decisions of a user, which the visitor may change.
struct Noting<'a, V> {
    changes: &'a Changes,
    user: UserKey,
    visitor: V,
}

impl<V: Visitor> Visitor for Noting<'_, V> {
    fn wants(&self, id: DecisionId) -> bool {
        self.visitor.wants(id)
    }

    fn visit(&mut self, id: DecisionId, held: Held<'_>) -> bool {
        if matches!(held, Held::Waiting(_)) && held.given().user == self.user {
            self.changes.note_decision(id);
        }
        self.visitor.visit(id, held)
    }
}

/// Waits for what was asked for.
async fn told_in_time<T>(told: Option<Told<T>>) -> Result<T, MemoryError> {
    let gone = || MemoryError::Unavailable("the store is closed".to_owned());
    match tokio::time::timeout(PATIENCE, told.ok_or_else(gone)?).await {
        Ok(told) => told.unwrap_or_else(|_| Err(gone())),
        Err(_) => Err(MemoryError::Unavailable("the disk takes too long".to_owned())),
    }
}

#[cfg(test)]
mod tests;
