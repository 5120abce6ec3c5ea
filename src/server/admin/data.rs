//! How databases, lists and the certificate are, for `/readyz` and `/metrics`; and which networks are familiar.

use crate::clock::{DAY_MS, Timestamp};
use crate::context::geoip::Status;
use crate::context::ip_lists::ListHealth;
use crate::memory::{Backend, Condition};
use crate::pipeline::{Loaded, Pipeline};
use crate::server::tls;
use crate::telemetry::{DataGauge, DataMetric};
use serde::Serialize;

/// Where things are kept.
#[derive(Serialize)]
pub(super) struct Memory {
    backend: &'static str,
    degraded: bool,
    #[serde(skip)]
    condition: Condition,
}

/// A database in one of its roles.
#[derive(Serialize)]
pub(super) struct Database {
    database: &'static str,
    file: String,
    #[serde(rename = "type")]
    database_type: String,
    built: String,
    age_days: i64,
    networks: usize,
    fields: Vec<&'static str>,
    /// Why its file, as it is now, does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A list.
#[derive(Serialize)]
pub(super) struct List {
    list: String,
    entries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
    stale: bool,
    /// Why its file, as it is now, does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The certificate of the listeners.
#[derive(Serialize)]
pub(super) struct Certificate {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Negative once it has expired.
    #[serde(skip)]
    expires_in_s: Option<i64>,
    /// Why the files of `server.tls`, as they are now, do not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Every database and every list.
pub(super) fn states(loaded: &Loaded, now: Timestamp) -> (Vec<Database>, Vec<List>) {
    let databases = loaded.geoip.status().map(|status| Database::new(&status, now));
    (databases.collect(), loaded.lists.health(now).map(|health| List::new(&health)).collect())
}

impl Memory {
    pub(super) fn new(condition: Condition) -> Self {
        Self { backend: condition.backend.as_str(), degraded: condition.trouble.is_some(), condition }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let Condition { backend, trouble } = &self.condition;
        let forgets = match backend {
            Backend::Volatile => Some("memory is volatile: a restart forgets every user".to_owned()),
            Backend::Embedded | Backend::Redis => None,
        };
        let trouble = trouble.as_ref().map(|why| format!("memory is degraded, and nothing becomes durable: {why}"));
        forgets.into_iter().chain(trouble)
    }
}

impl Database {
    fn new(status: &Status<'_>, now: Timestamp) -> Self {
        let about = status.about;
        Self {
            database: status.role.as_str(),
            file: about.file.clone(),
            database_type: about.database_type.clone(),
            built: about.built.to_string(),
            age_days: now.ms_since(about.built) / DAY_MS,
            networks: about.networks,
            fields: about.fields.names(),
            error: status.trouble.map(str::to_owned),
        }
    }

    pub(super) fn note(&self) -> Option<String> {
        let Self { database, file, built, error, .. } = self;
        let error = error.as_ref()?;
        Some(format!("geoip.{database}: {file} {error}; the one built on {built} serves on"))
    }
}

impl List {
    fn new(health: &ListHealth<'_>) -> Self {
        Self {
            list: health.name.to_owned(),
            entries: health.entries,
            written: health.modified.map(|modified| modified.to_string()),
            stale: health.is_stale,
            error: health.refused.map(str::to_owned),
        }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let Self { list, written, error, .. } = self;
        let stale = self.stale.then(|| format!("list {list} is too old to tell"));
        let refused = error.as_ref().map(|error| match written {
            Some(written) => format!("list {list}: its file is refused ({error}); the one of {written} serves on"),
            None => format!("list {list}: its file is refused ({error}), and none was good before"),
        });
        stale.into_iter().chain(refused)
    }
}

impl Certificate {
    pub(super) fn new(status: tls::Status, now: Timestamp) -> Self {
        Self {
            file: status.file,
            expires: status.expires.map(|expires| expires.to_string()),
            expires_in_s: status.expires.map(|expires| expires.ms_since(now) / 1000),
            error: status.refused,
        }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let refused = self.error.as_ref().map(|error| format!("server.tls: {error}; what was there before serves on"));
        let expired = self.expires.as_ref().filter(|_| self.expires_in_s.is_some_and(|left_s| left_s < 0));
        let expired = expired.map(|expires| format!("server.tls: the certificate has expired on {expires}"));
        refused.into_iter().chain(expired)
    }

    pub(super) fn gauge(&self) -> Option<DataGauge> {
        let labels = vec![("file", "cert".to_owned())];
        self.expires_in_s.map(|value| DataGauge { metric: DataMetric::CertificateExpiry, labels, value })
    }
}

/// Ages and sizes.
/// Networks that many users log in from.
#[derive(Serialize)]
pub(super) struct Networks {
    networks: Vec<ProposedNetwork>,
}

#[derive(Serialize)]
struct ProposedNetwork {
    tenant: String,
    network: String,
    /// The day (UTC) of the last login that counts.
    last_day: String,
    /// Whether it stands in `signals.confirmed_networks`.
    confirmed: bool,
}

pub(super) fn networks<M>(pipeline: &Pipeline<M>) -> Networks {
    let networks = pipeline.familiar_networks().into_iter().map(|(found, confirmed)| {
        let midnight = Timestamp::from_unix_s(u32::from(found.last_day).saturating_mul(86_400)).to_string();
        let last_day = midnight.split('T').next().unwrap_or_default().to_owned();
        ProposedNetwork { tenant: found.tenant, network: found.network.to_string(), last_day, confirmed }
    });
    Networks { networks: networks.collect() }
}

pub(super) fn gauges_of_networks<M>(pipeline: &Pipeline<M>) -> impl Iterator<Item = DataGauge> {
    let found = pipeline.familiar_networks();
    [("proposed", false), ("confirmed", true)].into_iter().map(move |(state, is_confirmed)| {
        let value = found.iter().filter(|(_, confirmed)| *confirmed == is_confirmed).count();
        let labels = vec![("state", state.to_owned())];
        DataGauge { metric: DataMetric::FamiliarNetworks, labels, value: i64::try_from(value).unwrap_or(i64::MAX) }
    })
}

pub(super) fn gauges(loaded: &Loaded, now: Timestamp) -> Vec<DataGauge> {
    let databases = loaded.geoip.status().flat_map(|status| {
        let labels = vec![("database", status.role.as_str().to_owned()), ("index", status.index.to_string())];
        let age_s = now.ms_since(status.about.built) / 1000;
        pair([DataMetric::DatabaseAge, DataMetric::DatabaseNetworks], labels, Some(age_s), status.about.networks)
    });
    let lists = loaded.lists.health(now).flat_map(|health| {
        let labels = vec![("list", health.name.to_owned())];
        let age_s = health.modified.map(|modified| now.ms_since(modified) / 1000);
        pair([DataMetric::ListAge, DataMetric::ListEntries], labels, age_s, health.entries)
    });
    databases.chain(lists).collect()
}

fn pair(
    [age, size]: [DataMetric; 2],
    labels: Vec<(&'static str, String)>,
    age_s: Option<i64>,
    entries: usize,
) -> impl Iterator<Item = DataGauge> {
    let age = age_s.map(|value| DataGauge { metric: age, labels: labels.clone(), value });
    let value = i64::try_from(entries).unwrap_or(i64::MAX);
    age.into_iter().chain([DataGauge { metric: size, labels, value }])
}
