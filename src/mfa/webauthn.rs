//! Passkeys: ceremonies as the browser's API has them, and what is kept of them.
//!
//! User verification is required, resident keys are preferred, ES256 and RS256 are taken, and nothing is attested. What goes out
//! is the value of `publicKey` in JSON, what comes in is what `toJSON()` makes of the browser's answer. Credentials and ceremonies are
//! texts here, since only the verifier reads them.
//!
//! A ceremony is kept in the user's record, for 60 seconds and one answer; taking it out of there is the caller's part. An answer
//! is held against the credentials as they are when it comes, not as they were when it was asked for: of two ceremonies at a
//! time, the second meets the counter that the first one left.

mod settings;

pub use settings::{Origin, RelyingPartyId, Settings};

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use webauthn_rs::prelude::{
    COSEAlgorithm, CredentialID, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// Seconds for an answer. **Source:** mfa.md.
pub const CEREMONY_S: u32 = 60;
/// **Source:** COSE numbers of ES256 and RS256 (IANA, RFC 9053 and RFC 8812).
const ALGORITHMS: [i64; 2] = [-7, -257];

/// The verifier. One for the process.
#[derive(Debug)]
pub struct Relying {
    verifier: Webauthn,
}

/// Who is to have a passkey.
#[derive(Debug, Clone, Copy)]
pub struct Registrant<'a> {
    /// Under what authenticators keep it.
    pub handle: Handle,
    /// What the user sees when they choose among accounts.
    pub name: &'a str,
}

/// Names a user to authenticators: at random, so that it tells nothing, and the same for all passkeys of a user, so that an
/// authenticator replaces one by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(Uuid);

impl Handle {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn random() -> Result<Self, WebauthnFailed> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| WebauthnFailed)?;
        Ok(Self(Uuid::from_bytes(bytes)))
    }
}

/// A registration that waits for its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registering {
    state: Value,
    until_ms: i64,
}

/// A challenge that waits for its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authenticating {
    state: Value,
    until_ms: i64,
}

/// What an answer to a challenge proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// Which of the credentials, by its place.
    pub at: usize,
    /// That credential as it is to be kept now.
    pub credential: String,
    /// Its key stays in one device, as far as it says so itself.
    pub is_bound_to_device: bool,
}

/// The answer proves nothing, or came too late. One for all causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebauthnFailed;

impl fmt::Display for WebauthnFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer of the passkey is not right, or came too late")
    }
}

impl std::error::Error for WebauthnFailed {}

impl Relying {
    /// As configured.
    ///
    /// # Errors
    ///
    /// Says what is missing, or contradicts itself.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let (id, origins) = settings.parties()?;
        let urls = origins.iter().map(|origin| Url::parse(origin.as_str()));
        let urls = urls.collect::<Result<Vec<_>, _>>().map_err(|error| format!("mfa.webauthn.origins: {error}"))?;
        let refused = |error: WebauthnError| format!("mfa.webauthn: {error}");
        let (first, rest) = urls.split_first().ok_or("mfa.webauthn.origins: there is none")?;
        let builder = WebauthnBuilder::new(id.as_str(), first).map_err(refused)?;
        let builder = builder.rp_name(&settings.rp_name).timeout(Duration::from_secs(CEREMONY_S.into()));
        let verifier = rest.iter().fold(builder, WebauthnBuilder::append_allowed_origin).build().map_err(refused)?;
        Ok(Self { verifier })
    }

    /// Asks for a new passkey, none of those that the user has: the options for the browser, and what is to be kept.
    ///
    /// # Errors
    ///
    /// A credential does not read, or the name is empty.
    pub fn begin_registration(
        &self,
        who: Registrant<'_>,
        existing: &[&str],
        now: Timestamp,
    ) -> Result<(Value, Registering), WebauthnFailed> {
        let existing: Vec<CredentialID> = read_all(existing)?.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let begun = self.verifier.start_passkey_registration(who.handle.0, who.name, who.name, Some(existing));
        let (options, state) = begun.map_err(failed)?;
        let mut options = public_key(&options)?;
        let is_taken = |param: &Value| param["alg"].as_i64().is_some_and(|alg| ALGORITHMS.contains(&alg));
        if let Some(params) = options["pubKeyCredParams"].as_array_mut() {
            params.retain(is_taken);
        }
        if let Some(selection) = options["authenticatorSelection"].as_object_mut() {
            selection.insert("residentKey".to_owned(), "preferred".into());
        }
        Ok((options, Registering { state: written(&state)?, until_ms: until(now) }))
    }

    /// The credential that an answer makes.
    ///
    /// # Errors
    ///
    /// The answer is not right, came too late, or is of a credential that is there already.
    pub fn finish_registration(
        &self,
        waiting: &Registering,
        answer: &Value,
        existing: &[&str],
        now: Timestamp,
    ) -> Result<String, WebauthnFailed> {
        is_in_time(waiting.until_ms, now)?;
        let state = PasskeyRegistration::deserialize(&waiting.state).map_err(failed)?;
        let answer = RegisterPublicKeyCredential::deserialize(answer).map_err(failed)?;
        let passkey = self.verifier.finish_passkey_registration(&answer, &state).map_err(failed)?;
        let is_taken = matches!(passkey.cred_algorithm(), COSEAlgorithm::ES256 | COSEAlgorithm::RS256);
        if !is_taken || read_all(existing)?.contains(&passkey) {
            return Err(WebauthnFailed);
        }
        Ok(written(&passkey)?.to_string())
    }

    /// Asks for a proof with any of the credentials.
    ///
    /// # Errors
    ///
    /// There is none, or one does not read.
    pub fn begin_authentication(
        &self,
        credentials: &[&str],
        now: Timestamp,
    ) -> Result<(Value, Authenticating), WebauthnFailed> {
        let passkeys = read_all(credentials)?;
        if passkeys.is_empty() {
            return Err(WebauthnFailed);
        }
        let (options, state) = self.verifier.start_passkey_authentication(&passkeys).map_err(failed)?;
        let mut state = written(&state)?;
        // Those of then are of no use when the answer comes.
        *credentials_of(&mut state)? = Value::Array(Vec::new());
        Ok((public_key(&options)?, Authenticating { state, until_ms: until(now) }))
    }

    /// What an answer proves, by the credentials as they are now.
    ///
    /// # Errors
    ///
    /// The answer is not right, came too late, or its counter says that there are two of the authenticator.
    pub fn finish_authentication(
        &self,
        waiting: &Authenticating,
        answer: &Value,
        credentials: &[&str],
        now: Timestamp,
    ) -> Result<Proved, WebauthnFailed> {
        is_in_time(waiting.until_ms, now)?;
        let mut passkeys = read_all(credentials)?;
        let mut state = waiting.state.clone();
        let as_they_are: Result<Vec<Value>, _> = passkeys.iter().map(credential_of).collect();
        *credentials_of(&mut state)? = Value::Array(as_they_are?);
        let state = PasskeyAuthentication::deserialize(state).map_err(failed)?;
        let answer = PublicKeyCredential::deserialize(answer).map_err(failed)?;
        let result = self.verifier.finish_passkey_authentication(&answer, &state).map_err(failed)?;
        if !result.user_verified() {
            return Err(WebauthnFailed);
        }
        let found = passkeys.iter().position(|passkey| passkey.cred_id() == result.cred_id());
        let at = found.ok_or(WebauthnFailed)?;
        let passkey = passkeys.get_mut(at).ok_or(WebauthnFailed)?;
        passkey.update_credential(&result).ok_or(WebauthnFailed)?;
        let credential = written(passkey)?.to_string();
        Ok(Proved { at, credential, is_bound_to_device: !result.backup_eligible() })
    }
}

fn until(now: Timestamp) -> i64 {
    now.unix_ms() + i64::from(CEREMONY_S) * 1000
}

/// Good at exactly its last millisecond.
fn is_in_time(until_ms: i64, now: Timestamp) -> Result<(), WebauthnFailed> {
    if now.unix_ms() <= until_ms { Ok(()) } else { Err(WebauthnFailed) }
}

fn read_all(credentials: &[&str]) -> Result<Vec<Passkey>, WebauthnFailed> {
    credentials.iter().map(|text| serde_json::from_str(text).map_err(failed)).collect()
}

fn written(part: &impl Serialize) -> Result<Value, WebauthnFailed> {
    serde_json::to_value(part).map_err(failed)
}

/// What the browser's API takes as `publicKey`.
fn public_key(options: &impl Serialize) -> Result<Value, WebauthnFailed> {
    written(options)?.get_mut("publicKey").map(Value::take).ok_or(WebauthnFailed)
}

/// Where a challenge that was written keeps its credentials. The library has no other way to it; a test holds that it is this one.
fn credentials_of(state: &mut Value) -> Result<&mut Value, WebauthnFailed> {
    state.pointer_mut("/ast/credentials").filter(|credentials| credentials.is_array()).ok_or(WebauthnFailed)
}

/// A credential as a challenge keeps it.
fn credential_of(passkey: &Passkey) -> Result<Value, WebauthnFailed> {
    written(passkey)?.get_mut("cred").map(Value::take).ok_or(WebauthnFailed)
}

/// Why is for whoever looks into it, and for nobody who is asked.
fn failed(error: impl fmt::Display) -> WebauthnFailed {
    tracing::debug!(%error, "a passkey's answer is refused");
    WebauthnFailed
}

#[cfg(test)]
mod tests;
