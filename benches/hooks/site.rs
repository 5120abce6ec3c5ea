//! The site, askance, and the proxies between them, each at an address of its own; all of it ends with its owner.

use crate::Failure;
use crate::load::{CHROME, HOME, Load};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const SITE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nthe site";

/// A proxy, with the hook or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proxy {
    Nginx,
    NginxBare,
    Envoy,
    EnvoyBare,
    Caddy,
}

/// Everything behind the proxies.
pub(crate) struct Site {
    directory: TempDir,
    askance: Askance,
    proxies: Mutex<Vec<Process>>,
    next: AtomicUsize,
}

/// The service, with its files in a directory.
pub(crate) struct Askance {
    main: SocketAddr,
    pub(crate) hooks: SocketAddr,
    _process: Process,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Proxy {
    /// Its directory among the examples, and how it is started there.
    fn example(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Nginx | Self::NginxBare => ("nginx", &["nginx", "-p", ".", "-c", "nginx.conf"]),
            Self::Envoy | Self::EnvoyBare => (
                "envoy",
                &[
                    "envoy",
                    "--config-path",
                    "envoy.yaml",
                    "--concurrency",
                    "1",
                    "--use-dynamic-base-id",
                    "--log-level",
                    "error",
                ],
            ),
            Self::Caddy => ("caddy", &["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"]),
        }
    }

    /// The example's configuration, for this proxy, at this address, with hooks there.
    fn configuration(self, text: &str, own: Ipv4Addr, hooks: SocketAddr) -> String {
        let text = text
            .replace("127.0.0.1:8472", &hooks.to_string())
            .replace("127.0.0.1, port_value: 8472", &format!("{}, port_value: {}", hooks.ip(), hooks.port()))
            // nginx ends a connection of a client after a thousand requests.
            .replace("access_log off;", "access_log off; keepalive_requests 100000000;")
            // It is killed, and its worker would live on.
            .replace("daemon off;", "daemon off; master_process off;");
        let text = match self {
            Self::NginxBare => text.replace("auth_request /_askance;", ""),
            Self::EnvoyBare => text.replace(
                "              - match: {prefix: /}\n                route: {cluster: app}\n",
                "              - match: {prefix: /}\n                route: {cluster: app}\n                typed_per_filter_config:\n                  \
                 envoy.filters.http.ext_authz: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}\n",
            ),
            Self::Nginx | Self::Envoy | Self::Caddy => text,
        };
        // The site and the proxy itself; what stands for the hooks is done.
        [":8080", ":8081", ", port_value: 8080", ", port_value: 8081", "\n"]
            .iter()
            .fold(text, |text, end| text.replace(&format!("127.0.0.1{end}"), &format!("{own}{end}")))
    }
}

impl Askance {
    pub(crate) fn start(directory: &Path, config: &str) -> Result<Self, Failure> {
        fs::write(directory.join("askance.toml"), config)?;
        let log = directory.join("askance.log");
        let child = Command::new(env!("CARGO_BIN_EXE_askance"))
            .arg("--config")
            .arg(directory.join("askance.toml"))
            .arg("serve")
            .current_dir(directory)
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let process = Process(child);
        let address = |listener: &str| {
            let log = fs::read_to_string(&log).ok()?;
            let of = |line: &str| {
                let entry: serde_json::Value = serde_json::from_str(line).ok()?;
                (entry["listener"] == listener).then(|| entry["address"].as_str()?.parse::<SocketAddr>().ok()).flatten()
            };
            log.lines().find_map(of)
        };
        let main = eventually("askance", || address("main"))?;
        let hooks = eventually("the hooks of askance", || address("hooks"))?;
        Ok(Self { main, hooks, _process: process })
    }
}

impl Site {
    pub(crate) fn start() -> Result<Self, Failure> {
        let directory = TempDir::new()?;
        let config = "memory.backend = 'volatile'\n[server]\nlisten = '127.0.0.1:0'\nadmin_listen = '127.0.0.1:0'\nworkers = 1\n\
                      [telemetry]\nlog_format = 'json'\n[hooks]\nlisten = '127.0.0.1:0'\ntrusted_proxies = ['127.0.0.1']\n\
                      challenge_url = 'http://127.0.0.1:8081/prove'\ndeadline_ms = 10000\n";
        let askance = Askance::start(directory.path(), config)?;
        remember_alice(askance.main)?;
        Ok(Self { directory, askance, proxies: Mutex::default(), next: AtomicUsize::new(0) })
    }

    /// Starts a proxy, and sees that alice is let in.
    pub(crate) async fn connect(&self, proxy: Proxy) -> Result<Load, Failure> {
        let own = self.own_address()?;
        self.through(proxy, own, self.askance.hooks).await
    }

    /// How many connections this proxy opens to the hooks for so many requests.
    pub(crate) async fn connections(&self, proxy: Proxy, asked: usize) -> Result<usize, Failure> {
        let own = self.own_address()?;
        let between = SocketAddr::new(own.into(), 8472);
        let opened = relay(between, self.askance.hooks)?;
        let load = self.through(proxy, own, between).await?;
        let before = opened.load(Ordering::Relaxed);
        load.ask(asked).await?;
        Ok(opened.load(Ordering::Relaxed) - before)
    }

    async fn through(&self, proxy: Proxy, own: Ipv4Addr, hooks: SocketAddr) -> Result<Load, Failure> {
        serve_site(SocketAddr::new(own.into(), 8081))?;
        self.start_proxy(proxy, own, hooks)?;
        let address = SocketAddr::new(own.into(), 8080);
        eventually("the proxy", || TcpStream::connect(address).ok())?;
        let load = Load::new(address);
        load.ask(3).await.map_err(|why| format!("{proxy:?}: {why}"))?;
        Ok(load)
    }

    fn start_proxy(&self, proxy: Proxy, own: Ipv4Addr, hooks: SocketAddr) -> Result<(), Failure> {
        let (example, command) = proxy.example();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/proxies").join(example);
        let to: PathBuf = self.directory.path().join(own.to_string());
        fs::create_dir_all(to.join("tmp"))?;
        for file in fs::read_dir(from)? {
            let file = file?;
            fs::write(to.join(file.file_name()), proxy.configuration(&fs::read_to_string(file.path())?, own, hooks))?;
        }
        let log = fs::File::create(to.join("log.txt"))?;
        let started = Command::new(command[0])
            .args(&command[1..])
            .current_dir(&to)
            .env("HOME", &to)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", command[0]))?;
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).push(Process(started));
        Ok(())
    }

    /// One that nobody has. No two benches run at once on one machine, and if they do, their process ids differ.
    fn own_address(&self) -> Result<Ipv4Addr, Failure> {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let number = u8::try_from(self.next.fetch_add(1, Ordering::Relaxed) + 200)?;
        Ok(Ipv4Addr::new(127, number, high, low.max(1)))
    }
}

fn remember_alice(main: SocketAddr) -> Result<(), Failure> {
    let yesterday = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() - 86_400;
    let time = time::OffsetDateTime::from_unix_timestamp(i64::try_from(yesterday)?)?;
    let time = time.format(&time::format_description::well_known::Rfc3339)?;
    let line = json!({"user": {"id": "alice"}, "ip": HOME, "user_agent": CHROME, "time": time, "result": "success"})
        .to_string();
    let mut stream = TcpStream::connect(main)?;
    write!(
        stream,
        "POST /v1/import HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{line}",
        line.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.contains("\"recorded\":1") { Ok(()) } else { Err(answer.into()) }
}

/// The site: keeps connections, and answers every head.
fn serve_site(address: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(address)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer_all(stream));
        }
    });
    Ok(())
}

fn answer_all(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        received.extend_from_slice(&buffer[..read]);
        while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            received.drain(..end + 4);
            stream.write_all(SITE).ok()?;
        }
    }
}

/// Hands connections on to the hooks, and counts them.
fn relay(from: SocketAddr, to: SocketAddr) -> Result<Arc<AtomicUsize>, Failure> {
    let (listener, opened) = (TcpListener::bind(from)?, Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&opened);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::Relaxed);
            let Some((near, far)) = TcpStream::connect(to).ok().map(|far| (stream, far)) else { continue };
            for (reader, writer) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                if let (Ok(mut reader), Ok(mut writer)) = (reader, writer) {
                    writer.set_nodelay(true).unwrap_or_default();
                    std::thread::spawn(move || {
                        std::io::copy(&mut reader, &mut writer).map(drop).unwrap_or_default();
                        writer.shutdown(std::net::Shutdown::Write).unwrap_or_default();
                    });
                }
            }
        }
    });
    Ok(opened)
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("{what} does not come up").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
