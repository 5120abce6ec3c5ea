//! Real services of a bench: askance over any memory, a `redis-server`, and a client that keeps its connection. They end with their
//! owner.

use crate::Failure;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
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

/// An askance that serves, and ends with its owner.
pub(crate) struct Program {
    process: Process,
    pub(crate) port: u16,
    admin_port: u16,
}

impl Program {
    /// Leaves everything in order.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = self.process.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.process.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("askance ended with {status}").into()) }
    }

    /// Leaves everything as it is.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        Ok(())
    }

    /// A gauge of its metrics, if it has one of that name.
    pub(crate) fn gauge(&self, name: &str) -> Option<f64> {
        let text = Connection::open(self.admin_port).ok()?.ask("GET", "/metrics", "text/plain", &[]).ok()?;
        let text = String::from_utf8(text).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.parse().ok()
    }

    /// Resident bytes: `VmRSS:` is all, `RssFile:` those that are in a file as well, as the program is.
    pub(crate) fn resident_bytes(&self, name: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no resident bytes")?;
        Ok(value.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
    }

    /// Seconds that all of its threads have run.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu_seconds(&format!("/proc/{}/stat", self.process.0.id()))
    }
}

/// Seconds that all threads of a process have run, which other work on the machine does not lengthen as it does waiting.
pub(crate) fn cpu_seconds(stat: &str) -> Result<f64, Failure> {
    let stat = fs::read_to_string(stat)?;
    // Behind the name, which may hold anything: user time is the 12th field, system time the 13th, in hundredths.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<u32>, _> = fields.map(str::parse::<u32>).collect();
    Ok(f64::from(ticks?.iter().sum::<u32>()) / 100.0)
}

/// An askance with these lines in `[server]` and these tables, with keys of its own in `directory`.
pub(crate) fn askance(directory: &Path, server: &str, tables: &str) -> Result<Program, Failure> {
    let at = |name: &str| directory.join(name);
    for name in ["pseudonymise.key", "device.key"] {
        if !at(name).exists() {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(at(name))?;
            file.write_all("5c".repeat(32).as_bytes())?;
        }
    }
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{server}\n[privacy]\npseudonymise_key_file = '{}'\n\
         [device_token]\nkey_files = ['{}']\n[telemetry]\nlog_format = \"json\"\n{tables}",
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
    let ports = || Some((port(&log, "main")?, port(&log, "admin")?));
    let (port, admin_port) = eventually("askance", ports)
        .map_err(|error| format!("{error}; its log: {}", fs::read_to_string(&log).unwrap_or_default()))?;
    Ok(Program { process, port, admin_port })
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

fn port(log: &Path, listener: &str) -> Option<u16> {
    let text = fs::read_to_string(log).ok()?;
    let entries = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut of_it = entries.filter(|entry| entry["message"] == "listening" && entry["listener"] == listener);
    of_it.next()?["address"].as_str()?.rsplit(':').next()?.parse().ok()
}

pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("{what} does not serve").into())
}

/// Makes users known: two devices, two networks, one place each, which is said with the login or found by its address.
pub(crate) fn import(port: u16, users: Range<usize>, place: &str) -> Result<(), Failure> {
    let mut lines = String::new();
    for user in users {
        for (day, device, network, agent) in [(3, "a", 1, CHROME), (2, "b", 0, SAFARI)] {
            lines.push_str(&format!(
                r#"{{"user":{{"id":"user-{user:06}"}},"ip":"{}","user_agent":"{agent}","device_id":"{device}-{user:030}","time":"{}","result":"success","mfa_passed":true{place}}}"#,
                address(user, network),
                day_before(day)
            ));
            lines.push('\n');
        }
    }
    let answer = Connection::open(port)?.ask("POST", "/v1/import", "application/x-ndjson", lines.as_bytes())?;
    let told: serde_json::Value = serde_json::from_slice(&answer)?;
    if told["rejected"] != 0 {
        return Err(format!("the import: {told}").into());
    }
    Ok(())
}

/// A place that is said.
pub(crate) const BERLIN: &str = r#","edge":{"asn":64500},"location":{"latitude":52.5,"longitude":13.4,"country":"DE"}"#;
/// One that is to be found.
pub(crate) const BY_ADDRESS: &str = "";

/// One of the addresses of a user, each in a /24 of its own, both of them in one /23.
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
            serde_json::from_slice(&self.ask("POST", "/v1/score", "application/json", body.as_bytes())?)?;
        if answer["action"] != "allow" || answer.get("degraded").is_some() {
            return Err(format!("a usual login: {answer}").into());
        }
        Ok(())
    }

    fn ask(&mut self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let stream = self.0.get_mut();
        let length = body.len();
        stream.write_all(
            format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n")
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
