//! Envoy by HTTP, which asks with the client's own method, path and query behind a prefix.

use super::{Original, text};
use hyper::http::request::Parts;

const PREFIX: &str = "/v1/hook/envoy";

/// The path of the client; `None` where this is another door. Envoy puts prefix and path together as they are, and a path begins with a slash.
pub(super) fn original_path(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).filter(|rest| rest.starts_with('/'))
}

pub(super) fn original(head: &Parts) -> Original<'_> {
    let path_and_query = head.uri.path_and_query().and_then(|all| original_path(all.as_str()));
    Original {
        method: Some(head.method.as_str()),
        scheme: text(&head.headers, "x-forwarded-proto"),
        host: head.uri.authority().map_or_else(|| text(&head.headers, "host"), |authority| Some(authority.as_str())),
        path_and_query,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn behind_the_prefix_everything_is_data() {
        for (uri, expected) in [
            ("/v1/hook/envoy/app/a%2fb/..;/x//y?q=1", Some("/app/a%2fb/..;/x//y?q=1")),
            ("/v1/hook/envoy/../nginx", Some("/../nginx")),
            ("/v1/hook/envoy//", Some("//")),
            ("/v1/hook/envoy", None),
            ("/v1/hook/envoyx", None),
            ("/v1/hook//envoy/x", None),
        ] {
            let request = Request::get(uri).header("host", "app.example.org").body(());
            let head = request.expect("a request that can be made").into_parts().0;
            assert_eq!(original(&head).path_and_query, expected, "{uri}");
            assert_eq!(original_path(head.uri.path()).is_some(), expected.is_some(), "{uri}");
        }
    }
}
