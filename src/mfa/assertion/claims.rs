//! What an assertion says.

use super::Statement;
use crate::clock::Timestamp;
use crate::event::Factor;
use serde::{Deserialize, Serialize};

/// A proof that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// By which factor.
    pub factor: Factor,
    /// When, in seconds since 1970.
    pub at_s: u32,
    /// Whether the key of a passkey stays in one device, as far as it says so itself: nothing attests it.
    pub is_bound_to_device: bool,
}

/// The action that was proved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Its name.
    pub name: String,
    /// What name and parameters come to.
    pub digest: String,
}

/// The claims, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who signs.
    pub iss: String,
    /// The client that asked.
    pub aud: String,
    /// The user.
    pub sub: String,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The tenant of the user.
    pub tenant: String,
    /// The number of the assertion.
    pub jti: String,
    /// When it was signed, in seconds since 1970.
    pub iat: u32,
    /// When it is good no longer.
    pub exp: u32,
    /// When the user proved it.
    pub auth_time: u32,
    /// How strong that is.
    pub acr: String,
    /// How it was proved.
    pub amr: Vec<String>,
    /// The decision that asked.
    pub decision_id: String,
    /// What was proved, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
}

impl Claims {
    pub(super) fn new(what: &Statement<'_>, issuer: &str, jti: String, (now, expires): (Timestamp, Timestamp)) -> Self {
        Self {
            iss: issuer.to_owned(),
            aud: what.audience.to_owned(),
            sub: what.subject.to_owned(),
            sid: what.session.map(str::to_owned),
            tenant: what.tenant.to_owned(),
            jti,
            iat: now.unix_s(),
            exp: expires.unix_s(),
            auth_time: what.proof.at_s,
            acr: what.proof.acr().to_owned(),
            amr: what.proof.amr().iter().map(|method| (*method).to_owned()).collect(),
            decision_id: what.decision_id.to_owned(),
            act: what.act.cloned(),
        }
    }
}

impl Proof {
    /// How strong the proof is: passkeys resist phishing.
    #[must_use]
    pub fn acr(&self) -> &'static str {
        match self.factor {
            Factor::Webauthn => "urn:askance:acr:phr",
            Factor::Totp | Factor::Sms | Factor::Email | Factor::BackupCode => "urn:askance:acr:mfa",
        }
    }

    /// How it was proved; each proof was asked for because of a risk that was judged.
    ///
    /// **Source:** RFC 8176, section 2. It has no value for e-mail and none for a list of codes: both are one-time passwords.
    #[must_use]
    pub fn amr(&self) -> [&'static str; 3] {
        let method = match self.factor {
            Factor::Webauthn if self.is_bound_to_device => "hwk",
            Factor::Webauthn => "swk",
            Factor::Sms => "sms",
            Factor::Totp | Factor::Email | Factor::BackupCode => "otp",
        };
        [method, "mfa", "rba"]
    }
}
