//! Where somebody who is sent away goes, and where they come back to.

use super::assurance::{Errand, Facts};
use super::request::Original;
use super::ruling::Demand;
use super::settings::{ChallengeUrl, Settings, is_loopback};
use crate::clock::Timestamp;
use crate::memory::Memory;
use crate::mfa::visitor::Hosted;
use crate::mfa::{Mfa, MfaError};
use crate::server::api::Service;
use crate::server::error::Failure;
use crate::signing::SigningKeys;
use hyper::http::uri::Authority;

/// A longer address is returned to by its host only: what is signed stands in a header, for which nginx has 4 KB.
const URL_BYTES_MAX: usize = 1500;

/// The page, with what it needs to send its visitor back; `asked` is what asks, what a proof is good for, and who is asked, sealed.
pub(super) fn of_page(
    settings: &Settings,
    original: &Original<'_>,
    asked: Option<(Demand, Facts, Vec<u8>)>,
    keys: &SigningKeys,
    now: Timestamp,
) -> Option<String> {
    let page = settings.challenge_url.as_ref()?.as_str();
    let Some((demand, facts, who)) = asked else { return Some(page.to_owned()) };
    let url = of_return(settings, original).unwrap_or_default();
    // Where the user has nothing that is wanted, the page helps them to set it up.
    let wanted = demand.wanted.map_or(demand.offered, |wanted| wanted.factors);
    let in_common = wanted.both(demand.offered);
    let factors = if in_common.is_empty() { wanted } else { in_common };
    let asked = (demand.decision, demand.hard, factors);
    let errand = Errand::new(keys, asked, (facts, demand.device), (who, url));
    let separator = if page.contains('?') { '&' } else { '?' };
    Some(format!("{page}{separator}rd={}", errand.sign(keys, now)))
}

/// The address that was asked for, where a browser may be sent there.
///
/// **Source:** hooks.md: by https or on this machine, and exactly one of the hosts of the configuration.
fn of_return(settings: &Settings, original: &Original<'_>) -> Option<String> {
    let host = original.host?;
    // The parser knows what a host is; what it takes for a user is none here.
    let authority: Authority = host.parse().ok().filter(|_| !host.contains('@'))?;
    let scheme = match original.scheme? {
        "https" => "https",
        "http" if is_loopback(authority.host()) => "http",
        _ => return None,
    };
    let path = original.path_and_query.filter(|path| is_path(path)).unwrap_or("/");
    settings.may_return_to(host).then(|| format!("{scheme}://{host}{path}"))
}

impl<M: Memory> Service<M> {
    /// An address to which a page of ours may lead back, as a server names it.
    pub(in crate::server) fn return_address(&self, url: &str) -> Result<String, Failure> {
        let settings = &self.hooks.settings;
        let has_page = settings.listen.is_some() && settings.challenge_url.as_ref().is_some_and(ChallengeUrl::is_ours);
        if !has_page {
            let why = "needs a page of ours: hooks.listen, and hooks.challenge_url with the path /askance/challenge";
            return Err(Failure::invalid("return_to", why));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let original = Original { method: None, scheme: Some(scheme), host: Some(host), path_and_query: Some(path) };
        let known = of_return(settings, &original)
            .filter(|known| known.strip_suffix('/').is_some_and(|bare| bare == url) || known == url);
        known
            .ok_or_else(|| Failure::invalid("return_to", "must be an address by https on a host of hooks.return_hosts"))
    }

    /// The address of a page of ours for it.
    pub(in crate::server) fn page_of(&self, mfa: &Mfa<M>, hosted: &Hosted) -> Result<String, MfaError> {
        let page = self.hooks.settings.challenge_url.as_ref().map_or("", ChallengeUrl::as_str);
        let separator = if page.contains('?') { '&' } else { '?' };
        Ok(format!("{page}{separator}page={}", mfa.seal_hosted(hosted)?))
    }
}

/// Browsers take a backslash for a slash, and two in front for another host.
fn is_path(path: &str) -> bool {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    path.starts_with('/') && !path.starts_with("//") && is_plain && path.len() <= URL_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hosts: &[&str]) -> Settings {
        let host = |host: &&str| super::super::ReturnHost::try_from((*host).to_owned());
        let url = "https://login.example.org/mfa".to_owned().try_into();
        Settings {
            return_hosts: hosts.iter().map(host).collect::<Result<_, _>>().expect("they are hosts"),
            challenge_url: Some(url.expect("it is a URL")),
            ..Settings::default()
        }
    }

    #[test]
    fn nobody_is_sent_anywhere_but_to_the_hosts_of_the_configuration() {
        let listed = settings(&["app.example.org", "127.0.0.1:8080"]);
        let unlisted = settings(&[]);
        for (settings, scheme, host, path, expected) in [
            (&listed, "https", "app.example.org", "/a?b=1", Some("https://app.example.org/a?b=1")),
            (&listed, "https", "APP.example.org", "/", Some("https://APP.example.org/")),
            (&listed, "http", "app.example.org", "/", None),
            (&listed, "javascript", "app.example.org", "/", None),
            (&listed, "https", "app.example.org:8443", "/", None),
            (&listed, "https", "evil.example.org", "/", None),
            (&listed, "https", "app.example.org.evil.org", "/", None),
            (&listed, "https", "app.example.org@evil.org", "/", None),
            (&listed, "https", "login.example.org", "/", None),
            (&listed, "http", "127.0.0.1:8080", "/", Some("http://127.0.0.1:8080/")),
            (&listed, "https", "app.example.org", "//evil.org", Some("https://app.example.org/")),
            (&listed, "https", "app.example.org", "/\\evil.org", Some("https://app.example.org/")),
            (&listed, "https", "app.example.org", "@evil.org/", Some("https://app.example.org/")),
            (&listed, "https", "app.example.org", "/ä", Some("https://app.example.org/")),
            (&unlisted, "https", "login.example.org", "/x", Some("https://login.example.org/x")),
            (&unlisted, "https", "app.example.org", "/x", None),
        ] {
            let original =
                Original { method: None, scheme: Some(scheme), host: Some(host), path_and_query: Some(path) };
            assert_eq!(of_return(settings, &original).as_deref(), expected, "{scheme} {host} {path}");
        }
        assert_eq!(of_return(&listed, &Original::default()), None);
    }
}
