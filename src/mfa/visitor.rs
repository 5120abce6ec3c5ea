//! Who comes to a page that asks: sealed into the address of the page, so that nothing of it can be read or changed on the way.

use super::sealing::Use;
use super::step_up::tag;
use super::token::{Email, MfaToken, TokenKind};
use super::{Mfa, MfaError};
use crate::clock::Timestamp;
use crate::event::FactorSet;
use crate::memory::Memory;
use crate::memory::decisions::DecisionId;
use crate::memory::vault::{Kept, Place, Put, Record};
use crate::pipeline::UserName;
use crate::pipeline::request::HOOKS;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Who comes to a page.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// As the site knows them.
    #[serde(rename = "u")]
    pub user: String,
    /// The address of the account, where it can prove something.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
}

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Visitor(…)")
    }
}

/// What a server hands over to a page: a token, and where to go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosted {
    /// What stands for it.
    #[serde(rename = "t")]
    pub token: MfaToken,
    /// For whom an assertion is.
    #[serde(rename = "a")]
    pub audience: String,
    /// An address that was checked.
    #[serde(rename = "r")]
    pub return_to: String,
    /// What is to be done, as the user is shown it, of a step-up for an action.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Another factor is offered while the user has this many, which were bound by themselves.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub more_than: Option<usize>,
}

/// What a demand of the hooks asks of a visitor.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// `Login`; or `SignIn` where the user has nothing that does, and sets something up.
    pub kind: TokenKind,
    /// What asks.
    pub decision: DecisionId,
    /// When that was.
    pub made: Timestamp,
    /// Whose memory it is.
    pub tenant: &'a str,
    /// The factors that do.
    pub offered: FactorSet,
    /// The device is known to be the user's.
    pub is_device_known: bool,
    /// From where it is answered.
    pub ip: Option<IpAddr>,
}

/// A longer text is none: a token, an address, and the text of an action.
const HOSTED_BYTES_MAX: usize = 12_288;

impl Visitor {
    /// What stands for a demand of the hooks.
    #[must_use]
    pub fn token(&self, asking: Asking<'_>) -> MfaToken {
        MfaToken {
            kind: asking.kind,
            made: asking.made,
            client: HOOKS,
            decision: asking.decision,
            tenant: asking.tenant.to_owned(),
            user: self.user.clone(),
            offered: asking.offered,
            is_device_known: asking.is_device_known,
            ip: asking.ip,
            email: self.email.clone(),
            session: None,
            action: None,
        }
    }

    /// As a name.
    #[must_use]
    pub fn name<'a>(&'a self, tenant: &'a str) -> UserName<'a> {
        UserName { tenant, id: &self.user }
    }
}

impl<M> Mfa<M> {
    /// Seals who is asked by this decision.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn seal_visitor(&self, visitor: &Visitor, decision: DecisionId) -> Result<Vec<u8>, MfaError> {
        // Our own types into memory: there is nothing in it that could fail.
        let content = serde_json::to_vec(visitor).unwrap_or_default();
        self.keys.seal(Use::Visitor, &decision.to_bytes(), &content).map_err(|_| MfaError::Unavailable)
    }

    /// What names a page in its address.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn seal_hosted(&self, hosted: &Hosted) -> Result<String, MfaError> {
        // Our own types into memory: there is nothing in it that could fail.
        let content = serde_json::to_vec(hosted).unwrap_or_default();
        let sealed = self.keys.seal(Use::Page, b"", &content).map_err(|_| MfaError::Unavailable)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What a page is for; `None` where it is none of ours.
    #[must_use]
    pub fn open_hosted(&self, text: &str) -> Option<Hosted> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| text.len() <= HOSTED_BYTES_MAX)?;
        serde_json::from_slice(&self.keys.open(Use::Page, b"", &sealed)?).ok()
    }

    /// Whether a page is open in this browser, and in no other. Where `opens`, the first one to come has it.
    ///
    /// # Errors
    ///
    /// Memory does not answer.
    pub async fn is_opened_in(
        &self,
        page: &str,
        browser: [u8; 16],
        (opens, until): (bool, Timestamp),
        now: Timestamp,
    ) -> Result<bool, MfaError>
    where
        M: Memory,
    {
        let memory = self.pipeline.memory();
        let place = Place::Other(tag("askance 2026-11-22 page that was opened", page));
        let own = blake3::derive_key("askance 2026-11-22 browser of a page", &browser);
        let is_own = |kept: Kept| bool::from(kept.content.ct_eq(&own[..]));
        if let Some(kept) = memory.kept(place, now).await.map_err(|error| self.failed(&error))? {
            return Ok(is_own(kept));
        }
        if !opens {
            return Ok(false);
        }
        let record = Record { content: own.to_vec().into(), until: Some(until) };
        match memory.put(place, None, Some(record), now).await.map_err(|error| self.failed(&error))? {
            Put::Done => Ok(true),
            Put::Changed => {
                let kept = memory.kept(place, now).await.map_err(|error| self.failed(&error))?;
                Ok(kept.is_some_and(is_own))
            }
        }
    }

    /// Who is asked by this decision; `None` where that was sealed for another one, or under a secret that is gone.
    #[must_use]
    pub fn open_visitor(&self, sealed: &[u8], decision: DecisionId) -> Option<Visitor> {
        serde_json::from_slice(&self.keys.open(Use::Visitor, &decision.to_bytes(), sealed)?).ok()
    }
}
