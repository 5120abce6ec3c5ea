//! The `curl` command as a client.

use super::authority::Pair;
use crate::support::PATIENCE;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Calls of one listener, each on a connection of its own.
#[derive(Debug, Clone)]
pub(super) struct Curl {
    address: SocketAddr,
    arguments: Vec<String>,
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct Answer {
    /// 000 where no HTTP was spoken.
    pub(super) status: String,
    pub(super) version: String,
    pub(super) body: String,
    /// What curl says of a failure.
    pub(super) error: String,
}

impl Answer {
    /// The code of a problem.
    pub(super) fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Curl {
    pub(super) fn new(address: SocketAddr, authority: &Path) -> Self {
        let new = Self { address, arguments: Vec::new() };
        // A refusal comes before the body was read; over HTTP/2, curl of some years ago then reports the stream, not it.
        new.with(&["--http1.1", "--cacert", authority.to_str().unwrap()])
    }

    pub(super) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    pub(super) fn with_certificate(self, pair: &Pair) -> Self {
        self.with(&["--cert", pair.cert.to_str().unwrap(), "--key", pair.key.to_str().unwrap()])
    }

    pub(super) fn with_key(self, key: &str) -> Self {
        self.with(&["--header", &format!("authorization: Bearer {key}")])
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.clone().run("https", path)
    }

    /// The same call, without TLS.
    pub(super) fn get_plain(&self, path: &str) -> Answer {
        self.clone().run("http", path)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        self.clone().with(&["--json", &body.to_string()]).run("https", path)
    }

    fn run(self, scheme: &str, path: &str) -> Answer {
        let output = Command::new("curl")
            // No settings of whoever runs the tests, and no proxy.
            .args(["-q", "--silent", "--show-error", "--noproxy", "*"])
            .args(["--max-time", &PATIENCE.as_secs().to_string(), "--write-out", "\n%{http_code} %{http_version}"])
            .args(&self.arguments)
            .arg(format!("{scheme}://{}{path}", self.address))
            .stdin(Stdio::null())
            .output()
            .expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, told) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{self:?}: {output:?}"));
        let (status, version) = told.split_once(' ').unwrap_or_else(|| panic!("{self:?}: {output:?}"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        Answer { status: status.to_owned(), version: version.to_owned(), body: body.to_owned(), error }
    }
}
