//! What may be wrong with a call about factors. Which status and text that makes is the server's.

use super::codes::CodeError;
use crate::event::FactorSet;
use std::fmt;

/// Why a call about factors is not answered as it asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MfaError {
    /// Nothing is asked by this service.
    Off,
    /// The factor is off, not bound, or not among those that this login asks for, which are these.
    FactorNotEnabled(FactorSet),
    /// Something has to be proved first.
    VerificationRequired(Required),
    /// The one-time password is wrong, of another time, or was used.
    InvalidTotpCode,
    /// The backup code is wrong, or was used.
    InvalidBackupCode,
    /// The passkey's answer is not right.
    WebauthnFailed,
    /// Backup codes go with another factor.
    BackupCodesAlone,
    /// The policy leaves no choice.
    NotUserControlled,
    /// One authenticator app a user.
    TotpInUse,
    /// The user has no factor, and the policy wants one.
    FactorMissing,
    /// No code was sent for this, or it was used, or a newer one was sent.
    CodeNotFound,
    /// The code is wrong.
    CodeMismatch,
    /// The code came too late.
    CodeExpired,
    /// The code was wrong too often.
    CodeTriedTooOften,
    /// The factor sleeps after too many failures.
    Locked {
        /// Seconds that it sleeps on.
        wait_s: u32,
    },
    /// Too many messages.
    MessagesRateLimited {
        /// Seconds until the next one.
        wait_s: u32,
    },
    /// The provider of messages wants to be asked later.
    ConnectorRateLimited {
        /// Seconds, as it says.
        wait_s: u32,
    },
    /// No provider took the message.
    ConnectorFailed,
    /// There is no provider of such messages.
    ConnectorMissing,
    /// The token's ten minutes are over.
    TokenExpired,
    /// The token is none that was issued here, or of another use.
    TokenInvalid,
    /// Another client asked for the token.
    TokenOfOtherClient,
    /// The proof was spent.
    StepUpUsed,
    /// The proof is of another session.
    StepUpOfOtherSession,
    /// The proof is of another action.
    StepUpOfOtherAction,
    /// There is no such factor.
    NoSuchFactor,
    /// The decision is gone.
    DecisionNotFound,
    /// The decision ended in another way.
    DecisionSettled,
    /// A member of the request cannot be used.
    Invalid {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Too many slow checks at a time.
    Overloaded,
    /// The record cannot be had, read or put.
    Unavailable,
}

/// What has to be proved before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// A factor that the user has.
    Factor,
    /// An email address or a phone number that did not change for 72 hours.
    Contact,
    /// A factor, by a step-up for the management of factors.
    StepUp,
}

impl From<CodeError> for MfaError {
    /// A code that was sent to somebody else is a wrong one.
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::NotFound => Self::CodeNotFound,
            CodeError::OtherTarget | CodeError::Mismatch => Self::CodeMismatch,
            CodeError::Expired => Self::CodeExpired,
            CodeError::TooManyTries => Self::CodeTriedTooOften,
        }
    }
}

impl fmt::Display for MfaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for MfaError {}
