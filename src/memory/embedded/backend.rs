//! The file under redb: what an fsync is worth, and where tests make it fail.

use crate::clock::{Clock, Started};
use redb::StorageBackend;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    retired: AtomicBool,
    sync_failed: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    synced: Started,
    is_owing: bool,
}

/// Between two syncs that nobody waits for. **Source:** Redis, `appendfsync everysec`.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

impl Durable {
    pub(super) fn new(medium: Box<dyn Medium>, sync: Fsync, clock: Clock) -> Arc<Self> {
        let last = Mutex::new(Last { synced: clock.start(), is_owing: false });
        let (retired, sync_failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { medium, sync, clock, last, retired, sync_failed })
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
        if last.is_owing && last.synced.elapsed() >= SYNC_INTERVAL { self.sync_now() } else { Ok(()) }
    }

    /// The last sync, before the file is left. Under [`Fsync::Never`] there is none.
    pub(super) fn sync_what_is_owing(&self) -> io::Result<()> {
        if self.last().is_owing { self.sync_now() } else { Ok(()) }
    }

    fn sync_now(&self) -> io::Result<()> {
        self.alive()?;
        if let Err(error) = self.medium.sync() {
            self.sync_failed.store(true, Ordering::Release);
            return Err(error);
        }
        *self.last() = Last { synced: self.clock.start(), is_owing: false };
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        if self.retired.load(Ordering::Acquire) { Err(io::Error::other("the store was opened anew")) } else { Ok(()) }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle that redb has.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<Durable>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.medium.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.medium.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.alive()?;
        self.0.medium.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let Durable { sync, .. } = *self.0;
        match sync {
            Fsync::Always => self.0.sync_now(),
            Fsync::EverySec => {
                let mut last = self.0.last();
                let is_due = last.synced.elapsed() >= SYNC_INTERVAL;
                last.is_owing = true;
                drop(last);
                if is_due { self.0.sync_now() } else { self.0.alive() }
            }
            Fsync::Never => self.0.alive(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.alive()?;
        self.0.medium.write(offset, data)
    }
}
