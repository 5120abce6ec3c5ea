//! Memory: where it is, whether it opens, under which key, and what would take its place.

use super::{Finding, ago};
use crate::app;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::keyed_hash::Secrets;
use crate::memory::Backend;
use crate::memory::embedded::backups::{BackupFile, backups};
use crate::memory::embedded::inspect::{Contents, inspect, inspect_backup};
use crate::memory::embedded::{Fsync, StartError, StateDirectory};

pub(super) fn findings(config: &Config, now: Timestamp) -> Vec<Finding> {
    match config.memory.backend {
        Backend::Volatile => {
            let mend = "set memory.backend to \"embedded\" or \"redis\"";
            vec![Finding::warning("store", "memory is volatile: a restart forgets every user", mend)]
        }
        Backend::Redis => {
            vec![Finding::ok(
                "store",
                format!("memory is in {}; the running service knows how it is", config.memory.url),
            )]
        }
        Backend::Embedded => embedded(config, now),
    }
}

fn embedded(config: &Config, now: Timestamp) -> Vec<Finding> {
    let settings = &config.memory;
    let mut all = Vec::new();
    if settings.sync != Fsync::Always {
        let mend = "set memory.sync to \"always\"";
        all.push(Finding::warning(
            "store",
            "a power failure may take back what was answered, or damage the store",
            mend,
        ));
    }
    let directory = match StateDirectory::take(&settings.path, true) {
        Ok(directory) => Some(directory),
        Err(StartError::InUse(file)) => {
            all.push(Finding::ok("store", format!("a process has {}: it is not looked into", file.display())));
            None
        }
        Err(StartError::Missing(file)) => {
            all.push(missing(config, &file.display().to_string()));
            return all;
        }
        Err(error) => {
            all.push(Finding::error(
                "store",
                super::with_cause(&error),
                "run this as the service's user, or mend the disk",
            ));
            return all;
        }
    };
    let secrets = match app::secrets_of_store(config) {
        Ok(secrets) => secrets,
        Err(error) => {
            all.push(Finding::error("store", error.to_string(), "without its key nobody in the store is found"));
            return all;
        }
    };
    all.extend(directory.map(|directory| store(config, directory, &secrets)));
    all.extend(kept(config, &secrets, now));
    all
}

fn missing(config: &Config, file: &str) -> Finding {
    if config.memory.must_exist {
        let mend = "mount its disk, or `askance restore` a backup";
        return Finding::error("store", format!("there is none at {file}, and memory.must_exist is true"), mend);
    }
    let mend = "start the service, then set memory.must_exist";
    Finding::warning(
        "store",
        format!("there is none at {file}: the next start makes one, to which every user is new"),
        mend,
    )
}

fn store(config: &Config, directory: StateDirectory, secrets: &Secrets) -> Finding {
    match inspect(directory, &config.memory, secrets, Clock) {
        Ok(Contents { users, decisions, erased, format, bytes }) => {
            let mib = bytes.div_ceil(1 << 20);
            let text = format!(
                "{}: whole, and of this key; {users} users, {decisions} decisions, {erased} erasures; {mib} MiB of format {format}",
                config.memory.path.display()
            );
            Finding::ok("store", text)
        }
        Err(error) => Finding::error("store", super::with_cause(&error), "the service does not start with it"),
    }
}

fn kept(config: &Config, secrets: &Secrets, now: Timestamp) -> Vec<Finding> {
    let settings = &config.memory;
    let files = match backups(settings) {
        Ok(files) => files,
        Err(error) => {
            return vec![Finding::error("backups", format!("memory.backup_path: {error}"), "see who may read it")];
        }
    };
    let interval_h = settings.backup_h.get();
    let mend = "`askance backup` makes one; memory.backup_h has the service make them";
    let Some(newest) = files.last() else {
        return vec![Finding::warning("backups", "there is none", mend)];
    };
    let mut all = Vec::new();
    let age_ms = now.ms_since(newest.made);
    // Twice the interval, or a week where nobody but the operator makes any.
    let bound_h = if interval_h == 0 { 168 } else { i64::from(interval_h) * 2 };
    if age_ms < 0 {
        let text = format!("{} is of the future", newest.path.display());
        all.push(Finding::warning("backups", text, "see whether the clock is right, and remove what is not"));
    } else if age_ms > bound_h * 3_600_000 {
        all.push(Finding::warning("backups", format!("the newest was made {}", ago(age_ms)), mend));
    }
    all.extend(files.iter().rev().map(|file| backup(config, secrets, file, now)));
    all
}

fn backup(config: &Config, secrets: &Secrets, BackupFile { path, made }: &BackupFile, now: Timestamp) -> Finding {
    match inspect_backup(path, &config.memory, secrets, Clock) {
        Ok(Contents { users, .. }) => {
            let text =
                format!("{}: whole, and of this key; {users} users, {}", path.display(), ago(now.ms_since(*made)));
            Finding::ok("backups", text)
        }
        Err(why) => Finding::error(
            "backups",
            format!("{}: {why}", path.display()),
            "remove it: nothing can be put back from it",
        ),
    }
}
