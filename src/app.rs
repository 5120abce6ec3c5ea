//! Builds every part from the configuration and owns it.

mod aging;
mod connectors;
mod data;
mod familiar;
mod keys;
mod memory;
mod webhooks;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Source};
use crate::context::geoip::{GeoIp, GeoIpError};
use crate::context::ip_lists::{IpLists, ListError};
use crate::device_token::TokenKeys;
use crate::keyed_hash::{HashKey, Secrets, Unlocked};
use crate::memory::decisions::IdSource;
use crate::memory::embedded::StartError;
use crate::memory::store::Store;
use crate::memory::{Backend, Memory, MemoryError, redis};
use crate::mfa::{EngineKeys, Mfa};
use crate::pages::Pages;
use crate::pipeline::{Loaded, Pipeline};
use crate::server::hooks::Hooks;
use crate::server::tls::Certificates;
use crate::server::{BindError, Listen, Server};
use crate::telemetry::{Meters, RuleCounts};
use crate::verdict;
use crate::webhooks::{Ready, Running};
pub use connectors::messenger;
use data::{Reloader, Watched};
pub use keys::{Unnamed, assertion_keys, private_text, secrets, tokens};
use memory::Opened;
pub use memory::{progress_bar, secrets_of_store};
use metrics::Counter;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

/// The service, bound and ready to run.
#[derive(Debug)]
pub struct App {
    pipeline: Arc<Pipeline<Store>>,
    mfa: Option<Arc<Mfa<Store>>>,
    server: Server<Store>,
    meters: Arc<Meters>,
    certificates: Option<Arc<Certificates>>,
    config: Config,
    files: Vec<Watched>,
    /// Webhooks that are yet to be started.
    telling: Option<Ready>,
}

/// Why the service does not start.
#[derive(Debug)]
pub enum AppError {
    /// The configuration is wrong, or a file that it names does not load.
    Config(ConfigError),
    /// An address cannot be had.
    Bind(BindError),
    /// The operating system gives no randomness.
    Random(getrandom::Error),
    /// The system refuses a thread, a socket or a signal.
    Io(io::Error),
    /// The store cannot be had, or must not be used.
    Store(StartError),
    /// The store that replicas share cannot be had, or must not be used.
    Redis(redis::StartError),
    /// Something of what was to be durable is not, at the end.
    Unwritten(MemoryError),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Random(_) => f.write_str("the operating system gives no randomness"),
            Self::Io(_) => f.write_str("the system refuses what the service needs"),
            Self::Store(error) => error.fmt(f),
            Self::Redis(error) => error.fmt(f),
            Self::Unwritten(_) => f.write_str("the last changes are not on the disk"),
        }
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Bind(error) => error.source(),
            Self::Random(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Store(error) => error.source(),
            Self::Redis(error) => error.source(),
            Self::Unwritten(error) => Some(error),
        }
    }
}

impl From<ConfigError> for AppError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl AppError {
    /// Whether the operator can mend it in the configuration.
    #[must_use]
    pub fn is_config(&self) -> bool {
        match self {
            Self::Config(_) => true,
            Self::Bind(_) | Self::Random(_) | Self::Io(_) | Self::Store(_) | Self::Redis(_) | Self::Unwritten(_) => {
                false
            }
        }
    }
}

impl App {
    /// Loads every file and binds every address.
    ///
    /// # Errors
    ///
    /// See [`AppError`]; nothing is left behind.
    pub fn build(config: Config) -> Result<Self, AppError> {
        let clock = Clock;
        let meters = Arc::new(Meters::new());
        // What is read soonest comes first: databases take a second.
        let certificates = certificates(&config, meters.tls_handshakes_failed.clone(), clock)?.map(Arc::new);
        let ids = IdSource::new(HashKey::random().map_err(AppError::Random)?);
        let mut files = data::list_files(&config);
        let loaded = load(&config, clock)?;
        files.extend(data::database_files(&loaded.geoip));
        let in_flight_max = config.server.in_flight_max.as_usize();
        let hooks = Hooks::load(&config.hooks, pages(&config)?, in_flight_max, clock);
        let hooks = hooks.map_err(|problem| ConfigError::one(&config.origin, problem))?;
        // Last: a mistake elsewhere leaves the store alone.
        let Opened { memory, key, tokens, mfa: mfa_keys, events } = memory::open(&config, &meters, clock)?;
        let (events, telling) = webhooks::setup(&config, events, meters.webhooks.clone(), clock)?.ready();
        let loaded = Loaded { tokens, ..loaded };
        let pipeline = Pipeline::new(memory, key, ids, loaded, Arc::clone(&meters), clock);
        let pipeline = Arc::new(pipeline.telling(events));
        let mfa = mfa_keys.map(|keys| asking(&config, &pipeline, keys, clock)).transpose()?;
        let of_app = mfa.clone();
        let (of_server, counted) = (Arc::clone(&pipeline), Arc::clone(&meters));
        let server = Server::bind(&config.server, hooks, certificates.clone(), of_server, mfa, counted, clock);
        let server = server.map_err(AppError::Bind)?;
        Ok(Self { pipeline, mfa: of_app, server, meters, certificates, config, files, telling })
    }

    /// The addresses as bound: main ones in the order of the configuration, those of the hooks, the admin listener's last.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<Listen>> {
        self.server.addresses()
    }

    /// Serves until `stop` is over. SIGHUP reads `source` again and keeps what was there if that does not load;
    /// a database or a list that does not is kept by itself. Their files are looked at meanwhile, too.
    ///
    /// # Errors
    ///
    /// The system refuses a thread, a socket or a signal.
    pub fn run(self, source: Option<&Source>, stop: impl Future<Output = ()>) -> Result<(), AppError> {
        if self.pipeline.memory().condition().backend == Backend::Volatile {
            tracing::warn!("memory is volatile: a restart forgets every user");
        }
        let config = &self.config;
        for warning in config.mfa.warnings().into_iter().chain(config.hooks.warnings(&config.mfa)) {
            tracing::warn!("{warning}");
        }
        let Self { pipeline, mfa, server, meters, certificates, config, files, telling } = self;
        let (source, started) = (source.cloned(), config.clone());
        let _aging = aging::start(&pipeline)?;
        let telling = webhooks::start(telling, &pipeline)?;
        let familiar = familiar::start(&pipeline)?;
        let memory = Arc::clone(&pipeline);
        let hangup = Reloader { pipeline, mfa, meters, clock: Clock, certificates, source, started, config, files };
        let hangup = hangup.start()?;
        let served = server.run(stop, || hangup.ask());
        // What was said of the last logins is queued before the store is closed.
        telling.into_iter().for_each(Running::stop);
        familiar.stop();
        memory.memory().close().map_err(AppError::Unwritten)?;
        Ok(served?)
    }
}

/// The engine that asks for factors.
fn asking(
    config: &Config,
    pipeline: &Arc<Pipeline<Store>>,
    keys: EngineKeys,
    clock: Clock,
) -> Result<Arc<Mfa<Store>>, ConfigError> {
    let messenger = messenger(config, &config.mfa.connectors, clock)?;
    let mfa = Mfa::new(Arc::clone(pipeline), config.mfa.clone(), keys, messenger);
    let mfa = mfa.map_err(|problem| ConfigError::one(&config.origin, problem))?;
    Ok(Arc::new(mfa.with_step_up(config.step_up.clone())))
}

/// Loads the certificates that the configuration names, if it names any.
///
/// # Errors
///
/// One of the files does not serve; the error names file, key and cause.
pub fn certificates(
    config: &Config,
    handshakes_failed: Counter,
    clock: Clock,
) -> Result<Option<Certificates>, ConfigError> {
    let Some(settings) = &config.server.tls else { return Ok(None) };
    let names = config.server.clients.iter().map(|client| client.cert_name.clone());
    let loaded = Certificates::load(settings, names, handshakes_failed, clock);
    loaded.map(Some).map_err(|error| wrong(config, error.key(), &error))
}

/// Loads the files of challenge pages, and makes what all of them share.
///
/// # Errors
///
/// One of the files does not serve; the error names file, key and cause.
pub fn pages(config: &Config) -> Result<Pages, ConfigError> {
    Pages::load(&config.pages).map_err(|problem| ConfigError::one(&config.origin, problem))
}

/// The keys of a store that kept `kept`; of a new one, that of nothing.
///
/// # Errors
///
/// The store was made with another key; the error names the setting.
pub fn unlocked(config: &Config, secrets: &Secrets, kept: Option<&[u8]>) -> Result<Unlocked, ConfigError> {
    secrets.unlock(kept).map_err(|error| wrong(config, "privacy.pseudonymise_key_file", &error))
}

/// Loads what the configuration names.
///
/// # Errors
///
/// A database or a list does not load; the error names file, key and cause.
pub fn load(config: &Config, clock: Clock) -> Result<Loaded, ConfigError> {
    let geoip = GeoIp::open(&config.geoip).map_err(|error| wrong(config, &error.key(), &error))?;
    let untrusted_ip = &config.signals.untrusted_ip;
    let lists = IpLists::load(&untrusted_ip.lists, &untrusted_ip.allow, clock);
    let lists = lists.map_err(|error| wrong(config, "signals.untrusted_ip.lists", &error))?;
    keys::check(config)?;
    messenger(config, &config.mfa.connectors, clock)?;
    webhooks::load(config, clock)?;
    pages(config)?;
    let tokens = keys::tokens(config, Unnamed::Fleeting)?;
    Ok(loaded(config, tokens, geoip, lists, &RuleCounts::default()))
}

/// What was loaded, and what of it goes on with what was there before.
struct Reloaded {
    loaded: Loaded,
    databases_refused: Vec<GeoIpError>,
    lists_refused: Vec<ListError>,
}

/// Loads what the configuration names, beside what serves: what did not change stays, and what does not load leaves what was
/// there.
fn load_over(config: &Config, clock: Clock, running: &Loaded) -> Result<Reloaded, ConfigError> {
    let opened = running.geoip.reopen(&config.geoip);
    let (geoip, databases_refused) = opened.map_err(|error| wrong(config, &error.key(), &error))?;
    let (lists, lists_refused) = lists_over(config, clock, running);
    let tokens = keys::named_tokens(config)?.unwrap_or_else(|| running.tokens.clone());
    let loaded = loaded(config, tokens, geoip, lists, &running.rule_counts);
    Ok(Reloaded { loaded, databases_refused, lists_refused })
}

fn lists_over(config: &Config, clock: Clock, running: &Loaded) -> (IpLists, Vec<ListError>) {
    let untrusted_ip = &config.signals.untrusted_ip;
    running.lists.reload(&untrusted_ip.lists, &untrusted_ip.allow, clock)
}

fn loaded(config: &Config, tokens: TokenKeys, geoip: GeoIp, lists: IpLists, counted: &RuleCounts) -> Loaded {
    Loaded {
        tokens,
        geoip,
        lists: Arc::new(lists),
        signals: config.signals.clone(),
        verdict: verdict::Settings { rules: config.rules.clone(), ..config.verdict.clone() },
        rule_counts: Arc::new(RuleCounts::new(&config.rules, counted)),
        record: config.memory.record,
        pending_ttl_s: config.memory.pending_ttl_s,
        retention_days: config.privacy.retention_days,
    }
}

fn wrong(config: &Config, key: &str, error: &dyn Error) -> ConfigError {
    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
    ConfigError::one(&config.origin, format!("{key}: {error}{cause}"))
}
