//! `POST /v1/step-up` and `/v1/step-up/consume`: requests and answers.

use super::{AnyText, Object, ShortText, Text, Time, Whole};
use crate::clock::Timestamp;
use crate::event::{
    ClientIp, DEFAULT_TENANT, Edge, Factor, FactorSet, FirstFactor, Flow, GivenLocation, LoginEvent, User,
};
use crate::mfa::action::{Action, ActionError, Actions, Param};
use crate::mfa::assertion::Claims;
use crate::mfa::step_up::Answered;
use crate::server::error::Failure;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The body of a step-up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct StepUpBody<'a> {
    #[serde(borrow)]
    user_id: ShortText<'a>,
    session_id: ShortText<'a>,
    action: Option<Object<ActionBody<'a>>>,
    max_age_s: Option<Whole<2_592_000>>,
    acr_values: Option<Text<'a, 1, 256>>,
    device_token: Option<Text<'a, 0, 1024>>,
    ip: AnyText<'a>,
    user_agent: Option<Text<'a, 0, 4096>>,
    tenant: Option<ShortText<'a>>,
    locale: Option<Text<'a, 1, 64>>,
    return_to: Option<Text<'a, 1, 1600>>,
}

/// The body of a proof that is to be spent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct ConsumeBody<'a> {
    #[serde(borrow)]
    assertion: Text<'a, 1, 8192>,
    session_id: ShortText<'a>,
    action: Object<ActionBody<'a>>,
}

/// What is to be done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionBody<'a> {
    #[serde(borrow)]
    name: Text<'a, 1, 64>,
    #[serde(default)]
    params: Params<'a>,
}

/// Parameters as they were written: two of one name are for the action to refuse.
#[derive(Debug, Default)]
struct Params<'a>(Vec<(String, &'a RawValue)>);

/// A text with places for more is none that anybody reads.
const PARAMS_MAX: usize = 32;
const PHISHING_RESISTANT: &str = "urn:askance:acr:phr";
const ANY: &str = "urn:askance:acr:mfa";

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {PARAMS_MAX} parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut params = Vec::new();
                while let Some(param) = map.next_entry()? {
                    if params.len() == PARAMS_MAX {
                        return Err(serde::de::Error::custom(format_args!("more than {PARAMS_MAX} parameters")));
                    }
                    params.push(param);
                }
                Ok(params)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

impl ActionBody<'_> {
    fn read(&self) -> Result<Action, Failure> {
        let params = self.params.0.iter().map(|(name, raw)| Ok((name.clone(), param(name, raw)?)));
        let params = params.collect::<Result<Vec<_>, ActionError>>();
        params.and_then(|params| Action::new(&self.name.0, params)).map_err(|error| refused(&error))
    }
}

fn param(name: &str, raw: &RawValue) -> Result<Param, ActionError> {
    let text = raw.get();
    let read = match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).ok().map(Param::Text),
        Some(b't' | b'f') => Some(Param::Flag(text == "true")),
        _ => Param::number(text),
    };
    read.ok_or_else(|| ActionError::NoParam(name.to_owned()))
}

fn refused(error: &ActionError) -> Failure {
    let field = match error {
        ActionError::Unknown => "action.name".to_owned(),
        ActionError::UnknownParam(name)
        | ActionError::MissingParam(name)
        | ActionError::TwiceParam(name)
        | ActionError::NotPlain(name)
        | ActionError::NoParam(name) => format!("action.params.{name}"),
    };
    Failure::invalid(&field, error.to_string())
}

impl<'a> StepUpBody<'a> {
    /// The tenant, for which the caller may not be allowed to act.
    pub(in crate::server) fn tenant(&self) -> &str {
        self.tenant.as_ref().map_or(DEFAULT_TENANT, |tenant| &tenant.0)
    }

    pub(in crate::server) fn session(&self) -> &str {
        &self.session_id.0
    }

    pub(in crate::server) fn locale(&self) -> Option<&str> {
        self.locale.as_ref().map(|locale| &*locale.0)
    }

    /// Where a page of ours is to lead back to.
    pub(in crate::server) fn return_to(&self) -> Option<&str> {
        self.return_to.as_ref().map(|url| &*url.0)
    }

    pub(in crate::server) fn max_age_s(&self) -> Option<u32> {
        self.max_age_s.map(|seconds| seconds.0)
    }

    pub(in crate::server) fn action(&self) -> Result<Option<Action>, Failure> {
        self.action.as_ref().map(|action| action.0.read()).transpose()
    }

    /// Any of the values does, so that only a list of nothing else wants passkeys. Values are apart by blanks, as in OpenID Connect.
    pub(in crate::server) fn is_phishing_resistant(&self) -> Result<bool, Failure> {
        let Some(values) = &self.acr_values else { return Ok(false) };
        let values: Vec<&str> = values.0.split(' ').filter(|value| !value.is_empty()).collect();
        if values.is_empty() || values.iter().any(|value| ![PHISHING_RESISTANT, ANY].contains(value)) {
            return Err(Failure::invalid("acr_values", format!("must be {PHISHING_RESISTANT} or {ANY}")));
        }
        Ok(!values.contains(&ANY))
    }

    /// The request as a login that is judged.
    pub(in crate::server) fn event(&'a self, now: Timestamp) -> LoginEvent<'a> {
        LoginEvent {
            tenant: self.tenant().into(),
            user: User {
                id: (&*self.user_id.0).into(),
                has_email: false,
                email_verified: None,
                phone_number: None,
                phone_region: None,
                enrolled: FactorSet::EMPTY,
                groups: Vec::new(),
                created_at: None,
                phone_changed_at: None,
                email_changed_at: None,
            },
            ip: ClientIp::parse(Cow::Borrowed(&self.ip.0)),
            user_agent: self.user_agent.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            client_hints: None,
            device_token: self.device_token.as_ref().map(|text| Cow::Borrowed(&*text.0)),
            device_id: None,
            client_id: None,
            attributes: Vec::new(),
            location: GivenLocation::Absent,
            edge: Edge::default(),
            edge_ignored: false,
            flow: Flow::default(),
            first_factor: FirstFactor::default(),
            // Whatever a browser remembers, it proves nothing here.
            remembered_browser: false,
            time: now,
        }
    }
}

impl ConsumeBody<'_> {
    pub(in crate::server) fn assertion(&self) -> &str {
        &self.assertion.0
    }

    pub(in crate::server) fn session(&self) -> &str {
        &self.session_id.0
    }

    pub(in crate::server) fn action(&self) -> Result<Action, Failure> {
        self.action.0.read()
    }
}

/// An action as the user is to be shown it, and what a proof of it is tied to.
#[derive(Debug)]
pub(in crate::server) struct Shown {
    text: String,
    digest: String,
}

impl Shown {
    pub(in crate::server) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::server) fn of(action: &Action, actions: &Actions, locale: Option<&str>) -> Result<Self, Failure> {
        let text = actions.text(action, locale).map_err(|error| refused(&error))?;
        Ok(Self { text, digest: action.digest() })
    }
}

/// The answer to a step-up.
#[derive(Debug, Serialize)]
pub(in crate::server) struct AnswerBody<'a> {
    decision_id: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assertion: Option<&'a str>,
    factors: &'a [Factor],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

impl<'a> AnswerBody<'a> {
    /// The answer; `page` is where the user is to be sent, where that is ours.
    pub(in crate::server) fn new(answered: &'a Answered, shown: Option<Shown>, page: Option<String>) -> Self {
        let (action, decision) = match answered {
            Answered::Asked { decision, .. } => ("challenge", decision),
            Answered::Proved { decision, .. } => ("allow", decision),
            Answered::Denied { decision } => ("deny", decision),
        };
        let body = Self {
            decision_id: decision.to_string(),
            action,
            mfa_token: None,
            assertion: None,
            factors: &[],
            expires_at: None,
            text: None,
            digest: None,
            page,
        };
        match answered {
            Answered::Asked { mfa_token, factors, expires, .. } => {
                let (text, digest) = shown.map(|shown| (shown.text, shown.digest)).unzip();
                Self { mfa_token: Some(mfa_token), factors, expires_at: Some(Time(*expires)), text, digest, ..body }
            }
            Answered::Proved { assertion, .. } => Self { assertion: Some(assertion), ..body },
            Answered::Denied { .. } => body,
        }
    }
}

/// The answer to a proof that was spent: what it said.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ConsumedBody<'a> {
    sub: &'a str,
    tenant: &'a str,
    acr: &'a str,
    amr: &'a [String],
    auth_time: u32,
    decision_id: &'a str,
}

impl<'a> ConsumedBody<'a> {
    pub(in crate::server) fn new(claims: &'a Claims) -> Self {
        Self {
            sub: &claims.sub,
            tenant: &claims.tenant,
            acr: &claims.acr,
            amr: &claims.amr,
            auth_time: claims.auth_time,
            decision_id: &claims.decision_id,
        }
    }
}
