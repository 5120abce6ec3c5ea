//! Real services of a bench: askance over any memory, a `redis-server`, and a client that keeps its connection. They end with their
//! owner.

use crate::Failure;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";

/// A process that ends with its owner.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An askance with one worker over this memory, with keys of its own in `directory`; and its port.
pub(crate) fn askance(directory: &Path, memory: &str) -> Result<(Process, u16), Failure> {
    let at = |name: &str| directory.join(name);
    for name in ["pseudonymise.key", "device.key"] {
        if !at(name).exists() {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(at(name))?;
            file.write_all("5c".repeat(32).as_bytes())?;
        }
    }
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nworkers = 1\n[memory]\n{memory}\n\
         [privacy]\npseudonymise_key_file = '{}'\n[device_token]\nkey_files = ['{}']\n[telemetry]\nlog_format = \"json\"\n",
        at("pseudonymise.key").display(),
        at("device.key").display()
    );
    fs::write(at("askance.toml"), config)?;
    let log = at("askance.log");
    let child = Command::new(env!("CARGO_BIN_EXE_askance"))
        .arg("--config")
        .arg(at("askance.toml"))
        .arg("serve")
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    let process = Process(child);
    let port = eventually("askance", || main_port(&log))
        .map_err(|error| format!("{error}; its log: {}", fs::read_to_string(&log).unwrap_or_default()))?;
    Ok((process, port))
}

/// A `redis-server` that keeps what it is told, below `directory`; and its port.
pub(crate) fn redis(directory: &Path) -> Result<(Process, u16), Failure> {
    let port_number = free_port()?;
    let port = port_number.to_string();
    let child = Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""])
        .args(["--maxmemory-policy", "noeviction", "--dir"])
        .arg(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("redis-server: {error}"))?;
    let process = Process(child);
    eventually("redis-server", || TcpStream::connect(format!("127.0.0.1:{port}")).ok())?;
    Ok((process, port_number))
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn main_port(log: &Path) -> Option<u16> {
    let text = fs::read_to_string(log).ok()?;
    let entries = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut main = entries.filter(|entry| entry["message"] == "listening" && entry["listener"] == "main");
    main.next()?["address"].as_str()?.rsplit(':').next()?.parse().ok()
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{what} does not serve").into())
}

/// Makes users known: two devices, two networks, one place each.
pub(crate) fn import(port: u16, users: usize) -> Result<(), Failure> {
    let mut lines = String::new();
    for user in 0..users {
        for (day, device, network, agent) in [(3, "a", 1, CHROME), (2, "b", 2, SAFARI)] {
            lines.push_str(&format!(
                r#"{{"user":{{"id":"user-{user:06}"}},"ip":"{}","user_agent":"{agent}","device_id":"{device}-{user:030}","time":"{}","result":"success","mfa_passed":true,"edge":{{"asn":64500}},"location":{{"latitude":52.5,"longitude":13.4,"country":"DE"}}}}"#,
                address(user, network),
                day_before(day)
            ));
            lines.push('\n');
        }
    }
    let mut connection = Connection::open(port)?;
    let answer = connection.post("/v1/import", "application/x-ndjson", lines.as_bytes())?;
    let told: serde_json::Value = serde_json::from_slice(&answer)?;
    if told["rejected"] != 0 {
        return Err(format!("the import: {told}").into());
    }
    Ok(())
}

/// One of the addresses of a user, each in a /24 of its own.
fn address(user: usize, network: usize) -> String {
    format!("81.{}.{}.7", (user * 2 + network) / 256 % 256, (user * 2 + network) % 256)
}

fn day_before(days: u64) -> String {
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let then = i64::try_from(now_s - days * 86_400).unwrap_or_default();
    let then = time::OffsetDateTime::from_unix_timestamp(then).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    then.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// A client that keeps its connection.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// A usual login of a known user, which must be let in.
    pub(crate) fn score(&mut self, user: usize) -> Result<(), Failure> {
        let body = format!(
            r#"{{"user":{{"id":"user-{user:06}","enrolled_factors":["totp"]}},"ip":"{}","user_agent":"{CHROME}","device_id":"a-{user:030}"}}"#,
            address(user, 1)
        );
        let answer: serde_json::Value =
            serde_json::from_slice(&self.post("/v1/score", "application/json", body.as_bytes())?)?;
        if answer["action"] != "allow" || answer.get("degraded").is_some() {
            return Err(format!("a usual login: {answer}").into());
        }
        Ok(())
    }

    fn post(&mut self, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let stream = self.0.get_mut();
        let length = body.len();
        stream.write_all(
            format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n")
                .as_bytes(),
        )?;
        stream.write_all(body)?;
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err("the service closed the connection".into());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse()?;
            }
            head.push_str(&line);
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("{path}: {head}{}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(answer)
    }
}
