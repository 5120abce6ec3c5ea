//! Anybody who takes JSON by HTTP, and writes the message: `{to, type, payload: {code, locale?}, ip?}`, any 2xx is taken.
//!
//! **Source:** mfa.md; Logto's HTTP connectors have the same body.

use super::{Refused, judge};
use crate::mfa::message::settings::HttpSettings;
use crate::mfa::message::{Message, Sources, Usage};
use crate::outbound::{Call, Destination, Secret, Target};
use hyper::header::AUTHORIZATION;
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug)]
pub(in crate::mfa::message) struct Http {
    destination: Destination,
    authorization: Option<Secret>,
}

#[derive(Serialize)]
struct Body<'a> {
    to: &'a str,
    r#type: Usage,
    payload: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
}

#[derive(Serialize)]
struct Payload<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
}

impl Http {
    pub(super) fn new(
        settings: &HttpSettings,
        sources: &dyn Sources,
        to: impl Fn(&Target) -> Result<Destination, String>,
    ) -> Result<Self, String> {
        let authorization = settings.authorization.as_ref().map(|source| {
            let secret = sources.secret(source)?;
            Secret::new(&secret).ok_or_else(|| "no header can hold it".to_owned())
        });
        let authorization = authorization.transpose().map_err(|why| format!("authorization: {why}"))?;
        Ok(Self { destination: to(&settings.url)?, authorization })
    }

    pub(super) async fn send(&self, message: &Message<'_>, deadline: Duration) -> Result<(), Refused> {
        let body = Body {
            to: message.to.address(),
            r#type: message.usage,
            payload: Payload { code: message.code.as_str(), locale: message.locale },
            ip: message.ip,
        };
        let body = serde_json::to_vec(&body).map_err(|error| Refused::Rejected(error.to_string()))?;
        let call = Call {
            content_type: "application/json",
            headers: self.authorization.iter().map(|secret| (AUTHORIZATION, secret.clone())).collect(),
            body: body.into(),
            deadline,
        };
        judge(&self.destination.post(call).await?)
    }
}
