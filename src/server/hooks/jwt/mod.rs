//! Users by a signed token (JWT), as an application or a gateway gives its sessions.
//!
//! A token is good if a key of the issuer signed it in a way that the configuration admits, for this audience, and it has not expired. All
//! else is no token, whatever it is.
//!
//! **Source:** RFC 7515 (compact serialisation), RFC 7519 (claims), and the pitfalls of RFC 8725.

mod keys;
mod settings;

pub use settings::{Algorithm, JwtSettings};

use crate::clock::{Clock, Started, Timestamp};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keys::{KeySet, Verify};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A longer one is none: proxies have no room for it, either.
const TOKEN_BYTES_MAX: usize = 8192;
const FILE_BYTES_MAX: u64 = 1 << 20;
/// So often the file is looked at: a key that is taken out of it is good for no longer.
const LOOK: Duration = Duration::from_secs(10);
/// And so often for a key that is not known.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Clocks of two machines differ; a token that is from the future by less is good.
const SKEW_S: f64 = 60.0;

/// Tokens, and the keys by which they are known. One for the process.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) settings: JwtSettings,
    keys: ArcSwap<KeySet>,
    looked: Mutex<Started>,
    clock: Clock,
}

/// Why there is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unverified {
    /// No key of this name is known; one might be by now.
    KeyUnknown,
    /// It is no token of the issuer for us, of now.
    Refused,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    /// Whoever does not understand what is in it must refuse.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Tokens {
    /// Loads the keys.
    pub(super) fn load(settings: &JwtSettings, clock: Clock) -> Result<Self, String> {
        let keys = read(&settings.jwks_file)?;
        Ok(Self {
            settings: settings.clone(),
            keys: ArcSwap::from_pointee(keys),
            looked: Mutex::new(clock.start()),
            clock,
        })
    }

    /// Looks at the file if that is due; `again` is whether somebody needs a key that is not there. A file that does not load leaves the keys
    /// that are there.
    pub(super) async fn keep_fresh(&self, again: bool) {
        let interval = if again { LOOK_AGAIN } else { LOOK };
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.elapsed() < interval {
                return;
            }
            // Others go on with the keys that are there.
            *looked = self.clock.start();
        }
        let path = self.settings.jwks_file.clone();
        let loaded = tokio::task::spawn_blocking(move || read(&path)).await;
        match loaded.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(keys) => self.keys.store(Arc::new(keys)),
            Err(why) => tracing::error!(%why, "hooks.jwt.jwks_file is not taken; the keys of before serve"),
        }
    }

    /// The user whom a token names.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<String, Unverified> {
        let settings = &self.settings;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unverified::Refused);
        }
        let (message, signed) = token.rsplit_once('.').ok_or(Unverified::Refused)?;
        let (header, claims) = message.split_once('.').ok_or(Unverified::Refused)?;
        let Header { alg, kid, crit } = part(header)?;
        if crit.is_some() || !settings.algorithms.contains(&alg) {
            return Err(Unverified::Refused);
        }
        let signed = URL_SAFE_NO_PAD.decode(signed).map_err(|_| Unverified::Refused)?;
        let keys = self.keys.load();
        let key = keys.find(kid.as_deref(), alg).ok_or(Unverified::KeyUnknown)?;
        if !key.is_signed(alg, message.as_bytes(), &signed) {
            return Err(Unverified::Refused);
        }
        let Claims { iss, aud, exp, nbf } = part(claims)?;
        let now_s = f64::from(now.unix_s());
        let is_for_us = match aud {
            Audience::One(one) => one == settings.audience,
            Audience::Many(many) => many.contains(&settings.audience),
        };
        let is_of_now = now_s < exp && nbf.is_none_or(|nbf| nbf <= now_s + SKEW_S);
        if iss != settings.issuer || !is_for_us || !is_of_now {
            return Err(Unverified::Refused);
        }
        let mut all: serde_json::Map<String, serde_json::Value> = part(claims)?;
        match all.remove(&settings.user_claim) {
            Some(serde_json::Value::String(user)) => Ok(user),
            _ => Err(Unverified::Refused),
        }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Unverified> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unverified::Refused)?;
    serde_json::from_slice(&bytes).map_err(|_| Unverified::Refused)
}

fn read(path: &Path) -> Result<KeySet, String> {
    let refused = |why: String| format!("{}: {why}", path.display());
    let file = std::fs::File::open(path).map_err(|error| refused(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    KeySet::parse(&text).map_err(refused)
}

#[cfg(test)]
mod tests;
