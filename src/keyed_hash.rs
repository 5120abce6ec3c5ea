//! Keyed hashing: nothing that an outsider picks (user ids, device ids, networks) becomes a key without the deployment's
//! secret, so nobody can search for collisions, and memory holds tags instead of names.
//!
//! SipHash with 128 bits of output: 1-3, as in Rust's own maps, for tags that nobody outside ever sees; 2-4 for what leaves the
//! house as an id. **Source:** Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012.

mod secrets;

pub use secrets::{SecretError, Secrets, TagKey, Unlocked};

use arrayvec::ArrayVec;
use siphasher::sip128::{Hash128, Hasher128, SipHasher13, SipHasher24};
use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::num::NonZeroU64;

/// Who a user is to this store for as long as it lives: tenant and user id under its tag key. Tags are bound to it, and it is kept
/// nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Anchor(u128);

/// Whose history: the user's anchor under the deployment's key, which can be replaced. Two users share one with a chance of 2^-128
/// a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserKey(pub u128);

impl UserKey {
    /// Half of it, for counting users: as good a hash as the whole.
    #[must_use]
    pub fn low_bits(self) -> u64 {
        u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or(0)
    }
}

/// One device of one user. 64 bits: with ten devices a user, a stranger's device passes for a known one with a
/// chance of 5e-19 a login, and without the key there is no searching for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceTag(pub u64);

impl DeviceTag {
    /// Parses 16 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for DeviceTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One network, a /24 or a /48, as one user sees it. 32 bits: 6e-9 for a false match among 24 networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkTag(pub u32);

impl fmt::Display for NetworkTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
/// One request, as told apart from all others of the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestTag(pub u128);

/// One exact address (an IPv6 one by its /64, which is one line's) as one user sees it: the tag of its network, and what
/// tells it apart there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressTag(pub u64);

impl AddressTag {
    /// The tag of `address` in its own network.
    #[must_use]
    pub fn new(network: NetworkTag, address: IpAddr) -> Self {
        let host = match address {
            IpAddr::V4(v4) => u64::from(v4.octets()[3]),
            IpAddr::V6(v6) => u64::from(v6.segments()[3]),
        };
        Self(u64::from(network.0) << 16 | host)
    }
}

impl fmt::Display for AddressTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A network, or an autonomous system, as all users of one tenant share it. Never zero, so that an empty place can be. 64 bits:
/// among 100,000 sources, one is taken for another with a chance of 3e-10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey(pub NonZeroU64);

/// Where a login comes from, by what it shares with the logins of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// The address; an IPv6 one by its /64, which is one line's.
    pub address: SourceKey,
    /// Its /24 or /48.
    pub prefix: SourceKey,
    /// Its autonomous system, where known.
    pub system: Option<SourceKey>,
}

impl SourceKey {
    fn new(hash: u64) -> Self {
        Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MAX))
    }
}

/// For maps whose keys are keyed hashes already ([`UserKey`], [`RequestTag`], ids of decisions): hashing them again would only cost.
#[derive(Debug, Default)]
pub struct KeyIsHash(u64);

impl Hasher for KeyIsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let head = bytes.first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
        self.0 ^= head;
    }

    fn write_u128(&mut self, key: u128) {
        let [a, b, c, d, e, f, g, h, ..] = key.to_le_bytes();
        self.0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    }
}

/// The secrets of a store. Cloning copies some 80 bytes; it is never printed.
#[derive(Clone)]
pub struct HashKey {
    /// Of anchors and tags: the tag key of the store.
    bytes: [u8; 16],
    /// Of users: follows from the pseudonymisation key.
    users: [u8; 16],
    /// The same from the one before, while that is replaced.
    replaced: Option<[u8; 16]>,
    /// Most deployments have no other tenant.
    default_tenant: TenantKey,
}

/// What follows from the secret for one tenant: a secret, too.
#[derive(Clone, Copy)]
struct TenantKey(u64, u64);

/// The tenant of who names none. **Source:** http-api.md.
const DEFAULT_TENANT: &str = "default";

impl HashKey {
    /// A key of random bytes, good for as long as memory is volatile.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self::fixed(bytes))
    }

    /// A key that is given, for tests and benches that must repeat.
    #[must_use]
    pub fn fixed(bytes: [u8; 16]) -> Self {
        Self::new(bytes, bytes.map(|byte| !byte), None)
    }

    fn new(bytes: [u8; 16], users: [u8; 16], replaced: Option<[u8; 16]>) -> Self {
        let default_tenant = TenantKey::new(&bytes, DEFAULT_TENANT);
        Self { bytes, users, replaced, default_tenant }
    }

    /// The key of a user's history.
    #[must_use]
    pub fn user(&self, tenant: &str, user_id: &str) -> UserKey {
        self.user_of(self.anchor(tenant, user_id))
    }

    /// The same, of somebody whose anchor is known.
    #[must_use]
    pub fn user_of(&self, anchor: Anchor) -> UserKey {
        user_of(&self.users, anchor)
    }

    /// Whether users may be known under the key before, too.
    #[must_use]
    pub fn is_being_replaced(&self) -> bool {
        self.replaced.is_some()
    }

    /// The key that the history had before the pseudonymisation key was replaced; `None` unless it is being replaced.
    #[must_use]
    pub fn replaced_user_of(&self, anchor: Anchor) -> Option<UserKey> {
        self.replaced.as_ref().map(|users| user_of(users, anchor))
    }

    /// What a user's tags are bound to.
    #[must_use]
    pub fn anchor(&self, tenant: &str, user_id: &str) -> Anchor {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        let length = tenant.len().to_le_bytes();
        Anchor(self.hash(b'u', [&length, tenant.as_bytes(), user_id.as_bytes()]).as_u128())
    }

    /// The tag of a device id, bound to its user: equal ids of two users do not link them.
    #[must_use]
    pub fn device(&self, user: Anchor, device_id: &str) -> DeviceTag {
        DeviceTag(self.hash(b'd', [&user.0.to_le_bytes(), device_id.as_bytes()]).h1)
    }

    /// The tag of a device that has a token of ours.
    #[must_use]
    pub fn token_device(&self, user: Anchor, device: u64) -> DeviceTag {
        DeviceTag(self.hash(b't', [&user.0.to_le_bytes(), &device.to_le_bytes()]).h1)
    }

    /// The tag of an address's network, /24 or /48, bound to the user.
    #[must_use]
    pub fn network(&self, user: Anchor, address: IpAddr) -> NetworkTag {
        let user = user.0.to_le_bytes();
        let hash = match address {
            IpAddr::V4(v4) => self.hash(b'n', [&user, &v4.octets()[..3]]),
            IpAddr::V6(v6) => self.hash(b'n', [&user, &v6.octets()[..6]]),
        };
        let [a, b, c, d, ..] = hash.h1.to_le_bytes();
        NetworkTag(u32::from_le_bytes([a, b, c, d]))
    }

    /// The tag of a request in two parts, in one of two variants.
    #[must_use]
    pub fn request(&self, variant: bool, parts: [&[u8]; 2]) -> RequestTag {
        let [before, after] = parts;
        // The length keeps ("ab", "c") apart from ("a", "bc").
        let length = before.len().to_le_bytes();
        RequestTag(self.hash(b'r', [&[variant.into()], &length, before, after]).as_u128())
    }

    /// The keys of an address's sources, bound to the tenant: what happens to one tenant says nothing to another.
    #[must_use]
    pub fn sources(&self, tenant: &str, address: IpAddr, asn: Option<u32>) -> Sources {
        if tenant == DEFAULT_TENANT {
            self.default_tenant.sources(address, asn)
        } else {
            TenantKey::new(&self.bytes, tenant).sources(address, asn)
        }
    }

    /// 128 bits that follow from `text`, and that nobody without the key can foretell.
    #[must_use]
    pub fn unforeseeable(&self, text: &[u8]) -> u128 {
        SipHasher24::new_with_key(&self.bytes).hash(text).as_u128()
    }

    /// Of all parts, one behind the other. Each kind of tag has its own first byte, so that none can stand for another.
    fn hash<const PARTS: usize>(&self, kind: u8, parts: [&[u8]; PARTS]) -> Hash128 {
        let mut piece = ArrayVec::<u8, PIECE_BYTES>::new();
        piece.push(kind);
        if parts.iter().all(|part| piece.try_extend_from_slice(part).is_ok()) {
            return SipHasher13::new_with_key(&self.bytes).hash(&piece);
        }
        let mut hasher = hasher(&self.bytes, kind);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish128()
    }
}

/// What most tags are made of fits, and is hashed in one piece: by less than the work that its parts would take.
const PIECE_BYTES: usize = 96;

/// Under a key of its own, so that no kind is needed: 16 bytes are hashed in half the time of 17.
fn user_of(users: &[u8; 16], anchor: Anchor) -> UserKey {
    UserKey(SipHasher13::new_with_key(users).hash(&anchor.0.to_le_bytes()).as_u128())
}

fn hasher(key: &[u8; 16], kind: u8) -> SipHasher13 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write_u8(kind);
    hasher
}

impl TenantKey {
    fn new(key: &[u8; 16], tenant: &str) -> Self {
        let mut hasher = hasher(key, b's');
        hasher.write(tenant.as_bytes());
        let hash = hasher.finish128();
        Self(hash.h1, hash.h2)
    }

    /// One hash does for prefix and address: half of it tells the addresses of the prefix apart. Nobody picks the number of a
    /// system, so that a secret and a mixer are enough there.
    fn sources(self, address: IpAddr, asn: Option<u32>) -> Sources {
        let hasher = SipHasher13::new_with_keys(self.0, self.1);
        let (prefix, host) = match address {
            IpAddr::V4(v4) => (hasher.hash(&v4.octets()[..3]), u64::from(v4.octets()[3])),
            IpAddr::V6(v6) => (hasher.hash(&v6.octets()[..6]), u64::from(v6.segments()[3])),
        };
        Sources {
            address: SourceKey::new(mixed(prefix.h2 ^ host)),
            prefix: SourceKey::new(prefix.h1),
            system: asn.map(|asn| SourceKey::new(mixed(self.0 ^ u64::from(asn)))),
        }
    }
}

/// Spreads a secret's neighbours over all 64 bits, no two of them to one number. **Source:** the finalizer of MurmurHash3 (Appleby).
fn mixed(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_depend_on_key_kind_user_and_length() {
        let key = HashKey::fixed([7; 16]);
        assert_eq!(key.user("default", "alice"), key.user("default", "alice"));
        assert_ne!(key.user("default", "alice"), HashKey::fixed([8; 16]).user("default", "alice"));
        assert_ne!(key.user("ab", "c"), key.user("a", "bc"));
        let (alice, bob) = (key.anchor("default", "alice"), key.anchor("default", "bob"));
        assert_ne!(alice.0, key.user_of(alice).0);
        assert_ne!(key.device(alice, "d1"), key.device(bob, "d1"));
    }

    #[test]
    fn what_is_hashed_in_one_piece_is_the_same_in_parts() {
        let key = HashKey::fixed([7; 16]);
        for length in [0, 1, PIECE_BYTES - 2, PIECE_BYTES - 1, PIECE_BYTES, 200] {
            let text = "x".repeat(length);
            let mut in_parts = hasher(&key.bytes, b'k');
            text.bytes().for_each(|byte| in_parts.write(&[byte]));
            assert_eq!(key.hash(b'k', [&[], text.as_bytes()]).as_u128(), in_parts.finish128().as_u128(), "{length}");
        }
    }

    #[test]
    fn a_network_is_24_or_48_bits() {
        let key = HashKey::fixed([7; 16]);
        let user = key.anchor("default", "alice");
        let tag = |text: &str| text.parse().map(|ip| key.network(user, ip)).ok();
        assert_eq!(tag("89.160.20.7"), tag("89.160.20.240"));
        assert_ne!(tag("89.160.20.7"), tag("89.160.21.7"));
        let exact = |text: &str| Some(AddressTag::new(tag(text)?, text.parse().ok()?));
        assert_ne!(exact("89.160.20.7"), exact("89.160.20.240"));
        assert_eq!(exact("2001:db8:1:2::1"), exact("2001:db8:1:2::2"));
        assert_ne!(exact("2001:db8:1:2::1"), exact("2001:db8:1:3::1"));
        assert_eq!(tag("2001:db8:1::1"), tag("2001:db8:1:ffff::2"));
        assert_ne!(tag("2001:db8:1::1"), tag("2001:db8:2::1"));
    }
    #[test]
    fn sources_are_the_line_its_neighbourhood_and_its_system_of_one_tenant() {
        let key = HashKey::fixed([7; 16]);
        let of = |tenant: &str, text: &str, asn| text.parse().map(|ip| key.sources(tenant, ip, asn)).ok();
        let same = |a: &str, b: &str| {
            let (a, b) = (of("default", a, Some(64_500))?, of("default", b, Some(64_501))?);
            Some((a.address == b.address, a.prefix == b.prefix, a.system == b.system))
        };
        for (a, b, address, prefix) in [
            ("89.160.20.7", "89.160.20.7", true, true),
            ("89.160.20.7", "89.160.20.240", false, true),
            ("89.160.20.7", "89.160.21.7", false, false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true, true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false, true),
            ("2001:db8:1:2::1", "2001:db8:2:2::1", false, false),
        ] {
            assert_eq!(same(a, b), Some((address, prefix, false)), "{a} {b}");
        }
        let (ours, theirs) = (of("default", "89.160.20.7", Some(1)), of("acme", "89.160.20.7", Some(1)));
        assert!(
            ours.zip(theirs)
                .is_some_and(|(a, b)| { a.address != b.address && a.prefix != b.prefix && a.system != b.system })
        );
        assert_eq!(of("default", "89.160.20.7", None).and_then(|sources| sources.system), None);
    }
}
