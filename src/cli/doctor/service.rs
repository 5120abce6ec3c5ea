//! The running service, where there is one: what it says of itself.

use super::Finding;
use crate::cli::client::Client;
use crate::cli::networks;
use crate::cli::target::TargetArguments;
use crate::config::Config;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use std::error::Error;
use std::time::Duration;

/// What is read of `/readyz`.
#[derive(Debug, Deserialize)]
struct Readiness {
    status: String,
    #[serde(default)]
    notes: Vec<String>,
}

/// A service of this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A service that does not run is no mistake: then the files were looked at.
pub(super) fn findings(config: &Config, target: &TargetArguments) -> Vec<Finding> {
    match ask(config, target) {
        Err(error) => {
            vec![Finding::warning(
                "service",
                format!("it does not answer: {error}"),
                "start it, or name its admin listener: --url",
            )]
        }
        Ok(Readiness { status, notes }) => {
            let first = Finding::ok("service", format!("it is {status}"));
            let proposed = proposals(config, target);
            let notes = notes.into_iter().map(|note| Finding::warning("service", note, "see its log"));
            std::iter::once(first).chain(notes).chain(proposed).collect()
        }
    }
}

/// Networks that wait for the operator's word. Whoever may not see them is told nothing of them.
fn proposals(config: &Config, target: &TargetArguments) -> Option<Finding> {
    let networks = networks::ask(config, target).ok()?;
    let proposed = networks.iter().filter(|network| !network.confirmed).count();
    let text = format!("networks that many users log in from, and nobody confirmed: {proposed}");
    (proposed > 0)
        .then(|| Finding { mend: Some("`askance networks` lists them".to_owned()), ..Finding::ok("networks", text) })
}

fn ask(config: &Config, target: &TargetArguments) -> Result<Readiness, Box<dyn Error>> {
    let target = target.admin_target(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = Request::get("/readyz").body(Full::<Bytes>::default())?;
    let answer = runtime.block_on(Client::new(target).patient(PATIENCE).call(request))?;
    match answer.status {
        StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => Ok(serde_json::from_slice(&answer.body)?),
        _ => Err(answer.problem().into()),
    }
}
