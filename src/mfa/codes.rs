//! Codes that are sent: six digits that prove, once, that whoever has them reads what comes to a number or an address.
//!
//! Pure: what is kept of a code is part of the user's record, and whoever puts that back makes it so. Of the code itself only a keyed hash
//! is kept, which also says for which challenge and whom it was meant.

use super::recipient::{Channel, Recipient};
use super::window::seconds_up;
use crate::bounded::Bounded;
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// Seconds for which a code is good. **Source:** mfa.md; NIST SP 800-63B-4 and ASVS 6.5.5 allow no more than ten minutes.
pub type CodeTtl = Bounded<60, 3_600>;

/// How codes are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Wrong tries that a code bears; then not even the right one is taken.
    pub tries_max: Bounded<1, 100>,
    /// Seconds between two codes for one challenge.
    pub resend_s: Bounded<1, 3_600>,
    /// Codes to one recipient in any ten minutes.
    pub sends_10min_max: Bounded<1, 1_000>,
    /// Codes to one recipient in any 24 hours.
    pub sends_day_max: Bounded<1, 1_000>,
}

impl Default for Settings {
    /// **Source:** mfa.md.
    fn default() -> Self {
        Self {
            tries_max: Bounded::of::<10>(),
            resend_s: Bounded::of::<60>(),
            sends_10min_max: Bounded::of::<10>(),
            sends_day_max: Bounded::of::<20>(),
        }
    }
}

/// Six digits, leading zeros and all. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

/// How many codes there are.
const CODES: u32 = 1_000_000;
/// Draws from here on are drawn again: with them, the lower codes would come a little more often.
const DRAWS_END: u32 = u32::MAX / CODES * CODES;
/// One draw in 5,000 is drawn again; so many in a row are no randomness.
const DRAWS_MAX: usize = 16;

impl Code {
    /// A code, each as likely as any other, of 32 random bits a draw. `None` where there is no randomness.
    pub fn draw(mut random: impl FnMut() -> Option<u32>) -> Option<Self> {
        for _ in 0..DRAWS_MAX {
            let drawn = random()?;
            if drawn < DRAWS_END {
                return Some(Self(format!("{:06}", drawn % CODES)));
            }
        }
        None
    }

    /// The same from the operating system's randomness.
    #[must_use]
    pub fn random() -> Option<Self> {
        Self::draw(|| getrandom::u32().ok())
    }

    /// The six digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The keys that codes are hashed under: the first one hashes, both know what they hashed. Never printed.
#[derive(Clone)]
pub struct CodeKeys {
    current: [u8; 32],
    replaced: Option<[u8; 32]>,
}

impl CodeKeys {
    /// Keys that follow from the secret in use, and from the one that it replaces ([`crate::keyed_hash::Secrets::of_records`]).
    #[must_use]
    pub fn new(current: &[u8; 32], replaced: Option<&[u8; 32]>) -> Self {
        let derived = |secret: &[u8; 32]| blake3::derive_key("askance 2026-11-22 codes that were sent", secret);
        Self { current: derived(current), replaced: replaced.map(derived) }
    }

    fn each(&self) -> impl Iterator<Item = &[u8; 32]> {
        std::iter::once(&self.current).chain(&self.replaced)
    }
}

impl fmt::Debug for CodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKeys(…)")
    }
}

/// Why a code is not taken, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeError {
    /// None was sent, or it was used.
    NotFound,
    /// It was sent to somebody else.
    OtherTarget,
    /// Its life is over.
    Expired,
    /// It was guessed at too often.
    TooManyTries,
    /// It is another one. This is the only one that costs a try.
    Mismatch,
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no code was sent, or it was used",
            Self::OtherTarget => "the code was sent to another number or address",
            Self::Expired => "the code has expired",
            Self::TooManyTries => "the code was guessed at too often",
            Self::Mismatch => "the code is another one",
        })
    }
}

impl std::error::Error for CodeError {}

/// What is kept of a code that was sent. A newer one for the same challenge takes its place, and so ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCode {
    /// Of challenge, recipient and code; none once it was used.
    code: Option<Mac>,
    recipient: Mac,
    sent_ms: i64,
    expires_ms: i64,
    wrong_tries: u32,
}

type Mac = [u8; 16];

impl SentCode {
    /// Keeps a code for one challenge and recipient, good from now on.
    #[must_use]
    pub fn new(
        keys: &CodeKeys,
        challenge: &[u8],
        recipient: &Recipient,
        code: &Code,
        now: Timestamp,
        life: CodeTtl,
    ) -> Self {
        let recipient = mac_of_recipient(&keys.current, recipient);
        Self {
            code: Some(mac(&keys.current, &[CODE, challenge, &recipient, code.as_str().as_bytes()])),
            recipient,
            sent_ms: now.unix_ms(),
            expires_ms: now.unix_ms() + i64::from(life.get()) * 1000,
            wrong_tries: 0,
        }
    }

    /// Takes the code, once. Whatever the answer, this is to be put back before it is given: a try that is not counted is free.
    ///
    /// # Errors
    ///
    /// The first of [`CodeError`] that applies.
    pub fn verify(
        &mut self,
        keys: &CodeKeys,
        challenge: &[u8],
        recipient: &Recipient,
        code: &str,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<(), CodeError> {
        let sent = self.code.ok_or(CodeError::NotFound)?;
        let is_ours = |key: &&[u8; 32]| bool::from(mac_of_recipient(key, recipient).ct_eq(&self.recipient));
        let key = keys.each().find(is_ours).ok_or(CodeError::OtherTarget)?;
        if now.unix_ms() > self.expires_ms {
            return Err(CodeError::Expired);
        }
        if self.wrong_tries >= settings.tries_max.get() {
            return Err(CodeError::TooManyTries);
        }
        let tried = mac(key, &[CODE, challenge, &self.recipient, code.as_bytes()]);
        if !bool::from(tried.ct_eq(&sent)) {
            self.wrong_tries += 1;
            return Err(CodeError::Mismatch);
        }
        self.code = None;
        Ok(())
    }

    /// Seconds until another code may take its place; `None` when it may now.
    #[must_use]
    pub fn resend_wait_s(&self, now: Timestamp, settings: &Settings) -> Option<u32> {
        let wait_ms = i64::from(settings.resend_s.get()) * 1000;
        // A clock that was put back makes nobody wait longer than that.
        let left_ms = (self.sent_ms + wait_ms - now.unix_ms()).min(wait_ms);
        (left_ms > 0).then(|| seconds_up(left_ms))
    }

    /// How often it may still be wrong.
    #[must_use]
    pub fn tries_left(&self, settings: &Settings) -> u32 {
        settings.tries_max.get().saturating_sub(self.wrong_tries)
    }

    /// Its last millisecond.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        Timestamp::from_unix_ms(self.expires_ms)
    }
}

/// Each kind of hash has its own first part, so that none can stand for another.
const CODE: &[u8] = b"code";
const RECIPIENT: &[u8] = b"recipient";

fn mac_of_recipient(key: &[u8; 32], recipient: &Recipient) -> Mac {
    let channel = match recipient.channel() {
        Channel::Sms => b"s",
        Channel::Email => b"e",
    };
    mac(key, &[RECIPIENT, channel, recipient.normalised().as_bytes()])
}

/// Lengths keep ("ab", "c") apart from ("a", "bc").
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Mac {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    let hash = hasher.finalize();
    std::array::from_fn(|at| hash.as_bytes()[at])
}

#[cfg(test)]
mod tests;
