//! How things are called in Redis: keys, their slot, and the way from a decision's id to it.
//!
//! ```text
//! askance:{tag}:u:<user>        what is remembered of a user
//! askance:{tag}:k:<user>        a user's record of the vault
//! askance:{tag}:o:<hash>        another record of the vault, of the tag of its hash
//! askance:{tag}:d:<decision>    a decision, sealed
//! askance:{tag}:i:<user>        the decisions of a user: a sorted set of ids
//! askance:{tag}:p, q, s, t      decisions of the tag, ids with their users: that wait, of users with a history (p) and without (q);
//!                               that are settled, of the same (s, t)
//! askance:{000}:meta            format of all this, and which deployment's
//! askance:{000}:aging           a replica looks for what is too old
//! askance:{000}:v               what replicas told each other of sources, of the last minutes: a stream
//! askance:{000}:v:<part>        the same, put together; up to which of its entries, stands before it
//! askance:{000}:v:at            up to which of them all parts are put together
//! askance:{000}:v:turn          a replica puts them together
//! askance:{000}:v:of:<replica>  the number of the last batch of a replica
//! askance:{tag}:probe           whether the node takes writes
//! ```
//! The tag is ten bits of the user's key, as three hex digits. All that is known of a user lies in one slot, so that one script sees
//! all of it. Ten bits spread a deployment over 1,024 slots, more than it has nodes, and few enough that a list of decisions can ask them all.

use crate::keyed_hash::{HashKey, UserKey};
use crate::memory::decisions::DecisionId;
use crate::memory::vault::Place;

/// What decides on which node things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u16);

pub(super) const TAG_BITS: u32 = 10;
pub(super) const TAGS: u16 = 1 << TAG_BITS;
/// Of a cluster. **Source:** the specification of Redis Cluster.
pub(super) const SLOTS: u16 = 16_384;
const HEX: &[u8; 16] = b"0123456789abcdef";

impl Tag {
    pub(super) fn of_user(user: UserKey) -> Self {
        Self(low_bits(user.0))
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..TAGS).map(Self)
    }

    /// The slot of every key with this tag.
    pub(super) fn slot(self) -> u16 {
        crc16(&self.digits()) % SLOTS
    }

    fn digits(self) -> [u8; 3] {
        [8, 4, 0].map(|shift| HEX[usize::from(self.0 >> shift & 0xF)])
    }

    /// What every key of this tag begins with.
    pub(super) fn prefix(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(32);
        key.extend_from_slice(b"askance:{");
        key.extend_from_slice(&self.digits());
        key.extend_from_slice(b"}:");
        key
    }

    fn key(self, kind: &[u8], name: &[u8]) -> Vec<u8> {
        let mut key = self.prefix();
        key.extend_from_slice(kind);
        key.extend_from_slice(name);
        key
    }

    pub(super) fn decision(self, id: DecisionId) -> Vec<u8> {
        self.key(b"d:", &id.to_bytes())
    }

    pub(super) fn list(self, list: List) -> Vec<u8> {
        self.key(list.letter(), b"")
    }

    pub(super) fn meta() -> (Self, Vec<u8>) {
        (Self(0), Self(0).key(b"meta", b""))
    }

    pub(super) fn aging() -> (Self, Vec<u8>) {
        (Self(0), Self(0).key(b"aging", b""))
    }

    /// A key of what replicas tell each other of sources. All of them lie in one slot.
    pub(super) fn velocity(kind: Velocity<'_>) -> (Self, Vec<u8>) {
        let (kind, name): (&[u8], &[u8]) = match kind {
            Velocity::Stream => (b"v", b""),
            Velocity::Part(part) => (b"v:", &[HEX[usize::from(part >> 4)], HEX[usize::from(part & 0xF)]]),
            Velocity::At => (b"v:at", b""),
            Velocity::Turn => (b"v:turn", b""),
            Velocity::Of(replica) => (b"v:of:", replica),
        };
        (Self(0), Self(0).key(kind, name))
    }

    pub(super) fn probe(self) -> Vec<u8> {
        self.key(b"probe", b"")
    }
}

/// What is kept of velocity.
#[derive(Debug, Clone, Copy)]
pub(super) enum Velocity<'a> {
    Stream,
    Part(u8),
    At,
    Turn,
    Of(&'a [u8]),
}

/// A list of decisions of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// They wait; their users have a history.
    WaitingKnown,
    /// They wait; their users have none. These make room first.
    WaitingStrangers,
    /// They wait for nothing; their users have a history.
    SettledKnown,
    /// They wait for nothing; their users have none.
    SettledStrangers,
}

impl List {
    pub(super) const ALL: [Self; 4] =
        [Self::WaitingKnown, Self::WaitingStrangers, Self::SettledKnown, Self::SettledStrangers];

    pub(super) fn letter(self) -> &'static [u8] {
        match self {
            Self::WaitingKnown => b"p",
            Self::WaitingStrangers => b"q",
            Self::SettledKnown => b"s",
            Self::SettledStrangers => b"t",
        }
    }
}

pub(super) fn user_row(user: UserKey) -> Vec<u8> {
    Tag::of_user(user).key(b"u:", &user.0.to_be_bytes())
}

pub(super) fn user_list(user: UserKey) -> Vec<u8> {
    Tag::of_user(user).key(b"i:", &user.0.to_be_bytes())
}

/// Where a record of the vault lies.
pub(super) fn record(place: Place) -> (Tag, Vec<u8>) {
    let (kind, hash) = match place {
        Place::User(user) => (b"k:", user.0),
        Place::Other(hash) => (b"o:", u128::from_be_bytes(hash)),
    };
    let tag = Tag(low_bits(hash));
    (tag, tag.key(kind, &hash.to_be_bytes()))
}

/// Of whom this key says something that goes with them when their key is replaced: their row or their record.
pub(super) fn user_of(key: &[u8]) -> Option<UserKey> {
    user_of_row(key).or_else(|| user_of_kind(key, b"}:k:"))
}

/// Whose row this is the key of, if it is one of ours.
pub(super) fn user_of_row(key: &[u8]) -> Option<UserKey> {
    user_of_kind(key, b"}:u:")
}

fn user_of_kind(key: &[u8], kind: &[u8]) -> Option<UserKey> {
    let rest = key.strip_prefix(b"askance:{")?.get(3..)?.strip_prefix(kind)?;
    rest.try_into().ok().map(|bytes| UserKey(u128::from_be_bytes(bytes)))
}

/// Ties ids of decisions to tags: the last ten bits of an id are the user's tag, hidden under a hash of the rest of the id. Of its 74
/// random bits, 64 remain that nobody can guess, and two decisions of one user have nothing in common that others could see.
#[derive(Debug)]
pub(super) struct Tagger(HashKey);

impl Tagger {
    /// All replicas of a deployment need the same key.
    pub(super) fn new(key: HashKey) -> Self {
        Self(key)
    }

    pub(super) fn mark(&self, id: DecisionId, user: UserKey) -> DecisionId {
        id.with_low_bits(TAG_BITS, Tag::of_user(user).0 ^ self.mask(id))
    }

    pub(super) fn tag(&self, id: DecisionId) -> Tag {
        Tag(low_bits(u128::from_be_bytes(id.to_bytes())) ^ self.mask(id))
    }

    fn mask(&self, id: DecisionId) -> u16 {
        low_bits(self.0.unforeseeable(&id.with_low_bits(TAG_BITS, 0).to_bytes()))
    }
}

fn low_bits(number: u128) -> u16 {
    u16::try_from(number & u128::from(TAGS - 1)).unwrap_or(0)
}

/// The hash of keys to slots. **Source:** the specification of Redis Cluster, appendix A (CRC16-XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let start = crc ^ u16::from(*byte) << 8;
        (0..8).fold(start, |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::memory::decisions::IdSource;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn a_decision_leads_to_its_user_under_the_deployments_key_only() {
        let (ids, now) = (IdSource::new(HashKey::fixed([1; 16])), Timestamp::from_unix_s(1_790_000_000));
        let (ours, theirs) = (Tagger::new(HashKey::fixed([2; 16])), Tagger::new(HashKey::fixed([3; 16])));
        let mut found_by_others = 0;
        for number in 0..4096_u128 {
            let user = UserKey(number * 0x0123_4567_89AB_CDEF);
            let id = ours.mark(ids.decision(now), user);
            assert_eq!((ours.tag(id), id.time()), (Tag::of_user(user), now));
            assert_eq!(DecisionId::parse(&id.to_string()), Some(id));
            found_by_others += usize::from(theirs.tag(id) == Tag::of_user(user));
        }
        assert!(found_by_others < 40, "{found_by_others} of some 4 expected by chance");
    }

    #[test]
    fn the_key_of_a_row_tells_its_user() {
        let user = UserKey(u128::MAX / 7);
        let (_, of_record) = record(Place::User(user));
        assert_eq!([user_of_row(&user_row(user)), user_of(&user_row(user)), user_of(&of_record)], [Some(user); 3]);
        let (_, of_other) = record(Place::Other([7; 16]));
        assert_eq!([user_of_row(&of_record), user_of(&of_other)], [None; 2]);
        for key in [user_list(user), b"askance:{000}:meta".to_vec(), b"other".to_vec()] {
            assert_eq!(user_of_row(&key), None);
        }
    }
}
