//! `askance backup`.

use super::client::Client;
use super::target::TargetArguments;
use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::memory::embedded::backups::back_up;
use crate::memory::embedded::{StartError, StateDirectory};
use crate::memory::{Backend, Backup, BackupError};
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

/// Of which service, and how it is told.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A hundred million users take minutes.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Whoever has the store makes the backup: the service that runs, else this process.
pub(super) fn run(source: &Source, arguments: &BackupArguments) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(AppError::from)?;
    if config.memory.backend != Backend::Embedded {
        return Err(BackupError::NotHere.into());
    }
    let backup = match StateDirectory::take(&config.memory.path, true) {
        Ok(directory) => of_this_process(&config, directory)?,
        Err(StartError::InUse(_)) => of_the_service(&config, arguments)?,
        Err(StartError::Missing(file)) => {
            return Err(format!("memory.path: there is no store at {}", file.display()).into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&backup)?)?;
    } else {
        let Backup { file, users, decisions, bytes, kept } = backup;
        let mib = bytes.div_ceil(1 << 20);
        writeln!(out, "{}: {users} users, {decisions} decisions, {mib} MiB; {kept} are kept", file.display())?;
    }
    Ok(())
}

fn of_this_process(config: &Config, directory: StateDirectory) -> Result<Backup, Box<dyn Error>> {
    let secrets = app::secrets_of_store(config).map_err(AppError::from)?;
    let bar = app::progress_bar();
    let watch = |copied, of| {
        bar.set_length(of);
        bar.set_position(copied);
        true
    };
    let made = back_up(directory, &config.memory, &secrets, Clock, &watch);
    bar.finish_and_clear();
    Ok(made?)
}

fn of_the_service(config: &Config, arguments: &BackupArguments) -> Result<Backup, Box<dyn Error>> {
    let target = arguments.target.admin_target(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = Request::post("/backup").body(Full::default())?;
    let answer = runtime.block_on(Client::new(target).patient(PATIENCE).call(request))?;
    match answer.status {
        StatusCode::OK => Ok(serde_json::from_slice(&answer.body)?),
        _ => Err(answer.problem().into()),
    }
}
