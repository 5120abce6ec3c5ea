//! `POST /v1/mfa/onboard`: the request and its answer.

use super::{AnyText, Object, ShortText, Text, Time, Word};
use crate::clock::Timestamp;
use crate::context::phone::Phones;
use crate::event::{ClientIp, DEFAULT_TENANT, Factor};
use crate::memory::decisions::{ClientTag, DecisionId};
use crate::mfa::Shown;
use crate::mfa::onboard::{Arrival, Event, Onboarded};
use crate::mfa::recipient::Recipient;
use crate::pipeline::UserName;
use crate::server::error::Failure;
use serde::{Deserialize, Serialize};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct OnboardBody<'a> {
    #[serde(borrow)]
    user: Object<UserBody<'a>>,
    event: Word<EventWord>,
    verified: Option<Object<VerifiedBody<'a>>>,
    tenant: Option<ShortText<'a>>,
    decision_id: Option<ShortText<'a>>,
    session_id: Option<ShortText<'a>>,
    ip: Option<AnyText<'a>>,
    return_to: Option<Text<'a, 1, 1600>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserBody<'a> {
    #[serde(borrow)]
    id: ShortText<'a>,
    phone_changed_at: Option<Text<'a, 1, 64>>,
    email_changed_at: Option<Text<'a, 1, 64>>,
}

/// What the caller verified.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifiedBody<'a> {
    #[serde(borrow)]
    phone: Option<Text<'a, 1, 64>>,
    email: Option<Text<'a, 1, 320>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EventWord {
    SignUp,
    SignIn,
}

impl OnboardBody<'_> {
    /// The tenant, for which the caller may not be allowed to act.
    pub(in crate::server) fn tenant(&self) -> &str {
        self.tenant.as_ref().map_or(DEFAULT_TENANT, |tenant| &tenant.0)
    }

    /// Where a page of ours is to lead back to.
    pub(in crate::server) fn return_to(&self) -> Option<&str> {
        self.return_to.as_ref().map(|url| &*url.0)
    }

    /// The arrival, valid from here on.
    pub(in crate::server) fn read(&self, client: ClientTag, phones: &Phones) -> Result<Arrival<'_>, Failure> {
        let user = &self.user.0;
        let verified = self.verified.as_ref().map(|verified| &verified.0);
        let phone = verified.and_then(|verified| verified.phone.as_ref()).map(|text| {
            let why = "must be a phone number that can be sent messages, such as +12025550123";
            Recipient::phone(phones, &text.0, None).ok_or_else(|| Failure::invalid("verified.phone", why))
        });
        let email = verified.and_then(|verified| verified.email.as_ref()).map(|text| {
            Recipient::email(&text.0).ok_or_else(|| Failure::invalid("verified.email", "must be an email address"))
        });
        let phone_changed = time(user.phone_changed_at.as_ref(), "user.phone_changed_at")?;
        let email_changed = time(user.email_changed_at.as_ref(), "user.email_changed_at")?;
        let decision = self.decision_id.as_ref().map(|id| {
            DecisionId::parse(&id.0).ok_or_else(|| Failure::invalid("decision_id", "must be the id of a decision"))
        });
        let event = match (self.event.0, decision.transpose()?) {
            (EventWord::SignIn, decision) => Event::SignIn(decision),
            (EventWord::SignUp, None) => Event::SignUp,
            (EventWord::SignUp, Some(_)) => {
                return Err(Failure::invalid("decision_id", "is of a login, and none of sign_up"));
            }
        };
        Ok(Arrival {
            client,
            user: UserName { tenant: self.tenant(), id: &user.id.0 },
            event,
            phone: phone.transpose()?.map(|to| (to, phone_changed)),
            email: email.transpose()?.map(|to| (to, email_changed)),
            session: self.session_id.as_ref().map(|id| &*id.0),
            ip: self.ip.as_ref().and_then(|ip| ClientIp::parse((&*ip.0).into()).ip()),
            is_hosted: self.return_to.is_some(),
        })
    }
}

fn time(text: Option<&Text<'_, 1, 64>>, field: &str) -> Result<Option<Timestamp>, Failure> {
    let parsed = text.map(|text| Timestamp::parse(&text.0).ok_or_else(|| Failure::invalid(field, "must be RFC 3339")));
    parsed.transpose()
}

/// The answer.
#[derive(Debug, Serialize)]
pub(in crate::server) struct OnboardedBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    next: &'static str,
    factors: Vec<Factor>,
    skippable: bool,
    bound: Vec<BoundBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_codes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

/// What was bound by itself.
#[derive(Debug, Serialize)]
struct BoundBody {
    id: String,
    factor: Factor,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
}

impl From<Shown> for BoundBody {
    fn from(shown: Shown) -> Self {
        Self { id: shown.id, factor: shown.factor, masked: shown.masked }
    }
}

impl OnboardedBody {
    /// The answer; `page` is where the user is to be sent, where that is ours.
    pub(in crate::server) fn new(onboarded: Onboarded, page: Option<String>) -> Self {
        let (mfa_token, expires_at) = onboarded.token.map(|(token, expires)| (token, Time(expires))).unzip();
        Self {
            mfa_token,
            expires_at,
            next: onboarded.next.as_str(),
            factors: onboarded.factors,
            skippable: onboarded.is_skippable,
            bound: onboarded.bound.into_iter().map(BoundBody::from).collect(),
            backup_codes: onboarded.backup_codes,
            page,
        }
    }
}
