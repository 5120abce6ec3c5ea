//! Twilio's Messages API.
//!
//! **Source:** Twilio, "Message resource": Basic auth with account and token, a form of `To`, `Body`, and `MessagingServiceSid` or `From`.

use super::{Refused, basic, judge};
use crate::mfa::message::settings::{TwilioSender, TwilioSettings};
use crate::mfa::message::templates::Written;
use crate::mfa::message::{Message, Sources};
use crate::outbound::{Call, Destination, Secret, Target};
use hyper::header::AUTHORIZATION;
use std::time::Duration;

#[derive(Debug)]
pub(in crate::mfa::message) struct Twilio {
    destination: Destination,
    authorization: Secret,
    sender: (&'static str, String),
}

impl Twilio {
    pub(super) fn new(
        settings: &TwilioSettings,
        sources: &dyn Sources,
        to: impl Fn(&Target) -> Result<Destination, String>,
    ) -> Result<Self, String> {
        let token = sources.secret(&settings.auth_token).map_err(|why| format!("auth_token: {why}"))?;
        let authorization = basic(&settings.account_sid, &token).map_err(|why| format!("auth_token: {why}"))?;
        let path = format!("2010-04-01/Accounts/{}/Messages.json", settings.account_sid);
        let sender = match &settings.sender {
            TwilioSender::Service(sid) => ("MessagingServiceSid", sid.clone()),
            TwilioSender::From(from) => ("From", from.clone()),
        };
        Ok(Self { destination: to(&settings.url.below(&path)?)?, authorization, sender })
    }

    pub(super) async fn send(
        &self,
        message: &Message<'_>,
        written: &Written,
        deadline: Duration,
    ) -> Result<(), Refused> {
        let (sender, value) = &self.sender;
        let body = form(&[("To", message.to.address()), (sender, value), ("Body", &written.text)]);
        let call = Call {
            content_type: "application/x-www-form-urlencoded",
            headers: vec![(AUTHORIZATION, self.authorization.clone())],
            body: body.into(),
            deadline,
        };
        judge(&self.destination.post(call).await?)
    }
}

/// **Source:** the URL standard's `application/x-www-form-urlencoded` serializer.
fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    encoded.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded() {
        let form = form(&[("To", "+819012345678"), ("Body", "a b&c=d%ü確\n-_.*")]);
        assert_eq!(form, "To=%2B819012345678&Body=a+b%26c%3Dd%25%C3%BC%E7%A2%BA%0A-_.*");
    }
}
