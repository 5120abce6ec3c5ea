//! nginx, which writes what its configuration says, and hands on whatever else the client sent.

use super::{Original, forwarded};
use crate::server::hooks::request::text;
use hyper::header::HeaderMap;

pub(super) const PATH: &str = "/v1/hook/nginx";

/// Configurations in the wild write `X-Original-URL`, `X-Original-URI` or the forwarded ones. Two that do not say the same are one of
/// nginx and one of the client, and which is which cannot be told.
pub(super) fn original(headers: &HeaderMap) -> Original<'_> {
    let [forwarded, url] = [forwarded(headers), text(headers, "x-original-url").map(split).unwrap_or_default()];
    let [method, uri] = ["x-original-method", "x-original-uri"].map(|name| text(headers, name));
    Original {
        method: agreed([forwarded.method, method, None]),
        scheme: agreed([forwarded.scheme, url.scheme, None]),
        host: agreed([forwarded.host, url.host, None]),
        path_and_query: agreed([forwarded.path_and_query, url.path_and_query, uri]),
    }
}

/// The parts of `https://host/path?query`; none of what is no such.
fn split(url: &str) -> Original<'_> {
    let parts = || {
        let (scheme, rest) = url.split_once("://")?;
        let (host, path_and_query) = rest.split_at(rest.find('/')?);
        Some(Original { method: None, scheme: Some(scheme), host: Some(host), path_and_query: Some(path_and_query) })
    };
    parts().unwrap_or_default()
}

/// What all who say anything say.
fn agreed(told: [Option<&str>; 3]) -> Option<&str> {
    let mut told = told.into_iter().flatten();
    let first = told.next()?;
    told.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    #[test]
    fn what_is_told_in_two_ways_is_not_known() {
        const URL: (&str, &str) = ("x-original-url", "https://app.example.org/a?b=/c");
        for (lines, method, host, path) in [
            (&[URL][..], None, Some("app.example.org"), Some("/a?b=/c")),
            (&[URL, ("x-forwarded-uri", "/a?b=/c")], None, Some("app.example.org"), Some("/a?b=/c")),
            (&[URL, ("x-forwarded-uri", "/public")], None, Some("app.example.org"), None),
            (&[URL, ("x-original-url", "https://app.example.org/a?b=/c")], None, None, None),
            (&[("x-original-uri", "/a"), ("x-original-method", "PUT")], Some("PUT"), None, Some("/a")),
            (&[("x-original-method", "PUT"), ("x-forwarded-method", "GET")], None, None, None),
            (&[("x-original-url", "/a")], None, None, None),
            (&[("x-original-url", "https://app.example.org")], None, None, None),
            (&[("x_original_uri", "/a")], None, None, None),
        ] {
            let headers: HeaderMap = lines
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            let Original { method: found_method, host: found_host, path_and_query, .. } = original(&headers);
            assert_eq!((found_method, found_host, path_and_query), (method, host, path), "{lines:?}");
        }
    }
}
