//! `GET /.well-known/jwks.json`: the keys that sign assertions. Whoever verifies one may read them, without a key of ours.

use super::{Endpoint, JSON, Service};
use crate::memory::Memory;
use crate::mfa::MfaError;
use crate::server::Answer;
use crate::server::error::Failure;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;

/// Verifiers read them again after five minutes, of which a change of keys takes two (config.toml, `mfa.assertion.key_files`).
const FRESH: &str = "public, max-age=300";

impl<M: Memory> Service<M> {
    pub(super) fn key_set(&self, head: &Parts) -> Result<Answer, Failure> {
        let allow = Endpoint::KeySet.methods();
        if !allow.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Failure::MethodNotAllowed { allow });
        }
        let mfa = self.mfa.as_deref().ok_or(MfaError::Off)?;
        let mut answer = Response::new(mfa.signer.jwks().into());
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(FRESH));
        Ok(answer)
    }
}
