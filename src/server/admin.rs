//! The admin listener: `GET /healthz`, `GET /readyz`, `GET /metrics`, `GET /networks`, `POST /backup`, `POST /probe`, `GET /probe`.

mod data;

use super::Answer;
use super::api::{Service, json, request_id};
use super::auth::Scope;
use super::error::Failure;
use super::hooks::probe::Seen;
use super::tls::Certified;
use crate::memory::{BackupError, Memory};
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
    let mut answer = answer(service, &request, certified).await.unwrap_or_else(|failure| failure.answer());
    let headers = answer.headers_mut();
    headers.insert("x-request-id", id);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    service.meters.requested(Route::Admin, answer.status().as_u16());
    answer
}

async fn answer<M: Memory>(
    service: &Service<M>,
    request: &Request<Incoming>,
    certified: Option<Certified>,
) -> Result<Answer, Failure> {
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz") {
        let caller = service.access.authenticate(request.headers(), request.uri().authority(), certified)?;
        caller.needs(Scope::Admin)?;
    }
    let (reads, writes) = (matches!(*request.method(), Method::GET | Method::HEAD), *request.method() == Method::POST);
    Ok(match path {
        "/backup" if writes => back_up(service).await?,
        "/backup" => return Err(Failure::MethodNotAllowed { allow: "POST" }),
        "/probe" if writes => begin_probe(service),
        "/probe" if *request.method() == Method::GET => json(&Probed { seen: service.hooks.probed() }),
        "/probe" => return Err(Failure::MethodNotAllowed { allow: "GET, POST" }),
        "/healthz" | "/readyz" | "/metrics" | "/networks" if !reads => {
            return Err(Failure::MethodNotAllowed { allow: "GET, HEAD" });
        }
        "/healthz" => json(&Health { status: "alive" }),
        "/readyz" => ready(service),
        "/metrics" => metrics(service),
        "/networks" => json(&data::networks(&service.pipeline)),
        _ => return Err(Failure::NotFound),
    })
}

/// A probe of the operator's proxy (`askance doctor --through`) that begins.
#[derive(Serialize)]
struct Probe {
    nonce: String,
}

/// What was seen of it.
#[derive(Serialize)]
struct Probed {
    seen: Vec<Seen>,
}

fn begin_probe<M: Memory>(service: &Service<M>) -> Answer {
    // Ids of requests can be foretold by whoever sees a few; these cannot.
    let bytes = service.pipeline.ids().decision(service.clock.now()).to_bytes();
    let nonce = format!("{:032x}", u128::from_be_bytes(bytes));
    service.hooks.begin_probe(nonce.clone());
    json(&Probe { nonce })
}

/// The caller sees why there is none: it is an operator.
async fn back_up<M: Memory>(service: &Service<M>) -> Result<Answer, Failure> {
    match service.pipeline.memory().back_up().await {
        Ok(backup) => Ok(json(&backup)),
        Err(error @ BackupError::NotHere) => Err(Failure::NoBackups(error.to_string())),
        Err(error) => Err(Failure::BackupFailed(error.to_string())),
    }
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
    let loaded = service.pipeline.loaded();
    let mut gauges = data::gauges(&loaded, service.clock.now());
    gauges.extend(certificate(service).and_then(|certificate| certificate.gauge()));
    gauges.extend(data::gauges_of_networks(&service.pipeline));
    let mut text = service.meters.render(&gauges);
    loaded.rule_counts.render(&mut text);
    if let Some(mfa) = &service.mfa {
        mfa.render(&mut text);
    }
    let mut answer = Response::new(bytes::Bytes::from(text).into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    answer
}
