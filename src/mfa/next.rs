//! What a user has, what may be done with a token, and what to do next. Pure.

use super::challenge::Waiting;
use super::settings::PromptPolicy;
use super::token::{MfaToken, TokenKind};
use super::user::UserRecord;
use super::{Mfa, MfaError, Required};
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::memory::Memory;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for a factor that the user has.
    Challenge,
    /// Ask for a code that is sent to the address of the account.
    VerifyEmail,
    /// Bind a factor.
    Enroll,
    /// Offer to bind another one.
    SuggestAdditional,
    /// Show a set of backup codes.
    BackupCodes,
    /// Let the user in.
    Done,
}

impl Next {
    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::VerifyEmail => "verify_email",
            Self::Enroll => "enroll",
            Self::SuggestAdditional => "suggest_additional",
            Self::BackupCodes => "backup_codes",
            Self::Done => "done",
        }
    }
}

/// A factor as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Names it in calls.
    pub id: String,
    /// What it is.
    pub factor: Factor,
    /// What the user calls it.
    pub label: Option<String>,
    /// What may be shown of number or address.
    pub masked: Option<String>,
    /// When it was bound.
    pub bound: Timestamp,
    /// When it was last proved with.
    pub last_used: Option<Timestamp>,
    /// Codes that are left, of a set of them.
    pub codes_left: Option<usize>,
}

/// The action of a step-up within which factors are managed. **Source:** mfa.md.
pub const MANAGEMENT: &str = "askance.factors";

impl UserRecord {
    /// All that the user has of these kinds, in the order in which it is offered.
    #[must_use]
    pub fn shown(&self, kinds: &[Factor]) -> Vec<Shown> {
        let mut shown = Vec::new();
        for kind in kinds {
            shown.extend(self.factors.iter().filter(|bound| bound.means.factor() == *kind).map(|bound| Shown {
                id: bound.id.to_string(),
                factor: *kind,
                label: bound.label.clone(),
                masked: bound.means.recipient().map(super::recipient::Recipient::masked),
                bound: bound.bound,
                last_used: bound.last_used,
                codes_left: None,
            }));
            let codes = self.backup_codes.as_ref().filter(|_| *kind == Factor::BackupCode);
            shown.extend(codes.map(|codes| Shown {
                id: codes.id.to_string(),
                factor: Factor::BackupCode,
                label: None,
                masked: None,
                bound: codes.made,
                last_used: codes.last_used,
                codes_left: Some(codes.unused.len()),
            }));
        }
        shown
    }

    /// Whether the user has a factor, but backup codes, of those that are on.
    #[must_use]
    pub fn has_primary(&self, on: FactorSet) -> bool {
        self.factors.iter().any(|bound| on.has(bound.means.factor()))
    }

    /// Whether a challenge of this token was answered rightly, and what that means is yet to be done.
    #[must_use]
    pub fn is_being_proved(&self, token: &MfaToken) -> bool {
        self.challenges.iter().any(|challenge| {
            (challenge.of, challenge.kind) == (token.decision, token.kind)
                && matches!(challenge.waiting, Waiting::Passed(_))
        })
    }
}

impl<M> Mfa<M> {
    /// The factors that are on.
    #[must_use]
    pub fn on(&self) -> FactorSet {
        self.settings.factors.set()
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self, record: &UserRecord, token: &MfaToken) -> Next {
        let on = self.on();
        // Who signs up proved all that there was at the caller's.
        if token.kind != TokenKind::SignUp && !record.is_proved(token) {
            return if !record.usable(token, on).is_empty() {
                Next::Challenge
            } else if self.may_prove_email(token) {
                Next::VerifyEmail
            } else {
                Next::Enroll
            };
        }
        if !record.has_primary(on) {
            match self.settings.policy {
                PromptPolicy::Mandatory => Next::Enroll,
                PromptPolicy::NoPrompt => Next::Done,
                PromptPolicy::PromptAtSignInAndSignUp | PromptPolicy::PromptAtSignIn => {
                    if record.skipped.is_none() {
                        Next::Enroll
                    } else {
                        Next::Done
                    }
                }
            }
        } else if on.has(Factor::BackupCode) && record.backup_codes.as_ref().is_none_or(|codes| codes.unused.is_empty())
        {
            Next::BackupCodes
        } else {
            Next::Done
        }
    }

    /// Puts off what the user is prompted for, once what the token stands for is proved: a demand is not put off.
    ///
    /// # Errors
    ///
    /// The policy leaves no choice, or something has to be proved first.
    pub async fn skip(&self, token: &MfaToken, now: Timestamp) -> Result<Next, MfaError>
    where
        M: Memory,
    {
        self.update_user(token.user(), now, |record| {
            // Whoever has one already, of a new account, is offered another one.
            let is_offer = token.kind == TokenKind::SignUp && record.has_primary(self.on());
            if self.settings.policy == PromptPolicy::Mandatory && !is_offer {
                return Err(MfaError::NotUserControlled);
            }
            if !record.is_proved(token) && token.kind != TokenKind::SignUp {
                return Err(MfaError::VerificationRequired(Required::Factor));
            }
            record.skipped = Some(now);
            Ok(self.next(record, token))
        })
        .await
    }

    /// Whether the address that the login told may be proved, in place of a factor that the user does not have.
    #[must_use]
    pub fn may_prove_email(&self, token: &MfaToken) -> bool {
        let is_asked = token.offered.is_empty() || token.offered.has(Factor::Email);
        is_asked && token.email.is_some() && self.on().has(Factor::Email)
    }

    /// Whether a factor may be bound with this token.
    ///
    /// # Errors
    ///
    /// Says what has to be proved first.
    pub fn may_enroll(&self, record: &UserRecord, token: &MfaToken) -> Result<(), MfaError> {
        let is_for_management = token.action.as_ref().is_some_and(|action| action.name == MANAGEMENT);
        if token.kind == TokenKind::StepUp && !is_for_management {
            return Err(MfaError::VerificationRequired(Required::StepUp));
        }
        let on = self.on();
        let is_others = |factor: &Factor| match factor {
            Factor::BackupCode => false,
            Factor::Webauthn | Factor::Totp | Factor::Sms | Factor::Email => {
                record.bound(*factor, token).next().is_some()
            }
        };
        let has_factor = on.iter().any(|factor| is_others(&factor));
        let proof = record.proof_of(token);
        match proof {
            Some(proof) if !proof.is_of_contact => Ok(()),
            _ if has_factor => Err(MfaError::VerificationRequired(Required::Factor)),
            _ if token.kind == TokenKind::SignUp => Ok(()),
            Some(_) if token.email.as_ref().is_some_and(|email| email.is_settled) => Ok(()),
            Some(_) | None => Err(MfaError::VerificationRequired(Required::Contact)),
        }
    }
}
