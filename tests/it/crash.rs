//! `kill -9` under load, round after round: whatever was acknowledged is there afterwards.

use crate::support::{Askance, Request, Settings, eventually, json_of, risky_login, time_from_now};
use askance::clock::Clock;
use askance::keyed_hash::Secrets;
use askance::memory::Memory;
use askance::memory::embedded::{Embedded, StateDirectory};
use askance::memory::vault::{Kept, Place, Put, Record, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROUNDS: usize = 50;
/// Whatever the machine is like, the test ends: with fewer rounds, which it says.
const TIME_MAX: Duration = Duration::from_secs(240);
/// Clients at a time.
const CLIENTS: usize = 4;

/// What a parent knows of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// An outcome was acknowledged, which made the browser known.
    Outcome,
    /// A login of theirs was labelled fraud.
    Label,
    /// They were erased.
    Erased,
    /// Something was asked for, and no answer came.
    Unknown,
}

/// What all clients were told, over all rounds.
#[derive(Debug, Default)]
struct Ledger {
    /// What was told of each user, and the path of the decision.
    users: Mutex<BTreeMap<String, (Known, String)>>,
    next: AtomicUsize,
}

impl Ledger {
    fn write(&self, user: &str, known: Known, decision: &str) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(user.to_owned(), (known, decision.to_owned()));
    }
}

fn settings(state: &TempDir) -> Settings {
    Settings::new()
        .set("memory.backend", "embedded")
        .set("memory.path", state.path().join("state").to_str().expect("a UTF-8 path"))
        .set("memory.flush_ms", 50)
}

/// Logins, outcomes, labels and erasures, until the server is gone.
fn press(server: &Askance, ledger: &Ledger, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Acquire) {
        let number = ledger.next.fetch_add(1, Ordering::AcqRel);
        let user = format!("user-{number}");
        let Some(answer) = ask(server, Request::score(&risky_login(&user)), 200) else { return };
        let decision = format!("/v1/decisions/{}", answer["decision_id"].as_str().unwrap());
        let tell = |known, request| {
            ledger.write(&user, Known::Unknown, &decision);
            ask(server, request, 204).map(|_| ledger.write(&user, known, &decision))
        };
        let label = Request::post(&format!("{decision}/feedback")).json(&json!({"label": "fraud"}));
        let done = tell(Known::Outcome, outcome(&decision)).and_then(|()| match number % 3 {
            0 => Some(()),
            1 => tell(Known::Label, label),
            _ => tell(Known::Erased, Request::new("DELETE", &format!("/v1/users/{user}"))),
        });
        if done.is_none() {
            return;
        }
    }
}

fn outcome(decision: &str) -> Request {
    Request::post(&format!("{decision}/outcome")).json(&json!({"result": "success", "factor": "totp"}))
}

/// The answer; `None` when the server is gone.
fn ask(server: &Askance, request: Request, status: u16) -> Option<Value> {
    let answer = server.main().try_send(request).ok()?;
    assert_eq!(answer.status, status, "{answer:?}");
    Some(if status == 204 { Value::Null } else { json_of(&answer) })
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_under_load() {
    let (state, ledger, began) = (TempDir::new().unwrap(), Ledger::default(), Instant::now());
    let (mut rounds, mut checked) = (0, 0);
    while rounds < ROUNDS && began.elapsed() < TIME_MAX {
        let mut server = Askance::start(&settings(&state));
        checked += check(&server, &ledger);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| press(&server, &ledger, &is_over));
            }
            // Another moment of the work in each round.
            let until = ledger.next.load(Ordering::Acquire) + 5 + rounds % 13;
            eventually("some work", || (ledger.next.load(Ordering::Acquire) >= until).then_some(()));
            server.signal("KILL");
            is_over.store(true, Ordering::Release);
        });
        server.wait_for_exit();
        rounds += 1;
    }
    let server = Askance::start(&settings(&state));
    checked += check(&server, &ledger);
    println!("{rounds} rounds of kill -9: {checked} acknowledged facts looked for, 0 lost");
    assert!(rounds >= 5 && checked >= rounds * 3, "{rounds} rounds, {checked} facts: too few to say anything");
}

/// Looks for everything that was acknowledged since the last look; gives how much that was.
fn check(server: &Askance, ledger: &Ledger) -> usize {
    let users = std::mem::take(&mut *ledger.users.lock().unwrap_or_else(PoisonError::into_inner));
    let acknowledged = users.into_iter().filter(|(_, (known, _))| *known != Known::Unknown);
    let count = |user: &Value, member: &str| user[member].as_array().map_or(0, Vec::len);
    let mut checked = 0;
    for (user, (known, decision)) in acknowledged {
        let held = json_of(&server.main().get(&format!("/v1/users/{user}/export")));
        let is_marked = count(&held, "marks") > 0;
        let told_again = server.main().send(outcome(&decision)).status;
        match known {
            Known::Erased => assert_eq!((count(&held, "devices"), told_again), (0, 404), "{user} was erased: {held}"),
            Known::Outcome | Known::Label | Known::Unknown => {
                assert_eq!((is_marked, told_again), (known == Known::Label, 204), "{user}, {known:?}: {held}")
            }
        }
        checked += 1;
    }
    checked
}

/// Those of whom nobody promised anything are there as well, but for the last window.
#[test]
fn what_is_older_than_the_window_outlives_kill_9() {
    let state = TempDir::new().unwrap();
    let settings = settings(&state);
    let mut imported = 0;
    for _ in 0..5 {
        let mut server = Askance::start(&settings);
        let lines: Vec<Value> = (imported..imported + 500).map(past).collect();
        assert_eq!(json_of(&server.main().import(&lines))["recorded"], 500);
        imported += 500;
        eventually("all rows on the disk", || {
            let metrics = server.admin().get("/metrics").text();
            let written = metrics.lines().find_map(|line| line.strip_prefix("askance_memory_rows_written_total "));
            (written.and_then(|count| count.parse::<u64>().ok()) >= Some(500)).then_some(())
        });
        server.signal("KILL");
        server.wait_for_exit();
    }
    let server = Askance::start(&settings);
    assert!(server.log().contains(&format!("\"users\":{imported}")), "{}", server.log());
    println!("5 rounds of kill -9: {imported} users of whom nothing was promised but the window, 0 lost behind it");
}

fn past(number: u64) -> Value {
    let hour_ago = time_from_now(-3_600);
    json!({"user": {"id": format!("past-{number}")}, "ip": "192.0.2.1", "device_id": "d1", "time": hour_ago, "result": "success"})
}

/// A process that has a store with a vault, without a server before it.
fn open_vault(directory: &Path) -> Embedded {
    let settings = askance::memory::Settings { path: directory.to_owned(), ..Default::default() };
    let directory = StateDirectory::take(&settings.path, false).expect("nobody has it");
    let meters = askance::telemetry::Meters::new().store;
    let secrets = Secrets::new([5; 32], None);
    let (memory, _) =
        Embedded::start(directory, &settings, &secrets, meters, (Clock, 3), &|_, _| {}).expect("it opens");
    memory
}

fn place(number: usize) -> Place {
    Place::Other((number as u128).to_le_bytes())
}

async fn put(memory: &Embedded, number: usize, over: Option<Version>, content: &[u8]) -> Put {
    let record = Some(Record { content: content.into(), until: None });
    memory.put(place(number), over, record, Clock.now()).await.expect("the disk is well")
}

async fn look(memory: &Embedded, number: usize) -> Option<Kept> {
    memory.kept(place(number), Clock.now()).await.expect("the disk is well")
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Sends codes and uses them, and says so of each behind that.
#[test]
#[ignore = "the process that the next test kills"]
fn codes_are_used_until_somebody_kills_this() {
    let mut told = String::new();
    std::io::stdin().read_line(&mut told).expect("stdin can be read");
    let Some((first, directory)) = told.trim_end().split_once(' ') else { return };
    let (memory, next) = (open_vault(Path::new(directory)), AtomicUsize::new(first.parse().expect("a number")));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                run(async {
                    loop {
                        let number = next.fetch_add(1, Ordering::AcqRel);
                        assert_eq!(put(&memory, number, None, b"sent").await, Put::Done);
                        let sent = look(&memory, number).await.expect("it was put");
                        assert_eq!(put(&memory, number, Some(sent.version), b"used").await, Put::Done);
                        println!("used {number} {}", sent.version.0);
                    }
                });
            });
        }
    });
}

/// What the harness says stands between the lines of the process, and before one of them.
fn used(line: &str) -> Option<(usize, Version)> {
    let (_, told) = line.split_once("used ")?;
    let (number, version) = told.split_once(' ')?;
    Some((number.parse().ok()?, Version(version.parse().ok()?)))
}

#[test]
fn a_code_that_was_used_is_used_after_kill_9() {
    let (state, mut next, mut all) = (TempDir::new().unwrap(), 0, Vec::new());
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().expect("this process has a file"))
            .args(["crash::codes_are_used_until_somebody_kills_this", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this process can be started");
        writeln!(child.stdin.take().expect("it is piped"), "{next} {}", state.path().display()).expect("it reads");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let before = all.len();
        for line in lines.map_while(Result::ok) {
            all.extend(used(&line));
            // What was said until then is read to its end: the process answered.
            if all.len() == before + 3 + 2 * round {
                child.kill().expect("it is there");
            }
        }
        child.wait().expect("it was killed");
        assert!(all.len() >= before + 3, "it ended by itself after {} codes", all.len() - before);
        let memory = open_vault(state.path());
        for (number, sent) in &all {
            let kept = run(look(&memory, *number)).unwrap_or_else(|| panic!("code {number} is lost"));
            assert_eq!(&*kept.content, b"used", "code {number} is good again");
            assert_eq!(run(put(&memory, *number, Some(*sent), b"used again")), Put::Changed);
        }
        next += 10_000;
    }
    println!("{} codes were used before 10 kills, and are", all.len());
}
