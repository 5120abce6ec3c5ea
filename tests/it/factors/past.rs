//! What was asked some minutes ago, without waiting for them: the library writes the store at a time of the test's choice, and a server by the
//! clock of the system goes on with it.

use super::lab::{Lab, Provider, SECRET};
use askance::app::{self, Unnamed};
use askance::clock::{Clock, Timestamp};
use askance::config::Config;
use askance::keyed_hash::HashKey;
use askance::memory::decisions::IdSource;
use askance::memory::embedded::{Embedded, StateDirectory};
use askance::mfa::ask::Wanted;
use askance::mfa::assertion::SigningKey;
use askance::mfa::enroll::Wish;
use askance::mfa::sealing::Keys;
use askance::mfa::{EngineKeys, Mfa, MfaToken};
use askance::pipeline::Pipeline;
use askance::telemetry::Meters;
use std::path::Path;
use std::sync::Arc;

/// An engine of the past.
pub(crate) struct Past {
    mfa: Mfa<Embedded>,
    runtime: tokio::runtime::Runtime,
    now: Timestamp,
}

impl Past {
    /// Over a new store, as this configuration has it, so long ago.
    fn new(config: &Config, ago_s: i64) -> Self {
        let (state, meters) = (&config.memory.path, Arc::new(Meters::new()));
        let directory = StateDirectory::take(state, false).unwrap();
        let secrets = app::secrets(config, Unnamed::Beside { directory: state, is_new: true }).unwrap();
        let opened = Embedded::start(directory, &config.memory, &secrets, meters.store.clone(), (Clock, 2), &|_, _| {});
        let (memory, key) = opened.unwrap_or_else(|error| panic!("{error}"));
        let (loaded, ids) = (app::load(config, Clock).unwrap(), IdSource::new(HashKey::random().unwrap()));
        let pipeline = Arc::new(Pipeline::new(memory, key, ids, loaded, meters, Clock));
        let signing = vec![SigningKey::parse(&SigningKey::generate().unwrap()).unwrap()];
        let keys = EngineKeys { secrets: Keys::new(SECRET, None), signing };
        let messenger = app::messenger(config, &config.mfa.connectors, Clock).unwrap();
        let mfa = Mfa::new(pipeline, config.mfa.clone(), keys, messenger).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let now = Timestamp::from_unix_ms(Clock.now().unix_ms() - ago_s * 1_000).unwrap();
        Self { mfa, runtime, now }
    }

    /// A challenge that sends a code, of a token that is still good.
    pub(crate) fn challenge(&self, token: &MfaToken) -> String {
        let begun = self.runtime.block_on(self.mfa.begin(token, Wanted::default(), self.now));
        begun.unwrap().id.to_string()
    }

    /// An enrolment of this number.
    pub(crate) fn enrolment(&self, token: &MfaToken, number: &str) -> String {
        let wish = Wish {
            factor: askance::event::Factor::Sms,
            phone_number: Some(number),
            email: None,
            secret: None,
            label: None,
            locale: None,
        };
        self.runtime.block_on(self.mfa.enroll(token, wish, self.now)).unwrap().id.to_string()
    }
}

impl Lab {
    /// A server that goes on with what `work` did two minutes ago, where codes are good for one; with what `work` says of it.
    pub(crate) fn after<T>(state: &Path, work: impl FnOnce(&Past) -> T) -> (Self, T) {
        let (provider, files) = (Provider::start(), tempfile::TempDir::new().unwrap());
        let settings = super::lab::lasting(&provider, files.path(), state).set("mfa.code_ttl_s", 60);
        let written = std::fs::read_to_string(settings.write_to(files.path())).unwrap();
        let past = Past::new(&Config::parse(&written).unwrap_or_else(|error| panic!("{error}")), 120);
        let told = work(&past);
        past.mfa.pipeline.memory().close().unwrap();
        drop(past);
        (Self::over(&settings, provider, files), told)
    }
}
