//! `askance restore`.

use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::Source;
use crate::memory::embedded::StateDirectory;
use crate::memory::embedded::restore::{Restored, restore};
use crate::memory::{Backend, BackupError};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

/// Which backup, and over what.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArguments {
    /// The backup; default is the newest good one in memory.backup_path
    file: Option<PathBuf>,
    /// Put it in the place of a store that is there, which is gone then
    #[arg(long)]
    replace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Puts a backup back.
pub(super) fn run(source: &Source, arguments: &RestoreArguments) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(AppError::from)?;
    if config.memory.backend != Backend::Embedded {
        return Err(BackupError::NotHere.into());
    }
    let directory = StateDirectory::take(&config.memory.path, false)?;
    let secrets = app::secrets_of_store(&config).map_err(AppError::from)?;
    let bar = app::progress_bar();
    let watch = |copied, of| {
        bar.set_length(of);
        bar.set_position(copied);
        true
    };
    let with = (&config.memory, &secrets, Clock);
    let restored = restore(directory, with, arguments.file.as_deref(), arguments.replace, &watch);
    bar.finish_and_clear();
    let restored = restored?;
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&restored)?)?;
        return Ok(());
    }
    let Restored { backup, users, decisions, stays_erased } = restored;
    writeln!(out, "{} is put back: {users} users, {decisions} decisions", backup.display())?;
    if !stays_erased {
        writeln!(out, "whoever was erased after it was made is known again: erase them again (DELETE /v1/users/ID)")?;
    }
    Ok(())
}
