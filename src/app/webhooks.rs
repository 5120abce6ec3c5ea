//! Whom to tell of events, as the configuration names them.

use super::{AppError, private_text, wrong};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::keyed_hash::Secrets;
use crate::memory::store::Store;
use crate::outbound::{Authorities, Destination};
use crate::pipeline::Pipeline;
use crate::telemetry::WebhookMeters;
use crate::webhooks::{Ready, Running, Sealer, Secret, Secrets as Shared, Settings, Setup, Webhook};
use std::fmt;
use std::fs;
use std::ops::Deref;
use std::sync::Arc;

/// What seals events that wait: the keys follow from those of the store, so that they are there wherever it is.
pub(super) fn sealer(secrets: &Secrets) -> Sealer {
    let (current, replaced) = secrets.of_records();
    Sealer::new(&[Some(current), replaced].into_iter().flatten().collect::<Vec<_>>())
}

/// All that is needed to tell them.
pub(super) fn setup(
    config: &Config,
    sealer: Sealer,
    meters: WebhookMeters,
    clock: Clock,
) -> Result<Setup, ConfigError> {
    Ok(Setup { webhooks: load(config, clock)?, sealer, meters, clock })
}

/// Loads the files that they name.
///
/// # Errors
///
/// One of them does not serve; the error names file, key and cause.
pub(super) fn load(config: &Config, clock: Clock) -> Result<Vec<Webhook>, ConfigError> {
    let one = |(at, settings)| {
        webhook(settings, clock).map_err(|(key, why)| wrong(config, &format!("webhooks[{at}].{key}"), &FileError(why)))
    };
    config.webhooks.iter().enumerate().map(one).collect()
}

/// What is wrong with a file. A secret is never named.
#[derive(Debug)]
struct FileError(String);

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

fn webhook(settings: &Settings, clock: Clock) -> Result<Webhook, (&'static str, String)> {
    let secret = |path: &std::path::PathBuf| {
        let text = private_text(path)?;
        Secret::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let secrets: Result<Vec<_>, String> = settings.secret_files.as_slice().iter().map(secret).collect();
    let secrets = secrets.map_err(|why| ("secret_files", why))?;
    if secrets.is_empty() {
        return Err(("secret_files", "none is named: whoever is told could not know who tells".to_owned()));
    }
    let pem =
        settings.ca_file.as_deref().map(|path| fs::read(path).map_err(|error| format!("{}: {error}", path.display())));
    let pem = pem.transpose().map_err(|why| ("ca_file", why))?;
    let authorities = pem.as_deref().map_or(Authorities::System, Authorities::Pem);
    let destination = Destination::new(settings.url.clone(), settings.allow_private.clone(), authorities, clock);
    Ok(Webhook {
        destination: destination.map_err(|error| ("ca_file", error.to_string()))?,
        tag: Webhook::tag_of(&settings.url.to_string()),
        kinds: settings.events.clone(),
        secrets: Shared(secrets),
        deadline: Webhook::DEADLINE,
        give_up_ms: i64::from(settings.give_up_h.get()) * 3_600_000,
    })
}

/// The store of a pipeline.
struct StoreOf(Arc<Pipeline<Store>>);

impl Deref for StoreOf {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.0.memory()
    }
}

/// Starts to tell, where anybody is to be told.
pub(super) fn start(ready: Option<Ready>, pipeline: &Arc<Pipeline<Store>>) -> Result<Option<Running>, AppError> {
    let started = ready.map(|ready| ready.start(StoreOf(Arc::clone(pipeline)))).transpose();
    started.map_err(AppError::Io)
}
