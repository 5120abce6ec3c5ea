//! What nobody may read who gets hold of a disk, and nobody may move from one place to another.
//!
//! ```text
//! sealed  1 | id of the secret [4] | nonce [24] | XChaCha20-Poly1305( content )
//! ```
//! With it goes, unsealed and unsaid, what it is and where: a text that was sealed for one user, or for another use, does not open.
//! Two secrets serve while one takes the place of the other: the first seals, both open.
//!
//! **Source:** XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03, whose nonces are long enough to be random; `derive_key` of BLAKE3
//! (O'Connor et al., 2020).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use std::fmt;

/// What a key is for. Each use has keys of its own, so that nothing of one is good as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Records of users.
    UserRecord,
    /// `mfa_token`.
    MfaToken,
    /// Codes, and whom they were sent to, as they are kept.
    Codes,
    /// Where budgets are kept.
    Budgets,
    /// Private keys of assertions, beside the store or in it.
    SigningKeys,
    /// What is yet to be told to others.
    Events,
    /// Who comes to a page.
    Visitor,
    /// What a page is for.
    Page,
}

impl Use {
    /// Every use.
    pub const ALL: [Self; 8] = [
        Self::UserRecord,
        Self::MfaToken,
        Self::Codes,
        Self::Budgets,
        Self::SigningKeys,
        Self::Events,
        Self::Visitor,
        Self::Page,
    ];

    fn context(self) -> &'static str {
        match self {
            Self::UserRecord => "askance 2026-11-22 mfa record of a user",
            Self::MfaToken => "askance 2026-11-22 mfa token",
            Self::Codes => "askance 2026-11-22 mfa codes that were sent",
            Self::Budgets => "askance 2026-11-22 mfa budgets of messages",
            Self::SigningKeys => "askance 2026-11-22 mfa keys of assertions",
            Self::Events => "askance 2026-11-22 mfa events to be told",
            Self::Visitor => "askance 2026-11-22 mfa visitor of a page",
            Self::Page => "askance 2026-11-22 mfa page",
        }
    }
}

/// The secrets of all that has to do with factors, the newest first. Never printed.
#[derive(Clone)]
pub struct Keys {
    secrets: Vec<Secret>,
}

#[derive(Clone)]
struct Secret {
    id: [u8; ID_BYTES],
    secret: [u8; 32],
}

const VERSION: u8 = 1;
const ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + ID_BYTES + NONCE_BYTES;

impl Keys {
    /// Of the secret in use, and of the one that it replaces.
    #[must_use]
    pub fn new(secret: [u8; 32], replaced: Option<[u8; 32]>) -> Self {
        Self { secrets: [Some(secret), replaced].into_iter().flatten().map(Secret::new).collect() }
    }

    /// Seals `content`, which is of this use and at this place.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn seal(&self, r#use: Use, place: &[u8], content: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let secret = self.secrets.first().ok_or(getrandom::Error::UNSUPPORTED)?;
        let aad = secret.associated(r#use, place);
        let payload = Payload { msg: content, aad: &aad };
        // It fails for contents of 256 GB.
        let sealed = secret.cipher(r#use).encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        Ok([&[VERSION][..], &secret.id, &nonce, &sealed].concat())
    }

    /// What was sealed, if it was, for this use and this place, under a secret that is known.
    #[must_use]
    pub fn open(&self, r#use: Use, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (head, sealed) = sealed.split_first_chunk::<HEAD_BYTES>()?;
        let [VERSION, head @ ..] = head else { return None };
        let (id, nonce) = head.split_first_chunk::<ID_BYTES>()?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).ok()?;
        let secret = self.secrets.iter().find(|secret| secret.id == *id)?;
        let aad = secret.associated(r#use, place);
        secret.cipher(r#use).decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &aad }).ok()
    }

    /// Keys for this use, the newest first.
    #[must_use]
    pub fn of(&self, r#use: Use) -> Vec<[u8; 32]> {
        self.secrets.iter().map(|secret| secret.key(r#use)).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.secrets.len())
    }
}

impl Secret {
    /// Its id follows from it, so that the order of files does not matter.
    fn new(secret: [u8; 32]) -> Self {
        let [a, b, c, d, ..] = blake3::derive_key("askance 2026-11-22 id of a secret of mfa", &secret);
        Self { id: [a, b, c, d], secret }
    }

    fn key(&self, r#use: Use) -> [u8; 32] {
        blake3::derive_key(r#use.context(), &self.secret)
    }

    fn cipher(&self, r#use: Use) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.key(r#use)))
    }

    /// Lengths keep the parts apart.
    fn associated(&self, r#use: Use, place: &[u8]) -> Vec<u8> {
        let context = r#use.context().as_bytes();
        let length = u64::try_from(context.len()).unwrap_or(u64::MAX).to_le_bytes();
        [&[VERSION][..], &self.id, &length, context, place].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_use_at_its_place_and_as_it_was() {
        let keys = Keys::new([1; 32], None);
        let sealed = keys.seal(Use::UserRecord, b"alice", b"secret").expect("there is randomness");
        for r#use in Use::ALL {
            let opened = keys.open(r#use, b"alice", &sealed);
            assert_eq!(opened.is_some(), r#use == Use::UserRecord, "{use:?}");
        }
        assert_eq!(keys.open(Use::UserRecord, b"bob", &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open(Use::UserRecord, b"alice", &changed), None, "bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert_eq!(keys.open(Use::UserRecord, b"alice", &sealed[..cut]), None, "{cut}");
        }
        assert_ne!(keys.seal(Use::UserRecord, b"alice", b"secret").ok(), Some(sealed), "nonces are random");
    }

    #[test]
    fn two_secrets_serve_while_one_takes_the_place_of_the_other() {
        let old = Keys::new([1; 32], None);
        let (both, new) = (Keys::new([2; 32], Some([1; 32])), Keys::new([2; 32], None));
        let seal = |keys: &Keys| keys.seal(Use::MfaToken, b"", b"x").expect("there is randomness");
        let opens = |keys: &Keys, sealed: &[u8]| keys.open(Use::MfaToken, b"", sealed).is_some();
        assert!(opens(&both, &seal(&old)) && opens(&both, &seal(&new)) && opens(&new, &seal(&both)));
        assert!(!opens(&new, &seal(&old)) && !opens(&old, &seal(&both)));
        assert_eq!(both.of(Use::Codes), [new.of(Use::Codes), old.of(Use::Codes)].concat());
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        assert_eq!(format!("{:?}", Keys::new([1; 32], Some([2; 32]))), "Keys(2)");
    }
}
