//! Why a database does not serve.

use super::tree::TreeError;
use super::{Fields, Role};
use crate::clock::Timestamp;
use crate::context::data_file::ReadError;
use maxminddb::MaxMindDbError;
use std::fmt;

/// A database that does not serve.
#[derive(Debug)]
pub struct GeoIpError {
    /// What it was to serve for.
    pub role: Role,
    /// The file, or that it is the embedded data.
    pub origin: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a database.
#[derive(Debug)]
pub enum Why {
    /// The file cannot be read.
    Read(ReadError),
    /// The content is no valid database.
    Invalid(MaxMindDbError),
    /// The content is no valid database: its tree.
    Tree(TreeError),
    /// The reader panicked on it.
    Panicked,
    /// It holds no network.
    Empty,
    /// It has more different rows than can be numbered.
    Rows,
    /// It says nothing of what it is to serve for.
    Useless(Role),
    /// It no longer says what the running one says.
    Lost(Fields),
    /// It was built before the running one.
    Older {
        /// When it was built.
        built: Timestamp,
        /// When the running one was.
        running: Timestamp,
    },
    /// It has fewer than half of the networks of the running one.
    Shrunken {
        /// Its networks.
        networks: usize,
        /// Those of the running one.
        running: usize,
    },
    /// No file is named, and the binary carries no data.
    NotEmbedded,
}

impl fmt::Display for GeoIpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.origin, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Invalid(error) => write!(f, "is no valid GeoIP database: {error}"),
            Self::Tree(error) => write!(f, "is no valid GeoIP database: {error}"),
            Self::Panicked => f.write_str("is no valid GeoIP database: the reader gave up"),
            Self::Empty => f.write_str("holds no network"),
            Self::Rows => write!(f, "has more than {} different rows", super::table::ROWS_MAX),
            Self::Useless(role) => write!(f, "says nothing that geoip.{} is for", role.as_str()),
            Self::Lost(fields) => write!(f, "no longer tells {}, as the running one does", fields.names().join(", ")),
            Self::Older { built, running } => write!(f, "was built on {built}, before the running one ({running})"),
            Self::Shrunken { networks, running } => {
                write!(f, "has {networks} networks, fewer than half of the running {running}")
            }
            Self::NotEmbedded => f.write_str("is not in this binary (feature `embedded-geoip` is off): name a file"),
        }
    }
}

impl std::error::Error for GeoIpError {}

impl GeoIpError {
    /// The key of the configuration.
    #[must_use]
    pub fn key(&self) -> String {
        format!("geoip.{}", self.role.as_str())
    }
}

impl From<ReadError> for Why {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<MaxMindDbError> for Why {
    fn from(error: MaxMindDbError) -> Self {
        Self::Invalid(error)
    }
}

impl From<TreeError> for Why {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}
