//! The portable cases: each is run, or stands in the list of those that a later issue brings.

mod aggregate;
mod client_ip;
mod compare;
mod deferred;
mod hook;
mod model;
mod score;

use crate::support::{Askance, repository};
use client_ip::ClientIpCase;
use deferred::{DEFERRED, DEFERRED_MAX};
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
fn every_case_passes_or_is_deferred() {
    let files = read_files();
    let mut tally = Tally::default();
    let mut unknown_shape = BTreeSet::new();
    let mut by_process: BTreeMap<(bool, String), Vec<ScoreCase>> = BTreeMap::new();
    for file in &files {
        for case in &file.cases {
            match file.shape.as_str() {
                "score" => {
                    let case: ScoreCase = parse(file, case);
                    by_process.entry((is_deferred(&case.id), case.process_key())).or_default().push(case);
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
                _ => assert!(unknown_shape.insert(id_of(case)), "{} stands twice", id_of(case)),
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
    report(&tally.into_inner().expect("no case was run twice"), &unknown_shape);
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

/// Prints the counts where no test runner hides them, then fails if a case that is not deferred did not pass.
fn report(tally: &Tally, unknown_shape: &BTreeSet<String>) {
    let passed: Vec<&String> = tally.passed.iter().filter(|id| !is_deferred(id)).collect();
    let early: Vec<&String> = tally.passed.iter().filter(|id| is_deferred(id)).collect();
    let failed: Vec<&String> =
        tally.failed.iter().filter(|(id, _)| !is_deferred(id)).map(|(_, difference)| difference).collect();
    let not_run: Vec<&String> = unknown_shape.iter().filter(|id| !is_deferred(id)).collect();

    let mut out = std::io::stderr();
    let by_issue = (1..=8).map(|issue| (issue, DEFERRED.iter().filter(|entry| entry.issue == issue).count()));
    let by_issue: Vec<String> =
        by_issue.filter(|(_, count)| *count > 0).map(|(issue, count)| format!("{count} to issue {issue}")).collect();
    writeln!(out, "cases: {} passed, {} deferred ({})", passed.len(), DEFERRED.len(), by_issue.join(", ")).unwrap();
    if !early.is_empty() {
        writeln!(out, "cases: deferred, yet passing already: {early:?}").unwrap();
    }
    assert!(not_run.is_empty(), "no runner for the shape of {not_run:?}, and not deferred either");
    assert!(
        failed.is_empty(),
        "{} cases failed:\n{}",
        failed.len(),
        failed.iter().map(|f| format!("  {f}\n")).collect::<String>()
    );
}

#[test]
fn the_deferred_list_only_gets_shorter() {
    assert_eq!(DEFERRED.len(), DEFERRED_MAX, "lower DEFERRED_MAX with the list; nothing is ever added to it");
    let known: BTreeSet<String> = read_files().iter().flat_map(|file| file.cases.iter().map(id_of)).collect();
    let mut seen = BTreeSet::new();
    for entry in DEFERRED {
        assert!(known.contains(entry.id), "{} is no case", entry.id);
        assert!(seen.insert(entry.id), "{} is listed twice", entry.id);
        assert!((2..=8).contains(&entry.issue) && !entry.why.is_empty(), "{} waits for nothing", entry.id);
    }
}

fn is_deferred(id: &str) -> bool {
    DEFERRED.iter().any(|entry| entry.id == id)
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
