//! `askance connector test NAME TO`.

use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Source};
use crate::context::phone::Phones;
use crate::mfa::codes::Code;
use crate::mfa::message::{Message, Usage};
use crate::mfa::recipient::{Channel, Recipient};
use clap::Subcommand;
use std::error::Error;
use std::io::Write;

#[derive(Debug, Subcommand)]
pub(super) enum ConnectorCommand {
    /// Send one message through a connector, with a code that is good for nothing
    ///
    /// No budget counts it. The exit code is 0 only if the provider took it.
    Test {
        /// The connector's name in the configuration
        name: String,
        /// A phone number with its country code, such as +81..., or an email address
        to: String,
        /// The language of the message
        #[arg(long)]
        locale: Option<String>,
    },
}

/// Sends it, and says what became of it. Neither number nor code is printed.
pub(super) fn run(source: &Source, command: &ConnectorCommand) -> Result<(), Box<dyn Error>> {
    let ConnectorCommand::Test { name, to, locale } = command;
    let config = source.read().map_err(AppError::from)?;
    crate::telemetry::start_log(config.telemetry);
    let connectors = config.mfa.connectors.only(name).ok_or_else(|| unknown(&config, name))?;
    let kind = connectors.iter().next().map_or(Channel::Sms, |connector| connector.kind());
    let messenger = app::messenger(&config, &connectors, Clock).map_err(AppError::from)?;
    let to = recipient(kind, to)?;
    let minutes = config.mfa.code_ttl_s.get() / 60;
    let code = Code::random().ok_or("the operating system gives no randomness")?;
    let message = Message { to: &to, usage: Usage::Generic, locale: locale.as_deref(), code: &code, minutes, ip: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(messenger.send(&message))?;
    writeln!(std::io::stdout(), "`{name}` took the message for {}", to.masked())?;
    Ok(())
}

fn unknown(config: &Config, name: &str) -> AppError {
    let names: Vec<&str> = config.mfa.connectors.iter().map(|connector| connector.name()).collect();
    let names =
        if names.is_empty() { "none is configured".to_owned() } else { format!("there are {}", names.join(", ")) };
    AppError::from(ConfigError::one(&config.origin, format!("mfa.connectors: there is no `{name}`; {names}")))
}

fn recipient(kind: Channel, to: &str) -> Result<Recipient, String> {
    let (found, why) = match kind {
        Channel::Sms => (
            Recipient::phone(&Phones::new(), to, None),
            "TO is no phone number that is sent messages, such as +819012345678",
        ),
        Channel::Email => (Recipient::email(to), "TO is no email address, such as bob@example.org"),
    };
    found.ok_or_else(|| why.to_owned())
}
