//! One request as a door has read it, whatever proxy it came through.

use crate::server::client_ip::{self, Client};
use hyper::Method;
use hyper::header::{ACCEPT, COOKIE, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use std::net::IpAddr;

/// A request of a browser, or of a program, to the site behind the proxy.
#[derive(Debug)]
pub(super) struct HookRequest<'r> {
    /// Who the client is.
    pub(super) client: Client,
    /// Whether the peer is a proxy that is believed.
    pub(super) is_trusted: bool,
    pub(super) original: Original<'r>,
    /// By which the proxy asks; some hand on the client's.
    own_method: &'r Method,
    pub(super) headers: &'r HeaderMap,
}

/// What the client asked of the site. What a proxy did not tell, or told in two ways, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Original<'r> {
    pub(super) method: Option<&'r str>,
    pub(super) scheme: Option<&'r str>,
    /// With a port, where there was one.
    pub(super) host: Option<&'r str>,
    /// As it was sent: nothing is decoded or resolved.
    pub(super) path_and_query: Option<&'r str>,
}

impl<'r> HookRequest<'r> {
    pub(super) fn new(
        head: &'r Parts,
        peer: IpAddr,
        settings: &client_ip::Settings,
        header: &HeaderName,
        original: Original<'r>,
    ) -> Self {
        let headers = &head.headers;
        let lines = headers.get_all(header).iter().map(|value| (header.as_str(), value.as_bytes()));
        Self {
            client: client_ip::resolve(peer, lines, settings),
            is_trusted: settings.trusted_proxies.contains(peer),
            original,
            own_method: &head.method,
            headers,
        }
    }

    /// Whether nothing was sent along: a form that was posted is not posted to another page.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.original.method.unwrap_or(self.own_method.as_str()), "GET" | "HEAD")
    }

    /// Whether a person looks at a page, and not a program at an answer. It decides on the form of an answer only.
    pub(super) fn is_navigation(&self) -> bool {
        let accepts_pages = || {
            let mut lines = self.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            lines.any(|line| line.split(',').any(|range| media_type(range).eq_ignore_ascii_case("text/html")))
        };
        match text(self.headers, "sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => accepts_pages() && !self.headers.contains_key("x-requested-with"),
        }
    }

    /// The value of a cookie that came once. Two of one name are somebody's trick.
    pub(super) fn cookie(&self, name: &str) -> Option<&'r str> {
        let lines = self.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(given, _)| *given == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }
}

fn media_type(range: &str) -> &str {
    range.split(';').next().unwrap_or_default().trim()
}

/// The value of a header that has one line, and can be read.
pub(super) fn text<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let mut lines = headers.get_all(name).iter();
    let only = lines.next().filter(|_| lines.next().is_none())?;
    only.to_str().ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;
    use std::net::Ipv4Addr;

    fn head(lines: &[(&'static str, &'static str)]) -> Parts {
        let request = lines.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("a request that can be made").into_parts().0
    }

    fn request(head: &Parts) -> HookRequest<'_> {
        let header = HeaderName::from_static("x-forwarded-for");
        let settings = client_ip::Settings::default();
        HookRequest::new(head, IpAddr::V4(Ipv4Addr::LOCALHOST), &settings, &header, Original::default())
    }

    #[test]
    fn a_person_is_told_from_a_program() {
        for (lines, expected) in [
            (&[("sec-fetch-mode", "navigate")][..], true),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("accept", "application/json, Text/HTML;q=0.9")], true),
            (&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            (&[("accept", "text/htmlx, */*")], false),
            (&[], false),
        ] {
            assert_eq!(request(&head(lines)).is_navigation(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_comes_once() {
        for (lines, expected) in [
            (&[("cookie", "a=1; b=2")][..], Some("2")),
            (&[("cookie", "a=1"), ("cookie", "b=2=3")], Some("2=3")),
            (&[("cookie", "b=1; b=2")], None),
            (&[("cookie", "b=1"), ("cookie", "b=1")], None),
            (&[("cookie", "bb=1; B=2")], None),
            (&[], None),
        ] {
            assert_eq!(request(&head(lines)).cookie("b"), expected, "{lines:?}");
        }
    }
}
