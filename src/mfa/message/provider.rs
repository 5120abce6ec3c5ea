//! Whoever is behind a connector.

mod http;
mod log;
mod smsaero;
mod smtp;
mod twilio;

use super::settings::{ConnectorSettings, ProviderSettings};
use super::templates::Written;
use super::{Message, Sources};
use crate::clock::Clock;
use crate::outbound::{Authorities, CallError, Destination, Reply, Secret, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Http;
use log::Log;
use smsaero::SmsAero;
use smtp::Smtp;
use std::time::Duration;
use twilio::Twilio;

/// Each by its own protocol.
#[derive(Debug)]
pub(super) enum Provider {
    Twilio(Twilio),
    SmsAero(SmsAero),
    Http(Http),
    Smtp(Box<Smtp>),
    Log(Log),
}

/// Why a provider did not take a message. The texts are for the log, and name nobody.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It wants to be asked later.
    Later { wait_s: u32 },
    /// It is there, and does not want this message.
    Rejected(String),
    /// It is not there, or not as it should be.
    Failed(String),
}

/// Of a provider that does not say for how long. **Source:** the time after which a code may be sent again.
const WAIT_S: u32 = 60;

impl Provider {
    pub(super) fn new(settings: &ConnectorSettings, sources: &dyn Sources, clock: Clock) -> Result<Self, String> {
        let pem =
            settings.ca_file().map(|path| sources.file(path)).transpose().map_err(|why| format!("ca_file: {why}"))?;
        let authorities = pem.as_deref().map_or(Authorities::System, Authorities::Pem);
        let to = |target: &Target| {
            let destination = Destination::new(target.clone(), settings.allow().clone(), authorities, clock);
            destination.map_err(|error| error.to_string())
        };
        Ok(match settings.provider() {
            ProviderSettings::Twilio(settings) => Self::Twilio(Twilio::new(settings, sources, to)?),
            ProviderSettings::SmsAero(settings) => Self::SmsAero(SmsAero::new(settings, sources, to)?),
            ProviderSettings::Http(settings) => Self::Http(Http::new(settings, sources, to)?),
            ProviderSettings::Smtp(smtp) => {
                Self::Smtp(Box::new(Smtp::new(smtp, settings.allow().clone(), pem.as_deref(), sources, clock)?))
            }
            ProviderSettings::Log => Self::Log(Log::new(settings.name())),
        })
    }

    /// One try, which ends within the deadline.
    pub(super) async fn send(
        &self,
        message: &Message<'_>,
        written: &Written,
        deadline: Duration,
    ) -> Result<(), Refused> {
        match self {
            Self::Twilio(twilio) => twilio.send(message, written, deadline).await,
            Self::SmsAero(smsaero) => smsaero.send(message, written, deadline).await,
            Self::Http(http) => http.send(message, deadline).await,
            Self::Smtp(smtp) => smtp.send(message, written, deadline).await,
            Self::Log(log) => log.send(message, written),
        }
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a status means, whatever the body says.
fn judge(reply: &Reply) -> Result<(), Refused> {
    match reply.status {
        _ if reply.is_success() => Ok(()),
        429 => Err(Refused::Later { wait_s: reply.retry_after_s.unwrap_or(WAIT_S) }),
        status @ 500.. => Err(Refused::Failed(format!("status {status}"))),
        status => Err(Refused::Rejected(format!("status {status}"))),
    }
}

/// **Source:** RFC 7617.
fn basic(user: &str, password: &str) -> Result<Secret, String> {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    Secret::new(&format!("Basic {encoded}")).ok_or_else(|| "no header can hold it".to_owned())
}
