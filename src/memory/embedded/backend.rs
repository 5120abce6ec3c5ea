//! The file under redb: what an fsync is worth, and where tests make it fail.

use crate::clock::{Clock, Started};
use redb::StorageBackend;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// What an fsync is worth, as Redis names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Each commit waits for the disk.
    Always,
    /// Commits wait for the disk at most once a second.
    EverySec,
    /// The system writes when it likes.
    Never,
}

/// What bytes are kept in: a file, or what a test puts in its place.
pub(super) trait Medium: Send + Sync + fmt::Debug + 'static {
    fn len(&self) -> io::Result<u64>;
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

impl Medium for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A medium as redb and the writer share it.
#[derive(Debug)]
pub(super) struct Durable {
    medium: Box<dyn Medium>,
    sync: Fsync,
    clock: Clock,
    /// When it was last synced, if anything was to be synced since.
    last: Mutex<Last>,
    /// While a store is looked at that may turn out to be none of ours, nothing is written: what redb writes is kept here.
    trial: RwLock<Option<Trial>>,
    retired: AtomicBool,
    sync_failed: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    synced: Started,
    is_owing: bool,
    /// Between two syncs that nobody waits for.
    interval: Duration,
}

impl Last {
    fn is_due(&self) -> bool {
        self.synced.elapsed() >= self.interval
    }
}

/// What was written in a trial: little, since redb mends a header and notes which pages are free.
#[derive(Debug)]
struct Trial {
    /// Of the medium, which nobody else writes to.
    len_there: u64,
    /// With what was written.
    len: u64,
    steps: Vec<Step>,
}

/// In the order in which they were taken: a sync between two writes is what a crash between them relies on.
#[derive(Debug)]
enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// Between two syncs that nobody waits for. **Source:** Redis, `appendfsync everysec`.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

impl Durable {
    pub(super) fn new(medium: Box<dyn Medium>, sync: Fsync, clock: Clock) -> Arc<Self> {
        let last = Mutex::new(Last { synced: clock.start(), is_owing: false, interval: SYNC_INTERVAL });
        let (retired, sync_failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { medium, sync, clock, last, trial: RwLock::default(), retired, sync_failed })
    }

    /// From now on syncs are so far apart.
    #[cfg(test)]
    pub(super) fn sync_each(&self, interval: Duration) {
        self.last().interval = interval;
    }

    /// From now on the medium stays as it is, whatever is written.
    pub(super) fn try_out(&self) -> io::Result<()> {
        let len = self.medium.len()?;
        *self.trial_mut() = Some(Trial { len_there: len, len, steps: Vec::new() });
        Ok(())
    }

    /// The trial went well: what was written in it is written. Where that fails, nothing more is: it would rest on what is missing.
    pub(super) fn accept(&self) -> io::Result<()> {
        let Some(Trial { steps, .. }) = self.trial_mut().take() else { return Ok(()) };
        let accepted = steps.iter().try_for_each(|step| match step {
            Step::Write(offset, bytes) => self.medium.write(*offset, bytes),
            Step::SetLen(len) => self.medium.set_len(*len),
            Step::Sync => self.sync_by_policy(),
        });
        accepted.inspect_err(|_| self.retire())
    }

    fn is_tried_out(&self) -> bool {
        self.trial().is_some()
    }

    fn step(&self, step: Step) {
        if let Some(trial) = self.trial_mut().as_mut() {
            match &step {
                Step::SetLen(len) => trial.len = *len,
                Step::Write(..) | Step::Sync => {}
            }
            trial.steps.push(step);
        }
    }

    /// All who read a store that is tried out hold it over the disk, together; nobody else is there yet.
    fn trial(&self) -> RwLockReadGuard<'_, Option<Trial>> {
        self.trial.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn trial_mut(&self) -> RwLockWriteGuard<'_, Option<Trial>> {
        self.trial.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there, with what was written over it.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let trial = self.trial();
        let Some(Trial { len_there, len, steps }) = trial.as_ref() else {
            drop(trial);
            return self.medium.read(offset, out);
        };
        let end = offset.saturating_add(out.len() as u64);
        if end > *len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let of_medium = usize::try_from(len_there.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (before, behind) = out.split_at_mut(of_medium);
        self.medium.read(offset, before)?;
        behind.fill(0);
        for step in steps {
            let Step::Write(at, bytes) = step else { continue };
            let (from, to) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < to {
                let place = |start: u64| usize::try_from(from - start).unwrap_or(usize::MAX);
                let length = usize::try_from(to - from).unwrap_or(usize::MAX);
                let (into, of) = (place(offset), place(*at));
                out[into..into + length].copy_from_slice(&bytes[of..of + length]);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        self.medium.len()
    }

    /// From now on nothing reaches the medium: somebody else has opened it.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether a sync ever failed. The system may then take pages for written that are not, and say so of no later sync:
    /// only what is written anew is safe.
    pub(super) fn has_sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// Makes up for a sync that was put off, if its second is over.
    pub(super) fn sync_what_is_due(&self) -> io::Result<()> {
        let last = *self.last();
        if last.is_owing && last.is_due() { self.sync_now() } else { Ok(()) }
    }

    /// The last sync, before the file is left. Under [`Fsync::Never`] there is none.
    pub(super) fn sync_what_is_owing(&self) -> io::Result<()> {
        if self.last().is_owing { self.sync_now() } else { Ok(()) }
    }

    fn sync_by_policy(&self) -> io::Result<()> {
        match self.sync {
            Fsync::Always => self.sync_now(),
            Fsync::EverySec => {
                let mut last = self.last();
                let is_due = last.is_due();
                last.is_owing = true;
                drop(last);
                if is_due { self.sync_now() } else { self.alive() }
            }
            Fsync::Never => self.alive(),
        }
    }

    fn sync_now(&self) -> io::Result<()> {
        self.alive()?;
        if let Err(error) = self.medium.sync() {
            self.sync_failed.store(true, Ordering::Release);
            return Err(error);
        }
        let mut last = self.last();
        (last.synced, last.is_owing) = (self.clock.start(), false);
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        if self.retired.load(Ordering::Acquire) { Err(io::Error::other("the store was opened anew")) } else { Ok(()) }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle that redb has.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<Durable>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        let len = self.0.trial().as_ref().map(|trial| trial.len);
        len.map_or_else(|| self.0.medium.len(), Ok)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.alive()?;
        if !self.0.is_tried_out() {
            return self.0.medium.set_len(len);
        }
        self.0.step(Step::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if !self.0.is_tried_out() {
            return self.0.sync_by_policy();
        }
        self.0.step(Step::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.alive()?;
        if !self.0.is_tried_out() {
            return self.0.medium.write(offset, data);
        }
        self.0.step(Step::Write(offset, data.to_vec()));
        Ok(())
    }
}
