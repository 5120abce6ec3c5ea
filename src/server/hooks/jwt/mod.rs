//! Users by a signed token (JWT), as an application or a gateway gives its sessions.
//!
//! A token is good if a key of the issuer signed it in a way that the configuration admits, for this audience, and it has not expired. All
//! else is no token, whatever it is.
//!
//! **Source:** RFC 7515 (compact serialisation), RFC 7519 (claims), and the pitfalls of RFC 8725.

mod keys;
mod settings;
mod source;

pub use settings::{Algorithm, JwtSettings};

use crate::clock::{Clock, Started, Timestamp};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keys::{KeySet, Verify};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use source::Source;
use std::sync::{Arc, Mutex, PoisonError};

/// A longer one is none: proxies have no room for it, either.
const TOKEN_BYTES_MAX: usize = 8192;
/// Clocks of two machines differ; a token that is from the future by less is good.
const SKEW_S: f64 = 60.0;

/// Tokens, and the keys by which they are known. One for the process.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) settings: JwtSettings,
    source: Source,
    keys: Arc<ArcSwap<KeySet>>,
    /// When the source was looked at last; not yet where the start did not need it.
    looked: Mutex<Option<Started>>,
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

/// Who a token names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) user: String,
    /// Their address; none that the issuer calls unverified.
    pub(super) email: Option<String>,
}

impl Tokens {
    /// Loads the keys of a file. Those at an address are fetched when the first token comes: an issuer that is away keeps nobody from
    /// starting, and until it is there no token is good.
    pub(super) fn load(settings: &JwtSettings, clock: Clock) -> Result<Self, String> {
        let source = Source::new(settings, clock)?;
        let (keys, looked) = match &source {
            Source::File(path) => {
                let keys = source::read(path).map_err(|why| format!("hooks.jwt.jwks_file: {why}"))?;
                (keys, Some(clock.start()))
            }
            Source::Url(_) => (KeySet::default(), None),
        };
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        Ok(Self { settings: settings.clone(), source, keys, looked: Mutex::new(looked), clock })
    }

    /// Looks at the source if that is due; `again` is whether somebody needs a key that is not there. What does not load leaves the keys
    /// that are there.
    pub(super) async fn keep_fresh(&self, again: bool) {
        let [look, look_again] = self.source.looks();
        let interval = if again { look_again } else { look };
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|looked| looked.elapsed() < interval) {
                return;
            }
            // Others go on with the keys that are there.
            *looked = Some(self.clock.start());
        }
        let (source, keys) = (self.source.clone(), Arc::clone(&self.keys));
        // It goes on where whoever asked waits no longer: the next one finds the keys.
        let looking = tokio::spawn(async move {
            match source.keys().await {
                Ok(loaded) => keys.store(Arc::new(loaded)),
                Err(why) => tracing::error!(%why, "{} is not taken; the keys of before serve", source.setting()),
            }
        });
        looking.await.unwrap_or_default();
    }

    /// The user whom a token names.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Named, Unverified> {
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
        let is_verified = all.get("email_verified") != Some(&serde_json::Value::Bool(false));
        let email = all.get(&settings.email_claim).and_then(serde_json::Value::as_str).filter(|_| is_verified);
        let email = email.map(str::to_owned);
        match all.remove(&settings.user_claim) {
            Some(serde_json::Value::String(user)) => Ok(Named { user, email }),
            _ => Err(Unverified::Refused),
        }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Unverified> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unverified::Refused)?;
    serde_json::from_slice(&bytes).map_err(|_| Unverified::Refused)
}

#[cfg(test)]
mod tests;
