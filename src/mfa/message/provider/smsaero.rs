//! SMS Aero.
//!
//! **Source:** SMS Aero, "API v2", `/v2/sms/send`: Basic auth with email and key, JSON of `number`, `sign` and `text`; an answer with
//! `success`.

use super::{Refused, basic, judge};
use crate::mfa::message::settings::SmsAeroSettings;
use crate::mfa::message::templates::Written;
use crate::mfa::message::{Message, Sources};
use crate::outbound::{Call, Destination, Secret, Target};
use hyper::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug)]
pub(in crate::mfa::message) struct SmsAero {
    destination: Destination,
    authorization: Secret,
    sign: String,
}

/// `number` without its plus sign.
#[derive(Serialize)]
struct Body<'a> {
    number: &'a str,
    sign: &'a str,
    text: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
}

impl SmsAero {
    pub(super) fn new(
        settings: &SmsAeroSettings,
        sources: &dyn Sources,
        to: impl Fn(&Target) -> Result<Destination, String>,
    ) -> Result<Self, String> {
        let key = sources.secret(&settings.api_key).map_err(|why| format!("api_key: {why}"))?;
        let authorization = basic(&settings.account, &key).map_err(|why| format!("api_key: {why}"))?;
        let destination = to(&settings.url.below("v2/sms/send")?)?;
        Ok(Self { destination, authorization, sign: settings.sign.clone() })
    }

    pub(super) async fn send(
        &self,
        message: &Message<'_>,
        written: &Written,
        deadline: Duration,
    ) -> Result<(), Refused> {
        let number = message.to.address().trim_start_matches('+');
        let body = Body { number, sign: &self.sign, text: &written.text };
        let body = serde_json::to_vec(&body).map_err(|error| Refused::Rejected(error.to_string()))?;
        let call = Call {
            content_type: "application/json",
            headers: vec![(AUTHORIZATION, self.authorization.clone())],
            body: body.into(),
            deadline,
        };
        let reply = self.destination.post(call).await?;
        judge(&reply)?;
        // It refuses with status 200, too.
        match serde_json::from_slice(&reply.body) {
            Ok(Answer { success: true }) => Ok(()),
            Ok(Answer { success: false }) => Err(Refused::Rejected("it says that it was no success".to_owned())),
            Err(_) => Err(Refused::Failed("its answer cannot be read".to_owned())),
        }
    }
}
