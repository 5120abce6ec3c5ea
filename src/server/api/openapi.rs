//! `GET /v1/openapi.json`: the contract as this program keeps it. Whoever may call at all may read it.

use super::JSON;
use crate::server::Answer;
use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};

/// Written by hand; tests hold the server to it, and it to the server.
const DOCUMENT: &[u8] = include_bytes!("../../../docs/openapi.json");

pub(super) fn describe() -> Answer {
    let mut answer = Response::new(Bytes::from_static(DOCUMENT).into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}
