//! Messages with a code, and who carries them.
//!
//! A message goes to the connectors of its kind in the order of the configuration, until one of them takes it. Each has a limit of time, one
//! of calls at a time, and a breaker that leaves it alone for a while after failures in a row; whoever is behind it is not believed to end,
//! answer shortly, or be who it should be. A connector that did not answer may have sent the message all the same: then the same code comes
//! twice.
//!
//! Nothing of number, address or code is logged, or stands in an error. The one exception says so in its name (`danger_log_codes`).

mod breaker;
mod connector;
mod provider;
pub mod settings;
pub mod templates;

pub use settings::{ConnectorSettings, Connectors, SecretSource};
pub use templates::{Locale, TemplateSettings, Usage};

use super::codes::Code;
use super::counted;
use super::recipient::{Channel, Recipient};
use crate::clock::Clock;
use connector::Connector;
use std::fmt;
use std::net::IpAddr;
use templates::Templates;

/// A message that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// To whom.
    pub to: &'a Recipient,
    /// What for.
    pub usage: Usage,
    /// The language that the recipient reads, as BCP 47 has it, if it is known.
    pub locale: Option<&'a str>,
    /// The code.
    pub code: &'a Code,
    /// For how long it is good.
    pub minutes: u32,
    /// Where the login comes from, for providers that judge it, too.
    pub ip: Option<IpAddr>,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// There is no connector of its kind.
    NotConfigured,
    /// None took it.
    General,
    /// None took it, and one of them wants to be asked later.
    RateLimited {
        /// Seconds, as it says.
        wait_s: u32,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => f.write_str("there is no connector for such messages"),
            Self::General => f.write_str("no connector took the message"),
            Self::RateLimited { wait_s } => write!(f, "the provider wants to be asked again in {wait_s} s"),
        }
    }
}

impl std::error::Error for SendError {}

/// What is wrong with the connectors or templates that are configured. No secret is named.
#[derive(Debug)]
pub struct MessengerError(String);

impl fmt::Display for MessengerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MessengerError {}

/// Carries messages. One for the process: limits and breakers are those of all cores.
#[derive(Debug)]
pub struct Messenger {
    connectors: Vec<Connector>,
    templates: Templates,
}

/// From where what a connector needs is read: secrets and authorities, by whoever may read files and the environment.
pub trait Sources {
    /// A secret.
    ///
    /// # Errors
    ///
    /// What is wrong, without the secret.
    fn secret(&self, source: &SecretSource) -> Result<String, String>;

    /// A file that is no secret.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn file(&self, path: &std::path::Path) -> Result<Vec<u8>, String>;
}

impl Messenger {
    /// Connectors in their order, and what they say.
    ///
    /// # Errors
    ///
    /// A secret or an authority cannot be had, or there is nothing to say in some case; the error names the setting.
    pub fn new(
        connectors: &Connectors,
        own_templates: &[TemplateSettings],
        locale: &Locale,
        sources: &dyn Sources,
        clock: Clock,
    ) -> Result<Self, MessengerError> {
        let templates = Templates::new(own_templates, locale);
        for settings in connectors.iter().filter(|settings| settings.needs_templates()) {
            templates.refuse_missing(settings.kind()).map_err(MessengerError)?;
        }
        let connectors = connectors.iter().map(|settings| {
            let named = |why: String| MessengerError(format!("mfa.connectors: `{}`: {why}", settings.name()));
            Connector::new(settings, sources, clock).map_err(named)
        });
        Ok(Self { connectors: connectors.collect::<Result<_, _>>()?, templates })
    }

    /// Whether there is anybody to carry messages of this kind.
    #[must_use]
    pub fn carries(&self, channel: Channel) -> bool {
        self.connectors.iter().any(|connector| connector.channel() == channel)
    }

    /// Appends what became of messages, by connector.
    pub(super) fn render(&self, text: &mut String) {
        const NAME: &str = "askance_mfa_messages_total";
        counted::begin(text, NAME, "Messages by connector and result");
        self.connectors.iter().for_each(|connector| connector.render(NAME, text));
    }

    /// Sends a message, by the first connector that takes it.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        let channel = message.to.channel();
        let mut refused = SendError::NotConfigured;
        for connector in self.connectors.iter().filter(|connector| connector.channel() == channel) {
            let written = self.templates.write(message);
            match connector.send(message, &written).await {
                Ok(()) => return Ok(()),
                Err(error) => refused = refused.or(error),
            }
        }
        Err(refused)
    }
}

impl SendError {
    /// Of two connectors: a wait that is known is worth more than none, and the shorter one more than the longer.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotConfigured, other) => other,
            (Self::RateLimited { wait_s: a }, Self::RateLimited { wait_s: b }) => {
                Self::RateLimited { wait_s: a.min(b) }
            }
            (Self::RateLimited { wait_s }, _) | (_, Self::RateLimited { wait_s }) => Self::RateLimited { wait_s },
            (Self::General, _) => Self::General,
        }
    }
}
