//! The binary under test: started, listened to, stopped.

use super::client::{Client, Endpoint};
use super::contract::Listener;
use super::secrets::{self, Searched};
use super::settings::Settings;
use super::{PATIENCE, POLL_INTERVAL, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;
use tempfile::TempDir;

/// A server that is listening. Dropping it kills the process; its directory goes with it. What it leaves behind is searched for the
/// secrets that were noted until then ([`secrets`]).
#[derive(Debug)]
pub(crate) struct Askance {
    child: Child,
    main: Vec<Endpoint>,
    admin: Endpoint,
    hooks: Endpoint,
    grpc: Endpoint,
    /// Everything the process wrote to standard error so far, line by line; the reader thread holds the other handle.
    log: Arc<Mutex<Vec<String>>>,
    following: Option<JoinHandle<()>>,
    /// Where it keeps what it keeps, if anywhere.
    store: Option<PathBuf>,
    _directory: TempDir,
}

/// A process that ended before it listened.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Askance {
    pub(crate) fn start(settings: &Settings) -> Self {
        Self::start_in(settings, TempDir::new().expect("a temporary directory"))
    }

    /// Starts with `directory` as working directory, where the test has put files of its own.
    pub(crate) fn start_in(settings: &Settings, directory: TempDir) -> Self {
        Self::try_start(settings, directory).unwrap_or_else(|refusal| {
            panic!("askance did not start (exit code {:?}); its log:\n{}", refusal.code, refusal.log)
        })
    }

    pub(crate) fn try_start(settings: &Settings, directory: TempDir) -> Result<Self, Refusal> {
        let command = command(directory.path());
        Self::try_start_by(command, settings, directory)
    }

    /// Starts one to which a limit on the size of files is a full disk, and not the end ([`Self::limit_files`]): the system
    /// sends a signal beside the error, and what is ignored before a program begins is ignored in it.
    pub(crate) fn start_with_limits(settings: &Settings) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut shell = command_of("sh", directory.path());
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_askance")]);
        let started = Self::try_start_by(shell, settings, directory);
        started.unwrap_or_else(|refusal| panic!("askance did not start: {}", refusal.log))
    }

    /// Lets no file grow, or be written beyond this many bytes; `None` lifts that. Nobody needs to be root for it.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        // The soft limit only: what is lifted is not beyond the hard one.
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.child.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
        assert!(limited.expect("prlimit is part of util-linux").success(), "the limit cannot be set");
    }

    fn try_start_by(mut command: Command, settings: &Settings, directory: TempDir) -> Result<Self, Refusal> {
        let config = settings.write_to(directory.path());
        let mut child = command
            .arg("--config")
            .arg(config)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be executed");

        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, listening) = channel();
        let stderr = child.stderr.take().expect("standard error is piped");
        let writer = Arc::clone(&log);
        let following = std::thread::spawn(move || follow(stderr, &writer, &found));

        let mut server = Self {
            child,
            main: Vec::new(),
            admin: Endpoint::nowhere(),
            hooks: Endpoint::nowhere(),
            grpc: Endpoint::nowhere(),
            log,
            following: Some(following),
            store: settings.store().map(|path| directory.path().join(path)),
            _directory: directory,
        };
        match server.await_listeners(&listening, settings.listeners()) {
            Ok(()) => Ok(server),
            Err(()) => {
                let code = server.wait_for_exit().code();
                Err(Refusal { code, log: server.log() })
            }
        }
    }

    /// Fails when the process ends, or closes its log, before all listeners were reported.
    fn await_listeners(&mut self, listening: &Receiver<(String, Endpoint)>, expected: usize) -> Result<(), ()> {
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..expected {
            let remaining = deadline.saturating_duration_since(Instant::now());
            match listening.recv_timeout(remaining) {
                Ok((listener, endpoint)) if listener == "admin" => self.admin = endpoint,
                Ok((listener, endpoint)) if listener == "hooks" => self.hooks = endpoint,
                Ok((listener, endpoint)) if listener == "hooks-grpc" => self.grpc = endpoint,
                Ok((_, endpoint)) => self.main.push(endpoint),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Err(()),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("{expected} listeners were expected, too few were logged:\n{}", self.log())
                }
            }
        }
        Ok(())
    }

    /// The main listener, the first one where there are several.
    pub(crate) fn main(&self) -> Client {
        Client::to(Listener::Main, self.main[0].clone())
    }

    /// The main listener on a Unix socket.
    pub(crate) fn unix(&self) -> Client {
        let socket = self.main.iter().find(|endpoint| matches!(endpoint, Endpoint::Unix(_)));
        let socket = socket.unwrap_or_else(|| panic!("no Unix socket among {:?}", self.main));
        Client::to(Listener::Main, socket.clone())
    }

    pub(crate) fn admin(&self) -> Client {
        Client::to(Listener::Admin, self.admin.clone())
    }

    /// The listener for reverse proxies.
    pub(crate) fn hooks(&self) -> Client {
        Client::to(Listener::Hooks, self.hooks.clone())
    }

    /// The listener for Envoy's gRPC; nowhere unless the settings have one.
    pub(crate) fn grpc(&self) -> Client {
        Client::to(Listener::Hooks, self.grpc.clone())
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").join("\n")
    }

    /// Memory of the process that is in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// Sends a signal by name (`TERM`, `INT`, `HUP`), with the shell's own `kill`, which every system has. Behind `STOP`, nothing of it runs any more.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .expect("a shell can be started");
        assert!(status.success(), "the signal {name} could not be sent");
        if name == "STOP" {
            // Its threads stop one by one, and the last of them may have answered yet.
            eventually("all threads to stop", || self.is_stopped().then_some(()));
        }
    }

    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process is our child");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state stands behind the name, which may hold anything.
            stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
        })
    }

    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        eventually("the end of the process", || self.child.try_wait().expect("the process is our child"))
    }

    /// Searches the log, and the store as it lies there, for every secret that was noted. Of a server that has ended, that is all there is.
    pub(crate) fn search(&mut self) -> Searched {
        if let Some(following) = self.following.take_if(|_| !matches!(self.child.try_wait(), Ok(None))) {
            following.join().expect("following a log does not panic");
        }
        let store = self.store.as_deref().map(secrets::bytes_below).unwrap_or_default();
        secrets::assert_unseen("askance", &self.log(), &store)
    }

    /// Fails when the process has ended, or no longer answers.
    pub(crate) fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("the process is our child");
        assert!(ended.is_none(), "the server ended with {ended:?}; its log:\n{}", self.log());
        let answer = self.admin().get("/healthz");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Drop for Askance {
    fn drop(&mut self) {
        // Fails only when the process has ended already, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of askance ---\n{}\n---", self.log());
        } else {
            self.search();
        }
    }
}

/// Copies standard error into the log, and reports each `listening` line. Ends with the process.
fn follow(stderr: ChildStderr, log: &Mutex<Vec<String>>, found: &Sender<(String, Endpoint)>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let listening = parse_listening(&line);
        log.lock().expect("no holder of the log panics").push(line);
        if let Some(listening) = listening {
            // The receiver is gone once the server has started; later lines are of interest to the log only.
            found.send(listening).ok();
        }
    }
}

fn parse_listening(line: &str) -> Option<(String, Endpoint)> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["message"] != "listening" {
        return None;
    }
    Some((event["listener"].as_str()?.to_owned(), Endpoint::parse(event["address"].as_str()?)))
}

/// What a command that ends by itself left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Both streams, for messages that may stand on either.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs `askance ARGUMENTS` in `directory` with extra environment variables, to its end.
pub(crate) fn run(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut child = command(directory)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be executed");
    let stdout = read_aside(child.stdout.take().expect("standard output is piped"));
    let stderr = read_aside(child.stderr.take().expect("standard error is piped"));
    let deadline = Instant::now() + PATIENCE;
    let ended_by_itself = loop {
        if child.try_wait().expect("the process is our child").is_some() {
            break true;
        }
        if Instant::now() > deadline {
            child.kill().ok();
            break false;
        }
        std::thread::sleep(POLL_INTERVAL);
    };
    let code = child.wait().expect("the process is our child").code();
    let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("reading a pipe does not panic"));
    let finished = Finished { code, stdout, stderr };
    assert!(ended_by_itself, "askance {arguments:?} did not end: {}", finished.output());
    finished
}

/// Reads a pipe to its end on a thread of its own, so that the process never waits for us.
fn read_aside(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The binary, freed of overrides that the caller's environment may hold.
fn command(directory: &Path) -> Command {
    command_of(env!("CARGO_BIN_EXE_askance"), directory)
}

fn command_of(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ASKANCE") {
            command.env_remove(name);
        }
    }
    command
}
