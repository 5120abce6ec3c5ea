//! What a hook costs a request: nginx and Envoy in front of a site, with the hook and without it, in one run; and how many connections
//! nginx and Caddy open to ask a thousand times. Then how long the page of who is asked takes. `docs/BENCHMARKS.md` has the figures.
//!
//! `cargo bench --bench hooks`, some 40 s; without `--bench`, as under `cargo test`, it only sees that everything works. The proxies
//! run on the configurations of `examples/proxies`, each at a loopback address of its own. In each round all of them have their turn
//! one after the other, and what the hook adds is taken within a round.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time and waits for real processes")]
#![expect(clippy::cast_precision_loss, reason = "figures for people have three digits, not sixteen")]

mod load;
mod pages;
mod site;

use hdrhistogram::Histogram;
use load::Load;
use pages::Looks;
use site::{Proxy, Site};
use std::process::ExitCode;
use std::time::Duration;

/// Errors of the bench are for its reader only. They cross tasks, hence the bounds.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Connections of the busy load.
const CONNECTIONS_COUNT: usize = 16;

/// Looks of each user at the page after the first.
const LOOKS_AGAIN: usize = 20;

struct Plan {
    rounds: usize,
    run: Duration,
    /// Requests of the look at connections.
    asked: usize,
    /// Users who are led to the page.
    users: usize,
    claims: bool,
}

/// The same proxy twice.
struct Pair {
    name: &'static str,
    bare: Load,
    hooked: Load,
    figures: Figures,
}

/// Of each round.
#[derive(Default)]
struct Figures {
    /// Requests a second with the hook ÷ without it, as many as 16 connections get through.
    throughput: Vec<f64>,
    /// What the hook adds to a lone request, by median and at the 99th percentile, in µs.
    added_p50_us: Vec<f64>,
    added_p99_us: Vec<f64>,
}

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    let claims = has("--bench") && !has("--test");
    let plan = if claims {
        Plan { rounds: 9, run: Duration::from_millis(500), asked: 1_000, users: 200, claims }
    } else {
        Plan { rounds: 1, run: Duration::from_millis(50), asked: 20, users: 2, claims }
    };
    match measure(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hooks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let site = Site::start()?;
        let mut pairs = Vec::new();
        for (name, bare, hooked) in
            [("nginx", Proxy::NginxBare, Proxy::Nginx), ("Envoy", Proxy::EnvoyBare, Proxy::Envoy)]
        {
            let (bare, hooked) = (site.connect(bare).await?, site.connect(hooked).await?);
            pairs.push(Pair { name, bare, hooked, figures: Figures::default() });
        }
        for _ in 0..plan.rounds {
            for pair in &mut pairs {
                pair.round(plan.run).await?;
            }
        }
        let mut opened = Vec::new();
        for (name, proxy) in [("nginx", Proxy::Nginx), ("Caddy", Proxy::Caddy)] {
            opened.push((name, site.connections(proxy, plan.asked).await?));
        }
        let looks = pages::look(plan.users, LOOKS_AGAIN)?;
        if plan.claims {
            report(&pairs, &opened, plan);
            report_pages(&looks, plan);
        } else {
            println!("hooks: every request passed; too short a run for figures");
        }
        Ok(())
    })
}

impl Pair {
    async fn round(&mut self, run: Duration) -> Result<(), Failure> {
        let (bare, hooked) =
            (self.bare.run(CONNECTIONS_COUNT, run).await?, self.hooked.run(CONNECTIONS_COUNT, run).await?);
        self.figures.throughput.push(hooked.len() as f64 / bare.len() as f64);
        let (bare, hooked) = (self.bare.run(1, run).await?, self.hooked.run(1, run).await?);
        let added = |quantile| (at(&hooked, quantile) - at(&bare, quantile)) / 1_000.0;
        self.figures.added_p50_us.push(added(0.5));
        self.figures.added_p99_us.push(added(0.99));
        Ok(())
    }
}

fn at(latency_ns: &Histogram<u64>, quantile: f64) -> f64 {
    latency_ns.value_at_quantile(quantile) as f64
}

fn report(pairs: &[Pair], opened: &[(&str, usize)], plan: &Plan) {
    println!("{} rounds of {:?}, medians [least to most]", plan.rounds, plan.run);
    for Pair { name, figures, .. } in pairs {
        println!(
            "{name}: requests a second with the hook ÷ without, {CONNECTIONS_COUNT} connections: {}",
            spread(&figures.throughput, 2)
        );
        println!("{name}: added to a lone request, µs, median: {}", spread(&figures.added_p50_us, 0));
        println!("{name}: added to a lone request, µs, p99: {}", spread(&figures.added_p99_us, 0));
    }
    for (name, connections) in opened {
        println!("{name}: connections to the hooks for {} requests on one connection: {connections}", plan.asked);
    }
}

fn report_pages(looks: &Looks, plan: &Plan) {
    let Looks { first, again, bytes_max } = looks;
    println!("the page that asks, {} users, {bytes_max} bytes at most", plan.users);
    for (name, looks) in [("first look, which begins a challenge", first), ("each later look", again)] {
        let [median, p95, p99] = [0.5, 0.95, 0.99].map(|quantile| at(looks, quantile) / 1_000.0);
        println!("{name}, µs: median {median:.0}, p95 {p95:.0}, p99 {p99:.0}");
    }
}

fn spread(values: &[f64], decimals: usize) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [Some(least), Some(median), Some(most)] = [sorted.first(), sorted.get(sorted.len() / 2), sorted.last()] else {
        return "nothing".to_owned();
    };
    format!("{median:.decimals$} [{least:.decimals$} to {most:.decimals$}]")
}
