//! The device cookie: which devices of which users share this browser, and how often each was here.
//!
//! ```text
//! cookie  hex( version u8 = 1 | entry, one to four | mac [16] )
//! entry   device u64 | generation u32 | user [8]
//! ```
//! `mac` is a keyed BLAKE3 of what stands before it, `user` a keyed SipHash of tenant, user id and device, by which the entry is
//! found: whoever has a cookie learns nothing of its users, and cannot make one. A token is one user's entry. Each answer carries the next generation of it, which
//! follows from it, so that two tabs get the same. Whether a generation was used before is for the history to say.
//!
//! **Source:** signals.md, NewDevice; the keyed mode and `derive_key` of BLAKE3 (O'Connor et al., 2020), of which 128 bits
//! are kept.

use crate::keyed_hash::{DeviceTag, NetworkTag};
use crate::signing::SigningKeys;
use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::fmt;
use std::hash::Hasher;
use std::path::PathBuf;
use subtle::{Choice, ConstantTimeEq};

/// The name of the cookie.
pub const COOKIE_NAME: &str = "__Host-askance_device";

/// The tunables of device cookies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Files with a secret each, the newest first; at most two are of use. Without any, the secret is random, and no cookie
    /// outlives the process.
    pub key_files: Vec<PathBuf>,
}

/// One user's entry of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceToken {
    /// Which device: 64 bits that nobody can foretell.
    pub device: u64,
    /// How many there were of it, from 1.
    pub generation: u32,
}

impl DeviceToken {
    /// The first token of a device.
    #[must_use]
    pub fn first(device: u64) -> Self {
        Self { device, generation: 1 }
    }

    /// The one that the answer carries.
    #[must_use]
    pub fn successor(self) -> Self {
        Self { generation: self.generation.saturating_add(1), ..self }
    }
}

/// A token as a login uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUse {
    /// Of which device, as memory names it.
    pub device: DeviceTag,
    /// From 1.
    pub generation: u32,
    /// From where; `None` where there is no network.
    pub origin: Option<Origin>,
}

/// A network prefix and a browser family, by 16 bits: enough to tell a thief's from the user's for a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(pub u16);

impl Origin {
    /// Of a network and of the bits of a family, where one is known.
    ///
    /// **Source:** the finisher of MurmurHash3 (Appleby, 2011).
    #[must_use]
    pub fn new(network: NetworkTag, family: Option<u32>) -> Self {
        // Families differ in few bits, which a mere fold would take for each other's. The tag is keyed, so nobody can choose
        // what this comes to. 0 stands for none.
        let mut mixed = u64::from(network.0) << 32 | u64::from(family.unwrap_or(u32::MAX));
        for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
            mixed = (mixed ^ mixed >> 33).wrapping_mul(factor);
        }
        let [a, b, ..] = mixed.to_be_bytes();
        Self(u16::from_be_bytes([a, b]).max(1))
    }
}

/// A cookie that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    entries: ArrayVec<Entry, USERS_MAX>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    token: DeviceToken,
    user: [u8; USER_BYTES],
}

/// A cookie as it goes to the browser; short enough not to need the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieText(ArrayVec<u8, { 2 * COOKIE_BYTES_MAX }>);

impl CookieText {
    /// Hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Users that share a browser; a further one takes the place of the one who was here first.
const USERS_MAX: usize = 4;
const VERSION: u8 = 1;
const USER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 8 + 4 + USER_BYTES;
const MAC_BYTES: usize = 16;
const COOKIE_BYTES_MAX: usize = 1 + USERS_MAX * ENTRY_BYTES + MAC_BYTES;

type Bytes = ArrayVec<u8, COOKIE_BYTES_MAX>;

/// The keys: the first one makes cookies, each of them knows those that it made. Never printed.
#[derive(Clone)]
pub struct TokenKeys {
    keys: Vec<Key>,
    signing: SigningKeys,
}

/// Of one secret, a key for each use.
#[derive(Clone)]
struct Key {
    mac: [u8; 32],
    user: [u8; 16],
}

impl TokenKeys {
    /// Keys of secrets, the newest first. `None` when there is none.
    #[must_use]
    pub fn new(secrets: &[[u8; 32]]) -> Option<Self> {
        let key = |secret: &[u8; 32]| {
            let [user @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
                blake3::derive_key("askance 2026-11-21 device cookie, user", secret);
            Key { mac: blake3::derive_key("askance 2026-11-21 device cookie, authentication", secret), user }
        };
        let signing = SigningKeys::new(secrets);
        (!secrets.is_empty()).then(|| Self { keys: secrets.iter().map(key).collect(), signing })
    }

    /// Keys of the same secrets for whatever else goes out and comes back.
    #[must_use]
    pub fn signing(&self) -> &SigningKeys {
        &self.signing
    }

    /// A secret as a file holds it: 64 hex digits, lower case, blanks around them.
    #[must_use]
    pub fn parse_secret(text: &str) -> Option<[u8; 32]> {
        from_hex(text.trim())?.as_slice().try_into().ok()
    }

    /// Reads a cookie. `None` when it was not made here.
    #[must_use]
    pub fn read(&self, cookie: &str) -> Option<Cookie> {
        let bytes = from_hex(cookie)?;
        let (content, mac) = bytes.split_last_chunk::<MAC_BYTES>()?;
        if !is_any(self.keys.iter().map(|key| key.mac_of(content).ct_eq(mac))) {
            return None;
        }
        let (&VERSION, entries) = content.split_first()? else { return None };
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        (rest.is_empty() && entries.len() <= USERS_MAX)
            .then(|| Cookie { entries: entries.iter().map(Entry::read).collect() })
    }

    /// This user's token, if the browser has one.
    #[must_use]
    pub fn find(&self, cookie: &Cookie, tenant: &str, user_id: &str) -> Option<DeviceToken> {
        self.position(cookie, tenant, user_id).map(|at| cookie.entries[at].token)
    }

    /// The cookie with this user's token in place of the one before.
    #[must_use]
    pub fn write(&self, before: Option<&Cookie>, tenant: &str, user_id: &str, token: DeviceToken) -> CookieText {
        let mut entries = before.map_or_else(ArrayVec::new, |cookie| cookie.entries.clone());
        if let Some(at) = before.and_then(|cookie| self.position(cookie, tenant, user_id)) {
            entries.remove(at);
        }
        if entries.is_full() {
            entries.remove(0);
        }
        let mut bytes = Bytes::new();
        bytes.push(VERSION);
        // Never empty: `new` sees to that.
        if let Some(key) = self.keys.first() {
            entries.push(Entry { token, user: key.user_of(tenant, user_id, token.device) });
            entries.iter().for_each(|entry| entry.write(&mut bytes));
            let mac = key.mac_of(&bytes);
            put(&mut bytes, &mac);
        }
        to_hex(&bytes)
    }

    fn position(&self, cookie: &Cookie, tenant: &str, user_id: &str) -> Option<usize> {
        cookie.entries.iter().position(|entry| {
            is_any(self.keys.iter().map(|key| key.user_of(tenant, user_id, entry.token.device).ct_eq(&entry.user)))
        })
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({})", self.keys.len())
    }
}

impl Key {
    fn mac_of(&self, content: &[u8]) -> [u8; MAC_BYTES] {
        let hash = blake3::keyed_hash(&self.mac, content);
        std::array::from_fn(|at| hash.as_bytes()[at])
    }

    fn user_of(&self, tenant: &str, user_id: &str, device: u64) -> [u8; USER_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.user);
        hasher.write_u64(device);
        // The length keeps ("ab", "c") apart from ("a", "bc").
        hasher.write_usize(tenant.len());
        hasher.write(tenant.as_bytes());
        hasher.write(user_id.as_bytes());
        hasher.finish().to_le_bytes()
    }
}

/// Looks at every one, whatever the first says.
fn is_any(choices: impl Iterator<Item = Choice>) -> bool {
    choices.fold(Choice::from(0), |any, choice| any | choice).into()
}

impl Entry {
    fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [d @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *bytes;
        let [_, _, _, _, _, _, _, _, g0, g1, g2, g3, user @ ..] = *bytes;
        let generation = u32::from_le_bytes([g0, g1, g2, g3]);
        Self { token: DeviceToken { device: u64::from_le_bytes(d), generation }, user }
    }

    fn write(&self, out: &mut Bytes) {
        put(out, &self.token.device.to_le_bytes());
        put(out, &self.token.generation.to_le_bytes());
        put(out, &self.user);
    }
}

/// There is room for four entries and a MAC, which is all that is ever written.
fn put(out: &mut Bytes, bytes: &[u8]) {
    out.try_extend_from_slice(bytes).unwrap_or_default();
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn to_hex(bytes: &Bytes) -> CookieText {
    let mut digits = [0; 2 * COOKIE_BYTES_MAX];
    for ([high, low], byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        (*high, *low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
    }
    let mut text = ArrayVec::from(digits);
    text.truncate(2 * bytes.len());
    CookieText(text)
}

/// Lower case only, so that one cookie has one form.
fn from_hex(text: &str) -> Option<Bytes> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > COOKIE_BYTES_MAX {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn keys(secrets: &[u8]) -> TokenKeys {
        let secrets: Vec<[u8; 32]> = secrets.iter().map(|byte| [*byte; 32]).collect();
        TokenKeys::new(&secrets).unwrap_or_else(|| unreachable!("there are secrets"))
    }

    fn found(keys: &TokenKeys, cookie: &str, user: &str) -> Option<DeviceToken> {
        keys.find(&keys.read(cookie)?, "default", user)
    }

    #[test]
    fn a_cookie_is_bound_to_tenant_and_user_and_reveals_neither() {
        let keys = keys(&[1]);
        let token = DeviceToken::first(7);
        let cookie = keys.write(None, "default", "alice", token);
        let cookie = cookie.as_str();
        assert_eq!(found(&keys, cookie, "alice"), Some(token));
        let read = keys.read(cookie);
        assert!(read.is_some_and(|read| keys.find(&read, "other", "alice").is_none()));
        assert_eq!(found(&keys, cookie, "bob"), None);
        let alice = "616c696365";
        assert!(!cookie.contains(alice) && cookie.len() == 2 * (1 + ENTRY_BYTES + MAC_BYTES));
    }

    #[test]
    fn the_successor_follows_from_the_token() {
        let keys = keys(&[1]);
        let before = keys.read(keys.write(None, "default", "alice", DeviceToken::first(7)).as_str());
        let next = || keys.write(before.as_ref(), "default", "alice", DeviceToken::first(7).successor());
        assert_eq!(next(), next());
        assert_eq!(found(&keys, next().as_str(), "alice"), Some(DeviceToken { device: 7, generation: 2 }));
    }

    #[test]
    fn four_users_share_a_browser_and_the_fifth_takes_the_place_of_the_first() {
        let keys = keys(&[1]);
        let mut cookie = None;
        for (device, user) in (1..).zip(["a", "b", "c", "d", "a", "e"]) {
            cookie = keys.read(keys.write(cookie.as_ref(), "default", user, DeviceToken::first(device)).as_str());
        }
        let devices = ["a", "b", "c", "d", "e"].map(|user| Some(keys.find(cookie.as_ref()?, "default", user)?.device));
        assert_eq!(devices, [Some(5), None, Some(3), Some(4), Some(6)], "who came back counts as new");
    }

    #[test]
    fn two_keys_serve_while_one_takes_the_place_of_the_other() {
        let (old, both, new) = (keys(&[1]), keys(&[2, 1]), keys(&[2]));
        let cookie = old.write(None, "default", "alice", DeviceToken::first(7));
        assert_eq!(found(&new, cookie.as_str(), "alice"), None);
        let read = both.read(cookie.as_str());
        assert_eq!(found(&both, cookie.as_str(), "alice"), Some(DeviceToken::first(7)));
        let cookie = both.write(read.as_ref(), "default", "alice", DeviceToken::first(7).successor());
        assert!(found(&new, cookie.as_str(), "alice").is_some() && found(&old, cookie.as_str(), "alice").is_none());
        assert_eq!(format!("{both:?}"), "TokenKeys(2)");
    }

    /// Two of 65,536 origins are one by chance; those of two browsers are not one for every user.
    #[test]
    fn families_and_networks_are_told_apart() {
        let families: Vec<u32> =
            (0..64 * 16 * 4).map(|at| (at % 64) | ((at / 64 % 16) << 16) | ((at / 1024) << 24)).collect();
        let origins = |networks: &[u32]| -> HashSet<u16> {
            let of =
                |network: u32| families.iter().map(move |family| Origin::new(NetworkTag(network), Some(*family)).0);
            networks.iter().copied().flat_map(of).collect()
        };
        assert!(origins(&[7]).len() > families.len() * 95 / 100, "{}", origins(&[7]).len());
        assert!(origins(&[7, 8]).len() > families.len() * 2 * 90 / 100, "{}", origins(&[7, 8]).len());
        assert_ne!(Origin::new(NetworkTag(7), None), Origin::new(NetworkTag(7), Some(0)));
    }

    #[test]
    fn no_bit_can_be_changed() {
        let keys = keys(&[1]);
        let cookie = keys.write(None, "default", "alice", DeviceToken::first(7)).as_str().to_owned();
        for at in 0..cookie.len() {
            for digit in HEX.iter().filter(|digit| **digit != cookie.as_bytes()[at]) {
                let mut changed = cookie.clone();
                changed.replace_range(at..=at, &char::from(*digit).to_string());
                assert_eq!(keys.read(&changed), None, "{at} {digit}");
            }
        }
        for cut in 0..cookie.len() {
            assert_eq!(keys.read(&cookie[..cut]), None, "{cut}");
        }
        assert_eq!(keys.read(&cookie.to_uppercase()), None);
        assert_eq!(keys.read(&format!("{cookie}00")), None);
    }

    proptest! {
        #[test]
        fn any_text_is_no_cookie(text in "\\PC{0,300}") {
            prop_assert_eq!(keys(&[1]).read(&text), None);
        }
    }
}
