//! Assertions: what was proved, signed, for the servers of the caller to believe.
//!
//! A JWT (RFC 7519) by ES256, with a `typ` of its own, so that none is good as a token of anything else. Two keys are published at
//! a time, and the first signs, so that one takes the place of the other while verifiers still know both. It is good once:
//! whoever believes one spends its `jti`.
//!
//! The library `jsonwebtoken` has no backend on ring: its own bring RSA and two more curves, or a C build. One header, one
//! algorithm and one set of claims need no more than the signature, which ring has.

mod claims;
mod key;

pub use claims::{Act, Claims, Proof};
pub use key::{KeyError, SigningKey};

use crate::bounded::Bounded;
use crate::clock::Timestamp;
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::rand::SystemRandom;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The tunables of assertions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Who signs, as verifiers are to expect it.
    pub issuer: Issuer,
    /// Files with a private key each, the one that signs first; at most two are of use.
    pub key_files: Vec<PathBuf>,
    /// Seconds for which an assertion is good.
    pub ttl_s: Bounded<10, 300>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { issuer: Issuer("askance".to_owned()), key_files: Vec::new(), ttl_s: Bounded::of::<300>() }
    }
}

/// The name of who signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer(String);

impl TryFrom<String> for Issuer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // StringOrURI (RFC 7519, section 2), and nothing that two readers could read in two ways.
        let is_good = (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good { Ok(Self(text)) } else { Err(format!("{text:?} is no name such as \"https://login.example.org\"")) }
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> Self {
        issuer.0
    }
}

/// What is to be asserted.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The client that asked.
    pub audience: &'a str,
    /// The user.
    pub subject: &'a str,
    /// Of which tenant.
    pub tenant: &'a str,
    /// The session that the proof is for.
    pub session: Option<&'a str>,
    /// What was proved, and when.
    pub proof: Proof,
    /// The decision that asked for it.
    pub decision_id: &'a str,
    /// The action that was proved, and nothing else.
    pub act: Option<&'a Act>,
}

/// An assertion, and what there is to keep of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// For the caller.
    pub text: String,
    /// Its number.
    pub jti: String,
    /// Until when it is good; not at that time any more.
    pub expires: Timestamp,
}

/// Why a text is no assertion of ours that is good now. One answer for all causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified;

/// The operating system gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gives no randomness")
    }
}

impl std::error::Error for NoRandomness {}

/// Signs and verifies. One for the process; keys are replaced while it serves.
#[derive(Debug)]
pub struct Signer {
    issuer: String,
    ttl_ms: i64,
    keys: ArcSwap<Keys>,
    random: SystemRandom,
}

#[derive(Debug)]
struct Keys {
    keys: Vec<SigningKey>,
    published: Bytes,
}

/// The header, in the order in which it is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

const ALGORITHM: &str = "ES256";
/// **Source:** RFC 8725, section 3.11: explicit typing.
const TYPE: &str = "askance-assertion+jwt";
/// Ours are some 900 bytes; the longest ids that are taken make three times that.
const TEXT_BYTES_MAX: usize = 8192;

impl Signer {
    /// Of keys, the one that signs first.
    #[must_use]
    pub fn new(settings: &Settings, keys: Vec<SigningKey>) -> Self {
        let ttl_ms = i64::from(settings.ttl_s.get()) * 1000;
        let keys = ArcSwap::from_pointee(Keys::new(keys));
        Self { issuer: settings.issuer.0.clone(), ttl_ms, keys, random: SystemRandom::new() }
    }

    /// Signs and verifies with other keys from now on.
    pub fn replace(&self, keys: Vec<SigningKey>) {
        self.keys.store(Arc::new(Keys::new(keys)));
    }

    /// The key set (RFC 7517) that verifiers read.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.keys.load().published.clone()
    }

    /// Signs what was proved.
    ///
    /// # Errors
    ///
    /// There is no randomness, of which each signature needs some.
    pub fn sign(&self, statement: &Statement<'_>, now: Timestamp) -> Result<Signed, NoRandomness> {
        let keys = self.keys.load();
        let key = keys.keys.first().ok_or(NoRandomness)?;
        let jti = new_jti()?;
        let expires = Timestamp::from_unix_ms(now.unix_ms() + self.ttl_ms).unwrap_or(now);
        let claims = Claims::new(statement, &self.issuer, jti, (now, expires));
        let header = Header { alg: ALGORITHM, typ: TYPE, kid: key.id() };
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = key.sign(message.as_bytes(), &self.random).map_err(|_| NoRandomness)?;
        let text = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        Ok(Signed { text, jti: claims.jti, expires: Timestamp::from_unix_s(claims.exp) })
    }

    /// What an assertion says that was signed here and has not expired.
    ///
    /// # Errors
    ///
    /// It is none, or not any more.
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<Claims, Unverified> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unverified);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Unverified)?;
        let (header, claims) = message.split_once('.').ok_or(Unverified)?;
        let header = decoded(header)?;
        let Header { alg, typ, kid } = serde_json::from_slice(&header).map_err(|_| Unverified)?;
        if alg != ALGORITHM || typ != TYPE {
            return Err(Unverified);
        }
        let keys = self.keys.load();
        let key = keys.keys.iter().find(|key| key.id() == kid).ok_or(Unverified)?;
        if !key.is_signed(message.as_bytes(), &decoded(signature)?) {
            return Err(Unverified);
        }
        let claims: Claims = part(claims)?;
        let is_ours = claims.iss == self.issuer;
        if is_ours && now < Timestamp::from_unix_s(claims.exp) { Ok(claims) } else { Err(Unverified) }
    }
}

impl Keys {
    fn new(keys: Vec<SigningKey>) -> Self {
        let published = serde_json::json!({"keys": keys.iter().map(SigningKey::public).collect::<Vec<_>>()});
        Self { keys, published: published.to_string().into() }
    }
}

/// 128 bits that nobody can foretell.
fn new_jti() -> Result<String, NoRandomness> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Our own types of texts and numbers: this cannot fail, and what is empty verifies nowhere.
fn encoded(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap_or_default())
}

fn decoded(text: &str) -> Result<Vec<u8>, Unverified> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Unverified)
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Unverified> {
    serde_json::from_slice(&decoded(text)?).map_err(|_| Unverified)
}

#[cfg(test)]
mod tests;
