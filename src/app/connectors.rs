//! Connectors, with their secrets: from files, or from the environment.

use super::keys::private_text_within;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::context::data_file;
use crate::mfa::message::{Connectors, Messenger, SecretSource, Sources};
use std::path::Path;

/// Bytes of a secret: the longest are tokens that are documents themselves.
const SECRET_BYTES_MAX: u64 = 8_192;
/// MiB. Bundles of authorities are some 200 kB.
const FILE_MIB_MAX: u32 = 4;

/// Who carries messages, of the connectors that the configuration names, or of some of them.
///
/// # Errors
///
/// A secret or an authority cannot be had, or a template is missing; the error names the setting.
pub fn messenger(config: &Config, connectors: &Connectors, clock: Clock) -> Result<Messenger, ConfigError> {
    let mfa = &config.mfa;
    let messenger = Messenger::new(connectors, &mfa.templates, &mfa.locale, &Here, clock);
    messenger.map_err(|error| ConfigError::one(&config.origin, error))
}

/// This machine, and this process.
struct Here;

impl Sources for Here {
    fn secret(&self, source: &SecretSource) -> Result<String, String> {
        let secret = match source {
            SecretSource::File(path) => private_text_within(path, SECRET_BYTES_MAX)?,
            SecretSource::Variable(name) => {
                config::secret(name).ok_or_else(|| format!("the environment has no variable {name}"))?
            }
        };
        // Editors end a file with a line end.
        let secret = secret.trim_end_matches(['\r', '\n']);
        if secret.is_empty() { Err("there is nothing in it".to_owned()) } else { Ok(secret.to_owned()) }
    }

    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let read = data_file::read(path, FILE_MIB_MAX).map(|(bytes, _)| bytes);
        read.map_err(|error| format!("{}: {error}", path.display()))
    }
}
