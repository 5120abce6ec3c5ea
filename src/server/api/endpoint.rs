//! Which call a path names, and by which methods it is made.

use crate::telemetry::Route;

/// A call of the main listener, with what its path holds; percent-encoded still.
#[derive(Debug)]
pub(super) enum Endpoint<'a> {
    Score,
    Outcome(&'a str),
    Feedback(&'a str),
    Failures,
    Import,
    Decisions,
    User(&'a str),
    Export(&'a str),
    Device(&'a str, &'a str),
    Onboard,
    StepUp,
    Consume,
    KeySet,
    MfaFactors,
    MfaChallenge,
    MfaVerify,
    MfaEnroll,
    MfaBind,
    MfaSkip,
    UserFactors(&'a str),
    UserFactor(&'a str, &'a str),
    BackupCodes(&'a str),
    Describe,
}

impl<'a> Endpoint<'a> {
    pub(super) fn find(path: &'a str) -> Option<Self> {
        match path {
            "/v1/score" => return Some(Self::Score),
            "/v1/failures" => return Some(Self::Failures),
            "/v1/import" => return Some(Self::Import),
            "/v1/decisions" => return Some(Self::Decisions),
            "/v1/mfa/factors" => return Some(Self::MfaFactors),
            "/v1/mfa/challenge" => return Some(Self::MfaChallenge),
            "/v1/mfa/verify" => return Some(Self::MfaVerify),
            "/v1/mfa/enroll" => return Some(Self::MfaEnroll),
            "/v1/mfa/enroll/verify" => return Some(Self::MfaBind),
            "/v1/mfa/skip" => return Some(Self::MfaSkip),
            "/v1/mfa/onboard" => return Some(Self::Onboard),
            "/v1/step-up" => return Some(Self::StepUp),
            "/v1/step-up/consume" => return Some(Self::Consume),
            "/.well-known/jwks.json" => return Some(Self::KeySet),
            "/v1/openapi.json" => return Some(Self::Describe),
            _ => {}
        }
        if let Some(user) = path.strip_prefix("/v1/users/") {
            return Self::of_user(user);
        }
        match path.strip_prefix("/v1/decisions/")?.split_once('/')? {
            ("", _) => None,
            (id, "outcome") => Some(Self::Outcome(id)),
            (id, "feedback") => Some(Self::Feedback(id)),
            _ => None,
        }
    }

    /// An id that is empty is one of nobody, and told so; what is behind it is a route or none.
    fn of_user(path: &'a str) -> Option<Self> {
        match path.split_once('/') {
            None => Some(Self::User(path)),
            Some((id, "export")) => Some(Self::Export(id)),
            Some((id, "factors")) => Some(Self::UserFactors(id)),
            Some((id, "backup-codes")) => Some(Self::BackupCodes(id)),
            Some((id, rest)) => {
                if let Some(factor) = rest.strip_prefix("factors/").filter(|factor| !factor.contains('/')) {
                    return Some(Self::UserFactor(id, factor));
                }
                let device = rest.strip_prefix("devices/").filter(|device| !device.contains('/'))?;
                Some(Self::Device(id, device))
            }
        }
    }

    /// The methods, as the header `Allow` names them.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Score
            | Self::Outcome(_)
            | Self::Feedback(_)
            | Self::Failures
            | Self::Import
            | Self::MfaChallenge
            | Self::MfaVerify
            | Self::MfaEnroll
            | Self::MfaBind
            | Self::MfaSkip
            | Self::BackupCodes(_)
            | Self::Onboard
            | Self::StepUp
            | Self::Consume => "POST",
            Self::Decisions | Self::Export(_) | Self::MfaFactors | Self::UserFactors(_) => "GET",
            Self::User(_) => "GET, DELETE",
            Self::Device(..) | Self::UserFactor(..) => "DELETE",
            Self::KeySet | Self::Describe => "GET, HEAD",
        }
    }

    /// How metrics call it.
    pub(super) fn label(&self) -> Route {
        match self {
            Self::Score => Route::Score,
            Self::Outcome(_) => Route::Outcome,
            Self::Feedback(_) => Route::Feedback,
            Self::Failures => Route::Failures,
            Self::Import => Route::Import,
            Self::Decisions => Route::Decisions,
            Self::User(_) => Route::User,
            Self::Export(_) => Route::Export,
            Self::Device(..) => Route::Device,
            Self::MfaFactors
            | Self::MfaChallenge
            | Self::MfaVerify
            | Self::MfaEnroll
            | Self::MfaBind
            | Self::MfaSkip
            | Self::Onboard => Route::Mfa,
            Self::UserFactors(_) | Self::UserFactor(..) | Self::BackupCodes(_) => Route::Factors,
            Self::StepUp | Self::Consume => Route::StepUp,
            Self::KeySet => Route::KeySet,
            Self::Describe => Route::Describe,
        }
    }
}
