//! Backup codes: ten of ten hex digits, each good once, of which only slow hashes are kept.
//!
//! A code has 40 bits, too few for a fast hash, should a record ever be read. The hash takes 19 MiB and some 30 ms, so that few run at
//! a time, off the threads that serve, and few wait.

use super::MfaError;
use super::user::{BackupCodes, CodeHash, FactorId};
use crate::clock::Timestamp;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Codes of a set. **Source:** mfa.md.
pub const CODES: usize = 10;
const HEX_DIGITS: usize = 10;
/// **Source:** OWASP, "Password Storage Cheat Sheet": Argon2id with 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at a time: 38 MiB.
const AT_A_TIME: usize = 2;
/// Who may wait for them: two seconds' worth.
const WAITING_MAX: usize = 64;

/// Hashes slowly, few at a time.
#[derive(Debug)]
pub struct SlowHashes {
    places: Semaphore,
    running: Semaphore,
}

impl Default for SlowHashes {
    fn default() -> Self {
        Self { places: Semaphore::new(WAITING_MAX), running: Semaphore::new(AT_A_TIME) }
    }
}

impl SlowHashes {
    /// A new set, and its codes, which are shown once.
    ///
    /// # Errors
    ///
    /// Too many wait, or there is no randomness.
    pub async fn new_set(&self, now: Timestamp) -> Result<(BackupCodes, Vec<String>), MfaError> {
        let mut random = [0; 16 + CODES * HEX_DIGITS / 2];
        getrandom::fill(&mut random).map_err(|_| MfaError::Unavailable)?;
        let (salt, random) = random.split_first_chunk::<16>().ok_or(MfaError::Unavailable)?;
        let codes: Vec<String> = random.chunks(HEX_DIGITS / 2).map(hex).collect();
        let (salt, id) = (*salt, FactorId::random()?);
        let hashed = codes.clone();
        let unused = self.run(move || hashed.iter().filter_map(|code| slow_hash(&salt, code)).collect()).await?;
        Ok((BackupCodes { id, salt, unused, made: now, last_used: None }, codes))
    }

    /// The hash of what is said to be a code of a set with this salt. `None` where it has no such form.
    ///
    /// # Errors
    ///
    /// Too many wait.
    pub async fn hash(&self, salt: [u8; 16], code: &str) -> Result<Option<CodeHash>, MfaError> {
        let Some(code) = plain(code) else { return Ok(None) };
        self.run(move || slow_hash(&salt, &code)).await
    }

    async fn run<T: Send + 'static>(&self, hash: impl FnOnce() -> T + Send + 'static) -> Result<T, MfaError> {
        let _place = self.places.try_acquire().map_err(|_| MfaError::Overloaded)?;
        let _running = self.running.acquire().await.map_err(|_| MfaError::Overloaded)?;
        tokio::task::spawn_blocking(hash).await.map_err(|_| MfaError::Unavailable)
    }
}

impl BackupCodes {
    /// Takes a code by its hash, once.
    pub fn take(&mut self, hash: &CodeHash, now: Timestamp) -> bool {
        // All are looked at: the time tells nothing of the place.
        let found = self
            .unused
            .iter()
            .enumerate()
            .fold(None, |found, (at, unused)| if bool::from(unused.0.ct_eq(&hash.0)) { Some(at) } else { found });
        let Some(at) = found else { return false };
        self.unused.remove(at);
        self.last_used = Some(now);
        true
    }
}

/// As it was shown: people copy capitals, spaces and hyphens into it.
fn plain(code: &str) -> Option<String> {
    let code: String = code.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
    let is_code = code.len() == HEX_DIGITS && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_code.then(|| code.to_ascii_lowercase())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `None` is no hash, and equal to none: the parameters, and these lengths, are within those that the function takes.
fn slow_hash(salt: &[u8; 16], code: &str) -> Option<CodeHash> {
    let mut hash = [0; 32];
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(hash.len())).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(code.as_bytes(), salt, &mut hash).ok()?;
    Some(CodeHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_a_set_is_good_once_however_it_is_written() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let now = Timestamp::from_unix_s(1);
        let hashes = SlowHashes::default();
        let (mut set, codes) = runtime.block_on(hashes.new_set(now)).expect("nobody waits");
        assert_eq!((set.unused.len(), codes.len()), (CODES, CODES));
        assert!(codes.iter().all(|code| code.len() == 10 && code.bytes().all(|byte| byte.is_ascii_hexdigit())));
        let take = |set: &mut BackupCodes, code: &str| {
            let hash = runtime.block_on(hashes.hash(set.salt, code)).expect("nobody waits");
            hash.is_some_and(|hash| set.take(&hash, now))
        };
        let spaced = format!("{} {}-", &codes[1][..5], codes[1][5..].to_uppercase());
        for (code, is_good) in
            [(&*codes[0], true), (&codes[0], false), (&spaced, true), (&codes[1], false), ("", false), ("12345", false)]
        {
            assert_eq!(take(&mut set, code), is_good, "{code}");
        }
        assert_eq!((set.unused.len(), set.last_used), (CODES - 2, Some(now)));
        let other = runtime.block_on(hashes.hash([0; 16], &codes[2])).expect("nobody waits");
        assert!(other.is_some_and(|hash| !set.take(&hash, now)), "under another salt");
    }
}
