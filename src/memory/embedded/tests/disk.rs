//! A disk that fails when it is told to.

use crate::memory::embedded::backend::Medium;
use crate::memory::embedded::start::{OpenMedium, open_file};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What all files of a test share.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// How many operations of a kind go well until one fails; `usize::MAX` is all.
    writes_left: Countdown,
    syncs_left: Countdown,
    /// Whether one failure is followed by others.
    stays_broken: AtomicBool,
    /// Operations that were asked for.
    pub(super) writes: AtomicUsize,
    pub(super) syncs: AtomicUsize,
    has_failed: AtomicBool,
    stalled: Mutex<bool>,
    moves: Condvar,
}

#[derive(Debug)]
struct Countdown(AtomicUsize);

impl Default for Countdown {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl Countdown {
    /// Whether this operation fails.
    fn is_over(&self, stays_broken: bool) -> bool {
        let next = |left: usize| match left {
            usize::MAX => None,
            0 if stays_broken => None,
            0 => Some(usize::MAX),
            left => Some(left - 1),
        };
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(left) | Err(left) => left == 0,
        }
    }
}

impl Disk {
    /// The write behind the next `count` ones fails, once or from then on.
    pub(super) fn fail_write(&self, count: usize, stays_broken: bool) {
        self.stays_broken.store(stays_broken, Ordering::Release);
        self.writes_left.0.store(count, Ordering::Release);
    }

    /// The same of syncs.
    pub(super) fn fail_sync(&self, count: usize, stays_broken: bool) {
        self.stays_broken.store(stays_broken, Ordering::Release);
        self.syncs_left.0.store(count, Ordering::Release);
    }

    pub(super) fn mend(&self) {
        self.fail_write(usize::MAX, false);
        self.fail_sync(usize::MAX, false);
    }

    /// While it is stalled, no sync ends.
    pub(super) fn stall(&self, stalls: bool) {
        *self.stalled.lock().unwrap_or_else(PoisonError::into_inner) = stalls;
        self.moves.notify_all();
    }

    pub(super) fn opener(self: &Arc<Self>) -> OpenMedium {
        let disk = Arc::clone(self);
        Box::new(move |path, access| {
            let medium: Box<dyn Medium> = Box::new(Faulty { file: open_file(path, access)?, disk: Arc::clone(&disk) });
            Ok(medium)
        })
    }

    fn write(&self) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::AcqRel);
        let fails = self.writes_left.is_over(self.stays_broken.load(Ordering::Acquire));
        self.fail(fails, io::ErrorKind::StorageFull.into())
    }

    /// Whether anything ever failed.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    fn fail(&self, fails: bool, error: io::Error) -> io::Result<()> {
        self.has_failed.fetch_or(fails, Ordering::AcqRel);
        if fails { Err(error) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::AcqRel);
        let stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.moves.wait_while(stalled, |stalled| *stalled));
        let fails = self.syncs_left.is_over(self.stays_broken.load(Ordering::Acquire));
        self.fail(fails, io::Error::other("EIO"))
    }
}

#[derive(Debug)]
struct Faulty {
    file: Box<dyn Medium>,
    disk: Arc<Disk>,
}

impl Medium for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    /// A write that fails leaves half of it, as a torn one does.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let failed = self.disk.write();
        let written = if failed.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        self.file.write(offset, written)?;
        failed
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.write()?;
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()?;
        self.file.sync()
    }
}
