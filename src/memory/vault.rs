//! Records that must never be lost nor used twice: factors of users, codes that were sent, proofs that were spent.
//!
//! A record is read with its version, and put only over that version: whoever comes second is told so, reads again and
//! decides again. So one code is used once, by however many replicas it is tried. What a record says is sealed by whoever
//! puts it; here it is bytes.

use super::MemoryError;
use crate::clock::Timestamp;
use crate::keyed_hash::UserKey;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// What belongs to one user, and goes where they go: erased with them, moved when their key is replaced.
    User(UserKey),
    /// Anything else, by a keyed hash of what it is about.
    Other([u8; 16]),
}

/// Which state of a record it is: random, so that one which was removed and made anew is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u64);

/// A record as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// To be named when it is replaced.
    pub version: Version,
    /// What it says.
    pub content: Box<[u8]>,
}

/// A record as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it says.
    pub content: Box<[u8]>,
    /// When it may be forgotten; never without.
    pub until: Option<Timestamp>,
}

/// How a record was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is as it was to be, and stays so.
    Done,
    /// It is not the one that was read any more. Nothing was changed.
    Changed,
}

/// Records in this process only: for memory that a restart forgets, and as what is near of one that lasts.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    records: Mutex<HashMap<Place, (Version, Record)>>,
}

impl Shelf {
    /// A record, unless it has expired.
    pub(super) fn kept(&self, place: Place, now: Timestamp) -> Option<Kept> {
        let records = self.lock();
        let (version, record) = records.get(&place).filter(|(_, record)| is_alive(record, now))?;
        Some(Kept { version: *version, content: record.content.clone() })
    }

    /// Puts a record over the version that was read, `None` where there was none; no record removes it.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(super) fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        let version = Version::random()?;
        let mut records = self.lock();
        let found = records.get(&place).filter(|(_, record)| is_alive(record, now)).map(|(version, _)| *version);
        if found != over {
            return Ok(Put::Changed);
        }
        match record {
            Some(record) => drop(records.insert(place, (version, record))),
            None => drop(records.remove(&place)),
        }
        Ok(Put::Done)
    }

    /// Removes what has expired.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, (_, record)| is_alive(record, now));
    }

    /// Removes what belongs to a user.
    pub(super) fn remove(&self, user: UserKey) {
        self.lock().remove(&Place::User(user));
    }

    /// Has what belongs to a user under one key known under another, unless there is something.
    pub(super) fn adopt(&self, from: UserKey, to: UserKey) {
        let mut records = self.lock();
        if let Some(kept) = records.remove(&Place::User(from)) {
            records.entry(Place::User(to)).or_insert(kept);
        }
    }

    /// No step between two states of the map can panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (Version, Record)>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Version {
    /// Of a record that is put now.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(super) fn random() -> Result<Self, MemoryError> {
        getrandom::u64().map(Self).map_err(|error| MemoryError::Unavailable(format!("no randomness: {error}")))
    }
}

/// Good at exactly its last millisecond.
fn is_alive(record: &Record, now: Timestamp) -> bool {
    record.until.is_none_or(|until| now <= until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).expect("it is in range")
    }

    fn record(content: &[u8], until: Option<i64>) -> Option<Record> {
        Some(Record { content: content.into(), until: until.map(at) })
    }

    #[test]
    fn whoever_comes_second_is_told_so() {
        let (shelf, place) = (Shelf::default(), Place::Other([1; 16]));
        let put = |over, new: Option<Record>| shelf.put(place, over, new, at(0)).expect("there is randomness");
        assert_eq!(put(None, record(b"one", None)), Put::Done);
        assert_eq!(put(None, record(b"two", None)), Put::Changed);
        let first = shelf.kept(place, at(0)).expect("it was put");
        assert_eq!((&*first.content, put(Some(first.version), record(b"three", None))), (&b"one"[..], Put::Done));
        assert_eq!(put(Some(first.version), record(b"four", None)), Put::Changed);
        let second = shelf.kept(place, at(0)).expect("it was put");
        assert_eq!(put(Some(second.version), None), Put::Done);
        assert_eq!(put(Some(second.version), record(b"five", None)), Put::Changed, "it is gone");
        assert_eq!(shelf.kept(place, at(0)), None);
    }

    #[test]
    fn what_has_expired_is_not_there() {
        let (shelf, place) = (Shelf::default(), Place::User(UserKey(7)));
        let put = |over, new, now| shelf.put(place, over, new, at(now)).expect("there is randomness");
        assert_eq!(put(None, record(b"one", Some(10)), 0), Put::Done);
        let kept = shelf.kept(place, at(10)).expect("this is its last millisecond");
        assert_eq!(shelf.kept(place, at(11)), None);
        assert_eq!(put(Some(kept.version), record(b"two", None), 11), Put::Changed);
        shelf.sweep(at(11));
        assert!(shelf.lock().is_empty());
    }

    #[test]
    fn what_belongs_to_a_user_goes_where_they_go() {
        let (shelf, [old, new]) = (Shelf::default(), [UserKey(1), UserKey(2)]);
        assert_eq!(shelf.put(Place::User(old), None, record(b"one", None), at(0)).ok(), Some(Put::Done));
        shelf.adopt(old, new);
        assert_eq!(shelf.kept(Place::User(old), at(0)), None);
        assert_eq!(shelf.kept(Place::User(new), at(0)).map(|kept| kept.content), Some(b"one".as_slice().into()));
        shelf.remove(new);
        assert!(shelf.lock().is_empty());
    }
}
