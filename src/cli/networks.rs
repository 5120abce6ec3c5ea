//! `askance networks`: the networks that a running service proposes as familiar, and how to confirm them.

use super::client::Client;
use super::target::TargetArguments;
use crate::app::AppError;
use crate::config::{Config, Source};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

/// Of which service, and how it is told.
#[derive(Debug, clap::Args)]
pub(super) struct NetworksArguments {
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, Deserialize)]
struct Answer {
    networks: Vec<Network>,
}

/// As the service tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Network {
    tenant: String,
    network: String,
    last_day: String,
    pub(super) confirmed: bool,
}

/// A service answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints them, and the stanza that confirms those that are not.
pub(super) fn run(source: &Source, arguments: &NetworksArguments) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(AppError::from)?;
    let networks = ask(&config, &arguments.target)?;
    let mut out = std::io::stdout();
    if arguments.json {
        for network in &networks {
            writeln!(out, "{}", serde_json::to_string(network)?)?;
        }
        return Ok(());
    }
    if networks.is_empty() {
        return Ok(writeln!(out, "no network has enough users (signals.untrusted_ip.office_users)")?);
    }
    for Network { tenant, network, last_day, confirmed } in &networks {
        let state = if *confirmed { "confirmed" } else { "proposed" };
        writeln!(out, "{state:<9} {network}  tenant {tenant}, last used {last_day}")?;
    }
    if networks.iter().any(|network| !network.confirmed) {
        writeln!(out, "\nto confirm them, add to signals.confirmed_networks, and reload:")?;
        for Network { tenant, network, .. } in networks.iter().filter(|network| !network.confirmed) {
            // A tenant may have any name, and a text of JSON is one of TOML.
            writeln!(out, "  {{ network = \"{network}\", tenant = {} }},", serde_json::to_string(tenant)?)?;
        }
    }
    Ok(())
}

pub(super) fn ask(config: &Config, target: &TargetArguments) -> Result<Vec<Network>, Box<dyn Error>> {
    let target = target.admin_target(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = Request::get("/networks").body(Full::<Bytes>::default())?;
    let answer = runtime.block_on(Client::new(target).patient(PATIENCE).call(request))?;
    match answer.status {
        StatusCode::OK => Ok(serde_json::from_slice::<Answer>(&answer.body)?.networks),
        _ => Err(answer.problem().into()),
    }
}
