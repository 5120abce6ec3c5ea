//! `askance check-config`.

use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::Source;
use std::error::Error;
use std::io::Write;

/// Prints the effective configuration. Databases, lists and certificates are loaded, too: a configuration that names a broken file is
/// no good one.
pub(super) fn run(source: &Source, json: bool) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(AppError::from)?;
    app::certificates(&config, metrics::Counter::noop(), Clock).map_err(AppError::from)?;
    app::load(&config, Clock).map_err(AppError::from)?;
    let text = if json { serde_json::to_string_pretty(&config)? } else { toml::to_string_pretty(&config)? };
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}
