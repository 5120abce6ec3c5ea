//! Keeps data fresh: looks at the files of databases, lists and certificates, reads what changed beside what serves, and swaps it in.
//!
//! All of it happens on one thread of its own, so that no request ever waits for a file. What does not load leaves what
//! was there.

use super::{Reloaded, keys, lists_over, load_over};
use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Source};
use crate::context::data_file::Stamp;
use crate::context::geoip::{GeoIp, GeoIpError};
use crate::context::ip_lists::ListError;
use crate::memory::store::Store;
use crate::mfa::{self, Mfa};
use crate::pipeline::{Loaded, Pipeline};
use crate::privacy::KeyFiles;
use crate::server::tls::{Certificates, TlsError};
use crate::telemetry::{DataKind, Meters};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// What is needed to read everything again.
pub(super) struct Reloader {
    pub(super) pipeline: Arc<Pipeline<Store>>,
    pub(super) mfa: Option<Arc<Mfa<Store>>>,
    pub(super) meters: Arc<Meters>,
    pub(super) clock: Clock,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Where the configuration comes from, if from anywhere.
    pub(super) source: Option<Source>,
    /// The configuration that the process started with: what of it needs a restart is compared with this one.
    pub(super) started: Config,
    /// The configuration in force.
    pub(super) config: Config,
    pub(super) files: Vec<Watched>,
}

/// A file, and what was seen of it; `None` where there was none.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    kind: Kind,
    /// The state that was dealt with last, well or badly.
    done: Option<Stamp>,
    /// The state at the last look.
    seen: Option<Stamp>,
}

/// What is read again when a file changes. Certificates are not here: their files change together, and watch themselves.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Database,
    List,
}

impl Watched {
    fn new(path: &Path, kind: Kind, done: Option<Stamp>) -> Self {
        Self { path: path.to_owned(), kind, done, seen: done }
    }

    /// Whether there is a new state that is the same at two looks, so that nobody is writing just now. Once a state.
    fn has_changed(&mut self) -> bool {
        let now = Stamp::of(&self.path).ok();
        let is_stable = now == self.seen;
        self.seen = now;
        if now == self.done || !is_stable {
            return false;
        }
        self.done = now;
        true
    }
}

/// The files of lists as they are now. Asked before they are read, so that a change in between shows at the next look.
pub(super) fn list_files(config: &Config) -> Vec<Watched> {
    let lists = config.signals.untrusted_ip.lists.iter();
    lists.map(|list| Watched::new(&list.path, Kind::List, Stamp::of(&list.path).ok())).collect()
}

/// The files of databases in the state in which they were read or refused.
pub(super) fn database_files(geoip: &GeoIp) -> Vec<Watched> {
    geoip.files().map(|(path, state)| Watched::new(path, Kind::Database, state)).collect()
}

/// Asks for everything to be read again.
#[derive(Debug)]
pub(super) struct Hangup(SyncSender<()>);

impl Hangup {
    pub(super) fn ask(&self) {
        // A full queue means that it was asked already, a closed one that the thread died, which was logged.
        self.0.try_send(()).unwrap_or_default();
    }
}

impl Reloader {
    /// Starts the thread. It ends when nobody can ask any more, or with the process: what it reads then is of no use.
    pub(super) fn start(self) -> io::Result<Hangup> {
        let (sender, asked) = sync_channel(1);
        std::thread::Builder::new().name("askance-data".to_owned()).spawn(move || self.run(&asked))?;
        Ok(Hangup(sender))
    }

    fn run(mut self, asked: &Receiver<()>) {
        loop {
            let interval = Duration::from_secs(self.config.geoip.reload_s.get().into());
            let step = match asked.recv_timeout(interval) {
                Ok(()) => Self::read_all,
                Err(RecvTimeoutError::Timeout) => Self::look,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Whatever a file makes our code do, the next one is looked at.
            if catch_unwind(AssertUnwindSafe(|| step(&mut self))).is_err() {
                tracing::error!("reading data files panicked; what was there stays");
            }
        }
    }

    /// Reads what changed.
    fn look(&mut self) {
        let changed: Vec<usize> =
            self.files.iter_mut().enumerate().filter_map(|(at, file)| file.has_changed().then_some(at)).collect();
        let mut lists_changed = false;
        for at in changed {
            match self.files[at].kind {
                Kind::Database => self.read_database(at),
                Kind::List => lists_changed = true,
            }
        }
        if lists_changed {
            self.read_lists();
        }
        if let Some(read) = self.certificates.as_deref().and_then(Certificates::look) {
            self.certificates_read(read);
        }
    }

    fn read_database(&mut self, at: usize) {
        let loaded = self.pipeline.loaded();
        let path = self.files[at].path.clone();
        let geoip = match loaded.geoip.reload(&path) {
            Ok(geoip) => {
                let stamp = geoip.files().find(|(file, _)| *file == path).and_then(|(_, stamp)| stamp);
                // What was read may be newer than what was seen.
                self.files[at].done = stamp;
                self.meters.data_read(DataKind::Database, true);
                tracing::info!(database = %path.display(), "a new database serves");
                geoip
            }
            Err(refused) => {
                let (geoip, error) = *refused;
                self.database_refused(&error);
                geoip
            }
        };
        self.pipeline.replace(Loaded { geoip, ..(*loaded).clone() });
    }

    fn read_lists(&mut self) {
        let running = self.pipeline.loaded();
        let (lists, refused) = lists_over(&self.config, self.clock, &running);
        self.pipeline.replace(Loaded { lists: Arc::new(lists), ..(*running).clone() });
        if refused.is_empty() {
            self.meters.data_read(DataKind::List, true);
            tracing::info!("new lists serve");
        }
        refused.iter().for_each(|error| self.list_refused(error));
    }

    /// Reads the configuration and all that it names.
    fn read_all(&mut self) {
        // Their paths are of the start, and whatever the configuration says now, the files may be new.
        if let Some(read) = self.certificates.as_deref().and_then(Certificates::look_at_once) {
            self.certificates_read(read);
        }
        let Some(source) = &self.source else { return };
        let read = source.read().and_then(|config| {
            let mut files = list_files(&config);
            let reloaded = load_over(&config, self.clock, &self.pipeline.loaded())?;
            files.extend(database_files(&reloaded.loaded.geoip));
            let signing = keys::named_assertion_keys(&config)?;
            Ok::<_, ConfigError>((config, reloaded, files, signing))
        });
        match read {
            Ok((config, Reloaded { loaded, databases_refused, lists_refused }, files, signing)) => {
                self.pipeline.replace(loaded);
                if let (Some(mfa), Some(keys)) = (&self.mfa, signing) {
                    mfa.signer.replace(keys);
                }
                (self.config, self.files) = (config, files);
                databases_refused.iter().for_each(|error| self.database_refused(error));
                lists_refused.iter().for_each(|error| self.list_refused(error));
                tracing::info!(
                    restart_needed_for_the_rest = self.needs_restart(),
                    "configuration, lists and databases were read again"
                );
            }
            Err(error) => tracing::error!(%error, "not read again; what was there stays"),
        }
    }

    fn needs_restart(&self) -> bool {
        self.config.server != self.started.server
            || self.config.hooks != self.started.hooks
            || self.config.pages != self.started.pages
            || self.config.memory != self.started.memory
            || self.config.webhooks != self.started.webhooks
            || privacy_of_store(&self.config) != privacy_of_store(&self.started)
            || self.config.telemetry != self.started.telemetry
            || of_start(&self.config.mfa) != of_start(&self.started.mfa)
            || self.config.step_up != self.started.step_up
            || sources_max(&self.config) != sources_max(&self.started)
    }

    fn database_refused(&self, error: &GeoIpError) {
        self.meters.data_read(DataKind::Database, false);
        tracing::error!(%error, "a new database is refused; the one before serves on");
    }

    fn certificates_read(&self, read: Result<(), TlsError>) {
        self.meters.data_read(DataKind::Certificate, read.is_ok());
        match read {
            Ok(()) => tracing::info!("new handshakes use the certificates as they are now"),
            Err(error) => {
                let key = error.key();
                tracing::error!(%error, key, "new certificates are refused; those before serve on");
            }
        }
    }

    fn list_refused(&self, error: &ListError) {
        self.meters.data_read(DataKind::List, false);
        tracing::error!(%error, "a list is refused; the last good one, if any, stays");
    }
}

/// What of asking needs a restart: all but the keys of assertions.
fn of_start(settings: &mfa::Settings) -> mfa::Settings {
    let mut settings = settings.clone();
    settings.assertion.key_files.clear();
    settings
}

/// What a store is opened with.
fn privacy_of_store(config: &Config) -> (&KeyFiles, Bounded<0, 7>) {
    (&config.privacy.pseudonymise_key_file, config.privacy.coordinate_decimals)
}

/// The table of sources is made once.
fn sources_max(config: &Config) -> usize {
    config.signals.untrusted_ip.velocity.sources_max.as_usize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_is_stable_and_once_only() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("file");
        std::fs::write(&path, "1")?;
        let mut file = Watched::new(&path, Kind::List, Stamp::of(&path).ok());
        let mut looks = |count: usize| (0..count).map(|_| file.has_changed()).collect::<Vec<_>>();
        assert_eq!(looks(2), [false, false], "nothing new");
        std::fs::write(&path, "12")?;
        assert_eq!(looks(1), [false], "somebody may be writing still");
        std::fs::write(&path, "123")?;
        assert_eq!(looks(4), [false, true, false, false], "two looks at one state");
        std::fs::remove_file(&path)?;
        assert_eq!(looks(3), [false, true, false], "to be gone is a state, too");
        std::fs::write(&path, "1234")?;
        assert_eq!(looks(3), [false, true, false]);
        Ok(())
    }
}
