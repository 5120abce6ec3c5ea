//! Where the keys of an issuer come from: a file, or the address at which the issuer hands them out.

use super::keys::KeySet;
use super::settings::JwtSettings;
use crate::clock::Clock;
use crate::outbound::{Authorities, Destination};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE_BYTES_MAX: u64 = 1 << 20;
/// An issuer's answer is small, and nobody but those who bear a new key waits for it.
const FETCH: Duration = Duration::from_secs(3);

/// One of the two.
#[derive(Debug, Clone)]
pub(super) enum Source {
    File(PathBuf),
    Url(Destination),
}

impl Source {
    pub(super) fn new(settings: &JwtSettings, clock: Clock) -> Result<Self, String> {
        match (&settings.jwks_file, &settings.jwks_url) {
            (Some(path), _) => Ok(Self::File(path.clone())),
            (None, Some(target)) => {
                let allowed = settings.allow.clone();
                Destination::new(target.clone(), allowed, Authorities::System, clock)
                    .map(Self::Url)
                    .map_err(|error| format!("hooks.jwt.jwks_url: {error}"))
            }
            (None, None) => Err("hooks.jwt needs one of jwks_file and jwks_url".to_owned()),
        }
    }

    /// How often it is looked at: a key that is taken out of it is good for no longer. Behind it, how often where somebody bears a
    /// key that is not there: whoever sends tokens must not make many calls of it.
    pub(super) fn looks(&self) -> [Duration; 2] {
        match self {
            Self::File(_) => [Duration::from_secs(10), Duration::from_secs(1)],
            Self::Url(_) => [Duration::from_secs(300), Duration::from_secs(10)],
        }
    }

    /// The setting that names it.
    pub(super) fn setting(&self) -> &'static str {
        match self {
            Self::File(_) => "hooks.jwt.jwks_file",
            Self::Url(_) => "hooks.jwt.jwks_url",
        }
    }

    /// The keys that are there now.
    pub(super) async fn keys(&self) -> Result<KeySet, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let loaded = tokio::task::spawn_blocking(move || read(&path)).await;
                loaded.unwrap_or_else(|error| Err(error.to_string()))
            }
            Self::Url(destination) => {
                let reply = destination.get(FETCH).await.map_err(|error| error.to_string())?;
                if reply.status != 200 {
                    return Err(format!("it answers {}", reply.status));
                }
                let text = std::str::from_utf8(&reply.body).map_err(|_| "what comes is no text".to_owned())?;
                KeySet::parse(text)
            }
        }
    }
}

pub(super) fn read(path: &Path) -> Result<KeySet, String> {
    let refused = |why: String| format!("{}: {why}", path.display());
    let file = std::fs::File::open(path).map_err(|error| refused(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    KeySet::parse(&text).map_err(refused)
}
