//! What reaches the hooks of a request that `askance doctor --through` sent through the operator's proxy.
//!
//! A probe is known by its nonce, wherever the proxy puts it: in the address, a cookie, the user agent or a header. Nothing
//! is decided by it; while none runs it costs a look at a flag.

use super::door::Door;
use super::request::HookRequest;
use crate::clock::{Clock, Started};
use crate::server::client_ip::Client;
use hyper::header::HeaderMap;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What stands in the values that a probe forges, so that it is known where they come through.
pub const MARK: &str = "askance-probe";
/// The same in place of an address. **Source:** RFC 5737, TEST-NET-1, which is nobody's.
pub const FORGED_ADDRESS: &str = "192.0.2.77";
/// A probe is over by then.
const LIFE: Duration = Duration::from_secs(60);
/// Requests that are noted: each case may pass a hook more than once, by redirects and images.
const SEEN_MAX: usize = 128;

/// A request of the probe, as the hooks understood it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which of the probe's requests it was: the number behind the nonce.
    pub case: u8,
    /// By which door it came.
    pub door: String,
    /// Who asked.
    pub peer: IpAddr,
    /// Whether that is a proxy which is believed (`hooks.trusted_proxies`).
    pub trusted: bool,
    /// The address that is judged, or why there is none.
    pub client: String,
    /// The user who is judged, or why there is none.
    pub user: String,
    /// Method, host, path and query of the request, as far as the proxy tells.
    pub method: Option<String>,
    /// See `method`.
    pub host: Option<String>,
    /// See `method`.
    pub path: Option<String>,
    /// Names of headers in which something came that the probe forged.
    pub forged: Vec<String>,
}

/// The probe that runs, if one does.
#[derive(Debug)]
pub(super) struct Probes {
    is_on: AtomicBool,
    running: Mutex<Option<Running>>,
    clock: Clock,
}

#[derive(Debug)]
struct Running {
    nonce: String,
    since: Started,
    seen: Vec<Seen>,
}

impl Probes {
    pub(super) fn new(clock: Clock) -> Self {
        Self { is_on: AtomicBool::new(false), running: Mutex::new(None), clock }
    }

    /// Begins a probe; one that runs ends.
    pub(super) fn begin(&self, nonce: String) {
        *self.lock() = Some(Running { nonce, since: self.clock.start(), seen: Vec::new() });
        self.is_on.store(true, Ordering::Release);
    }

    /// What was seen of it.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.lock().as_ref().map(|running| running.seen.clone()).unwrap_or_default()
    }

    /// Notes a request, if it is one of the probe; `user` is who is judged, or why nobody is.
    pub(super) fn note(&self, door: Door, (request, peer): (&HookRequest<'_>, IpAddr), user: impl FnOnce() -> String) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let mut running = self.lock();
        let Some(probe) = running.as_mut().filter(|probe| probe.since.elapsed() < LIFE) else {
            *running = None;
            return self.is_on.store(false, Ordering::Release);
        };
        let path = request.original.path_and_query;
        let values = || request.headers.iter().filter_map(|(_, value)| value.to_str().ok());
        let Some(case) = path.into_iter().chain(values()).find_map(|text| case(text, &probe.nonce)) else { return };
        if probe.seen.len() < SEEN_MAX {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let client = match request.client {
                Client::Known(address) => address.to_string(),
                Client::Unknown(cause) => cause.to_string(),
                Client::Error(error) => error.to_string(),
            };
            probe.seen.push(Seen {
                case,
                door: door.as_str().to_owned(),
                peer,
                trusted: request.is_trusted,
                client,
                user: user(),
                method: owned(request.original.method),
                host: owned(request.original.host),
                path: owned(path),
                forged: forged(request.headers),
            });
        }
    }

    /// No step between two states can panic.
    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number behind the nonce.
fn case(text: &str, nonce: &str) -> Option<u8> {
    let (_, behind) = text.split_once(nonce)?;
    let digits = behind.strip_prefix('-')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

fn forged(headers: &HeaderMap) -> Vec<String> {
    let is_forged = |value: &str| value.contains(MARK) || value.contains(FORGED_ADDRESS);
    let mut names: Vec<String> = headers
        .iter()
        .filter(|(_, value)| value.to_str().is_ok_and(is_forged))
        .map(|(name, _)| name.as_str().to_owned())
        .collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_number_behind_the_nonce() {
        for (text, expected) in [
            ("/x?p=f00d-3", Some(3)),
            ("/x?p=f00d-12&y=1", Some(12)),
            ("askance_probe=f00d-0; a=b", Some(0)),
            ("f00d", None),
            ("f00d-", None),
            ("f00d-999", None),
            ("other-1", None),
        ] {
            assert_eq!(case(text, "f00d"), expected, "{text}");
        }
    }
}
