//! Of what goes wrong about factors: status, stable code, and text that says what to do next.

use crate::event::{Factor, FactorSet};
use crate::mfa::{MfaError, Required};
use hyper::StatusCode;
use std::borrow::Cow;

pub(super) fn status(error: &MfaError) -> StatusCode {
    match error {
        MfaError::FactorNotEnabled(_)
        | MfaError::InvalidTotpCode
        | MfaError::InvalidBackupCode
        | MfaError::WebauthnFailed
        | MfaError::CodeNotFound
        | MfaError::CodeMismatch
        | MfaError::CodeExpired
        | MfaError::CodeTriedTooOften => StatusCode::BAD_REQUEST,
        MfaError::TokenExpired | MfaError::TokenInvalid | MfaError::TokenOfOtherClient => StatusCode::UNAUTHORIZED,
        MfaError::VerificationRequired(_) => StatusCode::FORBIDDEN,
        MfaError::Off | MfaError::NoSuchFactor | MfaError::DecisionNotFound => StatusCode::NOT_FOUND,
        MfaError::StepUpUsed
        | MfaError::StepUpOfOtherSession
        | MfaError::StepUpOfOtherAction
        | MfaError::DecisionSettled => StatusCode::CONFLICT,
        MfaError::BackupCodesAlone
        | MfaError::NotUserControlled
        | MfaError::TotpInUse
        | MfaError::FactorMissing
        | MfaError::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        MfaError::Locked { .. } | MfaError::MessagesRateLimited { .. } | MfaError::ConnectorRateLimited { .. } => {
            StatusCode::TOO_MANY_REQUESTS
        }
        MfaError::ConnectorMissing => StatusCode::NOT_IMPLEMENTED,
        MfaError::ConnectorFailed => StatusCode::BAD_GATEWAY,
        MfaError::Overloaded | MfaError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

pub(super) fn code(error: &MfaError) -> &'static str {
    match error {
        MfaError::Off | MfaError::NoSuchFactor => "request.not_found",
        MfaError::FactorNotEnabled(_) => "session.mfa.mfa_factor_not_enabled",
        MfaError::VerificationRequired(_) => "session.mfa.require_mfa_verification",
        MfaError::InvalidTotpCode => "session.mfa.invalid_totp_code",
        MfaError::InvalidBackupCode => "session.mfa.invalid_backup_code",
        MfaError::WebauthnFailed => "session.mfa.webauthn_verification_failed",
        MfaError::BackupCodesAlone => "session.mfa.backup_code_can_not_be_alone",
        MfaError::NotUserControlled => "session.mfa.mfa_policy_not_user_controlled",
        MfaError::TotpInUse => "user.totp_already_in_use",
        MfaError::FactorMissing => "user.missing_mfa",
        MfaError::CodeNotFound => "verification_code.not_found",
        MfaError::CodeMismatch => "verification_code.code_mismatch",
        MfaError::CodeExpired => "verification_code.expired",
        MfaError::CodeTriedTooOften => "verification_code.exceed_max_try",
        MfaError::Locked { .. } => "verification_code.locked",
        MfaError::MessagesRateLimited { .. } => "request.message_rate_limited",
        MfaError::ConnectorRateLimited { .. } => "connector.rate_limit_exceeded",
        MfaError::ConnectorFailed => "connector.general",
        MfaError::ConnectorMissing => "connector.not_configured",
        MfaError::TokenExpired => "mfa_token.expired",
        MfaError::TokenInvalid => "mfa_token.invalid",
        MfaError::TokenOfOtherClient => "mfa_token.other_client",
        MfaError::StepUpUsed => "step_up.already_used",
        MfaError::StepUpOfOtherSession => "step_up.other_session",
        MfaError::StepUpOfOtherAction => "step_up.other_action",
        MfaError::DecisionNotFound => "decision.not_found",
        MfaError::DecisionSettled => "decision.already_settled",
        MfaError::Invalid { .. } => "request.invalid",
        MfaError::Overloaded => "server.overloaded",
        MfaError::Unavailable => "memory.unavailable",
    }
}

pub(super) fn detail(error: &MfaError) -> Cow<'_, str> {
    let text = match error {
        MfaError::FactorNotEnabled(offered) => return not_enabled(*offered),
        MfaError::Off => {
            "askance does not ask by itself here: set mfa.enabled, or ask for the factor yourself and tell the outcome"
        }
        MfaError::VerificationRequired(Required::Factor) => {
            "the user has a factor: pass POST /v1/mfa/challenge and /v1/mfa/verify with this mfa_token first"
        }
        MfaError::VerificationRequired(Required::Contact) => {
            "a first factor needs a proof of an email address or phone number that has not changed for 72 hours: score the login \
             with user.email, and pass /v1/mfa/challenge and /v1/mfa/verify with factor email first"
        }
        MfaError::VerificationRequired(Required::StepUp) => {
            "factors are managed with the mfa_token of a verified step-up for the action askance.factors, of the same tenant, \
             client and user, in x-askance-mfa-token, or with the scope admin"
        }
        MfaError::InvalidTotpCode => {
            "the code is wrong, of another time, or was used: ask for the one that the app shows next, and see that its clock is right"
        }
        MfaError::InvalidBackupCode => {
            "the code is wrong, or was used: ask for another one of the list, or offer another factor"
        }
        MfaError::WebauthnFailed => "the passkey's answer is not right, or came too late: begin a new challenge",
        MfaError::BackupCodesAlone => "backup codes go with another factor: bind one of the others first",
        MfaError::NotUserControlled => "this cannot be skipped (mfa.policy): bind a factor with POST /v1/mfa/enroll",
        MfaError::TotpInUse => "the user has an authenticator app: remove it first, or offer another factor",
        MfaError::FactorMissing => "the user has no such factor: bind one with POST /v1/mfa/enroll first",
        MfaError::CodeNotFound => {
            "no code waits for this: it was used, a newer one was sent, or it is over; begin a new challenge"
        }
        MfaError::CodeMismatch => "the code is wrong: ask again, or begin a new challenge",
        MfaError::CodeExpired => "the code came too late (mfa.code_ttl_s): begin a new challenge",
        MfaError::CodeTriedTooOften => "the code was wrong too often, and is good no longer: begin a new challenge",
        MfaError::Locked { .. } => "too many failures: the factor sleeps for wait_s seconds; offer another one",
        MfaError::MessagesRateLimited { .. } => "too many messages: wait for wait_s seconds, or offer another factor",
        MfaError::ConnectorRateLimited { .. } => {
            "the provider wants to be asked in wait_s seconds: wait, or offer another factor"
        }
        MfaError::ConnectorFailed => {
            "no provider took the message: try again, or offer another factor; the log says why"
        }
        MfaError::ConnectorMissing => {
            "there is no provider of such messages: set mfa.connectors, or offer another factor"
        }
        MfaError::TokenExpired => {
            "the ten minutes of the mfa_token are over: score the login, or begin the step-up, again"
        }
        MfaError::TokenInvalid => {
            "this is no mfa_token of ours, or not good for this: score the login, or begin the step-up, again"
        }
        MfaError::TokenOfOtherClient => {
            "another client asked for this mfa_token: score the login with the client that uses it"
        }
        MfaError::StepUpUsed => "the proof was spent: begin a new step-up",
        MfaError::StepUpOfOtherSession => "the proof is of another session: begin a step-up of this one",
        MfaError::StepUpOfOtherAction => "the proof is of another action: begin a step-up for this one",
        MfaError::NoSuchFactor => "the user has no such factor: GET /v1/users/{id}/factors lists those that there are",
        MfaError::DecisionNotFound => "the decision of this mfa_token is gone: score the login again",
        MfaError::DecisionSettled => {
            "the decision of this mfa_token has another outcome already: score the login again"
        }
        MfaError::Invalid { why, .. } => why,
        MfaError::Overloaded => "too many slow checks at a time: try again in a second",
        MfaError::Unavailable => "memory does not answer: try again in a second",
    };
    text.into()
}

fn not_enabled(offered: FactorSet) -> Cow<'static, str> {
    let words: Vec<&str> = offered.iter().map(Factor::as_str).collect();
    if words.is_empty() {
        return "the factor is off (mfa.factors), or the user has none that is bound: bind one with POST /v1/mfa/enroll".into();
    }
    format!("the factor is off, not bound, or not strong enough here: offer one of {}", words.join(", ")).into()
}

pub(super) fn field(error: &MfaError) -> Option<&'static str> {
    if let MfaError::Invalid { field, .. } = error { Some(field) } else { None }
}

/// For how many seconds to wait.
pub(super) fn wait_s(error: &MfaError) -> Option<u32> {
    if let MfaError::Locked { wait_s }
    | MfaError::MessagesRateLimited { wait_s }
    | MfaError::ConnectorRateLimited { wait_s } = error
    {
        Some(*wait_s)
    } else {
        None
    }
}
