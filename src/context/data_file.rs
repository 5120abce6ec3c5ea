//! Files of data that others replace while the service runs: read in one state, or not at all.
//!
//! A file is read into memory and never mapped: whoever truncates a mapped file kills the process. What was read while
//! somebody wrote is refused.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read, Take};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What tells one state of a file from another: device, inode, size, and the times at which content and inode changed; what
/// restores the one changes the other.
///
/// A file written twice within one tick of the file system's clock (some milliseconds), in place and at the same size,
/// looks unchanged; whoever reloads looks twice, and tools that rename get another inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why a file was not read.
#[derive(Debug)]
pub enum ReadError {
    /// The system refuses.
    Io(io::Error),
    /// It is no regular file; reading a pipe could wait for ever.
    NoFile,
    /// It has more bytes than are allowed.
    TooLarge {
        /// The limit in MiB.
        mib_max: u64,
    },
    /// Somebody wrote to it meanwhile.
    Changed,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::NoFile => f.write_str("is no regular file"),
            Self::TooLarge { mib_max } => write!(f, "is larger than {mib_max} MiB"),
            Self::Changed => f.write_str("changed while it was read"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Stamp {
    /// The file at `path` as it is now; links are followed, so that one that is moved shows.
    ///
    /// # Errors
    ///
    /// There is none, or the system does not tell.
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }

    /// When its content was written; a time before 1970 counts as 1970.
    #[must_use]
    pub fn modified(self) -> SystemTime {
        let (s, ns) = self.modified;
        SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(s).unwrap_or(0), u32::try_from(ns).unwrap_or(0))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads a file of at most `mib_max` MiB, all of it, in one state.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read(path: &Path, mib_max: u32) -> Result<(Vec<u8>, Stamp), ReadError> {
    let (bytes, stamp) = read_with(path, mib_max, |mut source| {
        let mut bytes = Vec::with_capacity(usize::try_from(source.limit()).unwrap_or(0));
        source.read_to_end(&mut bytes).map(|_| bytes)
    })?;
    Ok((bytes?, stamp))
}

/// Gives the bytes of a file of at most `mib_max` MiB to `parse`, and what that makes of them, if nobody wrote meanwhile.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read_with<T>(path: &Path, mib_max: u32, parse: impl FnOnce(Take<&File>) -> T) -> Result<(T, Stamp), ReadError> {
    // Asked before it is opened, since opening a pipe waits for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NoFile);
    }
    let file = File::open(path)?;
    let before = Stamp::from(&file.metadata()?);
    let mib_max = u64::from(mib_max);
    if before.bytes > mib_max << 20 {
        return Err(ReadError::TooLarge { mib_max });
    }
    // One that grows meanwhile stops here, and is told by its size below.
    let parsed = parse((&file).take(before.bytes));
    if Stamp::from(&file.metadata()?) != before {
        return Err(ReadError::Changed);
    }
    Ok((parsed, before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn reads_what_is_there_and_tells_states_apart() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("data");
        std::fs::write(&path, b"first")?;
        let (bytes, first) = read(&path, 1)?;
        assert_eq!((bytes.as_slice(), first), (&b"first"[..], Stamp::of(&path)?));

        let renamed = directory.path().join("new");
        std::fs::write(&renamed, b"other")?;
        std::fs::rename(&renamed, &path)?;
        assert_ne!(Stamp::of(&path)?, first, "another inode");

        let second = Stamp::of(&path)?;
        File::options().append(true).open(&path)?.write_all(b"!")?;
        assert_ne!(Stamp::of(&path)?, second, "another size");
        Ok(())
    }

    #[test]
    fn what_is_written_to_while_it_is_read_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("data");
        std::fs::write(&path, "first")?;
        let read = read_with(&path, 1, |_| std::fs::write(&path, "longer"));
        assert!(matches!(read, Err(ReadError::Changed)));
        assert!(read_with(&path, 1, |_| ()).is_ok());
        Ok(())
    }

    #[test]
    fn refuses_what_is_no_file_of_data() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        assert!(matches!(read(directory.path(), 1), Err(ReadError::NoFile)));
        assert!(matches!(read(Path::new("/dev/zero"), 1), Err(ReadError::NoFile)));
        assert!(matches!(read(&directory.path().join("absent"), 1), Err(ReadError::Io(_))));
        let large = File::create(directory.path().join("large"))?;
        large.set_len((1 << 20) + 1)?;
        assert!(matches!(read(&directory.path().join("large"), 1), Err(ReadError::TooLarge { mib_max: 1 })));
        Ok(())
    }
}
