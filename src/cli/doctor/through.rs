//! The proxy in front of the hooks: what of a request that forges who and where it is reaches them.
//!
//! The service is told to note what comes with a nonce; then requests go through the proxy as a client's would, each forging one thing;
//! then it is asked what it saw. Nobody is logged in by it, so that the hooks let none of them in.

use super::Finding;
use crate::cli::client::Client;
use crate::cli::target::TargetArguments;
use crate::config::Config;
use crate::server::hooks::probe::{FORGED_ADDRESS, MARK, Seen};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

const SUBJECT: &str = "proxy";
const FORGED_HOST: &str = "askance-probe.invalid";
const FORGED_PATH: &str = "/askance-probe/forged";
const FORGED_METHOD: &str = "ASKANCE-PROBE";
/// Has the mark of the probe in it.
const FORGED_EMAIL: &str = "askance-probe@example.org";
/// A proxy of this house answers by then, even if its hook does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request of the probe forges.
#[derive(Debug, Clone, Copy)]
enum Forgery {
    Nothing,
    Address(&'static str),
    User(Spelling),
    /// Only where a header names addresses: who has no factor proves what it says.
    Email(Spelling),
    Host(&'static str),
    Path(&'static str),
    Method(&'static str),
    /// Has the proxy drop what it wrote itself.
    Dropped,
}

/// How the name of a header is spelt that the configuration knows.
#[derive(Debug, Clone, Copy)]
enum Spelling {
    Exact,
    /// Some servers take an underscore for a hyphen.
    Underscores,
}

const FORGERIES: [Forgery; 17] = [
    Forgery::Nothing,
    Forgery::Address("x-forwarded-for"),
    Forgery::Address("x_forwarded_for"),
    Forgery::Address("x-real-ip"),
    Forgery::Address("forwarded"),
    Forgery::User(Spelling::Exact),
    Forgery::User(Spelling::Underscores),
    Forgery::Host("x-forwarded-host"),
    Forgery::Path("x-forwarded-uri"),
    Forgery::Path("x-original-uri"),
    Forgery::Path("x-original-url"),
    Forgery::Method("x-forwarded-method"),
    Forgery::Method("x-original-method"),
    Forgery::Method("x-http-method-override"),
    Forgery::Email(Spelling::Exact),
    Forgery::Email(Spelling::Underscores),
    Forgery::Dropped,
];

/// What is forged under this configuration, with the number by which it is known.
fn forgeries(config: &Config) -> impl Iterator<Item = (usize, Forgery)> {
    let is_tried = |forgery: Forgery| !matches!(forgery, Forgery::Email(_)) || config.hooks.email_header.is_some();
    FORGERIES.into_iter().enumerate().filter(move |(_, forgery)| is_tried(*forgery))
}

#[derive(Deserialize)]
struct Probe {
    nonce: String,
}

#[derive(Deserialize)]
struct Probed {
    seen: Vec<Seen>,
}

/// Sends the probe through the proxy at `url`.
pub(super) fn findings(config: &Config, target: &TargetArguments, (url, headers): (&str, &[String])) -> Vec<Finding> {
    match probe(config, target, (url, headers)) {
        Ok((statuses, seen)) => judge(config, url, &statuses, &seen),
        Err(error) => {
            let text = format!("it was not probed: {error}");
            vec![Finding::error(SUBJECT, text, "start service and proxy; --url names the service's admin listener")]
        }
    }
}

/// What the proxy answered each request, and what reached the hooks.
fn probe(
    config: &Config,
    target: &TargetArguments,
    (url, headers): (&str, &[String]),
) -> Result<(Vec<StatusCode>, Vec<Seen>), Box<dyn Error>> {
    let headers = headers.iter().map(|header| parse(header)).collect::<Result<Vec<_>, _>>()?;
    let url: Uri = url.parse().map_err(|_| format!("--through: {url:?} is no URL"))?;
    let is_site = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if !is_site || !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(format!("--through: {url} is no URL such as https://app.example.org/").into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut service = Client::new(target.admin_target(config)?);
    runtime.block_on(async {
        let begun = service.call(Request::post("/probe").body(Full::default())?).await?;
        if begun.status != StatusCode::OK {
            return Err(begun.problem().into());
        }
        let Probe { nonce } = serde_json::from_slice(&begun.body)?;
        let connector = HttpsConnectorBuilder::new().with_platform_verifier().https_or_http().enable_http1().build();
        let proxy = legacy::Client::builder(TokioExecutor::new()).build(connector);
        let mut statuses = Vec::new();
        for (case, forgery) in forgeries(config) {
            let mut request = request(config, &url, &format!("{nonce}-{case}"), forgery)?;
            for (name, value) in &headers {
                request.headers_mut().append(name, value.clone());
            }
            let answer = tokio::time::timeout(PATIENCE, proxy.request(request)).await;
            statuses.push(answer.map_err(|_| format!("{url} does not answer"))??.status());
        }
        let probed = service.call(Request::get("/probe").body(Full::default())?).await?;
        let Probed { seen } = serde_json::from_slice(&probed.body)?;
        Ok((statuses, seen))
    })
}

fn parse(header: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = header.split_once(':').and_then(|(name, value)| {
        let mut value = HeaderValue::try_from(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name.trim()).ok()?, value))
    });
    parsed.ok_or_else(|| "--header: it is no line such as \"Cookie: session=…\"".to_owned())
}

/// One request, with the nonce wherever a proxy may hand it on.
fn request(config: &Config, url: &Uri, nonce: &str, forgery: Forgery) -> Result<Request<Full<Bytes>>, Box<dyn Error>> {
    let separator = if url.query().is_some() { '&' } else { '?' };
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{separator}probe={nonce}").parse()?);
    let request = Request::get(Uri::from_parts(parts)?)
        .header(USER_AGENT, format!("askance-doctor {nonce}"))
        .header(format!("x-{MARK}"), nonce);
    let user = String::from(config.hooks.user_header.clone());
    let email = email_header(config);
    let request = match forgery {
        Forgery::Nothing => request,
        Forgery::Address("forwarded") => request.header("forwarded", format!("for={FORGED_ADDRESS};by={MARK}")),
        Forgery::Address(name) => request.header(name, FORGED_ADDRESS),
        Forgery::User(Spelling::Exact) => request.header(user, MARK),
        Forgery::User(Spelling::Underscores) => request.header(user.replace('-', "_"), MARK),
        Forgery::Email(Spelling::Exact) => request.header(email, FORGED_EMAIL),
        Forgery::Email(Spelling::Underscores) => request.header(email.replace('-', "_"), FORGED_EMAIL),
        Forgery::Host(name) => request.header(name, FORGED_HOST),
        Forgery::Path(name @ "x-original-url") => request.header(name, format!("https://{FORGED_HOST}{FORGED_PATH}")),
        Forgery::Path(name) => request.header(name, FORGED_PATH),
        Forgery::Method(name) => request.header(name, FORGED_METHOD),
        Forgery::Dropped => {
            let address = HeaderName::try_from(String::from(config.hooks.client_ip_header.clone()))?;
            let named: Vec<&str> =
                [address.as_str(), &user, &email].into_iter().filter(|name| !name.is_empty()).collect();
            request.header(CONNECTION, HeaderValue::try_from(format!("close, {}", named.join(", ")))?)
        }
    };
    Ok(request.body(Full::default())?)
}

/// The header that names addresses; empty where none does.
fn email_header(config: &Config) -> String {
    config.hooks.email_header.clone().map(String::from).unwrap_or_default()
}

/// In words: what got through, and the line that mends it.
fn judge(config: &Config, url: &str, statuses: &[StatusCode], seen: &[Seen]) -> Vec<Finding> {
    let plain = seen.iter().find(|seen| usize::from(seen.case) == 0);
    let Some(plain) = plain else {
        let status = statuses.first().map(StatusCode::to_string).unwrap_or_default();
        let text = format!("no request to {url} reached the hooks (it answered {status})");
        let mend = "have the proxy ask for this path, too (docs/INTEGRATIONS.md); where it asks only for who is logged in, go as one: --header \"Cookie: …\"";
        return vec![Finding::error(SUBJECT, text, mend)];
    };
    let mut all = vec![Finding::ok(SUBJECT, reached(plain))];
    if !plain.trusted {
        let text = format!("{} asks, and is not believed: its own address is judged, and no user", plain.peer);
        all.push(Finding::error(SUBJECT, text, format!("hooks.trusted_proxies = [\"{}\"]", plain.peer)));
    }
    let before = all.len();
    if plain.trusted && plain.client.parse::<IpAddr>().is_err() {
        let header = String::from(config.hooks.client_ip_header.clone());
        let text = format!("this proxy does not say who its client is: {}", plain.client);
        all.push(Finding::error(SUBJECT, text, mended(&plain.door, &header, "$remote_addr")));
    }
    for seen in seen {
        if let Some(forgery) = FORGERIES.get(usize::from(seen.case)) {
            all.extend(finding(config, *forgery, seen));
        }
    }
    let tried = forgeries(config).count() - 1;
    let refused = tried - seen.iter().filter(|seen| seen.case > 0).count().min(tried);
    if all.len() == before {
        let refused = if refused > 0 { format!("; it refuses {refused} of them by itself") } else { String::new() };
        let names: BTreeSet<&str> = seen.iter().flat_map(|seen| &seen.forged).map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let came = if names.is_empty() {
            String::new()
        } else {
            format!("; comes through all the same: {}", names.join(", "))
        };
        let text = format!("nothing that a client forges is believed ({tried} ways tried{refused}{came})");
        all.push(Finding::ok(SUBJECT, text));
    }
    all
}

fn reached(plain: &Seen) -> String {
    let Seen { door, client, user, host, path, .. } = plain;
    let told = |told: &Option<String>| told.as_deref().unwrap_or("not told").to_owned();
    format!("door {door}: client {client}, user: {user}, host {}, path {}", told(host), told(path))
}

fn finding(config: &Config, forgery: Forgery, seen: &Seen) -> Option<Finding> {
    let door = seen.door.as_str();
    let user = String::from(config.hooks.user_header.clone());
    match forgery {
        Forgery::Nothing => None,
        Forgery::Address(name) => (seen.client == FORGED_ADDRESS).then(|| {
            let text = format!("this proxy lets clients choose their address (by {name})");
            Finding::error(SUBJECT, text, mended(door, name, "$remote_addr"))
        }),
        Forgery::User(_) => (seen.user.eq_ignore_ascii_case(MARK)).then(|| {
            let text = format!("this proxy lets clients choose who they are (by {user})");
            Finding::error(SUBJECT, text, mended(door, &user, "the user that your identity hook found"))
        }),
        Forgery::Email(_) => {
            let email = email_header(config);
            seen.forged.contains(&email).then(|| {
                let text = format!("this proxy lets clients choose the address that they prove (by {email})");
                Finding::error(
                    SUBJECT,
                    text,
                    mended(door, &email, "the address that your identity hook found, or \"\""),
                )
            })
        }
        Forgery::Host(name) => (seen.host.as_deref() == Some(FORGED_HOST)).then(|| {
            let text = format!("this proxy lets clients choose the host (by {name})");
            Finding::error(SUBJECT, text, mended(door, name, "$host"))
        }),
        Forgery::Path(name) => seen.path.as_ref().is_some_and(|path| path.starts_with(FORGED_PATH)).then(|| {
            let text = format!("this proxy lets clients choose the path that step-up rules see (by {name})");
            Finding::error(SUBJECT, text, mended(door, name, "$request_uri"))
        }),
        Forgery::Method(name) => (seen.method.as_deref() == Some(FORGED_METHOD)).then(|| {
            let text = format!("this proxy lets clients choose the method that step-up rules see (by {name})");
            Finding::error(SUBJECT, text, mended(door, name, "$request_method"))
        }),
        Forgery::Dropped => None,
    }
}

/// The line that mends it.
fn mended(door: &str, header: &str, value: &str) -> String {
    match door {
        "nginx" => format!("in the location of the hook: proxy_set_header {header} {value};"),
        "envoy" => "in the connection manager: use_remote_address: true, and in the filter that names users: replace()"
            .to_owned(),
        _ => format!(
            "overwrite {header} in front of the hook: Caddy `header_up`, Traefik without forwardedHeaders.insecure, HAProxy `http-request set-header`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn seen(case: u8) -> Seen {
        Seen {
            case,
            door: "nginx".to_owned(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            trusted: true,
            client: "127.0.0.1".to_owned(),
            user: "alice".to_owned(),
            method: Some("GET".to_owned()),
            host: Some("app.example.org".to_owned()),
            path: Some("/".to_owned()),
            forged: Vec::new(),
        }
    }

    fn texts(seen: &[Seen]) -> Vec<String> {
        let mut config = Config::default();
        config.hooks.email_header = Some("Remote-Email".to_owned().try_into().unwrap());
        let findings = judge(&config, "https://app.example.org/", &[StatusCode::OK], seen);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_got_through_is_said_in_words() {
        let fine = texts(&[seen(0), seen(1)]);
        assert!(fine.len() == 2 && fine.iter().all(|text| text.starts_with("ok")), "{fine:?}");
        for (changed, word) in [
            (Seen { client: FORGED_ADDRESS.to_owned(), ..seen(1) }, "choose their address"),
            (Seen { user: MARK.to_owned(), ..seen(5) }, "choose who they are"),
            (Seen { host: Some(FORGED_HOST.to_owned()), ..seen(7) }, "choose the host"),
            (Seen { path: Some(FORGED_PATH.to_owned()), ..seen(8) }, "choose the path"),
            (Seen { method: Some(FORGED_METHOD.to_owned()), ..seen(11) }, "choose the method"),
            (
                Seen { forged: vec!["remote-email".to_owned()], ..seen(14) },
                "choose the address that they prove (by remote-email)",
            ),
        ] {
            let told = texts(&[seen(0), changed]);
            assert!(told.len() == 2 && told[1].starts_with("error") && told[1].contains(word), "{told:?}");
        }
        let unnamed = texts(&[Seen { client: "no header".to_owned(), ..seen(0) }]);
        assert!(unnamed[1].contains("does not say who its client is"), "{unnamed:?}");
        assert!(texts(&[])[0].contains("no request"), "the hooks were not asked");
        assert!(texts(&[Seen { trusted: false, ..seen(0) }])[1].contains("trusted_proxies"));
    }
}
