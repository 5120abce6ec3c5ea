//! Metric names and handles, and the log.
//!
//! Label values come from closed sets only, so that the number of series is constant whatever clients send. Every
//! handle is made at the start; what each login counts is in numbers of our own (`logins`).

mod data;
mod logins;
mod rules;

pub use data::{DataGauge, DataMetric};
pub use rules::RuleCounts;

use crate::event::FailureKind;
use crate::signals::Assessments;
use crate::verdict::Verdict;
use logins::Logins;
use metrics::{Counter, Gauge, Label};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The tunables of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is logged.
    pub log: LogLevel,
    /// How a line looks.
    pub log_format: LogFormat,
}

/// What is logged, up to and including.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Sends the log to standard error. A second call in one process changes nothing.
pub fn start_log(settings: Settings) {
    let level = match settings.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries do not know what is secret here: the one that parses numbers writes them out at `trace`.
    let own = Targets::new().with_target("askance", level);
    let log = tracing_subscriber::registry().with(own);
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let as_text = settings.log_format == LogFormat::Text || settings.log_format == LogFormat::Auto && terminal;
    let started = if as_text {
        log.with(lines.with_ansi(terminal)).try_init()
    } else {
        log.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
}

/// Handles of every metric; they are shared by all cores.
pub struct Meters {
    exporter: PrometheusHandle,
    logins: Logins,
    requests: Vec<((Route, u16), Counter)>,
    requests_other: Counter,
    imported: [(bool, Counter); 2],
    failures: [(FailureKind, Counter); 3],
    data_reads: Vec<((DataKind, bool), Counter)>,
    /// Users with a history.
    pub users: Gauge,
    /// Decisions without an outcome.
    pub decisions_pending: Gauge,
    /// Sources that velocity counts.
    pub velocity_sources: Gauge,
    /// Lists too old to tell.
    pub lists_stale: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Connections turned away since there were too many.
    pub connections_refused: Counter,
    /// TLS handshakes that failed.
    pub tls_handshakes_failed: Counter,
    /// Failures of memory.
    pub memory_errors: Counter,
    /// What the disk behind memory does.
    pub store: StoreMeters,
    /// What others are told.
    pub webhooks: WebhookMeters,
}

/// Handles for webhooks; a clone counts the same.
#[derive(Clone)]
pub struct WebhookMeters {
    /// Events that were taken.
    pub delivered: Counter,
    /// Tries that were not.
    pub failed: Counter,
    /// Events that are not tried any more.
    pub given_up: Counter,
    /// Events for which there was no room.
    pub lost: Counter,
    /// Events that wait, once for each who is to be told.
    pub waiting: Gauge,
}

impl fmt::Debug for WebhookMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookMeters")
    }
}

/// Handles for a store; a clone counts the same.
#[derive(Clone)]
pub struct StoreMeters {
    /// Rows that reached the disk.
    pub rows_written: Counter,
    /// Commits that did not.
    pub flush_failures: Counter,
    /// Rows that are yet to reach it.
    pub unwritten: Gauge,
    /// For how many seconds the oldest of them has been waiting, at most.
    pub flush_lag_s: Gauge,
    /// 1 while the disk takes nothing.
    pub degraded: Gauge,
    /// When the newest backup was made, in seconds since 1970.
    pub backup_time_s: Gauge,
}

impl fmt::Debug for StoreMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreMeters")
    }
}

/// What a request asked for: the label of the request counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/v1/score`
    Score,
    /// `/v1/decisions/{id}/outcome`
    Outcome,
    /// `/v1/decisions/{id}/feedback`
    Feedback,
    /// `/v1/failures`
    Failures,
    /// `/v1/import`
    Import,
    /// `/v1/decisions`
    Decisions,
    /// `/v1/users/{id}`
    User,
    /// `/v1/users/{id}/export`
    Export,
    /// `/v1/users/{id}/devices/{device}`
    Device,
    /// `/v1/mfa/*`
    Mfa,
    /// `/v1/users/{id}/factors` and what stands below it, and `/v1/users/{id}/backup-codes`
    Factors,
    /// `/v1/step-up` and what stands below it
    StepUp,
    /// `/.well-known/jwks.json`
    KeySet,
    /// `/v1/openapi.json`
    Describe,
    /// What reverse proxies ask.
    Hook,
    /// Health, readiness and metrics.
    Admin,
    /// Anything else.
    Unknown,
}

impl Route {
    const ALL: [Self; 17] = [
        Self::Score,
        Self::Outcome,
        Self::Feedback,
        Self::Failures,
        Self::Import,
        Self::Decisions,
        Self::User,
        Self::Export,
        Self::Device,
        Self::Mfa,
        Self::Factors,
        Self::StepUp,
        Self::KeySet,
        Self::Describe,
        Self::Hook,
        Self::Admin,
        Self::Unknown,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Outcome => "outcome",
            Self::Feedback => "feedback",
            Self::Failures => "failures",
            Self::Import => "import",
            Self::Decisions => "decisions",
            Self::User => "user",
            Self::Export => "export",
            Self::Device => "device",
            Self::Mfa => "mfa",
            Self::Factors => "factors",
            Self::StepUp => "step_up",
            Self::KeySet => "jwks",
            Self::Describe => "openapi",
            Self::Hook => "hook",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }
}

/// Files of data: the label of their counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// A GeoIP database.
    Database,
    /// A list of addresses.
    List,
    /// The files of `server.tls`.
    Certificate,
}

impl DataKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::List => "list",
            Self::Certificate => "certificate",
        }
    }
}

/// The statuses that the server gives by itself.
const STATUSES: [u16; 19] =
    [200, 204, 302, 303, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503];

impl Meters {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let exporter = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            Self::register(exporter)
        })
    }

    fn register(exporter: PrometheusHandle) -> Self {
        Self {
            exporter,
            logins: Logins::new(),
            requests: Route::ALL.into_iter().flat_map(|route| STATUSES.map(|status| request(route, status))).collect(),
            requests_other: counter("askance_requests_total", vec![Label::from_static_parts("route", "other")]),
            imported: [true, false].map(|recorded| {
                let result = if recorded { "recorded" } else { "rejected" };
                (recorded, counter("askance_imported_total", vec![Label::from_static_parts("result", result)]))
            }),
            failures: FailureKind::ALL.map(|kind| {
                (kind, counter("askance_failures_total", vec![Label::from_static_parts("kind", kind.as_str())]))
            }),
            data_reads: [DataKind::Database, DataKind::List, DataKind::Certificate]
                .map(|kind| [true, false].map(|taken| data_read(kind, taken)))
                .as_flattened()
                .to_vec(),
            users: metrics::gauge!("askance_users"),
            decisions_pending: metrics::gauge!("askance_decisions_pending"),
            velocity_sources: metrics::gauge!("askance_velocity_sources"),
            lists_stale: metrics::gauge!("askance_lists_stale"),
            connections: metrics::gauge!("askance_connections"),
            connections_refused: metrics::counter!("askance_connections_refused_total"),
            tls_handshakes_failed: metrics::counter!("askance_tls_handshakes_failed_total"),
            memory_errors: metrics::counter!("askance_memory_errors_total"),
            store: StoreMeters {
                rows_written: metrics::counter!("askance_memory_rows_written_total"),
                flush_failures: metrics::counter!("askance_memory_flush_failures_total"),
                unwritten: metrics::gauge!("askance_memory_unwritten"),
                flush_lag_s: metrics::gauge!("askance_memory_flush_lag_seconds"),
                degraded: metrics::gauge!("askance_memory_degraded"),
                backup_time_s: metrics::gauge!("askance_memory_backup_timestamp_seconds"),
            },
            webhooks: WebhookMeters {
                delivered: metrics::counter!("askance_webhooks_delivered_total"),
                failed: metrics::counter!("askance_webhooks_failed_total"),
                given_up: metrics::counter!("askance_webhooks_given_up_total"),
                lost: metrics::counter!("askance_webhooks_lost_total"),
                waiting: metrics::gauge!("askance_webhooks_waiting"),
            },
        }
    }

    /// Counts one judged login.
    pub fn scored(&self, assessments: &Assessments, verdict: &Verdict, took: Duration) {
        self.logins.count(assessments, verdict, took);
    }

    /// Counts one answered request.
    pub fn requested(&self, route: Route, status: u16) {
        let known = self.requests.iter().find(|(key, _)| *key == (route, status));
        known.map_or(&self.requests_other, |(_, counter)| counter).increment(1);
    }

    /// Counts one failure that was told.
    pub fn failed(&self, kind: FailureKind) {
        increment(&self.failures, kind);
    }

    /// Counts one line of an import.
    pub fn imported(&self, recorded: bool) {
        increment(&self.imported, recorded);
    }

    /// Counts one file, or all lists together, that changed and was taken or refused.
    pub fn data_read(&self, kind: DataKind, taken: bool) {
        increment(&self.data_reads, (kind, taken));
    }

    /// The exposition text, of data files, too: they come and go with the configuration, so that they have no handles.
    #[must_use]
    pub fn render(&self, data: &[DataGauge]) -> String {
        let mut text = self.exporter.render();
        self.logins.render(&mut text);
        data::render(&mut text, data);
        text
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

fn increment<K: Copy + PartialEq>(counters: &[(K, Counter)], key: K) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == key) {
        counter.increment(1);
    }
}

fn counter(name: &'static str, labels: Vec<Label>) -> Counter {
    metrics::counter!(name, labels)
}

fn request(route: Route, status: u16) -> ((Route, u16), Counter) {
    let labels = vec![Label::from_static_parts("route", route.as_str()), Label::new("status", status.to_string())];
    ((route, status), counter("askance_requests_total", labels))
}

fn data_read(kind: DataKind, taken: bool) -> ((DataKind, bool), Counter) {
    let name = if taken { "askance_data_reloads_total" } else { "askance_data_reload_failures_total" };
    ((kind, taken), counter(name, vec![Label::from_static_parts("kind", kind.as_str())]))
}

fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!("askance_requests_total", "Requests by route and status");
    describe_counter!("askance_imported_total", "Lines of imports by result");
    describe_counter!(
        "askance_failures_total",
        "Failed logins that callers told, and factors that failed here, by kind"
    );
    describe_counter!("askance_data_reloads_total", "New states of data files that serve");
    describe_counter!("askance_data_reload_failures_total", "New states of data files that were refused");
    describe_gauge!("askance_users", "Users with a history in memory");
    describe_gauge!("askance_decisions_pending", "Decisions that wait for their outcome");
    describe_gauge!("askance_velocity_sources", "Addresses, prefixes and systems whose logins are counted");
    describe_gauge!("askance_lists_stale", "Lists that are too old to tell anything");
    describe_gauge!("askance_connections", "Open connections of the main listener");
    describe_counter!("askance_connections_refused_total", "Connections turned away: server.connections_max");
    describe_counter!("askance_tls_handshakes_failed_total", "Connections that ended before they spoke HTTP");
    describe_counter!("askance_memory_errors_total", "Histories or decisions that memory could not give or keep");
    describe_counter!("askance_memory_rows_written_total", "Rows of users that reached the disk");
    describe_counter!("askance_memory_flush_failures_total", "Commits that the disk did not take");
    describe_gauge!("askance_memory_unwritten", "Changed users that are yet to reach the disk, at most");
    describe_gauge!("askance_memory_flush_lag_seconds", "For how long the oldest of them may have been waiting");
    describe_gauge!("askance_memory_degraded", "1 while nothing becomes durable");
    describe_gauge!("askance_memory_backup_timestamp_seconds", "When the newest backup was made");
    describe_counter!("askance_webhooks_delivered_total", "Events that a webhook took");
    describe_counter!("askance_webhooks_failed_total", "Tries to tell a webhook of an event that it did not take");
    describe_counter!("askance_webhooks_given_up_total", "Events that are not tried any more: webhooks.give_up_h");
    describe_counter!("askance_webhooks_lost_total", "Events for which the queue had no room");
    describe_gauge!(
        "askance_webhooks_waiting",
        "Events in the queue, once for each webhook, where this replica tells them"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_stands_from_the_start_and_their_number_is_constant() {
        let meters = Meters::new();
        let series = |meters: &Meters| meters.render(&[]).lines().filter(|line| !line.starts_with('#')).count();
        let before = series(&meters);
        assert!(meters.render(&[]).contains(r#"askance_assessments_total{signal="NewDevice",code="match"} 0"#));
        for status in 0..u16::MAX {
            meters.requested(Route::Unknown, status);
        }
        assert_eq!(series(&meters), before);
    }
}
