//! Keyed hashing: nothing that an outsider picks (user ids, device ids, networks) becomes a key without the deployment's
//! secret, so nobody can search for collisions, and memory holds tags instead of names.
//!
//! SipHash with 128 bits of output: 1-3, as in Rust's own maps, for tags that nobody outside ever sees; 2-4 for what leaves the
//! house as an id. **Source:** Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012.

use siphasher::sip128::{Hasher128, SipHasher13, SipHasher24};
use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

/// Whose history: tenant and user id under the deployment's key. Two users share one with a chance of 2^-128 a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserKey(pub u128);

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

/// The secret of a deployment. Cloning copies 16 bytes; it is never printed.
#[derive(Clone)]
pub struct HashKey([u8; 16]);

impl HashKey {
    /// A key of random bytes, good for as long as memory is volatile.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// A key that is given, for tests and benches that must repeat.
    #[must_use]
    pub fn fixed(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key of a user's history.
    #[must_use]
    pub fn user(&self, tenant: &str, user_id: &str) -> UserKey {
        let mut hasher = self.hasher(b'u');
        // The length keeps ("ab", "c") apart from ("a", "bc").
        hasher.write_usize(tenant.len());
        hasher.write(tenant.as_bytes());
        hasher.write(user_id.as_bytes());
        UserKey(hasher.finish128().as_u128())
    }

    /// The tag of a device id, bound to its user: equal ids of two users do not link them.
    #[must_use]
    pub fn device(&self, user: UserKey, device_id: &str) -> DeviceTag {
        let mut hasher = self.hasher(b'd');
        hasher.write_u128(user.0);
        hasher.write(device_id.as_bytes());
        DeviceTag(hasher.finish128().h1)
    }

    /// The tag of a device that has a token of ours.
    #[must_use]
    pub fn token_device(&self, user: UserKey, device: u64) -> DeviceTag {
        let mut hasher = self.hasher(b't');
        hasher.write_u128(user.0);
        hasher.write_u64(device);
        DeviceTag(hasher.finish128().h1)
    }

    /// The tag of an address's network, /24 or /48, bound to the user.
    #[must_use]
    pub fn network(&self, user: UserKey, address: IpAddr) -> NetworkTag {
        let mut hasher = self.hasher(b'n');
        hasher.write_u128(user.0);
        match address {
            IpAddr::V4(v4) => hasher.write(&v4.octets()[..3]),
            IpAddr::V6(v6) => hasher.write(&v6.octets()[..6]),
        }
        let [a, b, c, d, ..] = hasher.finish128().h1.to_le_bytes();
        NetworkTag(u32::from_le_bytes([a, b, c, d]))
    }

    /// The tag of a request in two parts, in one of two variants.
    #[must_use]
    pub fn request(&self, variant: bool, parts: [&[u8]; 2]) -> RequestTag {
        let [before, after] = parts;
        let mut hasher = self.hasher(b'r');
        hasher.write_u8(variant.into());
        // The length keeps ("ab", "c") apart from ("a", "bc").
        hasher.write_usize(before.len());
        hasher.write(before);
        hasher.write(after);
        RequestTag(hasher.finish128().as_u128())
    }

    /// 128 bits that follow from `text`, and that nobody without the key can foretell.
    #[must_use]
    pub fn unforeseeable(&self, text: &[u8]) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(text);
        hasher.finish128().as_u128()
    }

    /// Each kind of tag has its own first byte, so that none can stand for another.
    fn hasher(&self, kind: u8) -> SipHasher13 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(kind);
        hasher
    }
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
        let alice = key.user("default", "alice");
        assert_eq!(alice, key.user("default", "alice"));
        assert_ne!(alice, HashKey::fixed([8; 16]).user("default", "alice"));
        assert_ne!(key.user("ab", "c"), key.user("a", "bc"));
        let bob = key.user("default", "bob");
        assert_ne!(key.device(alice, "d1"), key.device(bob, "d1"));
    }

    #[test]
    fn a_network_is_24_or_48_bits() {
        let key = HashKey::fixed([7; 16]);
        let user = key.user("default", "alice");
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
}
