//! Opens the memory that the configuration names, under its key.

use super::{AppError, Unnamed, keys, private_text, unlocked, webhooks, wrong};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::device_token::TokenKeys;
use crate::keyed_hash::{HashKey, Secrets};
use crate::memory::embedded::{Embedded, StateDirectory};
use crate::memory::redis::{Redis, Setup, StartError};
use crate::memory::store::Store;
use crate::memory::volatile::Volatile;
use crate::memory::{Backend, Memory};
use crate::mfa::EngineKeys;
use crate::telemetry::Meters;
use crate::webhooks::Sealer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::error::Error;
use std::fs;
use std::time::Duration;

/// What is opened.
pub(super) struct Opened {
    pub(super) memory: Store,
    /// The key of its hashes.
    pub(super) key: HashKey,
    /// The keys of device cookies.
    pub(super) tokens: TokenKeys,
    /// The keys of what is kept about factors, where it is.
    pub(super) mfa: Option<EngineKeys>,
    /// Seals events that are yet to be told.
    pub(super) events: Sealer,
}

/// The memory, and its keys: new ones where nothing outlives the process.
pub(super) fn open(config: &Config, meters: &Meters, clock: Clock) -> Result<Opened, AppError> {
    let settings = &config.memory;
    match settings.backend {
        Backend::Volatile => {
            let secrets = keys::secrets(config, Unnamed::Fleeting)?;
            let key = unlocked(config, &secrets, None)?.key;
            let tokens = keys::tokens(config, Unnamed::Fleeting)?;
            let mfa = keys::mfa(config, Unnamed::Fleeting)?;
            let events = webhooks::sealer(&secrets);
            Ok(Opened { memory: Store::Volatile(Volatile::new(settings)), key, tokens, mfa, events })
        }
        Backend::Redis => open_redis(config, meters, clock),
        Backend::Embedded => {
            let directory = StateDirectory::take(&settings.path, settings.must_exist).map_err(AppError::Store)?;
            let beside = Unnamed::Beside { directory: &settings.path, is_new: !directory.has_store() };
            let (secrets, tokens) = (keys::secrets(config, beside)?, keys::tokens(config, beside)?);
            let mfa = keys::mfa(config, beside)?;
            let (started, bar) = (clock.start(), progress_bar());
            let report = |loaded: u64, of: u64| {
                bar.set_length(of);
                bar.set_position(loaded);
            };
            let how = (clock, config.privacy.coordinate_decimals.get());
            let opened = Embedded::start(directory, settings, &secrets, meters.store.clone(), how, &report);
            bar.finish_and_clear();
            let (memory, key) = opened.map_err(AppError::Store)?;
            let users = memory.counts().users;
            let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(path = %settings.path.display(), users, took_ms, "the store is open");
            Ok(Opened { memory: Store::Embedded(memory), key, tokens, mfa, events: webhooks::sealer(&secrets) })
        }
    }
}

/// Keys are named by the operator: replicas need the same.
fn open_redis(config: &Config, meters: &Meters, clock: Clock) -> Result<Opened, AppError> {
    let settings = &config.memory;
    let (secrets, tokens) = (keys::secrets(config, Unnamed::Refused)?, keys::tokens(config, Unnamed::Refused)?);
    let mfa = keys::mfa(config, Unnamed::Refused)?;
    let refused = |key: &str, error: &dyn Error| AppError::Config(wrong(config, key, error));
    let password = settings.redis.password_file.as_deref().map(private_text).transpose();
    let password = password.map_err(|why| refused("memory.redis.password_file", &StartError::new(why)))?;
    let authorities = settings.redis.ca_file.as_deref().map(fs::read).transpose();
    let setup = Setup {
        url: settings.url.clone(),
        settings: settings.redis.clone(),
        password: password.map(|text| text.trim_end().to_owned()),
        authorities: authorities.map_err(|error| refused("memory.redis.ca_file", &error))?,
        deadline: Duration::from_millis(settings.timeout_ms.get().into()),
        must_exist: settings.must_exist,
        coordinate_decimals: config.privacy.coordinate_decimals.get(),
        users_max: settings.users_max.as_usize(),
        decisions_days: config.privacy.retention_days.decisions.get(),
        pending_max: settings.pending_max.as_usize(),
        decisions_max: settings.decisions_max.as_usize(),
        meters: meters.store.clone(),
    };
    let (memory, key) = Redis::open(&setup, &secrets, clock).map_err(AppError::Redis)?;
    tracing::info!(url = %settings.url, "memory is shared");
    Ok(Opened { memory: Store::Redis(memory), key, tokens, mfa, events: webhooks::sealer(&secrets) })
}

/// The secrets of a store that was made before; none is made up for it.
///
/// # Errors
///
/// As for [`keys::secrets`].
pub fn secrets_of_store(config: &Config) -> Result<Secrets, ConfigError> {
    keys::secrets(config, Unnamed::Beside { directory: &config.memory.path, is_new: false })
}

/// Shows on a terminal how far a store was read; nothing elsewhere.
#[must_use]
pub fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("reading the store {wide_bar} {pos}/{len} users")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
