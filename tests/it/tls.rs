//! TLS on both listeners, with `openssl` and `curl` as peers: versions, certificates of both sides, and how they change.

pub(crate) mod authority;
mod clients;
mod curl;
mod handshake;
mod renewal;
mod s_client;
mod settings;

use crate::support::client::Endpoint;
use crate::support::{ApiClient, Askance, Client, Settings};
use authority::{Authority, Pair};
use curl::Curl;
use s_client::SClient;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory with an authority, and the files of the server's certificate, by names that renewals write to.
struct Lab {
    directory: TempDir,
    authority: Authority,
}

impl Lab {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let authority = Authority::new(directory.path(), "authority");
        let lab = Self { directory, authority };
        lab.install(&lab.authority.issue("first", authority::LOCALHOST));
        lab.replace("clients.crt", &lab.authority.cert);
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a certificate and its key where the server finds them, as tools that care do.
    fn install(&self, pair: &Pair) {
        self.replace("server.key", &pair.key);
        self.replace("server.crt", &pair.cert);
    }

    /// Puts a copy of a file, with its mode, in the place of another.
    fn replace(&self, name: &str, from: &Path) {
        let beside = self.path("beside");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(beside, self.path(name)).unwrap();
    }

    fn settings(&self) -> Settings {
        let file = |name: &str| self.path(name).to_str().unwrap().to_owned();
        Settings::new().set("server.tls.cert", file("server.crt")).set("server.tls.key", file("server.key"))
    }

    /// Asks clients for certificates, of the same authority at first.
    fn settings_with_clients(&self, clients: &[&ApiClient]) -> Settings {
        let settings = self.settings().set("server.tls.client_ca", self.path("clients.crt").to_str().unwrap());
        clients.iter().fold(settings, |settings, client| settings.client(client))
    }

    fn curl(&self, client: &Client) -> Curl {
        Curl::new(address(client), &self.authority.cert)
    }

    fn s_client(&self, client: &Client) -> SClient {
        SClient::new(address(client), &self.authority.cert)
    }
}

pub(crate) fn address(client: &Client) -> SocketAddr {
    match &client.endpoint {
        Endpoint::Tcp(address) => *address,
        Endpoint::Unix(path) => panic!("{} is a Unix socket", path.display()),
    }
}

/// A counter or gauge of `/metrics`, which is asked for within TLS.
fn metric(lab: &Lab, server: &Askance, series: &str) -> i64 {
    metric_as(&lab.curl(&server.admin()), series)
}

fn metric_as(curl: &Curl, series: &str) -> i64 {
    let text = curl.get("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
