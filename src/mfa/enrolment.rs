//! Enrolments: a factor that is about to be bound, until the user shows to have it. Part of the user's record, and pure.

use super::challenge::ChallengeId;
use super::codes::SentCode;
use super::recipient::Recipient;
use super::serial;
use super::token::TokenKind;
use super::user::Hidden;
use super::webauthn::Registering;
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::decisions::DecisionId;
use serde::{Deserialize, Serialize};

/// A factor that is about to be bound.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enrolment {
    /// Names it in calls.
    pub id: ChallengeId,
    /// Within what it is bound.
    #[serde(with = "serial::decision")]
    pub of: DecisionId,
    /// Of what kind that is.
    pub kind: TokenKind,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it is over, with the token that it was begun with.
    #[serde(with = "serial::time")]
    pub until: Timestamp,
    /// What is bound.
    pub binding: Binding,
}

/// What is bound, and what shows that the user has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// A code of the app that was given this secret.
    Totp(Hidden<Vec<u8>>),
    /// A code that was sent there.
    Sent(Recipient, SentCode),
    /// The answer of a new passkey.
    Passkey(Registering),
}

impl Enrolment {
    /// Which factor it is to be.
    #[must_use]
    pub fn factor(&self) -> Factor {
        match &self.binding {
            Binding::Totp(_) => Factor::Totp,
            Binding::Sent(to, _) => to.channel().factor(),
            Binding::Passkey(_) => Factor::Webauthn,
        }
    }
}
