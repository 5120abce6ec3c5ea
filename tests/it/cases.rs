//! The portable cases: each of them is run.

mod aggregate;
mod client_ip;
mod codes;
mod compare;
mod hook;
mod model;
mod score;

use crate::support::{Askance, repository};
use client_ip::ClientIpCase;
use codes::CodesCase;
use model::{AggregateCase, CaseFile, HookCase, ScoreCase};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Mutex;

/// What became of the cases, by id.
#[derive(Debug, Default)]
struct Tally {
    passed: BTreeSet<String>,
    failed: BTreeMap<String, String>,
}

impl Tally {
    fn note(&mut self, id: &str, title: &str, result: Result<(), String>) {
        match result {
            Ok(()) => assert!(self.passed.insert(id.to_owned()), "{id} was run twice"),
            Err(why) => assert!(self.failed.insert(id.to_owned(), format!("{id} ({title}): {why}")).is_none()),
        }
    }
}

#[test]
fn every_case_passes() {
    let files = read_files();
    let mut tally = Tally::default();
    let mut by_process: BTreeMap<String, Vec<ScoreCase>> = BTreeMap::new();
    for file in &files {
        for case in &file.cases {
            match file.shape.as_str() {
                "score" => {
                    let case: ScoreCase = parse(file, case);
                    by_process.entry(case.process_key()).or_default().push(case);
                }
                "aggregate" => {
                    let case: AggregateCase = parse(file, case);
                    tally.note(&case.id, &case.title, aggregate::run(&case));
                }
                "client_ip" => {
                    let case: ClientIpCase = parse(file, case);
                    tally.note(&case.id, &case.title, client_ip::run(&case));
                }
                "hook" => {
                    let case: HookCase = parse(file, case);
                    tally.note(&case.id, &case.title, hook::run(&case));
                }
                "codes" => {
                    let case: CodesCase = parse(file, case);
                    tally.note(&case.id, &case.title, codes::run(&case));
                }
                shape => panic!("{}: no runner for the shape {shape}", file.topic),
            }
        }
    }
    let groups = Mutex::new(by_process.into_values());
    let tally = Mutex::new(tally);
    std::thread::scope(|scope| {
        for _ in 0..PROCESSES_AT_A_TIME {
            scope.spawn(|| {
                let next = || groups.lock().expect("no holder panics").next();
                while let Some(group) = next() {
                    run_group(&group, &tally);
                }
            });
        }
    });
    report(&tally.into_inner().expect("no case was run twice"));
}

/// Each takes most of its time to start.
const PROCESSES_AT_A_TIME: usize = 4;

fn run_group(group: &[ScoreCase], tally: &Mutex<Tally>) {
    let server: Result<Askance, String> = score::start(&group[0]);
    for case in group {
        let result = match &server {
            Ok(server) => score::run(server, case),
            Err(refusal) => Err(refusal.clone()),
        };
        tally.lock().expect("no case was run twice").note(&case.id, &case.title, result);
    }
}

/// Prints the count where no test runner hides it, then fails if a case did not pass.
fn report(tally: &Tally) {
    #[expect(clippy::explicit_write, reason = "`eprintln!` is hidden by the test runner")]
    writeln!(std::io::stderr(), "cases: {} passed", tally.passed.len()).unwrap();
    assert!(
        tally.failed.is_empty(),
        "{} cases failed:\n{}",
        tally.failed.len(),
        tally.failed.values().map(|f| format!("  {f}\n")).collect::<String>()
    );
}

fn read_files() -> Vec<CaseFile> {
    let directory = repository().join("tests/cases");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("the cases are part of the repository")
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no case files");
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("a case file is text");
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect()
}

fn parse<C: serde::de::DeserializeOwned>(file: &CaseFile, case: &Value) -> C {
    serde_json::from_value(case.clone()).unwrap_or_else(|error| panic!("{} {}: {error}", file.topic, id_of(case)))
}

fn id_of(case: &Value) -> String {
    case["id"].as_str().expect("a case has an id").to_owned()
}
