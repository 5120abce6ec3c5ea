//! Opening: which directory, whose turn, which store; and why a start is refused. Nothing that was there is ever replaced by
//! an empty store.

use super::backend::{Durable, Fsync, Medium};
use super::copy::WANTED;
use super::store::{Cache, MIGRATIONS, StoreFile, Tombstones, Unopened};
use crate::clock::Clock;
use crate::history::UserHistory;
use crate::keyed_hash::{HashKey, SecretError, Secrets, UserKey};
use crate::memory::record::RecordCipher;
use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The store within its directory.
const STORE_FILE: &str = "askance.redb";
/// What a new store is called until it is whole.
const NEW_FILE: &str = "askance.redb.new";
/// Held by the process whose turn it is, for as long as it lives.
const LOCK_FILE: &str = "lock";

/// Why a start is refused.
#[derive(Debug)]
pub enum StartError {
    /// There is no store, and one must be there.
    Missing(PathBuf),
    /// Another process has it.
    InUse(PathBuf),
    /// The directory or a file in it cannot be had.
    Io(PathBuf, io::Error),
    /// The store is not what was written.
    Damaged {
        /// It.
        file: PathBuf,
        /// What of it.
        why: String,
        /// The newest backup that is good.
        backup: Option<PathBuf>,
    },
    /// A newer program wrote it, in this format.
    Newer(PathBuf, u32),
    /// It was made with another secret, or no key for it can be had.
    Locked(PathBuf, SecretError),
    /// The system refuses a thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "memory.path: there is no store at {}, and memory.must_exist is true: is its disk mounted? (false makes a \
                 new one, to which every user is new)",
                path.display()
            ),
            Self::InUse(path) => write!(f, "memory.path: another process has the store {}", path.display()),
            Self::Io(path, _) => write!(f, "memory.path: {} cannot be had", path.display()),
            Self::Damaged { file, why, backup } => {
                write!(f, "memory.path: the store {} is damaged ({why}), and is left as it is: ", file.display())?;
                match backup {
                    Some(backup) => {
                        write!(f, "`askance restore --replace` puts back its last good backup, {}", backup.display())?;
                    }
                    None => f.write_str("there is no good backup in memory.backup_path")?,
                }
                f.write_str("; or move it away to begin with nobody known")
            }
            Self::Newer(path, format) => write!(
                f,
                "memory.path: a newer askance wrote the store {} (format {format}): run that one, or put back a backup of before",
                path.display()
            ),
            Self::Locked(path, _) => {
                write!(f, "privacy.pseudonymise_key_file: the store {} stays shut", path.display())
            }
            Self::Thread(_) => f.write_str("the system refuses a thread"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(_, error) | Self::Thread(error) => Some(error),
            Self::Locked(_, error) => Some(error),
            Self::Missing(_) | Self::InUse(_) | Self::Damaged { .. } | Self::Newer(..) => None,
        }
    }
}

impl StartError {
    /// Why this file is not opened.
    pub(super) fn of(file: PathBuf, why: Unopened) -> Self {
        match why {
            Unopened::Io(error) => Self::Io(file, error),
            Unopened::Damaged(why) => Self::Damaged { file, why, backup: None },
            Unopened::Newer(format) => Self::Newer(file, format),
            Unopened::Locked(error) => Self::Locked(file, error),
        }
    }
}

/// Opens a medium: a file, or what a test puts in its place.
pub(super) type OpenMedium = Box<dyn Fn(&Path, Access) -> io::Result<Box<dyn Medium>> + Send + Sync>;

/// What is to be done with a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It is made, or emptied.
    Create,
    /// It is there, and is read and written.
    Change,
    /// It is there, and stays as it is.
    Read,
}

/// The directory of the store, which is this process's for as long as this lives.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

impl StateDirectory {
    /// Takes the directory, which is made where no store must be there.
    ///
    /// # Errors
    ///
    /// It cannot be had, another process has it, or the store that must be there is not.
    pub fn take(path: &Path, must_exist: bool) -> Result<Self, StartError> {
        let file = path.join(STORE_FILE);
        if must_exist && !file.exists() {
            return Err(StartError::Missing(file));
        }
        make_directory(path).map_err(|error| StartError::Io(path.to_owned(), error))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|error| StartError::Io(lock_path.clone(), error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse(file)),
            Err(TryLockError::Error(error)) => Err(StartError::Io(lock_path, error)),
        }
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a store is there already.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.file(STORE_FILE).exists()
    }
}

/// Where the store is, and how it is opened, again if need be.
pub(super) struct Place {
    directory: StateDirectory,
    sync: Fsync,
    secrets: Secrets,
    clock: Clock,
    open: OpenMedium,
    /// Of coordinates, where they are not written as they are.
    decimals: Option<u32>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Place {
    pub(super) fn new(
        directory: StateDirectory,
        sync: Fsync,
        secrets: Secrets,
        clock: Clock,
        open: OpenMedium,
    ) -> Self {
        Self { directory, sync, secrets, clock, open, decimals: None }
    }

    /// The same, with coordinates of so many decimals of a degree in what is written.
    pub(super) fn rounding_to(self, decimals: u32) -> Self {
        Self { decimals: Some(decimals), ..self }
    }

    /// Takes from rows what must not be written.
    pub(super) fn round(&self, rows: &mut [(UserKey, Box<[u8]>)]) {
        let Some(decimals) = self.decimals else { return };
        for (_, row) in rows {
            // A damaged row is told by the next login, which it costs a factor.
            if let Ok(rounded) = UserHistory::rounded_row(row, decimals) {
                *row = rounded.into();
            }
        }
    }

    /// Makes a store where there is none.
    pub(super) fn create_if_new(&self) -> Result<(), StartError> {
        let path = self.file();
        if !path.exists() {
            let keys = self.secrets.unlock(None).map_err(|error| StartError::Locked(path.clone(), error))?;
            let created = self.create(&keys.keep.unwrap_or_default());
            created.map_err(|error| StartError::Io(path.clone(), io::Error::other(error)))?;
            tracing::info!(path = %path.display(), "a new store: nobody is known");
        }
        Ok(())
    }

    /// The store that is there, once `read` has read it while every page was checked on another thread. `None` where anything at all is
    /// not as it should be: then it is to be opened one step after the other, which tells what.
    pub(super) fn open_while<T>(&self, read: impl FnOnce(&StoreFile) -> Option<T>) -> Option<(StoreFile, HashKey, T)> {
        let unchecked = |cache| StoreFile::unchecked(self.durable(&self.file(), Access::Change)?, cache);
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let (store, mut other) = (unchecked(Cache::Lasting).ok()?, unchecked(Cache::Passing).ok()?);
            let (is_whole, read) = std::thread::scope(|scope| {
                let check = scope.spawn(|| other.is_whole());
                let read = read(&store);
                (check.join().unwrap_or(false), read)
            });
            let read = read.filter(|_| is_whole)?;
            let (store, key) = store.accepted(&self.secrets, MIGRATIONS).ok()?;
            Some((store, key, read))
        }));
        opened.unwrap_or(None)
    }

    /// The store that is there. A damaged one may make redb panic.
    pub(super) fn open(&self) -> Result<(StoreFile, HashKey), StartError> {
        let path = self.file();
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let durable = self.durable(&path, Access::Change).map_err(Unopened::Io)?;
            StoreFile::open(durable, &self.secrets, MIGRATIONS)
        }));
        let opened = opened.unwrap_or_else(|_| Err(Unopened::Damaged("reading it fails".to_owned())));
        opened.map_err(|why| StartError::of(path, why))
    }

    /// A new store takes its name only when it is whole, so that whatever has the name was one once.
    fn create(&self, keys: &[u8]) -> Result<(), redb::Error> {
        let new = self.directory.file(NEW_FILE);
        self.create_file(&new, keys)?.close()?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, self.file())?;
        Ok(File::open(&self.directory.path)?.sync_all()?)
    }

    /// An empty store in a new file.
    pub(super) fn create_file(&self, path: &Path, keys: &[u8]) -> Result<StoreFile, redb::Error> {
        StoreFile::create(self.durable(path, Access::Create)?, keys)
    }

    /// Writes what is alive into a new file, which takes the place of the old one: pages of before are gone with that, those
    /// that hold what was erased, and those of which nobody knows whether they reached the disk.
    pub(super) fn rewrite(&self, store: &StoreFile) -> Result<(), redb::Error> {
        self.copy(store, &self.file(), &Tombstones::new(), WANTED).map(drop)
    }

    /// A file that is only to be read.
    pub(super) fn read_only(&self, path: &Path) -> io::Result<Arc<Durable>> {
        self.durable(path, Access::Read)
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn durable(&self, path: &Path, access: Access) -> io::Result<Arc<Durable>> {
        Ok(Durable::new((self.open)(path, access)?, self.sync, self.clock))
    }

    pub(super) fn cipher(&self) -> RecordCipher {
        let cipher = RecordCipher::of(&self.secrets);
        match self.decimals {
            Some(decimals) => cipher.rounding_to(decimals),
            None => cipher,
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.directory.file(STORE_FILE)
    }
}

/// A file as the system has it.
pub(super) fn open_file(path: &Path, access: Access) -> io::Result<Box<dyn Medium>> {
    let is_new = access == Access::Create;
    let mut options = OpenOptions::new();
    options.read(true).write(access != Access::Read).create(is_new).truncate(is_new).mode(0o600);
    Ok(Box::new(options.open(path)?))
}

/// Only for the service's user: histories are of people.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
