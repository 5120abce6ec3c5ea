//! The address of a place to call.

use hyper::Uri;
use hyper::http::uri::Scheme;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// An https URL; of this machine, an http one will do. It holds no password: what is configured is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    uri: Uri,
    port: u16,
    is_https: bool,
}

const URL_BYTES_MAX: usize = 2_048;

impl Target {
    /// Without brackets where it is an address of IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as in the URL.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// A place below this one.
    ///
    /// # Errors
    ///
    /// The two together are no URL.
    pub fn below(&self, path: &str) -> Result<Self, String> {
        let (base, query) = self.path().split_once('?').unwrap_or((self.path(), ""));
        if !query.is_empty() {
            return Err("must have no query: a path goes behind it".to_owned());
        }
        let scheme = if self.is_https { "https" } else { "http" };
        Self::try_from(format!("{scheme}://{}{}/{path}", self.authority(), base.trim_end_matches('/')))
    }

    /// Whether what is said there is for nobody else.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let no_url =
            || format!("must be a URL such as \"https://api.example.org/path\", of {URL_BYTES_MAX} bytes at most");
        if text.len() > URL_BYTES_MAX {
            return Err(no_url());
        }
        let uri: Uri = text.parse().map_err(|_| no_url())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(no_url()) };
        if authority.as_str().contains('@') {
            return Err("must not hold a user or a password: it is printed".to_owned());
        }
        let is_https = *scheme == Scheme::HTTPS;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        // What is no port is left out by the parser; here it is a mistake.
        let port = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
        let port = port.map(|port| port.parse::<u16>()).transpose().map_err(|_| no_url())?;
        if host.is_empty() {
            return Err(no_url());
        }
        let is_here = *scheme == Scheme::HTTP && is_this_machine(&host);
        if !(is_https || is_here) {
            return Err("must begin with https:// (http:// is for this machine only, such as http://127.0.0.1:8080/)"
                .to_owned());
        }
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        Ok(Self { uri, port, is_https })
    }
}

/// By its name. What the name leads to is looked at again when it is called.
pub(crate) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_encrypted_or_here() {
        for (url, parts) in [
            ("https://api.example.org", Some(("api.example.org", 443, "/"))),
            ("https://api.example.org:8443/a?b=c", Some(("api.example.org", 8443, "/a?b=c"))),
            ("https://[2001:db8::1]/", Some(("2001:db8::1", 443, "/"))),
            ("http://127.0.0.1:8080/sms", Some(("127.0.0.1", 8080, "/sms"))),
            ("http://[::1]:1/", Some(("::1", 1, "/"))),
            ("http://localhost/", Some(("localhost", 80, "/"))),
            ("http://api.example.org/", None),
            ("http://127.0.0.1.example.org/", None),
            ("http://10.0.0.1/", None),
            ("ftp://127.0.0.1/", None),
            ("https://user:secret@api.example.org/", None),
            ("http://user@127.0.0.1/", None),
            ("https://", None),
            ("https://:443/", None),
            ("https://api.example.org:99999/", None),
            ("/path", None),
            ("api.example.org", None),
            ("https://api.example.org/\r\nx: y", None),
            ("", None),
        ] {
            let target = Target::try_from(url.to_owned());
            let found = target.as_ref().ok().map(|target| (target.host(), target.port(), target.path()));
            assert_eq!(found, parts, "{url}");
        }
        for (base, below) in [
            ("https://api.example.org", Ok("https://api.example.org/v2/send")),
            ("https://api.example.org:8443/base/", Ok("https://api.example.org:8443/base/v2/send")),
            ("http://[::1]:1/base", Ok("http://[::1]:1/base/v2/send")),
            ("https://api.example.org/?a=b", Err(())),
        ] {
            let base = Target::try_from(base.to_owned()).expect("it is a target");
            let found = base.below("v2/send").map(|target| target.to_string()).map_err(|_| ());
            assert_eq!(found.as_deref().map_err(|_| ()), below);
        }
        assert!(Target::try_from(format!("https://example.org/{}", "a".repeat(2_048))).is_err());
    }
}
