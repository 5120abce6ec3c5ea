//! `askance serve`.

use crate::app::App;
use crate::config::Source;
use crate::telemetry;
use std::error::Error;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the service until SIGTERM or SIGINT, then drains.
pub(super) fn run(source: &Source) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(crate::app::AppError::from)?;
    telemetry::start_log(config.telemetry);
    App::build(config)?.run(Some(source), terminated())?;
    Ok(())
}

/// Over when the process is asked to stop, or cannot be asked.
pub(super) async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
