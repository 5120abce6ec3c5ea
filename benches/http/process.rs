//! The servers under test as child processes: how they start, where they run, what they cost.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::Failure;
use crate::load::Address;
use crate::tls::Certificate;

/// How long a server may take until it listens. A debug build that loads its databases needs seconds.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// How often the log is looked at while a server starts.
const START_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How much of a log an error shows, in bytes from its end.
const LOG_TAIL_BYTES: usize = 4_096;
/// The argument that makes the bench a bare server; the length of its answer follows.
pub(crate) const SERVE_FLOOR: &str = "--serve-floor";

/// Which cores the server and the load generator are pinned to, so that neither is moved nor runs on the other's core.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

impl Cores {
    /// Takes the first two cores that this process may use and pins this process to the second.
    ///
    /// None when there is one core only, or no `taskset`: the runs then share all cores.
    pub(crate) fn pin() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let mut allowed = cores(field(&status, "Cpus_allowed_list:")?).into_iter();
        let cores = Self { server: allowed.next()?, generator: allowed.next()? };
        let pinned = Command::new("taskset")
            .args(["-a", "-p", "-c", &cores.generator.to_string(), &std::process::id().to_string()])
            .stdout(Stdio::null())
            .status();
        pinned.is_ok_and(|status| status.success()).then_some(cores)
    }
}

/// Reads a list such as `0-3,8`.
fn cores(list: &str) -> Vec<usize> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    });
    ranges.flatten().collect()
}

/// A running server, which is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
}

impl Drop for Server {
    /// Both can only fail because the process is gone already.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// CPU time of each thread of a process so far, in nanoseconds.
pub(crate) struct CpuTime(HashMap<String, u64>);

impl Server {
    /// Starts a bare server, which is this very program, and returns where it listens.
    pub(crate) fn floor(answer_bytes: usize, cores: Option<Cores>) -> Result<(Self, Address), Failure> {
        let mut command = pinned(std::env::current_exe()?, cores);
        let child = command.arg(SERVE_FLOOR).arg(answer_bytes.to_string()).stdout(Stdio::piped()).spawn()?;
        let mut server = Self { child };
        let stdout = server.child.stdout.take().ok_or("the bare server has no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|error| format!("the bare server printed {line:?}: {error}"))?;
        Ok((server, Address::Tcp(address)))
    }

    /// Reads how much CPU time the server has had.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, Failure> {
        CpuTime::of_process(self.child.id())
    }

    /// Reads the resident memory of the process, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = field(&status, "VmRSS:").ok_or("the process has no resident memory: it has ended")?;
        let kibibytes: u64 = resident.trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }
}

impl CpuTime {
    /// Reads how much CPU time this process, which is the load generator, has had.
    pub(crate) fn of_generator() -> Result<Self, Failure> {
        Self::of_process(std::process::id())
    }

    /// User and kernel mode together. `schedstat` counts nanoseconds where `stat` counts ticks of 10 ms.
    /// **Source:** `Documentation/scheduler/sched-stats.rst` of the Linux kernel.
    fn of_process(process_id: u32) -> Result<Self, Failure> {
        let mut threads = HashMap::new();
        for task in fs::read_dir(format!("/proc/{process_id}/task"))? {
            let task = task?;
            // A thread may end between the listing and the reading.
            let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let on_cpu_ns = schedstat.split_whitespace().next().ok_or("schedstat is empty")?.parse()?;
            threads.insert(task.file_name().to_string_lossy().into_owned(), on_cpu_ns);
        }
        Ok(Self(threads))
    }

    /// Time spent since an earlier reading. A thread that ended in between is left out.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let spent_ns =
            self.0.iter().map(|(thread, now_ns)| now_ns.saturating_sub(earlier.0.get(thread).copied().unwrap_or(0)));
        Duration::from_nanos(spent_ns.sum())
    }
}

/// The key of the client that calls, where there are clients.
pub(crate) const KEY: &str = "askance_bench_3f1c9a7e5b2d80466f0a1b2c3d4e5f60718293a4b5c6d7e8f";
/// Clients beside the one that calls: each key is compared with all.
const OTHER_CLIENTS_COUNT: usize = 3;

/// How a server is reached.
#[derive(Clone, Copy)]
pub(crate) struct Doors<'bench> {
    /// Whether a client's key is needed.
    pub(crate) keyed: bool,
    /// With a certificate, TCP speaks TLS.
    pub(crate) certificate: Option<&'bench Certificate>,
}

/// A running askance with the directory that holds its config, log and socket.
pub(crate) struct Askance {
    pub(crate) server: Server,
    pub(crate) tcp: Address,
    pub(crate) unix: Address,
    directory: TempDir,
}

impl Askance {
    /// Starts the real program with one worker and waits until it listens.
    ///
    /// # Errors
    /// When it ends or says nothing in time; its log is part of the error.
    pub(crate) fn start(doors: Doors<'_>, cores: Option<Cores>) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let config_path = directory.path().join("askance.toml");
        fs::write(&config_path, config(&directory.path().join("askance.sock"), doors))?;
        let log = fs::File::create(log_path(&directory))?;
        let child = pinned(env!("CARGO_BIN_EXE_askance"), cores)
            .arg("--config")
            .arg(&config_path)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut server = Server { child };
        let (address, unix) = listening(&mut server, &directory)?;
        let tcp = match doors.certificate {
            None => Address::Tcp(address),
            Some(certificate) => Address::Tls(address, certificate.connector.clone()),
        };
        Ok(Self { server, tcp, unix, directory })
    }

    /// The end of what the program has logged.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(&self.directory)
    }
}

fn config(socket: &Path, doors: Doors<'_>) -> String {
    let mut config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\", 'unix:{}']\nadmin_listen = \"127.0.0.1:0\"\nworkers = 1\n\n\
         [telemetry]\nlog_format = \"json\"\n\n[memory]\nbackend = \"volatile\"\n",
        socket.display()
    );
    if let Some(Certificate { cert, key, .. }) = doors.certificate {
        config.push_str(&format!("\n[server.tls]\ncert = '{}'\nkey = '{}'\n", cert.display(), key.display()));
    }
    let others = (0..OTHER_CLIENTS_COUNT).map(|number| format!("{number:064x}"));
    let digest = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    for (number, digest) in others.chain([digest]).enumerate().filter(|_| doors.keyed) {
        config.push_str(&format!(
            "\n[[server.clients]]\nname = \"client-{number}\"\nkey_sha256 = \"{digest}\"\nscopes = [\"score\"]\n"
        ));
    }
    config
}

/// Waits for the two lines that name the main listener's addresses. The log is a file and not a pipe, so that nothing
/// of ours need run to drain it while the load does.
fn listening(server: &mut Server, directory: &TempDir) -> Result<(SocketAddr, Address), Failure> {
    let deadline = Instant::now() + START_TIME_MAX;
    loop {
        let log = fs::read_to_string(log_path(directory))?;
        let addresses: Vec<String> = log.lines().filter_map(main_address).collect();
        let unix = addresses.iter().find_map(|address| address.strip_prefix("unix:"));
        let tcp = addresses.iter().find_map(|address| address.parse().ok());
        if let (Some(tcp), Some(unix)) = (tcp, unix) {
            return Ok((tcp, Address::Unix(unix.into())));
        }
        if let Some(status) = server.child.try_wait()? {
            return Err(format!("askance ended with {status} before it listened:\n{}", log_tail(directory)).into());
        }
        if Instant::now() > deadline {
            return Err(format!("askance does not listen after {START_TIME_MAX:?}:\n{}", log_tail(directory)).into());
        }
        thread::sleep(START_POLL_INTERVAL);
    }
}

fn main_address(line: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let named = entry["message"] == "listening" && entry["listener"] == "main";
    named.then(|| entry["address"].as_str().map(str::to_owned)).flatten()
}

fn log_path(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("askance.log")
}

fn log_tail(directory: &TempDir) -> String {
    let log = fs::read(log_path(directory)).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
}

/// `taskset` replaces itself by the program, so the child's id is the program's.
fn pinned(program: impl AsRef<OsStr>, cores: Option<Cores>) -> Command {
    let Some(cores) = cores else {
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.arg("-c").arg(cores.server.to_string()).arg(program);
    command
}

/// The value of a line such as `VmRSS:  1234 kB` of a `status` file.
fn field<'status>(status: &'status str, name: &str) -> Option<&'status str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
