//! The keys of device cookies: from the files that the configuration names, or from the system's randomness.

use super::wrong;
use crate::config::{Config, ConfigError};
use crate::device_token::TokenKeys;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What is wrong with a key file. The content is never named.
#[derive(Debug)]
struct KeyFileError(String);

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyFileError {}

/// The keys that the configuration names; `None` when it names none.
pub(super) fn read(config: &Config) -> Result<Option<TokenKeys>, ConfigError> {
    let files = &config.device_token.key_files;
    let secrets = files.iter().map(|path| secret(path)).collect::<Result<Vec<_>, _>>();
    let secrets = secrets.map_err(|error| wrong(config, "device_token.key_files", &error))?;
    Ok(TokenKeys::new(&secrets))
}

/// A key for as long as the process lives.
pub(super) fn random(config: &Config) -> Result<TokenKeys, ConfigError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| wrong(config, "device_token.key_files", &error))?;
    TokenKeys::new(&[secret]).ok_or_else(|| wrong(config, "device_token.key_files", &KeyFileError("no key".to_owned())))
}

/// A file holds 64 digits and a line end; whatever is longer is no key.
const FILE_BYTES_MAX: u64 = 256;

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
    let refused = |why: String| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mode = file.metadata().map_err(|error| refused(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(refused(format!("others may read it (mode {:03o}); chmod 600 it", mode & 0o777)));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    Ok(text)
}
