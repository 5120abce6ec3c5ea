//! Memory of one machine: everything in this process's memory, and durable in a file behind one writer.
//!
//! Two promises. What may be lost for `memory.flush_ms` (histories) is noted, and written with the next group; nobody waits. What
//! may not (outcomes, labels, erasures, forgotten devices) is noted the same way, and answered when the group that holds it is
//! on the disk. While the disk takes nothing, the latter is refused, and the former goes on in memory.

mod backend;
mod start;
mod store;
mod writer;

pub use backend::Fsync;
pub use start::{StartError, StateDirectory};

use super::changes::Changes;
use super::decisions::{
    Decision, DecisionId, Decisions, DeviceForgetter, Eraser, Feedback, Held, Listing, Page, Query, Report, Settlement,
    Visitor, Walk,
};
use super::record::RecordCipher;
use super::users::{Unread, Users};
use super::{Backend, Condition, Counts, Fetch, Memory, MemoryError, Settings, Unvisited};
use crate::clock::{Clock, DAY_MS, Started, Timestamp};
use crate::history::{Cutoffs, Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, HashKey, Secrets, UserKey};
use crate::privacy::RetentionDays;
use crate::telemetry::StoreMeters;
use start::Place;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{Batch, StoreFile};
use tokio::sync::Semaphore;
use writer::{Desk, Told, Wanted, Writer};

/// Histories and decisions in memory, and a file behind them.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Reads of the store at a time, so that a flood of users who were away takes no more threads.
    reads: Arc<Semaphore>,
}

/// What callers, the writer and reads of the store have in common.
struct Shared {
    users: Users,
    decisions: Decisions,
    changes: Arc<Changes>,
    cipher: RecordCipher,
    /// Decisions that the store may have.
    decisions_max: usize,
    /// Decisions from before this are too old.
    aged_before: Mutex<Option<Timestamp>>,
    desk: Desk,
    place: Place,
    /// `None` while it is to be opened anew.
    store: Mutex<Option<Arc<StoreFile>>>,
    /// A sync failed: what is there is to be copied into a new file before anything is promised again.
    must_rewrite: AtomicBool,
    is_degraded: AtomicBool,
    trouble: Mutex<Option<String>>,
    /// What was found out without a login of users whose history is in the store only.
    later: Mutex<Vec<(UserKey, Lesson)>>,
    /// Up to when everything is on the disk, at least.
    written_to: Mutex<Started>,
    /// Since when a commit is under way.
    committing: Mutex<Option<Started>>,
    /// How many erasures there were: what was read before one is not put into memory behind it.
    erasures: AtomicU64,
    meters: StoreMeters,
    clock: Clock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Reads of the store at a time, on threads of their own.
const READS_MAX: usize = 16;
/// Who asks for something durable waits no longer than this: a disk that hangs is one that failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lessons that wait for a history from the store; what is more is not learnt: that demands were left unmet by users who were
/// away longest.
const LATER_MAX: usize = 4_096;

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
        let (store, key) = place.open_or_create()?;
        let (pending_max, settled_max) = (settings.pending_max.as_usize(), settings.decisions_max.as_usize());
        let decisions_max = pending_max + settled_max;
        let changes = Arc::new(Changes::new(decisions_max));
        let mut users = Users::over(settings.users_max.as_usize(), Arc::clone(&changes));
        let known = store.users().unwrap_or(0);
        users.reserve(usize::try_from(known).unwrap_or(0).min(settings.users_max.as_usize()));
        load(&store, &users, progress).map_err(|error| StartError::Damaged(place.file(), error.to_string()))?;
        let decisions = Decisions::over(pending_max, settled_max, Arc::clone(&changes));
        let cipher = place.cipher();
        let opened = load_decisions(&store, (&decisions, &users, &changes), (&cipher, &key));
        opened.map_err(|error| StartError::Damaged(place.file(), error.to_string()))?;
        let shared = Arc::new(Shared {
            users,
            decisions,
            changes,
            cipher,
            decisions_max,
            aged_before: Mutex::default(),
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
            Settlement::Taken | Settlement::Counted(_) => {
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

/// Rows that are brought into memory between two reports.
const REPORT_ROWS: u64 = 16_384;

/// Brings all rows into memory, on all cores.
fn load(store: &StoreFile, users: &Users, progress: Progress<'_>) -> Result<(), redb::Error> {
    let (count, loaded) = (store.users()?, AtomicU64::new(0));
    let parts = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let load_part = |part| {
        store.rows((part, parts), |user, row| {
            users.load(user, row);
            let so_far = loaded.fetch_add(1, Ordering::Relaxed) + 1;
            if so_far.is_multiple_of(REPORT_ROWS) {
                progress(so_far, count);
            }
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..parts).map(|part| scope.spawn(move || load_part(part))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(redb::Error::Corrupted("a row cannot be read".to_owned())))
        })
    })?;
    progress(count, count);
    Ok(())
}

/// Brings decisions into memory. One that does not open, since the key that it was sealed under was taken away, stays where it is
/// until its days are over. One of a user under the key that is being replaced is theirs under the one in use from now on, and written
/// again.
fn load_decisions(
    store: &StoreFile,
    (decisions, users, changes): (&Decisions, &Users, &Changes),
    (cipher, key): (&RecordCipher, &HashKey),
) -> Result<(), redb::Error> {
    let mut shut = 0_u64;
    store.decisions(|id, sealed, had_history| {
        let Ok(decision) = cipher.open(id, sealed) else {
            shut += 1;
            return;
        };
        let has_history = match &decision {
            Decision::Pending(pending) => users.is_known(pending.given.user),
            Decision::Settled(_) => had_history,
        };
        match decision.given().user_in_use(key) {
            Some(user) => {
                decisions.load(id, decision.belonging_to(user), has_history);
                changes.note_decision(id);
            }
            None => decisions.load(id, decision, has_history),
        }
    })?;
    if shut > 0 {
        tracing::warn!(
            decisions = shut,
            "decisions cannot be read: they were sealed under another key, or by another version"
        );
    }
    Ok(())
}

impl Shared {
    /// What is to be written of these decisions.
    fn batch(&self, ids: &[DecisionId]) -> Batch {
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
            ..Batch::default()
        }
    }

    /// Writes a batch into the store; where that was given up, into one that is opened anew.
    fn write(&self, batch: &Batch) -> Result<(), String> {
        let store = self.store_or_reopen()?;
        store.write(batch).map_err(|error| {
            self.give_up(&store);
            error.to_string()
        })
    }

    fn sync_what_is_due(&self) -> Result<(), String> {
        let Some(store) = self.store() else { return Ok(()) };
        store.durable().sync_what_is_due().map_err(|error| {
            self.give_up(&store);
            error.to_string()
        })
    }

    /// Whatever is still done with it, by redb or by a read, reaches the file no more.
    fn give_up(&self, store: &StoreFile) {
        store.durable().retire();
        *lock(&self.store) = None;
        self.must_rewrite.fetch_or(store.durable().has_sync_failed(), Ordering::AcqRel);
    }

    fn give_up_what_is_open(&self) {
        if let Some(store) = self.store() {
            self.give_up(&store);
        }
    }

    fn store_or_reopen(&self) -> Result<Arc<StoreFile>, String> {
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

    fn store(&self) -> Option<Arc<StoreFile>> {
        lock(&self.store).clone()
    }

    /// Reads a history from the store into memory, unless it was erased meanwhile.
    fn fetch(&self, user: UserKey) -> Result<(), String> {
        let erasures = self.erasures.load(Ordering::Acquire);
        let row = if self.desk.is_being_erased(user) {
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
    fn learn_later(&self) {
        for (user, lesson) in std::mem::take(&mut *lock(&self.later)) {
            if self.users.learn(user, &lesson).is_err() && self.fetch(user).is_ok() {
                // A damaged row is told by the next login, which it costs a factor.
                let _damaged = self.users.learn(user, &lesson);
            }
        }
    }

    /// Ages what is in the store only, as much of it as there is room for in memory beside the others.
    fn age_elsewhere(&self, cutoffs: &Cutoffs) {
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

    /// Says how far behind the disk is, and that it hangs.
    fn look_at_the_writer(&self) {
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

    fn trouble(&self, why: Option<String>) {
        self.is_degraded.store(why.is_some(), Ordering::Release);
        *lock(&self.trouble) = why;
    }

    /// Closes the store; where something was erased, in a new file without the pages of before.
    fn close(&self, has_erased: bool) -> Result<(), String> {
        let Some(store) = lock(&self.store).take() else { return Ok(()) };
        if has_erased {
            self.place.rewrite(&store).map_err(|error| error.to_string())?;
        }
        // A read that is still under way closes it when it ends.
        Arc::into_inner(store).map_or(Ok(()), StoreFile::close).map_err(|error| error.to_string())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "memory was not closed in order");
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory for Embedded {
    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        self.shared.users.visit(user, judge).map_err(|unread| self.unvisited(user, unread))
    }

    /// It is on the disk under the new key before it is no longer there under the old one.
    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        let is_moved = self.shared.users.adopt(from, to).map_err(|(user, unread)| self.unvisited(user, unread))?;
        if is_moved {
            // Nobody waits: until then it is found again under the old key, and joined.
            drop(self.shared.desk.ask(Wanted::Kept(to, None)));
            drop(self.shared.desk.ask(Wanted::Erased(from)));
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
        let told = self.shared.desk.ask(Wanted::Erased(user));
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
        self.shared.look_at_the_writer();
    }

    /// Those who are in the store only come into memory for it, some at a time, and go again.
    fn age(&self, now: Timestamp, days: &RetentionDays) {
        let cutoffs = Cutoffs::new(now, days);
        self.shared.users.age(&cutoffs);
        self.shared.decisions.age(now, days);
        let days_ms = i64::from(days.decisions.get()) * DAY_MS;
        *lock(&self.shared.aged_before) = Timestamp::from_unix_ms(now.unix_ms() - days_ms);
        self.shared.age_elsewhere(&cutoffs);
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
async fn told_in_time(told: Option<Told>) -> Result<(), MemoryError> {
    let gone = || MemoryError::Unavailable("the store is closed".to_owned());
    match tokio::time::timeout(PATIENCE, told.ok_or_else(gone)?).await {
        Ok(told) => told.unwrap_or_else(|_| Err(gone())),
        Err(_) => Err(MemoryError::Unavailable("the disk takes too long".to_owned())),
    }
}

#[cfg(test)]
mod tests;
