//! Reading a file that somebody else may be writing.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Take};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Which version of a file it was: another one differs in one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: SystemTime,
    /// Of the inode, in seconds and nanoseconds: what restores a modification time changes this one.
    changed: (i64, i64),
}

impl Stamp {
    /// None where there is no such file, or none that may be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Self::new(&std::fs::metadata(path).ok()?).ok()
    }

    /// When its content was written.
    pub(super) fn modified(self) -> SystemTime {
        self.modified
    }

    fn new(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: metadata.modified()?,
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// 32 times a list of a million prefixes as text: more is a mistake, and would keep a core busy for a minute.
const BYTES_MAX: u64 = 512 << 20;

/// Gives the file's bytes to `parse`, and tells which version they were, where that can be told.
///
/// # Errors
///
/// The file cannot be read, is too large, was written to meanwhile, or `parse` refuses it. A writer that makes a new file
/// and renames it is never seen half.
pub(super) fn read<T>(
    path: &Path,
    parse: impl FnOnce(BufReader<Take<&File>>) -> Result<T, String>,
) -> (Option<Stamp>, Result<T, String>) {
    let (file, before) = match open(path) {
        Ok(opened) => opened,
        Err(error) => return (Stamp::of(path), Err(format!("cannot be read: {error}"))),
    };
    if before.bytes > BYTES_MAX {
        return (Some(before), Err(format!("is larger than {} MiB", BYTES_MAX >> 20)));
    }
    let parsed = parse(BufReader::with_capacity(1 << 16, Read::take(&file, before.bytes))).and_then(|parsed| {
        let after = file.metadata().and_then(|metadata| Stamp::new(&metadata));
        if after.is_ok_and(|after| after == before) { Ok(parsed) } else { Err("was written to meanwhile".to_owned()) }
    });
    (Some(before), parsed)
}

fn open(path: &Path) -> io::Result<(File, Stamp)> {
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let stamp = Stamp::new(&file.metadata()?)?;
    Ok((file, stamp))
}
