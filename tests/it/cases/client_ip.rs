//! Runs cases of shape `client_ip` against the library's pure function.

use askance::server::client_ip::{Client, Settings, resolve};
use serde::Deserialize;
use std::net::IpAddr;

/// A case of shape `client_ip`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientIpCase {
    pub(crate) id: String,
    pub(crate) title: String,
    peer: IpAddr,
    trusted_proxies: Vec<String>,
    header: String,
    headers: Vec<(String, String)>,
    then: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Client(IpAddr),
    Unknown(bool),
    Error(bool),
}

pub(crate) fn run(case: &ClientIpCase) -> Result<(), String> {
    let settings = Settings {
        trusted_proxies: case.trusted_proxies.clone().try_into()?,
        client_ip_header: case.header.clone().try_into()?,
    };
    let lines = case.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let actual = resolve(case.peer, lines, &settings);
    let as_expected = match (&case.then, actual) {
        (Expected::Client(expected), Client::Known(actual)) => *expected == actual,
        (Expected::Unknown(true), Client::Unknown(_)) | (Expected::Error(true), Client::Error(_)) => true,
        (Expected::Client(_) | Expected::Unknown(_) | Expected::Error(_), _) => false,
    };
    if as_expected { Ok(()) } else { Err(format!("the client is {actual:?}, not {:?}", case.then)) }
}
