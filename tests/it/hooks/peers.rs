//! A site behind a real reverse proxy that asks the hooks: the proxy, the application behind it, and askance, each on a loopback port.
//!
//! A client's address is the one that it connects from: 127.0.0.2 has been here before, all of 127.66.0.0/16 is on a list.

use super::support::{CHALLENGE_URL, settings};
use crate::support::{Askance, CHROME, Connection, PATIENCE, Request, Response, Settings, eventually, import};
use serde_json::json;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Who has been here before.
const HOME: &str = "127.0.0.2";
/// Who is on a list.
const ABUSER: &str = "127.66.0.1";
/// What every proxy copies from an allow to the application, and takes away from clients.
pub(crate) const ADVERTISED: [&str; 6] = [
    "x-askance-action",
    "x-askance-confidence",
    "x-askance-score",
    "x-askance-reasons",
    "x-askance-decision",
    "x-askance-user",
];

/// False only on a machine without peers, whose owner said so; where tests count, one that is missing fails the run.
pub(crate) fn is_tested(program: &str) -> bool {
    let is_there = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    if is_there.is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("ASKANCE_SKIP_PEERS").is_some(),
        "{program} is not installed, and ASKANCE_SKIP_PEERS is not set"
    );
    false
}

/// All of it. What was started ends with it.
pub(crate) struct Site {
    askance: Askance,
    settings: Settings,
    app: App,
    proxy: Child,
    address: SocketAddr,
    directory: TempDir,
}

/// Where everybody is, for a proxy's configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'p> {
    pub(crate) proxy: SocketAddr,
    pub(crate) hooks: SocketAddr,
    /// Port 0 where there is none.
    pub(crate) grpc: SocketAddr,
    pub(crate) app: SocketAddr,
    pub(crate) directory: &'p Path,
}

/// Settings for a proxy on this machine: nobody else here is believed. What a proxy does is not to depend on how busy the machine is.
pub(crate) fn behind_a_proxy() -> Settings {
    let trusted = toml::Value::Array(vec!["127.0.0.1".into()]);
    settings().set("hooks.trusted_proxies", trusted).set("hooks.deadline_ms", 20_000)
}

impl Site {
    /// Starts `program` with the arguments that `configure` gives once it has written what they name.
    pub(crate) fn start(
        settings: Settings,
        program: &str,
        configure: impl Fn(Places<'_>) -> Vec<String>,
    ) -> Option<Self> {
        if !is_tested(program) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let list = directory.path().join("abuse.netset");
        std::fs::write(&list, "127.66.0.0/16\n").unwrap();
        let settings = settings.abuse_list(&list);
        let askance = Askance::start(&settings);
        import(&askance, "alice", json!({"ip": HOME, "device_id": null}));
        let app = App::start();
        let (proxy, address) = eventually("a port that nobody took first", || {
            let address = free_address()?;
            let (hooks, grpc) = (askance.hooks().address(), askance.grpc().address());
            let places = Places { proxy: address, hooks, grpc, app: app.address, directory: directory.path() };
            let arguments = configure(places);
            let mut proxy = Command::new(program)
                .args(arguments)
                .current_dir(directory.path())
                .env("HOME", directory.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(directory.path().join("proxy.log")).unwrap())
                .spawn()
                .unwrap();
            is_up(&mut proxy, address).then_some((proxy, address))
        });
        let site = Self { askance, settings, app, proxy, address, directory };
        // Traefik listens before it knows what to do. Nobody is let in from there.
        eventually("the proxy knows the site", || {
            let answer = site.try_ask(ABUSER, site.request("GET", &[])).ok()?;
            (answer.status != 404).then_some(())
        });
        Some(site)
    }

    /// What askance was started with.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Where clients ask.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where askance is administered.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.askance.admin().address()
    }

    /// What a client at `from` is answered, its connection its own.
    fn ask(&self, from: &str, request: Request) -> Response {
        self.try_ask(from, request).unwrap()
    }

    fn try_ask(&self, from: &str, request: Request) -> io::Result<Response> {
        self.begin(from, request)?.read_response()
    }

    /// Asks, and leaves it to the caller to wait for the answer.
    fn begin(&self, from: &str, request: Request) -> io::Result<Connection> {
        let mut connection = Connection::over(connect(from, self.address)?);
        let request = request.header("host", "app.example.org").header("connection", "close");
        connection.write(&request.bytes(&crate::support::client::Endpoint::Tcp(self.address)))?;
        Ok(connection)
    }

    fn get(&self, from: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(from, self.request("GET", headers))
    }

    /// A request of a browser that is logged in as alice.
    fn request(&self, method: &str, headers: &[(&str, &str)]) -> Request {
        let usual = Request::new(method, "/inbox?user=mallory&x=1").header("user-agent", CHROME);
        // alice:secret
        let usual = usual.header("authorization", "Basic YWxpY2U6c2VjcmV0");
        headers.iter().fold(usual, |request, (name, value)| request.header(name, value))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.proxy.kill().ok();
        self.proxy.wait().ok();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("proxy.log")).unwrap_or_default();
            eprintln!("--- log of the proxy ---\n{log}\n---");
        }
    }
}

/// A port that the system gives to nobody by itself, so that no other test has it by chance.
pub(crate) fn free_address() -> Option<SocketAddr> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    TcpListener::bind(("127.0.0.1", 10_000 + port % 20_000)).ok()?.local_addr().ok()
}

/// False when it ended, since somebody else has the port.
fn is_up(proxy: &mut Child, address: SocketAddr) -> bool {
    eventually("the proxy listens", || {
        if proxy.try_wait().unwrap().is_some() {
            return Some(false);
        }
        TcpStream::connect(address).is_ok().then_some(true)
    })
}

/// From an address of this machine's choice: all of 127.0.0.0/8 is it.
fn connect(from: &str, to: SocketAddr) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0))?;
        socket.connect(to).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Names and values of a request's headers.
type Head = Vec<(String, String)>;

/// The application: notes the head of each request, and answers `the app`.
struct App {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Head>>>,
}

impl App {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Of one that goes away in the middle, nothing is noted.
                answer(stream, &notes);
            }
        });
        Self { address, seen }
    }

    /// The headers of the requests that reached it since the last time.
    fn seen(&self) -> Vec<Head> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn answer(stream: TcpStream, notes: &Mutex<Vec<Head>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (Vec::new(), 0);
    let mut lines = std::iter::from_fn(|| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    });
    lines.next()?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        head.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    // Before it is answered, so that whoever has the answer finds the note.
    notes.lock().unwrap().push(head);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nthe app";
    reader.get_mut().write_all(answer).ok()
}

fn assert_passed(site: &Site, answer: &Response, user: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (200, "the app"), "{answer:?}");
    assert_told(&site.app.seen(), user);
}

/// What reached the application is what the hook said, once each, whatever the client claimed.
fn assert_told(seen: &[Head], user: &str) {
    let [head] = seen else { panic!("{seen:?}") };
    for name in ADVERTISED {
        let values: Vec<&str> =
            head.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str()).collect();
        let expected = match name {
            "x-askance-action" => Some("allow"),
            "x-askance-user" => Some(user),
            _ => None,
        };
        assert!(values.len() == 1 && values[0] != "forged" && !values[0].contains('{'), "{name}: {head:?}");
        assert!(expected.is_none_or(|expected| values == [expected]), "{name}: {head:?}");
    }
}

/// Nothing of it reached the application.
fn assert_stopped(site: &Site, answer: &Response, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(site.app.seen(), Vec::<Head>::new());
}

fn assert_sent_away(site: &Site, answer: &Response, status: u16) {
    assert_stopped(site, answer, status);
    let location = answer.header("location").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(location.starts_with(CHALLENGE_URL), "{location}");
}

/// What clients send to be taken for somebody else, or to be let in.
const FORGED: [(&str, &str); 14] = [
    ("x-forwarded-for", HOME),
    ("x_forwarded_for", HOME),
    ("x-real-ip", HOME),
    ("forwarded", "for=127.0.0.2"),
    ("x-forwarded-host", "evil.example.org"),
    ("x-forwarded-uri", "/public"),
    ("x-forwarded-method", "OPTIONS"),
    ("x-original-url", "https://app.example.org/public"),
    ("remote-user", "mallory"),
    ("remote_user", "mallory"),
    ("connection", "close, x-forwarded-for, remote-user"),
    ("x-askance-action", "forged"),
    ("x-askance-user", "forged"),
    ("x-askance-score", "forged"),
];

/// Starts a site behind the proxy that is tested; `None` where there is none.
pub(crate) type Start<'s> = &'s dyn Fn(Settings) -> Option<Site>;

const NAVIGATION: [(&str, &str); 2] = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];

/// Every verdict, by every kind of request; `redirects` is whether the proxy hands on the answers of a hook as they are.
pub(crate) fn check_reactions(start: Start<'_>, redirects: bool) {
    let Some(site) = start(behind_a_proxy()) else { return };
    for (method, moved) in [("GET", 302), ("POST", 303), ("PUT", 303), ("DELETE", 303)] {
        let request = |headers: &[(&str, &str)]| {
            let request = site.request(method, headers);
            if method == "GET" { request } else { request.body("a=1&b=2") }
        };
        assert_passed(&site, &site.ask(HOME, request(&[])), "alice");
        let navigation = site.ask(ABUSER, request(&NAVIGATION));
        let program = site.ask(ABUSER, request(&[]));
        assert_sent_away(&site, &navigation, if redirects { moved } else { 302 });
        assert_sent_away(&site, &program, if redirects { 401 } else { 302 });
        assert!(program.header("www-authenticate").is_some(), "{program:?}");
    }
    let refusing = behind_a_proxy().set("hooks.on_error", "deny").set("hooks.user_header", "x-nobody-sets");
    let Some(site) = start(refusing) else { return };
    assert_stopped(&site, &site.get(HOME, &[]), 403);
}

/// Whatever a client sends, it is who and where it is. `refused` are headers that the proxy does not take, or by which it loses the name that
/// it gave: whoever sends them gets nowhere, from wherever.
pub(crate) fn check_forgeries(start: Start<'_>, challenge: u16, refused: &[&str]) {
    let Some(site) = start(behind_a_proxy()) else { return };
    for forged in FORGED {
        let [from_a_list, at_home] = [ABUSER, HOME].map(|from| (site.get(from, &[forged]), site.app.seen()));
        if refused.contains(&forged.0) {
            for (answer, seen) in [from_a_list, at_home] {
                assert!(matches!(answer.status, 302 | 400 | 401) && seen.is_empty(), "{forged:?}: {answer:?}");
            }
            continue;
        }
        let (answer, seen) = from_a_list;
        assert!(answer.status == challenge && seen.is_empty(), "{forged:?}: {answer:?}");
        let (answer, seen) = at_home;
        assert_eq!(answer.status, 200, "{forged:?}: {answer:?}");
        assert_told(&seen, "alice");
    }
}

/// A sidecar that hangs, and one that is gone. A proxy whose patience cannot be set waits for longer than a test may: whoever asks through it
/// is not answered, and reaches nobody, until the sidecar is gone.
pub(crate) fn check_failures(start: Start<'_>, status: u16, has_patience: bool) {
    let Some(site) = start(behind_a_proxy()) else { return };
    assert_passed(&site, &site.get(HOME, &[]), "alice");
    if has_patience {
        site.askance.signal("STOP");
        assert_stopped(&site, &site.get(HOME, &[]), status);
        site.askance.signal("CONT");
        site.askance.signal("KILL");
    } else {
        site.askance.signal("STOP");
        let mut waiting = site.begin(HOME, site.request("GET", &[])).unwrap();
        waiting.set_patience(Duration::from_secs(1)).unwrap();
        let early = waiting.read_response();
        assert!(early.is_err() && site.app.seen().is_empty(), "nobody can have said so: {early:?}");
        site.askance.signal("KILL");
        waiting.set_patience(PATIENCE).unwrap();
        assert_stopped(&site, &waiting.read_response().unwrap(), status);
    }
    assert_stopped(&site, &site.get(HOME, &[]), status);
}
