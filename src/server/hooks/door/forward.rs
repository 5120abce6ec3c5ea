//! Traefik, Caddy and HAProxy. The first two overwrite these headers by themselves; HAProxy is told to.

use super::{Original, forwarded};
use hyper::header::HeaderMap;

pub(super) const PATH: &str = "/v1/hook/forward";

pub(super) fn original(headers: &HeaderMap) -> Original<'_> {
    forwarded(headers)
}
