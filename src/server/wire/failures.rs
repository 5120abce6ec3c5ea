//! `POST /v1/failures`: the request.

use super::{AnyText, Object, ShortText, Text, Word};
use crate::event::{ClientIp, FailureEvent, FailureKind};
use crate::server::error::Failure;
use serde::Deserialize;

/// The body. The user agent is taken so that a caller can pass on what it has, and not read: whoever tries passwords by the thousand
/// sends any.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct FailureBody<'a> {
    #[serde(borrow)]
    user: Object<UserBody<'a>>,
    ip: AnyText<'a>,
    #[serde(rename = "user_agent")]
    _user_agent: Option<Text<'a, 0, 4096>>,
    kind: Word<FailureKind>,
    tenant: Option<ShortText<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserBody<'a> {
    #[serde(borrow)]
    id: Option<ShortText<'a>>,
}

impl<'a> FailureBody<'a> {
    /// The tenant, for which the caller may not be allowed to act.
    pub(in crate::server) fn tenant(&self) -> &str {
        self.tenant.as_ref().map_or("default", |tenant| &tenant.0)
    }

    /// The failure, valid from here on. What is no address is refused, unlike in a login: there is nothing to count, and the caller had
    /// better know.
    pub(in crate::server) fn into_event(self) -> Result<FailureEvent<'a>, Failure> {
        let ip = ClientIp::parse(self.ip.0).ip().ok_or_else(|| Failure::invalid("ip", "must be an IP address"))?;
        Ok(FailureEvent {
            tenant: self.tenant.map_or("default".into(), |tenant| tenant.0),
            user_id: self.user.0.id.map(|id| id.0),
            ip,
            kind: self.kind.0,
        })
    }
}
