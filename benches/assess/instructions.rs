//! The gate: instructions and heap allocations of one score, counted by callgrind, beside the recorded baseline.
//!
//! A count is the same on a busy machine and on a quiet one, so a few in a hundred more are seen. It says nothing of
//! cache misses; the figures do.

use crate::Failure;
use crate::callgrind::{self, Counts};
use crate::inputs::{Inputs, Size};
use crate::logins::{People, open_databases, open_list};
use crate::support::SplitMix;
use askance::bounded::Bounded;
use askance::event::LoginEvent;
use askance::memory::Settings;
use askance::memory::decisions::ClientTag;
use askance::memory::store::Store;
use askance::pipeline::{Look, Pipeline};
use serde::{Deserialize, Serialize};
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

/// The argument that makes this program one run under callgrind; what is scored follows.
pub(crate) const SCORE: &str = "--score";
/// Logins that are counted.
const SCORES: usize = 5_000;
/// Logins before: they fill the caches, and the tables of decisions, which are small here.
const WARM_UP: usize = 3_000;
const CHANGE_MAX: f64 = 0.03;

/// What is recorded, and what it was recorded with.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    rustc: String,
    target_cpu: String,
    profile: String,
    valgrind: String,
    usual: PerScore,
    anywhere: PerScore,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct PerScore {
    instructions: f64,
    allocations: f64,
}

/// Compares with the baseline, or makes it what is counted now.
///
/// # Errors
///
/// A count is more than 3 % off, upwards or downwards: a gain that nobody records could be lost again unseen.
pub(crate) fn gate(record: bool) -> Result<(), Failure> {
    // Here, and not where every instruction is counted.
    Inputs::of(&Size::SMALL)?;
    let counted = count()?;
    if record {
        fs::write(path(), format!("{HEADER}{}", toml::to_string(&counted)?))?;
        println!("recorded in {}", path().display());
        return Ok(());
    }
    let baseline: Baseline = toml::from_str(&fs::read_to_string(path())?)?;
    for ((name, was), (_, is)) in baseline.origin().into_iter().zip(counted.origin()).filter(|(was, is)| was != is) {
        println!("note: recorded with {name} {was}, this is {is}");
    }
    println!("per score                     baseline        now");
    let mut any_is_off = false;
    for ((name, was), (_, is)) in baseline.figures().into_iter().zip(counted.figures()) {
        let is_off = (is - was).abs() > was * CHANGE_MAX;
        any_is_off |= is_off;
        let (change, mark) = ((is / was - 1.0) * 100.0, if is_off { "  OFF" } else { "" });
        println!("{name:<26} {was:>11.2} {is:>10.2}  {change:+.2} %{mark}");
    }
    if any_is_off {
        let limit = CHANGE_MAX * 100.0;
        return Err(format!("more than {limit} % off; if that is meant, record it: {RECORD}").into());
    }
    Ok(())
}

const RECORD: &str = "cargo bench --all-features --bench assess -- --instructions --record";
const HEADER: &str = "\
# What one score in process costs: user-mode instructions and heap allocations, counted by callgrind over 5,000 logins.
# `usual`: known device, known network. `anywhere`: known device, any address. `scripts/test instructions` fails when one
# is more than 3 % off, up or down. Written by:
#   cargo bench --all-features --bench assess -- --instructions --record

";

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches", "instructions.toml"].iter().collect()
}

/// A run for each kind of login, of which only one function is counted. The difference of two runs with more and fewer
/// logins would be the same figure with more chance in it: a start takes 900 million instructions, give or take a
/// million, and that is 1 % of 5,000 scores.
fn count() -> Result<Baseline, Failure> {
    let program = std::env::current_exe()?;
    let runs = ["usual", "anywhere"].map(|what| callgrind::start(&program, &[SCORE, what], COUNTED));
    let [usual, anywhere] = runs.map(|run| run.and_then(callgrind::Run::finish));
    Ok(Baseline {
        rustc: version("rustc")?,
        target_cpu: target_cpu().to_owned(),
        profile: if cfg!(debug_assertions) { "dev" } else { "bench" }.to_owned(),
        valgrind: version("valgrind")?,
        usual: PerScore::new(&usual?),
        anywhere: PerScore::new(&anywhere?),
    })
}

impl PerScore {
    fn new(counts: &Counts) -> Self {
        let each = |total: u64| (total as f64 / SCORES as f64 * 100.0).round() / 100.0;
        Self { instructions: each(counts.instructions), allocations: each(counts.allocations) }
    }
}

impl Baseline {
    fn origin(&self) -> [(&'static str, &str); 4] {
        [
            ("rustc", &self.rustc),
            ("target-cpu", &self.target_cpu),
            ("profile", &self.profile),
            ("valgrind", &self.valgrind),
        ]
    }

    fn figures(&self) -> [(&'static str, f64); 4] {
        [
            ("instructions, usual", self.usual.instructions),
            ("instructions, anywhere", self.anywhere.instructions),
            ("allocations, usual", self.usual.allocations),
            ("allocations, anywhere", self.anywhere.allocations),
        ]
    }
}

/// The first part of what `--version` prints that looks like a version.
fn version(program: &str) -> Result<String, Failure> {
    let output = Command::new(program).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    let begins = text.find(|character: char| character.is_ascii_digit()).unwrap_or(0);
    let version = text[begins..].split_whitespace().next();
    Ok(version.ok_or_else(|| format!("{program} does not tell its version"))?.to_owned())
}

fn target_cpu() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" if cfg!(target_feature = "avx512f") => "x86-64-v4",
        "x86_64" if cfg!(target_feature = "avx2") => "x86-64-v3",
        "x86_64" if cfg!(target_feature = "sse4.2") => "x86-64-v2",
        "x86_64" => "x86-64",
        other => other,
    }
}

/// One run. Nothing in it is left to chance but the seeds of the standard library's maps, which move a few probes.
pub(crate) fn score(what: &str) -> Result<(), Failure> {
    let inputs = Inputs::of(&Size::SMALL)?;
    let memory =
        Settings { pending_max: Bounded::of::<1024>(), decisions_max: Bounded::of::<1024>(), ..Settings::default() };
    let people = People::strangers((open_databases(&inputs)?, open_list(&inputs)?), &memory, Size::SMALL.users)?;
    people.become_known()?;
    let events = match what {
        "usual" => people.usual(WARM_UP + SCORES, &mut SplitMix(5)),
        "anywhere" => people.anywhere(WARM_UP + SCORES, &mut SplitMix(5)),
        other => return Err(format!("{other}: nothing of that name to score").into()),
    };
    let (warm_up, counted) = events.split_at(WARM_UP);
    for event in warm_up {
        score_one(&people.pipeline, event);
    }
    counted_scores(&people.pipeline, counted);
    Ok(())
}

/// What callgrind counts. It is known by this name, so it may not be inlined.
#[inline(never)]
fn counted_scores(pipeline: &Pipeline<Store>, events: &[LoginEvent<'_>]) {
    for event in events {
        score_one(pipeline, event);
    }
}

const COUNTED: &str = "counted_scores";

fn score_one(pipeline: &Pipeline<Store>, event: &LoginEvent<'_>) {
    let scored = pipeline.score(ClientTag(0), event, event.time, Look::default());
    black_box(scored.as_ref().map(|scored| scored.verdict.action).ok());
}
