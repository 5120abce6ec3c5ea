//! What a deployment's keys follow from: a secret of the operator's, and one of the store's that only the first one opens.
//!
//! ```text
//! sealed tag key   version u8 = 1 | nonce [12] | key [16], sealed | tag [16]
//! ```
//! **Source:** RFC 8439 (ChaCha20-Poly1305), as the `ring` crate has it; `derive_key` of BLAKE3 (O'Connor et al., 2020).

use super::HashKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;

/// The pseudonymisation key, and the one that it replaces. Cloning copies 64 bytes; it is never printed.
#[derive(Clone)]
pub struct Secrets {
    current: [u8; 32],
    replaced: Option<[u8; 32]>,
}

/// What tags are made with: random, as old as the store, and kept in it, sealed under the pseudonymisation key. Since it does not
/// change with that, tags stay good when it does. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TagKey([u8; 16]);

/// The keys of a store that is opened.
#[derive(Debug)]
pub struct Unlocked {
    /// By which its users and their tags are found.
    pub key: HashKey,
    /// What the store has to keep from now on in place of what it kept, before anything is written under the key.
    pub keep: Option<Vec<u8>>,
}

/// Why a store does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretError {
    /// It was made with another pseudonymisation key; or what it keeps of it is damaged.
    Foreign,
    /// It was made by a newer version.
    Version(u8),
    /// The operating system gives no randomness.
    Random,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str(
                "the store was made with another pseudonymisation key: give it that one, or, to replace it, both, the new one first",
            ),
            Self::Version(version) => write!(f, "the store's key is of format {version}, which a newer version wrote"),
            Self::Random => f.write_str("the operating system gives no randomness"),
        }
    }
}

impl std::error::Error for SecretError {}

const VERSION: u8 = 1;

impl Secrets {
    /// The secret in use, and the one that it replaces.
    #[must_use]
    pub fn new(current: [u8; 32], replaced: Option<[u8; 32]>) -> Self {
        Self { current, replaced }
    }

    /// A secret for as long as the process lives.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut current = [0; 32];
        getrandom::fill(&mut current)?;
        Ok(Self { current, replaced: None })
    }

    /// The keys of a new store, or of one that kept this. What was sealed under the secret that is replaced is sealed anew.
    ///
    /// # Errors
    ///
    /// See [`SecretError`].
    pub fn unlock(&self, kept: Option<&[u8]>) -> Result<Unlocked, SecretError> {
        let (tags, is_current) = match kept {
            Some(kept) => self.open(kept)?,
            None => (TagKey::random().map_err(|_| SecretError::Random)?, false),
        };
        let keep = if is_current { None } else { Some(tags.sealed(&self.current)?) };
        Ok(Unlocked { key: self.hash_key(&tags), keep })
    }

    /// The key for users, and tags, under these secrets.
    #[must_use]
    pub fn hash_key(&self, tags: &TagKey) -> HashKey {
        HashKey::new(tags.0, of_users(&self.current), self.replaced.as_ref().map(of_users))
    }

    /// From which the keys of records are derived: the secret in use, and the one that it replaces.
    #[must_use]
    pub fn of_records(&self) -> ([u8; 32], Option<[u8; 32]>) {
        let derived = |secret: &[u8; 32]| blake3::derive_key("askance 2026-11-22 records", secret);
        (derived(&self.current), self.replaced.as_ref().map(derived))
    }

    /// The tag key, and whether it is sealed under the secret in use.
    fn open(&self, kept: &[u8]) -> Result<(TagKey, bool), SecretError> {
        let (&version, sealed) = kept.split_first().ok_or(SecretError::Foreign)?;
        if version != VERSION {
            return Err(SecretError::Version(version));
        }
        let current = TagKey::opened(sealed, &self.current).map(|key| (key, true));
        let replaced = || self.replaced.as_ref().and_then(|secret| TagKey::opened(sealed, secret));
        current.or_else(|| replaced().map(|key| (key, false))).ok_or(SecretError::Foreign)
    }
}

impl TagKey {
    /// The tag key of a new store.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    fn sealed(&self, secret: &[u8; 32]) -> Result<Vec<u8>, SecretError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SecretError::Random)?;
        let mut key = self.0.to_vec();
        // It fails for 256 GiB and more.
        sealing_key(secret)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from([VERSION]), &mut key)
            .map_err(|_| SecretError::Foreign)?;
        Ok([&[VERSION], &nonce[..], &key].concat())
    }

    fn opened(sealed: &[u8], secret: &[u8; 32]) -> Option<Self> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut key = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let key = sealing_key(secret).open_in_place(nonce, Aad::from([VERSION]), &mut key).ok()?;
        <[u8; 16]>::try_from(&*key).ok().map(Self)
    }
}

fn of_users(secret: &[u8; 32]) -> [u8; 16] {
    let [key @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        blake3::derive_key("askance 2026-11-22 users", secret);
    key
}

#[expect(clippy::expect_used, reason = "a BLAKE3 hash is as long as the algorithm's key")]
fn sealing_key(secret: &[u8; 32]) -> LessSafeKey {
    let derived = blake3::derive_key("askance 2026-11-22 tag key at rest", secret);
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &derived).expect("a key of ChaCha20-Poly1305 has 32 bytes"))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn unlock(secrets: &Secrets, kept: Option<&[u8]>) -> Result<(HashKey, Option<Vec<u8>>), SecretError> {
        secrets.unlock(kept).map(|unlocked| (unlocked.key, unlocked.keep))
    }

    /// The whole life of a store: made, opened again, its key replaced, and the old one taken out.
    #[test]
    fn a_key_is_replaced_and_tags_stay() -> Result<(), SecretError> {
        let (made, kept) = unlock(&Secrets::new(OLD, None), None)?;
        let kept = kept.unwrap_or_default();
        let (again, nothing) = unlock(&Secrets::new(OLD, None), Some(&kept))?;
        let (while_replacing, resealed) = unlock(&Secrets::new(NEW, Some(OLD)), Some(&kept))?;
        let resealed = resealed.unwrap_or_default();
        let (_, settled) = unlock(&Secrets::new(NEW, Some(OLD)), Some(&resealed))?;
        let (after, _) = unlock(&Secrets::new(NEW, None), Some(&resealed))?;
        assert_eq!((nothing, settled), (None, None), "what is sealed as it should be is not written again");
        let anchor = made.anchor("default", "alice");
        for key in [&again, &while_replacing, &after] {
            assert_eq!(key.anchor("default", "alice"), anchor, "tags go on");
            assert_eq!(key.device(anchor, "d"), made.device(anchor, "d"));
        }
        assert_eq!(again.user_of(anchor), made.user_of(anchor), "a restart changes nothing");
        assert_ne!(after.user_of(anchor), made.user_of(anchor));
        assert_eq!(while_replacing.user_of(anchor), after.user_of(anchor));
        assert_eq!(while_replacing.replaced_user_of(anchor), Some(made.user_of(anchor)));
        assert_eq!(after.replaced_user_of(anchor), None);
        assert_eq!(unlock(&Secrets::new(OLD, None), Some(&resealed)).err(), Some(SecretError::Foreign));
        Ok(())
    }

    #[test]
    fn a_foreign_altered_or_shortened_key_opens_nothing() -> Result<(), SecretError> {
        let (_, kept) = unlock(&Secrets::new(OLD, None), None)?;
        let kept = kept.unwrap_or_default();
        assert_eq!(kept.len(), 45);
        let opened = |secrets: &Secrets, kept: &[u8]| secrets.unlock(Some(kept)).map(|_| ());
        assert_eq!(opened(&Secrets::new(NEW, None), &kept), Err(SecretError::Foreign));
        let ours = Secrets::new(OLD, Some(NEW));
        assert_eq!(opened(&ours, &kept), Ok(()));
        for bit in 0..8 * kept.len() {
            let mut altered = kept.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 8 { SecretError::Version(altered[0]) } else { SecretError::Foreign };
            assert_eq!(opened(&ours, &altered), Err(expected), "bit {bit}");
        }
        for length in 0..kept.len() {
            assert_eq!(opened(&ours, &kept[..length]), Err(SecretError::Foreign), "{length} bytes");
        }
        Ok(())
    }

    #[test]
    fn two_stores_with_one_secret_have_nothing_in_common() -> Result<(), SecretError> {
        let secrets = Secrets::new(OLD, None);
        let ((one, _), (other, _)) = (unlock(&secrets, None)?, unlock(&secrets, None)?);
        assert_ne!(one.user("default", "alice"), other.user("default", "alice"));
        assert_eq!(format!("{secrets:?} {one:?}"), "Secrets(…) HashKey(…)");
        Ok(())
    }
}
