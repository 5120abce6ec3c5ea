//! Keys: from the files that the configuration names; else made once beside the store, or random for as long as the process lives.

use super::wrong;
use crate::config::{Config, ConfigError};
use crate::device_token::TokenKeys;
use crate::keyed_hash::Secrets;
use crate::memory::Backend;
use crate::mfa::assertion::{self, KeyError, SigningKey};
use crate::mfa::{EngineKeys, sealing};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where a key is that the configuration does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnamed<'a> {
    /// Nowhere: it is random, and goes with the process, as memory does.
    Fleeting,
    /// In a file in the store's directory, made with the store.
    Beside {
        /// That directory, which exists.
        directory: &'a Path,
        /// Nothing is stored yet. A store that has lost its key must not be given another one.
        is_new: bool,
    },
    /// With nobody: replicas share keys, so that an operator has to hand them out.
    Refused,
}

/// What is wrong with a key file. The content is never named.
#[derive(Debug)]
struct KeyFileError(String);

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyFileError {}

impl From<KeyError> for KeyFileError {
    fn from(error: KeyError) -> Self {
        Self(error.to_string())
    }
}

const PSEUDONYMISE: &str = "privacy.pseudonymise_key_file";
const DEVICE_TOKEN: &str = "device_token.key_files";
const MFA: &str = "mfa.key_files";
const ASSERTION: &str = "mfa.assertion.key_files";

/// The pseudonymisation key, and the one that it replaces.
///
/// # Errors
///
/// A file does not hold a key, or there is none where there must be one; the error names file, setting and cause.
pub fn secrets(config: &Config, unnamed: Unnamed<'_>) -> Result<Secrets, ConfigError> {
    let wrong = |error: KeyFileError| wrong(config, PSEUDONYMISE, &error);
    match read(config.privacy.pseudonymise_key_file.as_slice()).map_err(wrong)?.as_slice() {
        [] => {}
        [current, rest @ ..] => return Ok(Secrets::new(*current, rest.first().copied())),
    }
    let secret = match unnamed {
        Unnamed::Beside { directory, is_new } => beside(directory, "pseudonymise.key", is_new),
        Unnamed::Fleeting => random(),
        Unnamed::Refused => Err(KeyFileError(NEEDED.to_owned())),
    };
    Ok(Secrets::new(secret.map_err(wrong)?, None))
}

/// The keys of device cookies.
///
/// # Errors
///
/// As for [`secrets`].
pub fn tokens(config: &Config, unnamed: Unnamed<'_>) -> Result<TokenKeys, ConfigError> {
    if let Some(named) = named_tokens(config)? {
        return Ok(named);
    }
    let secret = match unnamed {
        // Another key costs a factor each browser, and no more.
        Unnamed::Beside { directory, .. } => beside(directory, "device-token.key", true),
        Unnamed::Fleeting => random(),
        Unnamed::Refused => Err(KeyFileError(NEEDED.to_owned())),
    };
    let keys = secret.and_then(|secret| TokenKeys::new(&[secret]).ok_or_else(|| KeyFileError("no key".to_owned())));
    keys.map_err(|error| wrong(config, DEVICE_TOKEN, &error))
}

/// The keys of device cookies that the configuration names; `None` when it names none.
pub(super) fn named_tokens(config: &Config) -> Result<Option<TokenKeys>, ConfigError> {
    let secrets = read(&config.device_token.key_files).map_err(|error| wrong(config, DEVICE_TOKEN, &error))?;
    Ok(TokenKeys::new(&secrets))
}

/// The keys of what is kept about factors; `None` where nothing is.
///
/// # Errors
///
/// As for [`secrets`].
pub(super) fn mfa(config: &Config, unnamed: Unnamed<'_>) -> Result<Option<EngineKeys>, ConfigError> {
    if !config.mfa.enabled {
        return Ok(None);
    }
    let signing = assertion_keys(config, &config.mfa.assertion, unnamed)?;
    Ok(Some(EngineKeys { secrets: sealing_keys(config, unnamed)?, signing }))
}

fn sealing_keys(config: &Config, unnamed: Unnamed<'_>) -> Result<sealing::Keys, ConfigError> {
    let wrong = |error: KeyFileError| wrong(config, MFA, &error);
    match read(config.mfa.key_files.as_slice()).map_err(wrong)?.as_slice() {
        [] => {}
        [current, rest @ ..] => return Ok(sealing::Keys::new(*current, rest.first().copied())),
    }
    let secret = match unnamed {
        // A store may be older than its first factor. With another key than its own, what it has of a user does not open, and nobody
        // is taken for a user without factors.
        Unnamed::Beside { directory, .. } => beside(directory, "mfa.key", true),
        Unnamed::Fleeting => random(),
        Unnamed::Refused => Err(KeyFileError(NEEDED.to_owned())),
    };
    Ok(sealing::Keys::new(secret.map_err(wrong)?, None))
}

/// The keys that sign assertions, the first one first.
///
/// # Errors
///
/// As for [`secrets`].
pub fn assertion_keys(
    config: &Config,
    settings: &assertion::Settings,
    unnamed: Unnamed<'_>,
) -> Result<Vec<SigningKey>, ConfigError> {
    let keys = match settings.key_files.as_slice() {
        [] => unnamed_assertion_key(unnamed).map(|key| vec![key]),
        files => files.iter().map(|path| signing_key(path)).collect(),
    };
    keys.map_err(|error| wrong(config, ASSERTION, &error))
}

/// The keys of assertions that the configuration names; `None` when it names none.
pub(super) fn named_assertion_keys(config: &Config) -> Result<Option<Vec<SigningKey>>, ConfigError> {
    let settings = &config.mfa.assertion;
    let is_named = config.mfa.enabled && !settings.key_files.is_empty();
    is_named.then(|| assertion_keys(config, settings, Unnamed::Refused)).transpose()
}

fn unnamed_assertion_key(unnamed: Unnamed<'_>) -> Result<SigningKey, KeyFileError> {
    let made = || Ok(SigningKey::generate()?);
    match unnamed {
        Unnamed::Fleeting => Ok(SigningKey::parse(&made()?)?),
        // Another key costs the assertions of five minutes, and no more.
        Unnamed::Beside { directory, .. } => signing_key(&file_beside(directory, "assertion.pem", true, made)?),
        Unnamed::Refused => Err(KeyFileError(NEEDED.to_owned())),
    }
}

/// Whether every file that is named holds a key.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    // Replicas that share memory need the same.
    let unnamed = if config.memory.backend == Backend::Redis { Unnamed::Refused } else { Unnamed::Fleeting };
    secrets(config, unnamed)?;
    tokens(config, unnamed)?;
    mfa(config, unnamed).map(|_| ())
}

const NEEDED: &str =
    "none is named, and replicas that share memory need the same: make one, and name it on each of them";

fn read(files: &[PathBuf]) -> Result<Vec<[u8; 32]>, KeyFileError> {
    files.iter().map(|path| secret(path)).collect()
}

fn random() -> Result<[u8; 32], KeyFileError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| KeyFileError(error.to_string()))?;
    Ok(secret)
}

/// The key in a file beside the store, which is made unless it is there.
fn beside(directory: &Path, name: &str, may_make: bool) -> Result<[u8; 32], KeyFileError> {
    let digits = |secret: [u8; 32]| secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    secret(&file_beside(directory, name, may_make, || random().map(|secret| digits(secret) + "\n"))?)
}

/// The path of a file beside the store, which is made unless it is there.
fn file_beside(
    directory: &Path,
    name: &str,
    may_make: bool,
    text: impl FnOnce() -> Result<String, KeyFileError>,
) -> Result<PathBuf, KeyFileError> {
    let path = directory.join(name);
    let refused = |error: io::Error| KeyFileError(format!("{}: {error}", path.display()));
    if !path.try_exists().map_err(refused)? {
        if !may_make {
            let why =
                "is gone, and the store beside it was made with it: bring it back, or name the file that holds it";
            return Err(KeyFileError(format!("{} {why}", path.display())));
        }
        make(directory, &path, &text()?).map_err(refused)?;
        tracing::info!(path = %path.display(), "made a key; keep a copy of it apart from those of the store");
    }
    Ok(path)
}

/// Writes the file under another name first, so that it is there as a whole or not at all. Of two processes that do so at once, one
/// has its way; nothing is ever written over.
fn make(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|error| io::Error::other(error.to_string()))?;
    let temporary = path.with_extension(format!("{:016x}.new", u64::from_le_bytes(unique)));
    let linked = write(&temporary, text).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => removed?,
    }
    File::open(directory)?.sync_all()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A file holds 64 digits and a line end, or some 240 bytes of PEM; whatever is longer is no key.
const FILE_BYTES_MAX: u64 = 1024;

fn signing_key(path: &Path) -> Result<SigningKey, KeyFileError> {
    let text = private_text(path).map_err(KeyFileError)?;
    SigningKey::parse(&text).map_err(|error| KeyFileError(format!("{}: {error}", path.display())))
}

fn secret(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let text = private_text(path).map_err(KeyFileError)?;
    let why = "no key: 64 hex digits, such as `openssl rand -hex 32` prints";
    TokenKeys::parse_secret(&text).ok_or_else(|| KeyFileError(format!("{}: {why}", path.display())))
}

/// The secret in a short file that only its owner may read.
///
/// # Errors
///
/// What is wrong with the file, with its path.
pub fn private_text(path: &Path) -> Result<String, String> {
    private_text_within(path, FILE_BYTES_MAX)
}

/// The same of one that may be longer.
pub(super) fn private_text_within(path: &Path, bytes_max: u64) -> Result<String, String> {
    let refused = |why: String| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mode = file.metadata().map_err(|error| refused(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(refused(format!("others may read it (mode {:03o}); chmod 600 it", mode & 0o777)));
    }
    let mut text = String::new();
    file.take(bytes_max).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn is_kept(directory: &TempDir, name: &str) -> bool {
        let path = directory.path().join(name);
        let mode = fs::metadata(&path).map(|file| file.permissions().mode() & 0o777).ok();
        mode == Some(0o600) && fs::read_to_string(&path).is_ok_and(|text| text.len() == 65)
    }

    /// The key of a user under a fixed tag key tells secrets apart.
    fn user(secrets: &Secrets, kept: &[u8]) -> Option<u128> {
        Some(secrets.unlock(Some(kept)).ok()?.key.user("default", "alice").0)
    }

    #[test]
    fn a_key_is_made_once_and_never_for_a_store_that_lost_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let (directory, config) = (TempDir::new()?, Config::default());
        let at = |is_new| Unnamed::Beside { directory: directory.path(), is_new };
        let lost = secrets(&config, at(false)).map(|_| ()).map_err(|error| error.to_string());
        assert!(lost.is_err_and(|why| why.contains(PSEUDONYMISE) && why.contains("pseudonymise.key")));
        let made = secrets(&config, at(true))?;
        let kept = made.unlock(None)?.keep.unwrap_or_default();
        assert!(is_kept(&directory, "pseudonymise.key"));
        let again = secrets(&config, at(false))?;
        assert_eq!(user(&made, &kept), user(&again, &kept), "the same in the next life");
        assert_ne!(user(&made, &kept), None);
        tokens(&config, at(false))?;
        assert!(is_kept(&directory, "device-token.key"));
        assert_eq!(fs::read_dir(directory.path())?.count(), 2, "nothing else is left");
        Ok(())
    }

    #[test]
    fn of_many_starts_at_once_all_have_one_key() -> Result<(), Box<dyn std::error::Error>> {
        let directory = TempDir::new()?;
        let made = || beside(directory.path(), "pseudonymise.key", true).ok();
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(made)).collect();
            threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
        });
        assert!(all.iter().all(|key| key.is_some() && *key == all[0]), "{} keys", all.len());
        Ok(())
    }

    #[test]
    fn the_key_of_assertions_is_made_once_and_named_ones_are_read_in_order() -> Result<(), Box<dyn std::error::Error>> {
        let (directory, config) = (TempDir::new()?, Config::default());
        let at = Unnamed::Beside { directory: directory.path(), is_new: false };
        let ids = |settings: &assertion::Settings, unnamed: Unnamed<'_>| -> Result<Vec<String>, ConfigError> {
            Ok(assertion_keys(&config, settings, unnamed)?.iter().map(|key| key.id().to_owned()).collect())
        };
        let unnamed = assertion::Settings::default();
        let made = ids(&unnamed, at)?;
        assert_eq!((made.len(), ids(&unnamed, at)? == made), (1, true), "the same in the next life");
        assert_ne!(ids(&unnamed, Unnamed::Fleeting)?, made);
        let kept = directory.path().join("assertion.pem");
        assert_eq!(fs::metadata(&kept)?.permissions().mode() & 0o777, 0o600);
        let other = directory.path().join("other.pem");
        write(&other, &SigningKey::generate()?)?;
        let named = |files: &[&Path]| assertion::Settings {
            key_files: files.iter().map(|path| path.to_path_buf()).collect(),
            ..assertion::Settings::default()
        };
        let both = ids(&named(&[&other, &kept]), Unnamed::Refused)?;
        assert_eq!((both.len(), &both[1], both[0] == made[0]), (2, &made[0], false));
        fs::write(&other, "no key")?;
        for (settings, name) in [(&unnamed, "replicas"), (&named(&[&other]), "other.pem: no key: PEM in PKCS#8")] {
            let why = ids(settings, Unnamed::Refused).expect_err("there is no key").to_string();
            assert!(why.contains(ASSERTION) && why.contains(name), "{why}");
        }
        Ok(())
    }

    #[test]
    fn named_files_are_read_the_newest_first_and_replicas_need_them() -> Result<(), Box<dyn std::error::Error>> {
        let directory = TempDir::new()?;
        let [new, old] = ["new.key", "old.key"].map(|name| directory.path().join(name));
        write(&old, &"01".repeat(32))?;
        write(&new, &"02".repeat(32))?;
        let named = |files: &str| Config::parse(&format!("[privacy]\npseudonymise_key_file = {files}"));
        let (old, new) = (format!("{:?}", old.display()), format!("{:?}", new.display()));
        let kept = secrets(&named(&old)?, Unnamed::Refused)?.unlock(None)?.keep.unwrap_or_default();
        let both = secrets(&named(&format!("[{new}, {old}]"))?, Unnamed::Refused)?;
        assert!(both.unlock(Some(&kept)).is_ok_and(|unlocked| unlocked.keep.is_some()), "the old one opens");
        assert_eq!(user(&secrets(&named(&new)?, Unnamed::Refused)?, &kept), None, "the new one alone does not");
        assert!(named(&format!("[{new}, {old}, {old}]")).is_err(), "two are of use");
        for (result, key) in [
            (secrets(&Config::default(), Unnamed::Refused).map(|_| ()), PSEUDONYMISE),
            (tokens(&Config::default(), Unnamed::Refused).map(|_| ()), DEVICE_TOKEN),
        ] {
            assert!(result.is_err_and(|error| error.to_string().contains(key)), "{key}");
        }
        Ok(())
    }
}
