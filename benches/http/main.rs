//! End-to-end benchmark: the real `askance` program beside a bare hyper server, over HTTP/1.1, on this machine.
//!
//! `cargo bench --bench http` takes about 140 s; `-- --quick` about 40 s, with less to trust; `-- --test` (or no
//! `--bench`, as under `cargo test`) only sees that everything works. The figures that count are ratios: each is taken
//! within a round, in which all servers get the same load one after the other, so that what else the machine does
//! strikes all of them alike. The bench fails on an answer that is not 200, never on a figure.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time and waits for real processes")]
#![expect(clippy::cast_precision_loss, reason = "figures for people have three digits, not sixteen")]

#[path = "../support/allocator.rs"]
mod allocator;
mod floor;
mod import;
mod load;
mod process;
mod report;
mod requests;
mod tls;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::load::{Address, Load, Outcome, Pace};
use crate::process::{Askance, Cores, CpuTime, Doors, KEY, SERVE_FLOOR, Server};
use crate::report::{Closed, Measured, Memory, Report};
use crate::requests::Requests;
use crate::tls::Certificate;

/// Errors of the bench are for its reader only. They cross tasks, hence the bounds.
type Failure = Box<dyn Error + Send + Sync>;

/// The answer of the first bare server, in bytes: what the targets are set against.
const FLOOR_ANSWER_BYTES: usize = 300;
/// Answers looked into for their length and action.
const SAMPLE_COUNT: usize = 500;
/// The open loop's rate as a share of what the slower of floor and askance can do over TCP.
const OPEN_LOOP_SHARE: f64 = 0.5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, answer_bytes] = arguments.as_slice()
        && first == SERVE_FLOOR
    {
        return floor::serve(answer_bytes.parse()?);
    }
    let plan = Plan::from_arguments(&arguments);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(bench(&plan))?;
    let (lines_count, rounds) = plan.import;
    let imports = runtime.block_on(import::measure(report.cores, lines_count, rounds))?;
    if plan.claims {
        println!("{report}{imports}");
    } else {
        println!("http: {} servers answered 200 throughout; too short a run for figures", report.measured.len());
    }
    Ok(())
}

/// How long to measure. In each round every server gets a warm-up and a run. All rounds in closed loop come first: they
/// tell the rate of the open one.
///
/// Many short rounds beat a few long ones, for neighbours on the machine come and go within seconds. Those in open loop
/// are longer, to have enough answers beyond the 99.9th percentile.
struct Plan {
    closed: Rounds,
    open: Rounds,
    warm_up: Duration,
    /// Lines of an import, and how often they are sent.
    import: (usize, usize),
    /// Whether the figures are worth printing.
    claims: bool,
}

/// How often every server has its turn, and for how long.
struct Rounds {
    count: usize,
    run: Duration,
}

impl Plan {
    /// Unknown arguments are left alone: cargo passes those of other harnesses, too.
    fn from_arguments(arguments: &[String]) -> Self {
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        let claims = has("--bench") && !has("--test");
        let (closed, open, import) = match (claims, has("--quick")) {
            (false, _) => (Rounds::new(1, 100), Rounds::new(1, 100), (1_000, 1)),
            (true, true) => (Rounds::new(9, 200), Rounds::new(5, 400), (100_000, 5)),
            (true, false) => (Rounds::new(25, 300), Rounds::new(11, 800), (200_000, 11)),
        };
        Self { closed, open, warm_up: Duration::from_millis(50), import, claims }
    }
}

impl Rounds {
    fn new(count: usize, run_ms: u64) -> Self {
        Self { count, run: Duration::from_millis(run_ms) }
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} rounds of {:?} per server", self.count, self.run)
    }
}

/// One server under load.
struct Subject<'servers> {
    name: &'static str,
    server: &'servers Server,
    address: Address,
    requests: &'servers Arc<Requests>,
    measured: Measured,
}

async fn bench(plan: &Plan) -> Result<Report, Failure> {
    let requests = Arc::new(Requests::seeded(None)?);
    let keyed_requests = Arc::new(Requests::seeded(Some(KEY))?);
    let certificate = Certificate::new()?;
    let cores = Cores::pin();
    let start = |keyed, certificate| Askance::start(Doors { keyed, certificate }, cores);
    let servers = Servers {
        open: start(false, None)?,
        keyed: start(true, None)?,
        tls: start(false, Some(&certificate))?,
        tls_keyed: start(true, Some(&certificate))?,
    };
    let outcome = compare(plan, &requests, &keyed_requests, cores, &servers).await;
    outcome.map_err(|error| format!("{error}\nends of askance's logs:\n{}", servers.log_tails()).into())
}

/// askance, once for each way in: their memories are apart, and each sees the same users.
struct Servers {
    open: Askance,
    keyed: Askance,
    tls: Askance,
    tls_keyed: Askance,
}

impl Servers {
    fn log_tails(&self) -> String {
        [&self.open, &self.keyed, &self.tls, &self.tls_keyed].map(Askance::log_tail).join("\n")
    }
}

async fn compare(
    plan: &Plan,
    requests: &Arc<Requests>,
    keyed_requests: &Arc<Requests>,
    cores: Option<Cores>,
    servers: &Servers,
) -> Result<Report, Failure> {
    let Servers { open: askance, keyed, tls, tls_keyed } = servers;
    let idle_bytes = askance.server.resident_bytes()?;
    let mut first_load = Load::connect(&askance.tcp, requests).await?;
    first_load.run(plan.closed.run, Pace::Closed).await?;
    let sample_before = Sample::take(&mut first_load).await?;
    drop(first_load);
    let (floor, floor_address) = Server::floor(FLOOR_ANSWER_BYTES, cores)?;
    let (same_size, same_size_address) = Server::floor(sample_before.bytes_mean, cores)?;
    let subject = |name, server, address: &Address, requests| Subject {
        name,
        server,
        address: address.clone(),
        requests,
        measured: Measured::default(),
    };
    // The report relies on this order.
    let mut subjects = [
        subject("bare hyper, 300 B", &floor, &floor_address, requests),
        subject("bare hyper, same size", &same_size, &same_size_address, requests),
        subject("askance, TCP", &askance.server, &askance.tcp, requests),
        subject("askance, Unix socket", &askance.server, &askance.unix, requests),
        subject("askance, TCP, key", &keyed.server, &keyed.tcp, keyed_requests),
        subject("askance, TLS", &tls.server, &tls.tcp, requests),
        subject("askance, TLS, key", &tls_keyed.server, &tls_keyed.tcp, keyed_requests),
    ];
    for round in 0..plan.closed.count {
        for index in rotated(round, subjects.len()) {
            subjects[index].closed_loop(plan).await?;
        }
    }
    let [floor_per_s, _, askance_per_s, ..] = subjects.each_ref().map(|subject| subject.measured.requests_per_s());
    let open_rate_per_s = floor_per_s.min(askance_per_s) * OPEN_LOOP_SHARE;
    for round in 0..plan.open.count {
        for index in rotated(round, subjects.len()) {
            subjects[index].open_loop(plan, open_rate_per_s).await?;
        }
    }
    let sample_after = Sample::take(&mut Load::connect(&askance.tcp, requests).await?).await?;
    Ok(Report {
        cores,
        plan: [plan.closed.to_string(), plan.open.to_string()],
        body_bytes_mean: requests.body_bytes_mean(),
        answers: [sample_before.describe(), sample_after.describe()],
        open_rate_per_s,
        memory: Memory { idle_bytes, after_bytes: askance.server.resident_bytes()? },
        measured: subjects.map(|subject| (subject.name, subject.measured)),
    })
}

/// A different server goes first in each round, since the first one meets the machine as the last one left it.
fn rotated(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| (index + round) % count)
}

impl Subject<'_> {
    async fn closed_loop(&mut self, plan: &Plan) -> Result<(), Failure> {
        let mut load = self.warmed_up(plan, Pace::Closed).await?;
        let (server_before, generator_before) = (self.server.cpu_time()?, CpuTime::of_generator()?);
        let outcome = self.run(&mut load, plan.closed.run, Pace::Closed).await?;
        let server_cpu = self.server.cpu_time()?.since(&server_before);
        let generator_cpu = CpuTime::of_generator()?.since(&generator_before);
        let closed = Closed::new(&outcome, server_cpu, generator_cpu);
        self.measured.closed.push(closed);
        Ok(())
    }

    async fn open_loop(&mut self, plan: &Plan, requests_per_s: f64) -> Result<(), Failure> {
        let pace = Pace::Open { requests_per_s };
        let mut load = self.warmed_up(plan, pace).await?;
        let outcome = self.run(&mut load, plan.open.run, pace).await?;
        self.measured.open.push(outcome.latency_ns);
        Ok(())
    }

    /// Connects anew for each run, as a server may close what is idle while the others have their turn.
    async fn warmed_up(&self, plan: &Plan, pace: Pace) -> Result<Load, Failure> {
        let mut load = Load::connect(&self.address, self.requests).await?;
        self.run(&mut load, plan.warm_up, pace).await?;
        Ok(load)
    }

    async fn run(&self, load: &mut Load, duration: Duration, pace: Pace) -> Result<Outcome, Failure> {
        let outcome = load.run(duration, pace).await.map_err(|error| format!("{}: {error}", self.name))?;
        if outcome.answers_count == 0 {
            return Err(format!("{}: no answers in {duration:?}", self.name).into());
        }
        Ok(outcome)
    }
}

/// What askance answers at one time: the figures hold for such answers only.
struct Sample {
    bytes_mean: usize,
    /// How many answers had which action.
    actions: BTreeMap<String, usize>,
}

impl Sample {
    /// Also makes sure that these are answers to a score.
    async fn take(load: &mut Load) -> Result<Self, Failure> {
        let bodies = load.sample(SAMPLE_COUNT).await?;
        let mut actions = BTreeMap::new();
        for body in &bodies {
            let answer: Value = serde_json::from_slice(body)?;
            let action = answer["action"].as_str().ok_or_else(|| format!("an answer without an action: {answer}"))?;
            *actions.entry(action.to_owned()).or_insert(0) += 1;
        }
        let bytes_total: usize = bodies.iter().map(Vec::len).sum();
        Ok(Self { bytes_mean: bytes_total / bodies.len(), actions })
    }

    fn describe(&self) -> String {
        let actions = self.actions.iter().map(|(action, count)| format!("{action} {} %", count * 100 / SAMPLE_COUNT));
        format!("{} B; {}", self.bytes_mean, actions.collect::<Vec<_>>().join(", "))
    }
}
