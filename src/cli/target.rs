//! The running service that a command calls: where it listens, and with which key.

use crate::app::{self, AppError};
use crate::config::{self, Config, Source};
use crate::server::Listen;
use hyper::Uri;
use hyper::header::HeaderValue;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Which service is called, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArguments {
    /// The service, such as http://127.0.0.1:8470 or unix:/run/askance/askance.sock; default is where the configuration says
    #[arg(long)]
    url: Option<String>,
    /// A file, private to its owner, with the API key; default is the variable ASKANCE_KEY, if it is set
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// A service that can be called.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: Address,
    /// The value of `Host`.
    pub(super) host: HeaderValue,
    /// The value of `Authorization`; its `Debug` shows nothing.
    pub(super) authorization: Option<HeaderValue>,
}

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// Host and port, as the system resolves them.
    Tcp(String),
    Unix(PathBuf),
}

/// Why there is nothing to call.
#[derive(Debug)]
pub(super) enum TargetError {
    /// The URL is none that a command can call.
    Url(String),
    /// The key is none that a header can carry, or its file cannot be used.
    Key(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(why) => write!(f, "--url: {why}"),
            Self::Key(why) => write!(f, "API key: {why}"),
        }
    }
}

impl std::error::Error for TargetError {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TargetArguments {
    /// The service that the arguments name, else the one that the configuration describes.
    pub(super) fn target(&self, source: &Source) -> Result<Target, Box<dyn std::error::Error>> {
        let address = match &self.url {
            Some(url) => parse(url)?,
            None => configured(&source.read().map_err(AppError::from)?.server.listen.0)?,
        };
        self.at(address)
    }

    /// The admin listener that the arguments name, else that of this configuration.
    pub(super) fn admin_target(&self, config: &Config) -> Result<Target, Box<dyn std::error::Error>> {
        let address = match &self.url {
            Some(url) => parse(url)?,
            None => configured(std::slice::from_ref(&config.server.admin_listen))?,
        };
        self.at(address)
    }

    fn at(&self, address: Address) -> Result<Target, Box<dyn std::error::Error>> {
        let host = match &address {
            Address::Tcp(authority) => HeaderValue::try_from(authority)?,
            Address::Unix(_) => HeaderValue::from_static("localhost"),
        };
        let key = match &self.key_file {
            Some(path) => Some(app::private_text(path).map_err(TargetError::Key)?),
            None => config::client_key(),
        };
        let authorization = key.map(|key| bearer(key.trim())).transpose()?;
        Ok(Target { address, host, authorization })
    }
}

fn bearer(key: &str) -> Result<HeaderValue, TargetError> {
    let is_plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::try_from(format!("Bearer {key}")).ok().filter(|_| is_plain);
    let mut value = value.ok_or_else(|| TargetError::Key("it is empty, or no plain text".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn parse(url: &str) -> Result<Address, TargetError> {
    let refused = |why: &str| Err(TargetError::Url(format!("{url:?} {why}")));
    if let Some(path) = url.strip_prefix("unix:") {
        return if path.is_empty() { refused("has no path") } else { Ok(Address::Unix(path.into())) };
    }
    let Ok(uri) = url.parse::<Uri>() else { return refused("is no URL") };
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return refused("wants TLS, which commands do not speak: name a listener of this machine"),
        _ => return refused("is no URL such as http://127.0.0.1:8470 or unix:/run/askance/askance.sock"),
    }
    let plain = uri.path() == "/" && uri.query().is_none();
    match uri.authority() {
        Some(authority) if plain && !authority.as_str().contains('@') => {
            let port = authority.port_u16().unwrap_or(80);
            Ok(Address::Tcp(format!("{}:{port}", authority.host())))
        }
        _ => refused("may hold a host and a port only"),
    }
}

/// The first address; one that means every network is called on loopback.
fn configured(listen: &[Listen]) -> Result<Address, TargetError> {
    match listen.first() {
        Some(Listen::Unix(path)) => Ok(Address::Unix(path.clone())),
        Some(Listen::Tcp(address)) if address.port() != 0 => {
            let mut address = *address;
            if address.ip().is_unspecified() {
                let loopback = match address {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                };
                address.set_ip(loopback);
            }
            Ok(Address::Tcp(address.to_string()))
        }
        Some(Listen::Tcp(_)) | None => {
            Err(TargetError::Url("the configuration names no port; say where the service listens".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let tcp = |text: &str| Some(Address::Tcp(text.to_owned()));
        for (url, expected) in [
            ("http://127.0.0.1:8470", tcp("127.0.0.1:8470")),
            ("http://[::1]:8470/", tcp("[::1]:8470")),
            ("http://askance", tcp("askance:80")),
            ("unix:/run/askance.sock", Some(Address::Unix("/run/askance.sock".into()))),
            ("unix:", None),
            ("https://askance", None),
            ("http://askance/v1", None),
            ("http://askance/?a=b", None),
            ("http://user@askance", None),
            ("127.0.0.1:8470", None),
            ("ftp://askance", None),
            ("", None),
        ] {
            assert_eq!(parse(url).ok(), expected, "{url}");
        }
    }

    #[test]
    fn what_the_configuration_listens_on() {
        for (listen, expected) in [
            ("127.0.0.1:8470", Some("http://127.0.0.1:8470")),
            ("0.0.0.0:8470", Some("http://127.0.0.1:8470")),
            ("[::]:8470", Some("http://[::1]:8470")),
            ("unix:/run/askance.sock", Some("unix:/run/askance.sock")),
            ("127.0.0.1:0", None),
        ] {
            let listen: Vec<Listen> = Listen::try_from(listen.to_owned()).into_iter().collect();
            assert_eq!(configured(&listen).ok().map(|address| address.to_string()).as_deref(), expected);
        }
    }

    #[test]
    fn a_key_is_one_word_and_never_shows() {
        let shown = bearer("s3cret").map(|value| format!("{value:?}"));
        assert!(shown.is_ok_and(|shown| !shown.contains("s3cret")));
        for bad in ["", "two words", "line\nfeed", "é"] {
            assert!(bearer(bad).is_err(), "{bad}");
        }
    }
}
