//! A world of users and attackers, to measure judgement by: what askance and others would have asked, beside the truth.
//!
//! ```text
//! cargo run --release --example world                       the tuning seeds, 1 to 5
//! cargo run --release --example world -- --acceptance       seeds 101 to 110, thresholds from the tuning seeds
//! cargo run --release --example world -- --shifted          worlds whose numbers are three tenths off
//! cargo run --release --example world -- --ours             the default aggregator only; --tables or --beside: a part of that
//! cargo run --release --example world -- --frozen-browsers  browsers that never update: what differs is what updates cost
//! cargo run --release --example world -- --evidence         log-likelihood ratios of facts, tuning seeds only
//! cargo run --release --example world -- --facts            what each login contributed, as CSV, tuning seeds only
//! cargo run --release --example world -- --write DIR        one world as files for `askance replay` (--seed, --users)
//! ```
//!
//! All of it is synthetic. The world knows nothing of how askance judges: it writes raw events, databases and a list, errors
//! included, and shares no number with the scorer. Acceptance seeds are not looked at while anything is tuned.

mod attackers;
mod baselines;
mod beside;
mod copies;
mod devices;
mod events;
mod evidence;
mod facts;
mod figures;
mod networks;
mod parameters;
mod people;
mod random;
mod scorers;
mod trainers;
mod world;

use beside::Beside;
use clap::Parser;
use evidence::Evidence;
use figures::{Results, difference_table, evaluated, group_table, main_table, threshold};
use parameters::Parameters;
use random::Random;
use scorers::Scorer;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use world::{World, configuration};

/// Measures judgement on synthetic worlds.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measure on seeds 101 to 110, with thresholds from seeds 1 to 5
    #[arg(long)]
    acceptance: bool,
    /// Measure on worlds whose numbers are three tenths off
    #[arg(long)]
    shifted: bool,
    /// Measure with browsers that never update: what differs is what updates cost
    #[arg(long)]
    frozen_browsers: bool,
    /// Measure the default aggregator only, and nothing of what is to be beaten
    #[arg(long)]
    ours: bool,
    /// Leave out what is measured beside the main tables
    #[arg(long)]
    tables: bool,
    /// Leave out the main tables
    #[arg(long)]
    beside: bool,
    /// Tell what each fact says, from seeds 1 to 5
    #[arg(long)]
    evidence: bool,
    /// Write what each login contributed to the sum, as CSV, from seeds 1 to 5
    #[arg(long)]
    facts: bool,
    /// Write one world here, as a log, its data and a configuration
    #[arg(long)]
    write: Option<PathBuf>,
    /// The seed of the world that is written
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Users of a world
    #[arg(long, default_value_t = 12_000)]
    users: usize,
}

const TUNING: [u64; 5] = [1, 2, 3, 4, 5];
const ACCEPTANCE: [u64; 10] = [101, 102, 103, 104, 105, 106, 107, 108, 109, 110];
/// Worlds at a time: one takes some 300 MB.
const WORKERS: usize = 2;
/// Shares of honest logins at which thresholds are set.
const TARGETS: [f64; 2] = [0.05, 0.10];

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(directory) = &arguments.write {
        return write(directory, &World::new(arguments.seed, &parameters(&arguments, arguments.seed)));
    }
    let mut out = std::io::stdout();
    if arguments.evidence {
        let mut evidence = Evidence::default();
        for seed in TUNING {
            in_world(&arguments, seed, |world, data| evidence.count(world, data))?;
        }
        return Ok(write!(out, "{}", evidence.table())?);
    }
    if arguments.facts {
        out.write_all(facts::HEAD.as_bytes())?;
        for seed in TUNING {
            let lines = in_world(&arguments, seed, |world, data| facts::lines(seed, world, data))?;
            out.write_all(lines.as_bytes())?;
        }
        return Ok(());
    }
    let seeds = if arguments.acceptance { &ACCEPTANCE[..] } else { &TUNING[..] };
    if !arguments.beside {
        tables(&arguments, seeds, &mut out)?;
    }
    if !arguments.tables {
        let beside = beside(&arguments, seeds).map_err(|error| error.to_string())?;
        writeln!(out, "{}", beside.text())?;
    }
    Ok(())
}

fn tables(arguments: &Arguments, seeds: &[u64], out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let thresholds = thresholds(arguments).map_err(|error| error.to_string())?;
    let rows = measure(arguments, seeds, &thresholds).map_err(|error| error.to_string())?;
    let kind = if arguments.shifted { "shifted" } else { "usual" };
    writeln!(
        out,
        "Synthetic: {kind} worlds of {} users, seeds {seeds:?}. Percent, with 95 % intervals by user.\n",
        arguments.users
    )?;
    writeln!(out, "{}\n{}", main_table(&rows), group_table(&rows))?;
    let freeman: Vec<_> = rows.iter().filter(|(name, _)| name.starts_with("freeman")).collect();
    for ours in &rows[..2] {
        writeln!(out, "{}", difference_table(ours, &freeman))?;
    }
    Ok(())
}

/// What is measured beside the main tables; on worlds of its own, so that nothing of those changes by it.
fn beside(arguments: &Arguments, seeds: &[u64]) -> Outcome<Beside> {
    let one = |seed: u64| -> Outcome<Beside> {
        Beside::measure(seed, &parameters(arguments, seed)).map_err(|error| error.to_string().into())
    };
    let mut all = Beside::default();
    for seeds in seeds.chunks(WORKERS) {
        let some = std::thread::scope(|scope| {
            let workers: Vec<_> = seeds.iter().map(|seed| scope.spawn(|| one(*seed))).collect();
            let joined = workers.into_iter().map(|worker| worker.join().map_err(|_| "a worker broke off")?);
            joined.collect::<Outcome<Vec<Beside>>>()
        })?;
        some.into_iter().for_each(|beside| all.add(beside));
    }
    Ok(all)
}

fn parameters(arguments: &Arguments, seed: u64) -> Parameters {
    let usual = Parameters { frozen_browsers: arguments.frozen_browsers, ..Parameters::usual(arguments.users) };
    if arguments.shifted { usual.shifted(&mut Random::new(seed).fork(4)) } else { usual }
}

/// Makes a world, with its data in a directory that goes with it.
fn in_world<T>(
    arguments: &Arguments,
    seed: u64,
    see: impl FnOnce(&World, &Path) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let world = World::new(seed, &parameters(arguments, seed));
    let data = tempfile::tempdir()?;
    world.write_data(data.path())?;
    see(&world, data.path())
}

fn write(directory: &Path, world: &World) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(directory)?;
    world.write_data(directory)?;
    std::fs::write(directory.join("askance.toml"), configuration(directory, ""))?;
    let mut log = BufWriter::new(std::fs::File::create(directory.join("events.ndjson"))?);
    for event in &world.events {
        writeln!(log, "{}", event.line())?;
    }
    Ok(log.flush()?)
}

/// A scorer as it is measured: with its own rule, or at a threshold of which the share is told.
#[derive(Clone, Copy)]
struct Row {
    scorer: Scorer,
    threshold: f64,
    target: Option<f64>,
}

/// Thresholds are always those of the usual tuning worlds.
fn thresholds(arguments: &Arguments) -> Outcome<Vec<Row>> {
    let usual = Arguments {
        acceptance: false,
        shifted: false,
        frozen_browsers: false,
        evidence: false,
        facts: false,
        ours: false,
        tables: false,
        beside: false,
        write: None,
        ..*arguments
    };
    let is_wanted = |scorer: &Scorer| !arguments.ours || scorer.is_ours();
    let with_threshold = || Scorer::ALL.into_iter().filter(is_wanted).filter(|scorer| scorer.has_threshold());
    let honest = each_world(&usual, &TUNING, |_, world, data| {
        let evaluated = evaluated(world);
        let honest = |risks: Vec<f64>| {
            let honest = evaluated.iter().filter(|login| login.history > 0 && !world.events[login.at].is_attack());
            honest.map(|login| risks[login.at]).collect::<Vec<f64>>()
        };
        with_threshold().map(|scorer| scorer.judge(world, data).map(honest)).collect::<Result<Vec<_>, _>>()
    })?;
    let mut rows = Vec::new();
    let mut with_threshold = with_threshold().enumerate();
    for scorer in Scorer::ALL.into_iter().filter(is_wanted) {
        if !scorer.has_threshold() {
            rows.push(Row { scorer, threshold: 0.5, target: None });
        } else if let Some((at, _)) = with_threshold.next() {
            let all: Vec<f64> = honest.iter().flat_map(|world| world[at].iter().copied()).collect();
            let row = |target| Row { scorer, threshold: threshold(all.clone(), target), target: Some(target) };
            rows.extend(TARGETS.map(row));
        }
    }
    Ok(rows)
}

fn measure(arguments: &Arguments, seeds: &[u64], rows: &[Row]) -> Outcome<Vec<(String, Results)>> {
    let worlds = each_world(arguments, seeds, |seed, world, data| {
        let evaluated = evaluated(world);
        let mut judged: Option<(Scorer, Vec<f64>)> = None;
        let mut results = vec![Results::default(); rows.len()];
        for (row, results) in rows.iter().zip(&mut results) {
            let risks = match judged.take().filter(|(scorer, _)| *scorer == row.scorer) {
                Some((_, risks)) => risks,
                None => row.scorer.judge(world, data)?,
            };
            results.count(seed, &evaluated, &risks, row.threshold);
            judged = Some((row.scorer, risks));
        }
        Ok(results)
    })?;
    let mut sums = vec![Results::default(); rows.len()];
    worlds.into_iter().for_each(|world| sums.iter_mut().zip(world).for_each(|(sum, results)| sum.add(results)));
    let name = |row: &Row| match row.target {
        None => row.scorer.name().to_owned(),
        Some(target) => format!("{} at {:.0} %", row.scorer.name(), target * 100.0),
    };
    Ok(rows.iter().map(name).zip(sums).collect())
}

/// Worlds of some seeds, a few at a time.
fn each_world<T: Send>(
    arguments: &Arguments,
    seeds: &[u64],
    see: impl Fn(u64, &World, &Path) -> Result<T, Box<dyn Error>> + Sync,
) -> Outcome<Vec<T>> {
    let one = |seed: u64| -> Outcome<T> {
        in_world(arguments, seed, |world, data| see(seed, world, data)).map_err(|error| error.to_string().into())
    };
    let mut all = Vec::new();
    for seeds in seeds.chunks(WORKERS) {
        all.extend(std::thread::scope(|scope| {
            let workers: Vec<_> = seeds.iter().map(|seed| scope.spawn(|| one(*seed))).collect();
            let joined = workers.into_iter().map(|worker| worker.join().map_err(|_| "a worker broke off")?);
            joined.collect::<Outcome<Vec<T>>>()
        })?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use events::{Cohort, Truth};

    #[test]
    fn a_seed_makes_a_world_and_another_one_another() {
        let log =
            |seed| World::new(seed, &Parameters::usual(60)).events.iter().map(events::Event::line).collect::<Vec<_>>();
        assert_eq!(log(1), log(1));
        assert_ne!(log(1), log(2));
    }

    #[test]
    fn attackers_share_with_their_victims_what_they_are_meant_to() {
        let world = World::new(1, &Parameters::usual(1_500));
        let country = |event: &events::Event| world.networks.block_of(event.ip).row.country;
        let same = |cohort: Cohort, alike: &dyn Fn(&events::Event, &events::Event) -> bool| {
            let attacks: Vec<_> = world.events.iter().filter(|event| event.truth == Truth::Attack(cohort)).collect();
            let is_alike = |attack: &&&events::Event| {
                let theirs =
                    |event: &&events::Event| event.user == attack.user && matches!(event.truth, Truth::Honest(_));
                world.events.iter().filter(theirs).any(|honest| alike(attack, honest))
            };
            assert!(attacks.len() > 50, "{cohort:?}");
            attacks.iter().filter(is_alike).count() * 100 / attacks.len()
        };
        let agent = |a: &events::Event, b: &events::Event| a.agent == b.agent;
        let cookie = |a: &events::Event, b: &events::Event| a.cookie == b.cookie;
        let place = |a: &events::Event, b: &events::Event| country(a) == country(b);
        for cohort in [Cohort::Aitm, Cohort::Targeted, Cohort::Mimic, Cohort::StolenElsewhere] {
            assert_eq!(same(cohort, &agent), 100, "{cohort:?}");
        }
        assert!(same(Cohort::Naive, &agent) < 50);
        for (cohort, share) in
            [(Cohort::StolenElsewhere, 100), (Cohort::StolenInCountry, 100), (Cohort::Mimic, 0), (Cohort::Naive, 0)]
        {
            assert_eq!(same(cohort, &cookie), share, "{cohort:?}");
        }
        for cohort in [Cohort::Vpn, Cohort::Targeted, Cohort::Mimic, Cohort::StolenInCountry] {
            assert!(same(cohort, &place) > 90, "{cohort:?}");
        }
        assert!(same(Cohort::Naive, &place) < 75);
    }
}
