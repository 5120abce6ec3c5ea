//! Records of the vault: one key each, which one script compares and stores. Nothing of them is near: whoever asks for one asks Redis, and
//! what is said of a put is what the server said, after its disk where it can tell; anything else is an error, never "done".
//!
//! **Replacing the key.** The two places of a user lie in two slots. A record is marked as on its way at the one, which stops every put
//! there; then it is copied to the other, if nothing newer is there; then the first says that it has left. Each state is newer than the one
//! before it (`generation`), so that a step that comes late, or again, or from a replica that has the two keys in another order, changes
//! nothing that came after it. Whoever dies on the way leaves a record that nobody uses until the next who asks goes on with it.

use super::Inner;
use super::names;
use super::node::Trouble;
use super::scripts::Invocation;
use crate::clock::Timestamp;
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::memory::vault::{Kept, Place, Put, Record, Version};
use ::redis::Value;

/// It is there.
const HERE: u8 = b'L';
/// It ended, was removed, or its user was erased.
const ENDED: u8 = b'E';
/// Beyond the end of a record by our clocks, so that Redis, or the replica that takes over, forgets none that one of us still counts on.
const SLACK_MS: u64 = 600_000;
/// For how long it is kept that a record left or ended: longer than any copy of before is under way.
pub(super) const LEFT_MS: u64 = 86_400_000;
/// State, version, generation, end.
const HEAD_BYTES: usize = 25;

/// A record as it lies in Redis.
struct Held<'v> {
    state: u8,
    version: Version,
    until: u64,
    content: &'v [u8],
}

impl<'v> Held<'v> {
    fn of(value: &'v [u8]) -> Result<Self, Trouble> {
        let (head, content) = value.split_first_chunk::<HEAD_BYTES>().ok_or(Trouble::Odd)?;
        let number = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(Self { state: head[0], version: Version(number(1)), until: number(17), content })
    }

    /// Good at exactly its last millisecond.
    fn is_alive(&self, now_ms: u64) -> bool {
        self.until == 0 || now_ms <= self.until
    }
}

impl Inner {
    pub(super) async fn kept(&self, place: Place, now: Timestamp) -> Result<Option<Kept>, MemoryError> {
        let (tag, key) = names::record(place);
        let mut command = ::redis::cmd("GET");
        command.arg(key);
        let value = self.bytes(tag, command).await?;
        if value.is_empty() {
            return Ok(None);
        }
        let held = Held::of(&value)?;
        match held.state {
            HERE if held.is_alive(ms_of(now)) => Ok(Some(Kept { version: held.version, content: held.content.into() })),
            HERE | ENDED => Ok(None),
            // That there is none is not known.
            _ => Err(MemoryError::Unavailable("a record is on its way to another key".to_owned())),
        }
    }

    pub(super) async fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        let (tag, key) = names::record(place);
        let over = over.map(|version| version.0.to_le_bytes());
        let (now_ms, anew) = (ms_of(now), Version::random()?.0.to_le_bytes());
        let now_digits = now_ms.to_string();
        let (value, ttl) = match &record {
            Some(record) => {
                let until = record.until.map_or(0, |until| ms_of(until).max(1));
                ([&until.to_le_bytes(), &*record.content].concat(), ttl(until, now_ms))
            }
            None => (Vec::new(), LEFT_MS.to_string()),
        };
        let invocation = Invocation {
            script: &self.scripts.put,
            keys: &[&key],
            arguments: &[
                over.as_ref().map_or(&[], |over| over.as_slice()),
                &anew,
                &value,
                ttl.as_bytes(),
                now_digits.as_bytes(),
            ],
        };
        match self.nodes.script(tag, invocation).await? {
            Value::Int(1) => {
                self.nodes.durable(tag).await?;
                Ok(Put::Done)
            }
            Value::Int(0) => Ok(Put::Changed),
            _ => Err(Trouble::Odd.into()),
        }
    }

    /// Has what belongs to a user under one key belong to them under another.
    pub(super) async fn adopt_record(&self, from: UserKey, to: UserKey, now: Timestamp) -> Result<(), MemoryError> {
        let ((from_tag, from), (to_tag, to)) = (names::record(Place::User(from)), names::record(Place::User(to)));
        let (now_ms, left_ms) = (ms_of(now), LEFT_MS.to_string());
        let now_digits = now_ms.to_string();
        let leaves = Invocation { script: &self.scripts.leave, keys: &[&from], arguments: &[now_digits.as_bytes()] };
        let Value::BulkString(leaving) = self.nodes.script(from_tag, leaves).await? else { return Ok(()) };
        let ttl = ttl(Held::of(&leaving)?.until, now_ms);
        let arrives = Invocation { script: &self.scripts.arrive, keys: &[&to], arguments: &[&leaving, ttl.as_bytes()] };
        self.nodes.script(to_tag, arrives).await?;
        self.nodes.durable(to_tag).await?;
        let has_left =
            Invocation { script: &self.scripts.left, keys: &[&from], arguments: &[&leaving, left_ms.as_bytes()] };
        self.nodes.script(from_tag, has_left).await?;
        Ok(())
    }
}

/// For how long Redis keeps a record, in ms from now; nothing is for ever. By the time that is left, not by the time of day: the server's
/// clock may be another one.
fn ttl(until: u64, now_ms: u64) -> String {
    match until {
        0 => String::new(),
        until => until.saturating_sub(now_ms).saturating_add(SLACK_MS).to_string(),
    }
}

fn ms_of(time: Timestamp) -> u64 {
    u64::try_from(time.unix_ms()).unwrap_or(0)
}
