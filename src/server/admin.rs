//! The admin listener: `GET /healthz`, `GET /readyz`, `GET /metrics`.

mod data;

use super::Answer;
use super::api::{Service, json, request_id};
use super::auth::Scope;
use super::error::Failure;
use super::tls::Certified;
use crate::memory::Memory;
use crate::telemetry::Route;
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
    memory: data::Memory,
    databases: Vec<data::Database>,
    lists: Vec<data::List>,
    /// With `server.tls` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<data::Certificate>,
}

/// Answers one request of the admin listener, whatever it is.
pub(super) async fn handle<M: Memory>(
    service: &Service<M>,
    request: Request<Incoming>,
    certified: Option<Certified>,
) -> Answer {
    let id = request_id(request.headers(), service.pipeline.ids());
    let mut answer = answer(service, &request, certified).unwrap_or_else(|failure| failure.answer());
    let headers = answer.headers_mut();
    headers.insert("x-request-id", id);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    service.meters.requested(Route::Admin, answer.status().as_u16());
    answer
}

fn answer<M: Memory>(
    service: &Service<M>,
    request: &Request<Incoming>,
    certified: Option<Certified>,
) -> Result<Answer, Failure> {
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz") {
        let caller = service.access.authenticate(request.headers(), request.uri().authority(), certified)?;
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
    let memory = data::Memory::new(service.pipeline.memory().condition());
    let mut notes: Vec<String> = memory.notes().collect();
    if loaded.geoip.is_country_level() {
        notes.push(format!("travel is judged between countries only: {}", loaded.geoip.origin()));
    }
    let (databases, lists) = data::states(&loaded, service.clock.now());
    notes.extend(databases.iter().filter_map(data::Database::note));
    notes.extend(lists.iter().flat_map(data::List::notes));
    let certificate = certificate(service);
    notes.extend(certificate.iter().flat_map(data::Certificate::notes));
    let (status, code, reasons) = if service.is_draining() {
        ("draining", StatusCode::SERVICE_UNAVAILABLE, vec!["the service is stopping".to_owned()])
    } else {
        ("ready", StatusCode::OK, Vec::new())
    };
    let mut answer = json(&Readiness { status, reasons, notes, memory, databases, lists, certificate });
    *answer.status_mut() = code;
    answer
}

fn certificate<M: Memory>(service: &Service<M>) -> Option<data::Certificate> {
    let certificates = service.certificates.as_ref()?;
    Some(data::Certificate::new(certificates.status(), service.clock.now()))
}

fn metrics<M: Memory>(service: &Service<M>) -> Answer {
    let mut gauges = data::gauges(&service.pipeline.loaded(), service.clock.now());
    gauges.extend(certificate(service).and_then(|certificate| certificate.gauge()));
    let mut answer = Response::new(bytes::Bytes::from(service.meters.render(&gauges)).into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    answer
}
