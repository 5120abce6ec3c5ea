//! Opens the memory that the configuration names, under its key.

use super::{AppError, Unnamed, keys, unlocked};
use crate::clock::Clock;
use crate::config::Config;
use crate::device_token::TokenKeys;
use crate::keyed_hash::HashKey;
use crate::memory::embedded::{Embedded, StateDirectory};
use crate::memory::store::Store;
use crate::memory::volatile::Volatile;
use crate::memory::{Backend, Memory};
use crate::telemetry::Meters;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is opened.
pub(super) struct Opened {
    pub(super) memory: Store,
    /// The key of its hashes.
    pub(super) key: HashKey,
    /// The keys of device cookies.
    pub(super) tokens: TokenKeys,
}

/// The memory, and its keys: new ones where nothing outlives the process.
pub(super) fn open(config: &Config, meters: &Meters, clock: Clock) -> Result<Opened, AppError> {
    let settings = &config.memory;
    match settings.backend {
        Backend::Volatile => {
            let secrets = keys::secrets(config, Unnamed::Fleeting)?;
            let key = unlocked(config, &secrets, None)?.key;
            let tokens = keys::tokens(config, Unnamed::Fleeting)?;
            Ok(Opened { memory: Store::Volatile(Volatile::new(settings)), key, tokens })
        }
        Backend::Embedded => {
            let directory = StateDirectory::take(&settings.path, settings.must_exist).map_err(AppError::Store)?;
            let beside = Unnamed::Beside { directory: &settings.path, is_new: !directory.has_store() };
            let (secrets, tokens) = (keys::secrets(config, beside)?, keys::tokens(config, beside)?);
            let (started, bar) = (clock.start(), progress_bar());
            let report = |loaded: u64, of: u64| {
                bar.set_length(of);
                bar.set_position(loaded);
            };
            let secrets = (&secrets, config.privacy.coordinate_decimals.get());
            let opened = Embedded::start(directory, settings, secrets, meters.store.clone(), clock, &report);
            bar.finish_and_clear();
            let (memory, key) = opened.map_err(AppError::Store)?;
            let users = memory.counts().users;
            let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(path = %settings.path.display(), users, took_ms, "the store is open");
            Ok(Opened { memory: Store::Embedded(memory), key, tokens })
        }
    }
}

/// On a terminal only.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("reading the store {wide_bar} {pos}/{len} users")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
