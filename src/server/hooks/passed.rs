//! `POST /v1/hook/passed`: a page tells that somebody passed a factor, and learns where to send them back to.
//!
//! It takes a key, of scope `score`: whoever has one could tell outcomes of logins, too. The decision is settled when the browser comes back
//! with the ticket, and not before: whoever was handed somebody else's link passes their factor for nothing.

use super::assurance::OpenErrand;
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::Memory;
use crate::server::api::{Service, json};
use crate::server::error::Failure;
use crate::server::wire::{self, Object, Word};
use crate::server::{Answer, hooks};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PassedBody<'a> {
    /// The parameter with which the browser came to the page.
    #[serde(borrow)]
    rd: Cow<'a, str>,
    factor: Word<Factor>,
}

#[derive(Serialize)]
struct SendBack {
    location: String,
    expires_at: String,
}

impl<M: Memory> Service<M> {
    pub(super) fn passed(&self, body: &Bytes, now: Timestamp) -> Result<Answer, Failure> {
        let Object(PassedBody { rd, factor }) = wire::parse(body)?;
        let loaded = self.pipeline.loaded();
        let keys = loaded.tokens.signing();
        let unknown = || Failure::invalid("rd", "is none of ours, or older than ten minutes");
        let errand = OpenErrand::open(keys, &rd, now).ok_or_else(unknown)?.errand;
        let origin =
            origin(&errand.url).ok_or_else(|| Failure::invalid("rd", "names no host of hooks.return_hosts"))?;
        if !errand.factors.has(factor.0) {
            return Err(Failure::invalid("factor", "is not one that does here (hooks.step_up)"));
        }
        let (ticket, expires) = errand.ticket(keys, factor.0, now);
        let location = format!("{origin}{}?ticket={ticket}", hooks::back::PATH);
        let mut answer = json(&SendBack { location, expires_at: expires.to_string() });
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

/// `https://host` of `https://host/path`.
pub(super) fn origin(url: &str) -> Option<&str> {
    let behind_scheme = url.find("://")? + 3;
    let path = url[behind_scheme..].find('/')?;
    Some(&url[..behind_scheme + path])
}
