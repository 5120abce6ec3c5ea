//! How long a page of ours takes: the first look at it, which begins a challenge on the disk, and each one after it.

use crate::Failure;
use crate::load::{CHROME, latency_ns};
use crate::site::Askance;
use hdrhistogram::Histogram;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use tempfile::TempDir;

/// The default store, and whoever has no factor proves an address.
const CONFIG: &str = "[memory]\npath = 'state'\n[server]\nlisten = '127.0.0.1:0'\nadmin_listen = '127.0.0.1:0'\nworkers = 1\n\
[telemetry]\nlog_format = 'json'\n[hooks]\nlisten = '127.0.0.1:0'\ntrusted_proxies = ['127.0.0.1']\n\
challenge_url = 'http://localhost:8080/askance/challenge'\nemail_header = 'remote-email'\ndeadline_ms = 10000\n\
[mfa]\nenabled = true\nfactors = ['email', 'totp']\n[[mfa.connectors]]\nname = 'mail'\nkind = 'email'\ntype = 'http'\n\
url = 'http://127.0.0.1:9/'\nallow = ['127.0.0.0/8']\n";

/// In nanoseconds.
pub(crate) struct Looks {
    /// How long each first look took.
    pub(crate) first: Histogram<u64>,
    /// And each later one.
    pub(crate) again: Histogram<u64>,
    /// The heaviest page.
    pub(crate) bytes_max: usize,
}

struct Answer {
    status: String,
    location: String,
    cookie: String,
    bytes: usize,
}

/// So many users are asked, and each looks so often at the page that asks.
pub(crate) fn look(users: usize, again: usize) -> Result<Looks, Failure> {
    let directory = TempDir::new()?;
    let askance = Askance::start(directory.path(), CONFIG)?;
    let mut hooks = TcpStream::connect(askance.hooks)?;
    hooks.set_nodelay(true)?;
    let mut looks = Looks { first: latency_ns()?, again: latency_ns()?, bytes_max: 0 };
    for user in 0..users {
        let asked = exchange(
            &mut hooks,
            "/v1/hook/forward",
            &format!(
                "remote-user: user-{user}\r\nremote-email: user-{user}@example.org\r\nsec-fetch-mode: navigate\r\n\
                 x-forwarded-proto: http\r\nx-forwarded-host: localhost:8080\r\nx-forwarded-uri: /inbox\r\n"
            ),
        )?;
        let page = asked.location.strip_prefix("http://localhost:8080").ok_or("the hook does not lead to the page")?;
        let mut cookie = String::new();
        for number in 0..=again {
            let begun = Instant::now();
            let shown = exchange(&mut hooks, page, &cookie)?;
            let taken_ns = u64::try_from(begun.elapsed().as_nanos())?;
            if shown.status != "200" {
                return Err(format!("the page answers {}", shown.status).into());
            }
            if number == 0 {
                cookie = format!("cookie: {}\r\n", shown.cookie);
                looks.first.saturating_record(taken_ns);
            } else {
                looks.again.saturating_record(taken_ns);
            }
            looks.bytes_max = looks.bytes_max.max(shown.bytes);
        }
    }
    Ok(looks)
}

fn exchange(stream: &mut TcpStream, path: &str, more: &str) -> Result<Answer, Failure> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost:8080\r\nuser-agent: {CHROME}\r\nx-forwarded-for: 203.0.113.9\r\n{more}\r\n"
    )?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut answer = Answer { status, location: String::new(), cookie: String::new(), bytes: 0 };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "location" => value.clone_into(&mut answer.location),
            "set-cookie" => value.split(';').next().unwrap_or_default().clone_into(&mut answer.cookie),
            "content-length" => answer.bytes = value.parse()?,
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; answer.bytes])?;
    Ok(answer)
}
