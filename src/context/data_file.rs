//! Files of data that others replace while the service runs: read as a whole, or not at all.
//!
//! A file is read into memory and never mapped: whoever truncates a mapped file kills the process. What was read while
//! somebody wrote is refused.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one state of a file from another: device, inode, size and time of modification.
///
/// A file written twice within one tick of the file system's clock (some milliseconds), in place and at the same size,
/// looks unchanged; whoever reloads looks twice, and tools that rename get another inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
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
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }
}

/// Reads a file of at most `mib_max` MiB, all of it, in one state.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read(path: &Path, mib_max: u32) -> Result<(Vec<u8>, Stamp), ReadError> {
    // Asked before it is opened, since opening a pipe waits for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NoFile);
    }
    read_open(File::open(path)?, u64::from(mib_max))
}

fn read_open(mut file: File, mib_max: u64) -> Result<(Vec<u8>, Stamp), ReadError> {
    let before = Stamp::from(&file.metadata()?);
    let bytes_max = mib_max << 20;
    if before.bytes > bytes_max {
        return Err(ReadError::TooLarge { mib_max });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.bytes).unwrap_or(0));
    // One that grows meanwhile stops at the limit, and is told by its size below.
    (&mut file).take(bytes_max).read_to_end(&mut bytes)?;
    let after = Stamp::from(&file.metadata()?);
    if after != before || u64::try_from(bytes.len()) != Ok(before.bytes) {
        return Err(ReadError::Changed);
    }
    Ok((bytes, before))
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
