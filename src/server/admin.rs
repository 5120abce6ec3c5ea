//! The admin listener: `GET /healthz`, `GET /readyz`, `GET /metrics`.

use super::Answer;
use super::api::{Service, json, request_id};
use super::auth::Scope;
use super::error::Failure;
use crate::clock::{DAY_MS, Timestamp};
use crate::context::geoip::{GeoIp, Status};
use crate::memory::Memory;
use crate::telemetry::{DatabaseState, Route};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Readiness; `notes` do not make it less ready, `reasons` do.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    databases: Vec<Database>,
}

/// A GeoIP database in one of its roles.
#[derive(Serialize)]
struct Database {
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
}

/// Answers one request of the admin listener, whatever it is.
pub(super) async fn handle<M: Memory>(service: &Service<M>, request: Request<Incoming>) -> Answer {
    let id = request_id(request.headers(), service.pipeline.ids());
    let mut answer = answer(service, &request).unwrap_or_else(|failure| failure.answer());
    let headers = answer.headers_mut();
    headers.insert("x-request-id", id);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    service.meters.requested(Route::Admin, answer.status().as_u16());
    answer
}

fn answer<M: Memory>(service: &Service<M>, request: &Request<Incoming>) -> Result<Answer, Failure> {
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz") {
        let caller = service.access.authenticate(request.headers(), request.uri().authority())?;
        caller.needs(Scope::Admin)?;
    }
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return Err(Failure::NotFound);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Failure::MethodNotAllowed { allow: "GET, HEAD" });
    }
    Ok(match path {
        "/healthz" => json(&Health { status: "alive" }),
        "/readyz" => ready(service),
        _ => metrics(service),
    })
}

fn ready<M: Memory>(service: &Service<M>) -> Answer {
    let loaded = service.pipeline.loaded();
    let mut notes = vec!["memory is volatile: a restart forgets every user".to_owned()];
    if loaded.geoip.is_country_level() {
        notes.push(format!("travel is judged between countries only: {}", loaded.geoip.origin()));
    }
    notes.extend(loaded.lists.stale(service.clock.now()).map(|name| format!("list {name} is too old to tell")));
    let databases: Vec<_> = loaded.geoip.status().map(|status| Database::new(&status, service.clock.now())).collect();
    notes.extend(databases.iter().filter_map(refusal));
    if service.is_draining() {
        let reasons = vec!["the service is stopping".to_owned()];
        let mut answer = json(&Readiness { status: "draining", reasons, notes, databases });
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return answer;
    }
    json(&Readiness { status: "ready", reasons: Vec::new(), notes, databases })
}

fn refusal(database: &Database) -> Option<String> {
    let Database { database, file, built, error, .. } = database;
    error.as_ref().map(|error| format!("geoip.{database}: {file} {error}; the one built on {built} serves on"))
}

fn metrics<M: Memory>(service: &Service<M>) -> Answer {
    let databases = database_states(&service.pipeline.loaded().geoip, service.clock.now());
    let mut answer = Response::new(bytes::Bytes::from(service.meters.render(&databases)).into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    answer
}

fn database_states(geoip: &GeoIp, now: Timestamp) -> Vec<DatabaseState> {
    let state = |status: Status<'_>| DatabaseState {
        role: status.role.as_str(),
        index: status.index,
        age_s: now.ms_since(status.about.built) / 1000,
        networks: status.about.networks,
    };
    geoip.status().map(state).collect()
}
