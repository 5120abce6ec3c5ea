//! What is remembered between logins: histories of users, and decisions that wait for their outcome.
//!
//! [`Memory`] is what the pipeline sees; the backends implement it. They hold no opinion: what is learnt, and when, is
//! decided outside and handed in.

mod changes;
pub mod decisions;
pub mod embedded;
mod places;
pub mod record;
pub mod redis;
pub mod store;
mod users;
pub mod vault;
pub mod volatile;

use crate::bounded::Bounded;
use crate::clock::Timestamp;
use crate::history::{Lesson, RowError, UserHistory};
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::privacy::RetentionDays;
use crate::velocity::Velocity;
use decisions::{Decision, DecisionId, Feedback, Page, Query, Report, Settlement};
use embedded::Fsync;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use vault::{Kept, Place, Put, Version};

/// The tunables of memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where things are kept.
    pub backend: Backend,
    /// The directory of the embedded store.
    pub path: PathBuf,
    /// Milliseconds within which histories reach the disk.
    pub flush_ms: Bounded<10, 60_000>,
    /// What an fsync is worth.
    pub sync: Fsync,
    /// Whether the start is refused where there is no store.
    pub must_exist: bool,
    /// Where backups of the embedded store are; without it, `backups` below [`Self::path`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_path: Option<PathBuf>,
    /// Hours between two backups that the service makes by itself; 0 is none.
    pub backup_h: Bounded<0, 8_760>,
    /// Backups that are kept.
    pub backups_kept: Bounded<1, 1_000>,
    /// Where Redis is.
    pub url: redis::RedisUrl,
    /// Milliseconds that a call to Redis may take.
    pub timeout_ms: Bounded<1, 10_000>,
    /// When an allowed login teaches.
    pub record: Record,
    /// Seconds for which a decision waits for its outcome.
    pub pending_ttl_s: Bounded<1, 86_400>,
    /// Decisions that may wait at a time, about 430 bytes each.
    pub pending_max: Bounded<16, 10_000_000>,
    /// Decisions that wait no longer and are kept, about 290 bytes each; a repeated outcome searches a sixteenth of them,
    /// a list all of them.
    pub decisions_max: Bounded<16, 1_000_000>,
    /// Users that are remembered, about 250 bytes each.
    pub users_max: Bounded<16, 1_000_000_000>,
    /// More of Redis.
    pub redis: redis::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: Backend::Embedded,
            path: PathBuf::from("askance-state"),
            flush_ms: Bounded::of::<1000>(),
            sync: Fsync::Always,
            must_exist: false,
            backup_path: None,
            backup_h: Bounded::of::<24>(),
            backups_kept: Bounded::of::<3>(),
            url: redis::RedisUrl::default(),
            timeout_ms: Bounded::of::<50>(),
            record: Record::OnAllow,
            pending_ttl_s: Bounded::of::<900>(),
            pending_max: Bounded::of::<65_536>(),
            decisions_max: Bounded::of::<32_768>(),
            users_max: Bounded::of::<10_000_000>(),
            redis: redis::Settings::default(),
        }
    }
}

/// Where things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In memory, and durable in a file of this machine.
    Embedded,
    /// In Redis or Valkey, which several replicas share.
    Redis,
    /// In memory only: a restart forgets everything.
    Volatile,
}

impl Backend {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
            Self::Volatile => "volatile",
        }
    }
}

/// How memory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Where things are kept.
    pub backend: Backend,
    /// Why nothing becomes durable; `None` while all is well.
    pub trouble: Option<String>,
}

/// When an allowed login teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// At once.
    OnAllow,
    /// When its outcome is reported.
    OnOutcome,
}

/// A store of histories and decisions, shared by all cores. Every call is one atomic step, and none holds a lock while
/// anybody waits. What a login needs waits for nothing, so that nothing of it outlives a wait.
pub trait Memory: Send + Sync + fmt::Debug + 'static {
    /// A user is about to be visited: has what is read first come from where memory is slow. Nobody waits for it, and where nothing is to
    /// be gained nothing is done.
    fn prefetch_place(&self, user: UserKey);

    /// The same of the row, when the place has come.
    fn prefetch_row(&self, user: UserKey);

    /// A decision is about to be kept: has the place come where most are.
    fn prefetch_decision(&self, id: DecisionId);

    /// Shows one user's history to `judge`, and learns what it returns.
    ///
    /// # Errors
    ///
    /// The history is not here, or cannot be had; `judge` was not called, or what it returned is not learnt.
    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited>;

    /// The same, for the login whose decision will be `id`, so that what it teaches can be told to other replicas with it; at
    /// once, or later, where the store does not answer and what is here has to do.
    ///
    /// # Errors
    ///
    /// As for [`Self::visit`].
    fn visit_at_login<T>(
        &self,
        _id: DecisionId,
        _how: Sharing,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        self.visit(user, judge)
    }

    /// The id of a decision on this user's login: a shared store finds by it where the decision is.
    fn name(&self, id: DecisionId, _user: UserKey) -> DecisionId {
        id
    }

    /// Tells other replicas of a login that was judged, learnt and kept: the answer goes out behind it. `None` where there is
    /// nobody to tell, or nobody can be told now.
    fn share(&self, _id: DecisionId, _user: UserKey, _how: Sharing) -> Option<Share> {
        None
    }

    /// Has what is known of a user under one key known under another, which is in use from now on.
    ///
    /// # Errors
    ///
    /// As for [`Self::visit`]; nothing was moved.
    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited>;

    /// Keeps a decision. `has_history` is whether the user had one: decisions of others go first when room is short.
    ///
    /// # Errors
    ///
    /// It could not be kept: its outcome will not be known.
    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError>;

    /// Takes the outcome of a decision, and learns what it teaches.
    ///
    /// # Errors
    ///
    /// The decision cannot be had, or its outcome cannot be learnt: it waits on as before.
    fn settle(
        &self,
        id: DecisionId,
        now: Timestamp,
        report: Report,
    ) -> impl Future<Output = Result<Settlement, MemoryError>> + Send;

    /// Takes what somebody says of a decision afterwards, and learns what it teaches.
    ///
    /// # Errors
    ///
    /// The decision cannot be had, or the label cannot be learnt.
    fn label(
        &self,
        id: DecisionId,
        now: Timestamp,
        feedback: Feedback,
    ) -> impl Future<Output = Result<Settlement, MemoryError>> + Send;

    /// Lists decisions, newest first.
    ///
    /// # Errors
    ///
    /// Decisions cannot be had.
    fn decisions(&self, query: &Query) -> impl Future<Output = Result<Page, MemoryError>> + Send;

    /// Forgets everything about a user: history, labels, decisions. A login under way may leave what it brings by itself;
    /// nothing of before comes back.
    ///
    /// # Errors
    ///
    /// Something may be left.
    fn erase(&self, user: UserKey) -> impl Future<Output = Result<(), MemoryError>> + Send;

    /// Forgets one device of a user, and sees to it that no login of before makes it known again.
    ///
    /// # Errors
    ///
    /// The device may be known still.
    fn forget_device(&self, user: UserKey, device: DeviceTag) -> impl Future<Output = Result<(), MemoryError>> + Send;

    /// Forgets what has expired and what is over the bounds, and learns that demands were left unmet; called once a
    /// second, off the path of logins.
    fn sweep(&self, now: Timestamp);

    /// Forgets what is older than it may be. It goes through all that is remembered, and is called on a thread of its own.
    fn age(&self, now: Timestamp, days: &RetentionDays);

    /// A record of the vault as it is now, unless it has expired.
    ///
    /// # Errors
    ///
    /// It cannot be had; that it is not there is not known.
    fn kept(&self, place: Place, now: Timestamp) -> impl Future<Output = Result<Option<Kept>, MemoryError>> + Send;

    /// Puts a record over the version that was read, `None` where there was none, or removes it. It is durable, and known to
    /// all replicas, before this ends.
    ///
    /// # Errors
    ///
    /// It may have been put, or not.
    fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<vault::Record>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Put, MemoryError>> + Send;

    /// Makes a backup of all that is durable now. Dropped before its end, none is made.
    ///
    /// # Errors
    ///
    /// See [`BackupError`]; the backups of before are as they were.
    fn back_up(&self) -> impl Future<Output = Result<Backup, BackupError>> + Send {
        std::future::ready(Err(BackupError::NotHere))
    }

    /// Keeps what is counted of sources with the rest, and tells other replicas of it, if the store does such things: what is known is
    /// added before this ends. Called once, before anything is counted.
    fn keep_velocity(&self, _velocity: &Arc<Velocity>) {}

    /// Whether what a login teaches is in memory only, since nothing becomes durable just now. Asked for each login.
    fn is_degraded(&self) -> bool;

    /// How it is, for people.
    fn condition(&self) -> Condition;

    /// Users remembered, and decisions that wait.
    fn counts(&self) -> Counts;
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Users with a history.
    pub users: usize,
    /// Decisions without an outcome.
    pub pending: usize,
}

/// What brings a history here; then it can be visited, unless it failed.
pub type Fetch = Pin<Box<dyn Future<Output = Result<(), MemoryError>> + Send>>;

/// What tells other replicas of a login. Dropped before its end, what the login taught is taken back.
pub type Share = Pin<Box<dyn Future<Output = Result<(), Unshared>> + Send>>;

/// How a login is told to other replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Where none of them changed the user meanwhile.
    Compared,
    /// On top of whatever they changed.
    Merged,
    /// When they can be reached again.
    Later,
}

/// Why a login was not shared. What it taught is taken back, and its decision was not kept.
#[derive(Debug)]
pub enum Unshared {
    /// Another replica changed the user: the login is to be judged again.
    Changed,
    /// Nobody can be reached.
    Failed(MemoryError),
}

impl From<RowError> for Unshared {
    fn from(error: RowError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<MemoryError> for Unshared {
    fn from(error: MemoryError) -> Self {
        Self::Failed(error)
    }
}

/// Why a history was not visited.
pub enum Unvisited {
    /// It has to be fetched first.
    Elsewhere(Fetch),
    /// It cannot be had.
    Failed(MemoryError),
}

impl Unvisited {
    /// Brings the history here.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    pub async fn fetched(self) -> Result<(), MemoryError> {
        match self {
            Self::Elsewhere(fetch) => fetch.await,
            Self::Failed(error) => Err(error),
        }
    }
}

impl fmt::Debug for Unvisited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere(_) => f.write_str("Elsewhere"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl From<RowError> for Unvisited {
    fn from(error: RowError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<MemoryError> for Unvisited {
    fn from(error: MemoryError) -> Self {
        Self::Failed(error)
    }
}

/// A backup that was made, and opened again to see that it is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The file.
    pub file: PathBuf,
    /// Users in it.
    pub users: u64,
    /// Decisions in it.
    pub decisions: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Backups that are kept, this one among them.
    pub kept: usize,
}

/// Why no backup was made.
#[derive(Debug)]
pub enum BackupError {
    /// This memory makes none: it forgets, or others keep it.
    NotHere,
    /// The store cannot be had.
    Unopened(embedded::StartError),
    /// It could not be written, or is not what was written.
    Failed(String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => f.write_str("only the embedded store makes backups (memory.backend)"),
            Self::Unopened(error) => error.fmt(f),
            Self::Failed(why) => write!(f, "no backup was made: {why}"),
        }
    }
}

impl std::error::Error for BackupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unopened(error) => error.source(),
            Self::NotHere | Self::Failed(_) => None,
        }
    }
}

/// Memory could not answer.
#[derive(Debug)]
pub enum MemoryError {
    /// A row is damaged.
    Row(RowError),
    /// The store does not answer.
    Unavailable(String),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(_) => f.write_str("a user's history cannot be read"),
            Self::Unavailable(why) => write!(f, "memory is not available: {why}"),
        }
    }
}

impl std::error::Error for MemoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Row(source) => Some(source),
            Self::Unavailable(_) => None,
        }
    }
}

impl From<RowError> for MemoryError {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}
