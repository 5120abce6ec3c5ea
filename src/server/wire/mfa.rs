//! `/v1/mfa/*`: requests and answers.

use super::{ShortText, Text, Time, Word};
use crate::event::Factor;
use crate::mfa::ask::Begun;
use crate::mfa::enroll::{Begun as Enrolling, Needs};
use crate::mfa::verify::Verified;
use crate::mfa::{Next, Shown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// As long as the longest token.
pub(in crate::server) type TokenText<'a> = Text<'a, 1, 16_384>;

/// The body of a challenge.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct ChallengeBody<'a> {
    #[serde(borrow)]
    pub(in crate::server) mfa_token: TokenText<'a>,
    pub(in crate::server) factor: Option<Word<Factor>>,
    #[serde(borrow)]
    pub(in crate::server) id: Option<ShortText<'a>>,
    #[serde(borrow)]
    pub(in crate::server) locale: Option<Text<'a, 1, 35>>,
}

/// The body of an answer to a challenge.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct VerifyBody<'a> {
    #[serde(borrow)]
    pub(in crate::server) mfa_token: TokenText<'a>,
    #[serde(borrow)]
    pub(in crate::server) challenge_id: ShortText<'a>,
    #[serde(borrow)]
    pub(in crate::server) code: Option<Text<'a, 1, 64>>,
    pub(in crate::server) credential: Option<serde_json::Map<String, Value>>,
}

/// What the user may prove with.
#[derive(Debug, Serialize)]
pub(in crate::server) struct FactorsAnswer {
    factors: Vec<FactorAnswer>,
    can_enroll: bool,
    next: &'static str,
}

/// A factor of a user.
#[derive(Debug, Serialize)]
pub(in crate::server) struct FactorAnswer {
    id: String,
    factor: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<Time>,
}

impl FactorsAnswer {
    /// Of who has proved nothing, only what helps to choose.
    pub(in crate::server) fn new(shown: Vec<Shown>, is_proved: bool, can_enroll: bool, next: Next) -> Self {
        let factors = shown.into_iter().map(|shown| FactorAnswer {
            id: shown.id,
            factor: shown.factor.as_str(),
            label: shown.label.filter(|_| is_proved),
            masked: shown.masked,
            last_used: shown.last_used.filter(|_| is_proved).map(Time),
        });
        Self { factors: factors.collect(), can_enroll, next: next.as_str() }
    }
}

/// A challenge that was begun.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ChallengeAnswer {
    challenge_id: String,
    factor: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
    expires_at: Time,
    resend_after_s: u32,
    tries_left: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Value>,
}

impl From<Begun> for ChallengeAnswer {
    fn from(begun: Begun) -> Self {
        Self {
            challenge_id: begun.id.to_string(),
            factor: begun.factor.as_str(),
            masked: begun.masked,
            expires_at: Time(begun.expires),
            resend_after_s: begun.resend_after_s,
            tries_left: begun.tries_left,
            public_key: begun.public_key,
        }
    }
}

/// What was proved.
#[derive(Debug, Serialize)]
pub(in crate::server) struct VerifyAnswer {
    assertion: String,
    amr: [&'static str; 3],
    acr: &'static str,
    auth_time: u32,
    next: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_codes_left: Option<usize>,
}

impl From<Verified> for VerifyAnswer {
    fn from(verified: Verified) -> Self {
        Self {
            assertion: verified.assertion,
            amr: verified.proof.amr(),
            acr: verified.proof.acr(),
            auth_time: verified.proof.at_s,
            next: verified.next.as_str(),
            backup_codes_left: verified.backup_codes_left,
        }
    }
}

/// The body of an enrolment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct EnrollBody<'a> {
    #[serde(borrow)]
    pub(in crate::server) mfa_token: TokenText<'a>,
    pub(in crate::server) factor: Word<Factor>,
    #[serde(borrow)]
    pub(in crate::server) phone_number: Option<Text<'a, 1, 64>>,
    #[serde(borrow)]
    pub(in crate::server) email: Option<Text<'a, 1, 254>>,
    #[serde(borrow)]
    pub(in crate::server) secret: Option<Text<'a, 1, 64>>,
    #[serde(borrow)]
    pub(in crate::server) label: Option<Text<'a, 1, 64>>,
    #[serde(borrow)]
    pub(in crate::server) locale: Option<Text<'a, 1, 35>>,
}

/// The body of an answer to an enrolment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct BindBody<'a> {
    #[serde(borrow)]
    pub(in crate::server) mfa_token: TokenText<'a>,
    #[serde(borrow)]
    pub(in crate::server) enrolment_id: ShortText<'a>,
    #[serde(borrow)]
    pub(in crate::server) code: Option<Text<'a, 1, 64>>,
    pub(in crate::server) credential: Option<serde_json::Map<String, Value>>,
}

/// The body of a call that needs a token and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct TokenBody<'a> {
    #[serde(borrow)]
    pub(in crate::server) mfa_token: TokenText<'a>,
}

/// An enrolment that was begun.
#[derive(Debug, Default, Serialize)]
pub(in crate::server) struct EnrollAnswer {
    enrolment_id: String,
    factor: &'static str,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otpauth_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_svg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_after_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries_left: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Value>,
}

impl From<Enrolling> for EnrollAnswer {
    fn from(begun: Enrolling) -> Self {
        let answer = Self {
            enrolment_id: begun.id.to_string(),
            factor: begun.factor.as_str(),
            expires_at: begun.expires.to_string(),
            ..Self::default()
        };
        match begun.needs {
            Needs::App { secret, uri, qr_svg } => {
                Self { secret: Some(secret), otpauth_uri: Some(uri), qr_svg, ..answer }
            }
            Needs::Code { masked, resend_after_s, tries_left } => Self {
                masked: Some(masked),
                resend_after_s: Some(resend_after_s),
                tries_left: Some(tries_left),
                ..answer
            },
            Needs::Passkey(options) => Self { public_key: Some(options), ..answer },
        }
    }
}

/// A factor that was bound, or a set of backup codes that was made.
#[derive(Debug, Serialize)]
pub(in crate::server) struct BoundAnswer {
    pub(in crate::server) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::server) backup_codes: Option<Vec<String>>,
}

/// What to do next.
#[derive(Debug, Serialize)]
pub(in crate::server) struct NextAnswer {
    next: &'static str,
}

impl From<Next> for NextAnswer {
    fn from(next: Next) -> Self {
        Self { next: next.as_str() }
    }
}

/// The factors of a user, for whoever manages them.
#[derive(Debug, Serialize)]
pub(in crate::server) struct HeldFactors {
    factors: Vec<HeldFactor>,
}

/// A factor as it is held.
#[derive(Debug, Serialize)]
pub(in crate::server) struct HeldFactor {
    id: String,
    factor: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
    bound_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    codes_left: Option<usize>,
}

impl HeldFactors {
    pub(in crate::server) fn new(shown: Vec<Shown>) -> Self {
        Self { factors: shown.into_iter().map(HeldFactor::from).collect() }
    }
}

impl From<Shown> for HeldFactor {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.id,
            factor: shown.factor.as_str(),
            label: shown.label,
            masked: shown.masked,
            bound_at: Time(shown.bound),
            last_used: shown.last_used.map(Time),
            codes_left: shown.codes_left,
        }
    }
}
