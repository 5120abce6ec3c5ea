//! Why a store is not opened: what is the disk's to explain, and what is the store's.

use crate::keyed_hash::SecretError;
use redb::{DatabaseError, TableError};
use std::fmt;

/// Why a store is not opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// It cannot be read.
    Io(std::io::Error),
    /// It is none, or not what was written.
    Damaged(String),
    /// A newer program wrote it.
    Newer(u32),
    /// It was made with another secret.
    Locked(SecretError),
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged(why) => write!(f, "it is damaged ({why})"),
            Self::Newer(format) => write!(f, "a newer askance wrote it (format {format})"),
            Self::Locked(error) => error.fmt(f),
        }
    }
}

impl From<std::io::Error> for Unopened {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<redb::Error> for Unopened {
    fn from(error: redb::Error) -> Self {
        if let redb::Error::Io(error) = error {
            if is_of_the_disk(&error) { Self::Io(error) } else { Self::Damaged(error.to_string()) }
        } else {
            Self::Damaged(error.to_string())
        }
    }
}

impl From<DatabaseError> for Unopened {
    fn from(error: DatabaseError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<TableError> for Unopened {
    fn from(error: TableError) -> Self {
        redb::Error::from(error).into()
    }
}

/// A file that ends too soon, or begins otherwise, is damaged; everything else is the disk's to explain.
fn is_of_the_disk(error: &std::io::Error) -> bool {
    !matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData)
}
