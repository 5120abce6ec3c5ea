//! `askance replay`: the service's own judgement, by the clock of the events.

use crate::support::{Askance, CHROME, Finished, Settings, json_of, repository, run, time_from_now, with};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
/// On the list of the tests.
const LISTED: &str = "203.0.113.9";

/// A log, and a configuration beside it.
struct Lab {
    directory: TempDir,
}

impl Lab {
    fn new(settings: &Settings) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("abuse.netset"), format!("{LISTED}\n")).unwrap();
        settings.clone().abuse_list("abuse.netset".as_ref()).write_to(directory.path());
        Self { directory }
    }

    fn run(&self, events: &str, arguments: &[&str]) -> Finished {
        fs::write(self.directory.path().join("events.ndjson"), events).unwrap();
        let all = [&["replay", "--config", "askance.toml"], arguments].concat();
        run(self.directory.path(), &all, &[])
    }

    /// The decisions, and the summary.
    fn replay(&self, events: &[Value]) -> (Vec<Value>, Value) {
        let text: String = events.iter().map(|event| format!("{event}\n")).collect();
        let finished = self.run(&text, &["--events", "events.ndjson", "--out", "-", "--json"]);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        let decisions = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (decisions, serde_json::from_str(&finished.stderr).unwrap())
    }
}

/// A login of alice at a minute of a day of 2001, changed as told.
fn login(minute: u32, change: Value) -> Value {
    let usual = json!({
        "user": {"id": "alice", "enrolled_factors": ["totp"]}, "ip": "81.2.69.142", "user_agent": CHROME,
        "device_id": "d1", "time": format!("2001-02-03T{:02}:{:02}:00Z", minute / 60, minute % 60),
    });
    with(usual, change)
}

fn of<'a>(decisions: &'a [Value], pointer: &str) -> Vec<&'a str> {
    decisions.iter().map(|decision| decision.pointer(pointer).and_then(Value::as_str).unwrap_or("-")).collect()
}

/// Where one listed address is to be enough.
fn strict() -> Settings {
    Settings::new().set("verdict.aggregator", "strict")
}

#[test]
fn a_replay_decides_as_the_service_did() {
    let changes = [
        json!({}),
        json!({}),
        json!({"user_agent": FIREFOX}),
        json!({"device_id": "d2", "user_agent": FIREFOX}),
        json!({"device_id": "d3", "ip": "133.11.0.1"}),
        json!({"device_id": "d3", "ip": "133.11.0.1"}),
        json!({"ip": "999.1.1.1"}),
        json!({"ip": LISTED}),
        json!({"user": {"enrolled_factors": null}, "device_id": "d9", "ip": LISTED}),
        json!({"user": {"id": "bob", "created_at": "2001-01-01T00:00:00Z"}}),
        json!({}),
    ];
    let now = time_from_now(0);
    let logins: Vec<Value> = changes.into_iter().map(|change| with(login(0, json!({"time": now})), change)).collect();
    let lab = Lab::new(&Settings::new());
    let (decisions, _) = lab.replay(&logins);

    let directory = TempDir::new().unwrap();
    let list = directory.path().join("abuse.netset");
    fs::write(&list, format!("{LISTED}\n")).unwrap();
    let server = Askance::start_in(&Settings::new().abuse_list(&list), directory);
    for (login, decision) in logins.iter().zip(&decisions) {
        let answer = json_of(&server.main().score(login));
        for member in ["action", "decided_by"] {
            assert_eq!(decision[member], answer[member], "{member} of {login}");
        }
        assert_eq!(decision["confidence"], answer["risk_assessment"]["confidence"], "{login}");
        for (name, code) in decision["codes"].as_object().unwrap() {
            let assessments = &answer["risk_assessment"]["assessments"];
            let of_service = assessments.get(name).or_else(|| answer["evidence"]["assessments"].get(name));
            if let Some(of_service) = of_service {
                assert_eq!(*code, of_service["code"], "{name} of {login}");
            }
        }
        if answer["demand_mfa"] == true {
            let factor = &answer["mfa"]["factors"][0];
            let outcome = json!({"result": "success", "factor": factor});
            let path = format!("/v1/decisions/{}/outcome", answer["decision_id"].as_str().unwrap());
            assert_eq!(server.main().post(&path, &outcome).status, 204);
        }
    }
    assert!(of(&decisions, "/action").contains(&"challenge"), "{decisions:?}");
}

#[test]
fn lines_that_cannot_be_replayed_are_named_and_skipped() {
    let lab = Lab::new(&strict());
    let lines = [
        login(10, json!({})).to_string(),
        String::new(),
        "nope".to_owned(),
        login(4, json!({})).to_string(),
        login(5, json!({})).to_string(),
        login(11, json!({"ipp": 1})).to_string(),
        login(11, json!({"time": null})).to_string(),
        login(11, json!({"flow": "client_credentials"})).to_string(),
        login(11, json!({"label": "attack"})).to_string(),
    ];
    let finished = lab.run(&lines.join("\n"), &["--events", "events.ndjson", "--out", "-"]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    let written: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written.iter().map(|decision| decision["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 5, 9]);
    assert_eq!(of(&written, "/label"), ["legitimate", "legitimate", "attack"]);
    assert_eq!(
        written[0],
        json!({
            "line": 1, "time": "2001-02-03T00:10:00Z", "user": "alice", "action": "allow", "confidence": "high",
            "score": null, "decided_by": "aggregator.strict", "label": "legitimate",
            "codes": {
                "NewDevice": "initial_login", "ImpossibleTravel": "initial_login",
                "UntrustedIP": "not_found_on_deny_list", "PhoneNumber": "phone_number_not_provided",
                "NewCountry": "initial_login", "Inactivity": "initial_login", "Reported": "not_reported",
                "Familiarity": "not_enough_history",
            },
        })
    );
    for said in [
        "line 3: request.malformed_json\n",
        "line 4: event.out_of_order (time)\n",
        "line 6: request.invalid (ipp)\n",
        "line 7: request.invalid (time)\n",
        "line 8: flow.no_end_user (flow)\n",
        "3 logins, 0 failures, 5 skipped",
    ] {
        assert!(finished.stderr.contains(said), "{said}: {}", finished.stderr);
    }
}

#[test]
fn a_log_may_be_packed_and_piped() {
    let lab = Lab::new(&Settings::new());
    let at = |name: &str| lab.directory.path().join(name);
    let text = format!("{}\n{}\n", login(0, json!({})), login(9, json!({})));
    let mut packer = GzEncoder::new(File::create(at("events.ndjson.gz")).unwrap(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap();
    let plain = lab.run(&text, &["--events", "events.ndjson", "--out", "-"]);
    let packed = lab.run(&text, &["--events", "events.ndjson.gz", "--out", "out.gz"]);
    assert_eq!((packed.code, packed.stdout.as_str()), (Some(0), ""), "{}", packed.output());
    let mut unpacked = String::new();
    GzDecoder::new(File::open(at("out.gz")).unwrap()).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.stdout);
    assert_eq!(unpacked.lines().count(), 2);
    // What it packs as zstd it reads as such: the decisions of decisions are none, each a line that it names.
    let packed = lab.run(&text, &["--events", "events.ndjson", "--out", "out.zst"]);
    assert_eq!(packed.code, Some(0), "{}", packed.output());
    assert!(!fs::read(at("out.zst")).unwrap().starts_with(b"{"), "it is packed");
    let again = lab.run(&text, &["--events", "out.zst", "--out", "-"]);
    assert!(again.stderr.contains("line 2: request.invalid"), "{}", again.output());
    fs::write(at("damaged.zst"), &fs::read(at("out.zst")).unwrap()[..40]).unwrap();

    let nothing = lab.run("", &["--events", "-", "--out", "-"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""), "{}", nothing.output());
    for (arguments, message) in [
        (["--events", "damaged.zst", "--out", "-"], "cannot be read"),
        (["--events", "absent.ndjson", "--out", "-"], "absent.ndjson"),
        (["--events", "events.ndjson", "--out", "absent/out"], "absent/out"),
    ] {
        let refused = lab.run(&text, &arguments);
        assert_eq!(refused.code, Some(1), "{}", refused.output());
        assert!(refused.stderr.contains(message), "{message}: {}", refused.stderr);
    }
    fs::write(at("askance.toml"), "verdict.agg = 'any'").unwrap();
    assert_eq!(lab.run(&text, &["--events", "events.ndjson"]).code, Some(2));
}

#[test]
fn an_attack_teaches_only_if_it_is_let_through() {
    // So little memory is swept at each event: demands that wait for longer than 900 s expire.
    let lab = Lab::new(&Settings::new().set("memory.users_max", 16));
    let thief = |minute, ip: &str| {
        login(minute, json!({"device_id": "d9", "user_agent": FIREFOX, "ip": ip, "label": "attack"}))
    };
    let (decisions, summary) = lab.replay(&[
        login(0, json!({})),
        thief(10, LISTED),
        thief(20, LISTED),
        thief(30, "81.2.69.142"),
        thief(40, "81.2.69.142"),
        // What the challenged one left is not held against the user either.
        login(50, json!({"device_id": "d3"})),
    ]);
    assert_eq!(of(&decisions, "/action"), ["allow", "challenge", "challenge", "allow", "allow", "allow"]);
    let codes = ["initial_login", "no_match", "no_match", "no_match", "match", "partial_match"];
    assert_eq!(of(&decisions, "/codes/NewDevice"), codes);
    assert_eq!(of(&decisions, "/codes/Reported")[5], "not_reported");
    assert_eq!(summary["attacks"], json!({"logins": 4, "asked": 2}));
    assert_eq!(summary["legitimate"]["all"], json!({"logins": 2, "asked": 0}));
    assert_eq!(summary["legitimate"]["with_history"], json!({"logins": 1, "asked": 0}));
    assert_eq!(summary["actions"], json!({"allow": 4, "challenge": 2, "verify_email": 0, "deny": 0}));
}

#[test]
fn a_legitimate_login_that_is_challenged_completes_and_teaches() {
    let lab = Lab::new(&strict());
    let listed = json!({"device_id": "d2", "user_agent": FIREFOX, "ip": LISTED});
    let without_factor =
        json!({"user": {"id": "bob", "enrolled_factors": null, "email": "b@example.org"}, "ip": LISTED});
    let (decisions, _) = lab.replay(&[
        login(0, json!({})),
        login(10, listed.clone()),
        login(20, listed),
        login(30, without_factor.clone()),
        login(40, without_factor),
    ]);
    assert_eq!(of(&decisions, "/action"), ["allow", "challenge", "challenge", "verify_email", "verify_email"]);
    assert_eq!(of(&decisions, "/codes/NewDevice"), ["initial_login", "no_match", "match", "initial_login", "match"]);
}

#[test]
fn failures_count_by_their_own_time_and_get_no_decision() {
    let lab = Lab::new(&Settings::new());
    let failure = |minute, user: u32| {
        login(
            minute,
            json!({"user": {"id": format!("u{user}")}, "device_id": "d9", "ip": "198.51.100.7", "result": "failure"}),
        )
    };
    let from_there = |minute| login(minute, json!({"device_id": "d9", "ip": "198.51.100.7", "label": "attack"}));
    let mut events = vec![login(0, json!({}))];
    events.extend((0..30).map(|user| failure(10, user)));
    events.extend([from_there(11), from_there(1_400 + 38)]);
    let (decisions, summary) = lab.replay(&events);
    let codes = ["not_found_on_deny_list", "high_velocity", "not_found_on_deny_list"];
    assert_eq!(of(&decisions, "/codes/UntrustedIP")[..2], codes[..2], "{decisions:?}");
    assert_eq!(summary["read"]["failures"], 30);
    assert_eq!(decisions.len(), 3);
    // A day later, by the clock of the events.
    let later = |event: Value| with(event, json!({"time": "2001-02-05T00:00:00Z"}));
    events.pop();
    events.push(later(from_there(0)));
    assert_eq!(of(&lab.replay(&events).0, "/codes/UntrustedIP"), codes);
}

#[test]
fn lists_count_as_fresh_whatever_their_age() {
    let lab = Lab::new(&Settings::new());
    let list = File::options().append(true).open(lab.directory.path().join("abuse.netset")).unwrap();
    list.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    let (decisions, _) =
        lab.replay(&[login(0, json!({"ip": LISTED})), login(0, json!({"ip": LISTED, "time": "2099-01-01T00:00:00Z"}))]);
    assert_eq!(of(&decisions, "/codes/UntrustedIP"), ["found_on_deny_list"; 2]);
}

#[test]
fn two_replays_of_one_log_say_the_same() {
    let lab = Lab::new(&Settings::new());
    let events: Vec<Value> = (0..600)
        .map(|at| {
            let (user, device) = (at * 7 % 31, at * at % 5);
            let ip = if at % 11 == 0 { LISTED.to_owned() } else { format!("81.2.{}.{user}", at % 3) };
            let user = format!("u{user}");
            login(at, json!({"user": {"id": user}, "device_id": format!("d{device}"), "ip": ip}))
        })
        .collect();
    assert_eq!(lab.replay(&events), lab.replay(&events));
}

#[test]
fn two_configurations_are_compared_login_by_login() {
    let lab = Lab::new(&strict());
    // Asks for what is new, and looks at no list.
    let other = "[verdict]\naggregator = 'any'\nany_of = ['NewDevice']\n";
    fs::write(lab.directory.path().join("other.toml"), other).unwrap();
    let bob = |minute, change: Value| with(login(minute, json!({"user": {"id": "bob"}})), change);
    let new = json!({"device_id": "d2", "user_agent": FIREFOX});
    let events = [
        login(0, json!({})),
        bob(1, json!({})),
        login(10, new.clone()),
        bob(11, json!({"ip": LISTED})),
        bob(12, with(new, json!({"label": "attack"}))),
    ];
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    let arguments = ["--events", "events.ndjson", "--against", "other.toml"];
    let finished = lab.run(&text, &arguments);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    for said in [
        "of 4 legitimate logins, askance.toml asks 25.0 % (1), other.toml asks 25.0 % (1)\n",
        "\n1 legitimate logins of 1 user: only other.toml asks; why\n       1  NewDevice no_match (aggregator.any)\n",
        "line 3  2001-02-03T00:10:00Z  alice  allow → challenge: neither the device nor its browser is known",
        "\n1 legitimate logins of 1 user: only askance.toml asks; why it did\n",
        "UntrustedIP found_on_deny_list (aggregator.strict)\n          line 4",
        "[UntrustedIP found_on_deny_list → not_found_on_deny_list]",
        "\n1 attacks on 1 user: only other.toml asks; why\n",
        "asked more than before: alice (+1)\n",
        "asked less than before: bob (-1)\n",
    ] {
        assert!(finished.stdout.contains(said), "{said}: {}", finished.stdout);
    }
    let as_json = lab.run(&text, &[&arguments[..], &["--json"]].concat());
    let difference: Value = serde_json::from_str(&as_json.stdout).unwrap();
    let changes = difference["changes"].as_array().unwrap();
    assert_eq!(of(changes, "/asked"), ["more", "less", "more"]);
    assert_eq!(of(changes, "/label"), ["legitimate", "legitimate", "attack"]);
    assert_eq!(difference["legitimate"], json!({"logins": 4, "asked": [1, 1]}));
    let summary: Value = serde_json::from_str(&as_json.stderr).unwrap();
    assert_eq!((&summary["attacks"]["asked"], &summary["against"]["attacks"]["asked"]), (&json!(0), &json!(1)));

    let same = lab.run(&text, &["--events", "events.ndjson", "--against", "askance.toml"]);
    assert!(same.stdout.contains("no login would have ended otherwise"), "{}", same.stdout);
    let aside = lab.run(&text, &[&arguments[..], &["--out", "-"]].concat());
    assert!(!aside.stdout.contains("legitimate logins"), "decisions stand alone: {}", aside.stdout);
}

#[test]
fn a_rule_is_obeyed_and_named_as_the_cause() {
    let lab = Lab::new(&Settings::new());
    let other = "[[rules]]\nname = 'night'\nwhen = 'now.getHours() < 6'\neffect = 'challenge'\nreason = 'it is night'\n\
        [[rules]]\nname = 'ended'\nwhen = 'true'\neffect = 'deny'\nuntil = 2001-02-03T00:00:00Z\n";
    fs::write(lab.directory.path().join("other.toml"), other).unwrap();
    let events = [login(0, json!({})), login(350, json!({})), login(370, json!({}))];
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    let finished = lab.run(&text, &["--events", "events.ndjson", "--against", "other.toml"]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    for said in [
        "only other.toml asks; why\n       2  rule.night\n",
        "line 2  2001-02-03T05:50:00Z  alice  allow → challenge: it is night",
    ] {
        assert!(finished.stdout.contains(said), "{said}: {}", finished.stdout);
    }
    let all = ["replay", "--config", "other.toml", "--events", "events.ndjson", "--out", "-", "--report", "page.html"];
    let alone = run(lab.directory.path(), &all, &[]);
    let decisions: Vec<Value> = alone.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        of(&decisions, "/decided_by"),
        ["rule.night", "rule.night", "aggregator.evidence"],
        "{}",
        alone.output()
    );
    let page = fs::read_to_string(lab.directory.path().join("page.html")).unwrap();
    assert!(page.contains(">rule.night<"), "{page}");
}

#[test]
fn a_score_is_told_where_there_is_one_and_thresholds_are_drawn_among_scores() {
    let lab = Lab::new(&Settings::new().set("verdict.aggregator", "evidence"));
    let risky = json!({"device_id": "d9", "user_agent": FIREFOX, "ip": LISTED});
    let events = [
        login(0, json!({})),
        login(10, json!({})),
        login(20, json!({"device_id": "d2"})),
        login(30, with(risky.clone(), json!({"label": "attack"}))),
        login(40, json!({"ip": "999.1.1.1", "label": "attack"})),
    ];
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    let arguments = ["--events", "events.ndjson", "--out", "-", "--report", "page.html"];
    let finished = lab.run(&text, &arguments);
    let decisions: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scores: Vec<f64> = decisions.iter().map(|decision| decision["score"].as_f64().unwrap()).collect();
    assert!(scores[1] < scores[2] && scores[2] < scores[3], "{scores:?}");
    let page = fs::read_to_string(lab.directory.path().join("page.html")).unwrap();
    // Two attacks and three logins, of which two or more differ: more points than the ends of levels, and the first of those is named.
    let curve = page.rsplit_once("<polyline").and_then(|(_, curve)| curve.split_once("\"/>")).unwrap().0;
    assert!(curve.matches(',').count() > 4, "{curve}");
    assert!(page.contains(">low</text>"), "{page}");
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else() {
    let lab = Lab::new(&strict());
    let page = |events: &[Value], more: &[&str]| {
        let text: String = events.iter().map(|event| format!("{event}\n")).collect();
        let arguments = [&["--events", "events.ndjson", "--report", "report.html"], more].concat();
        let finished = lab.run(&text, &arguments);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        let page = fs::read_to_string(lab.directory.path().join("report.html")).unwrap();
        for foreign in ["http:", "https:", "<script", "src=", "href=", "@import", "url(", "NaN", "inf"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        page
    };
    let plots = |page: &str| page.matches("<svg").count();
    assert_eq!(plots(&page(&[], &[])), 0, "nothing to plot");
    assert_eq!(plots(&page(&[login(0, json!({}))], &[])), 1, "nobody was asked");
    let attack = login(20, json!({"device_id": "d2", "user_agent": FIREFOX, "ip": LISTED, "label": "attack"}));
    let all = page(&[login(0, json!({})), login(10, json!({"ip": LISTED})), attack], &["--against", "askance.toml"]);
    assert_eq!(plots(&all), 4);
    assert!(all.contains("found_on_deny_list") && all.contains("2001-02-03"), "{all}");
}

#[test]
fn the_example_log_shows_what_a_change_would_cost() {
    let example = |file: &str| format!("examples/replay/{file}");
    let [config, events, against] = ["askance.toml", "events.ndjson.gz", "any.toml"].map(example);
    let arguments = ["replay", "--config", &config, "--events", &events, "--against", &against];
    let finished = run(repository(), &arguments, &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    for said in ["examples/replay/any.toml asks 17.7 % (66)", "NewDevice no_match (aggregator.any)", " → challenge: "]
    {
        assert!(finished.stdout.contains(said), "{said}: {}", finished.stdout);
    }
    assert!(finished.stderr.contains(" 0 skipped\n"), "{}", finished.stderr);
}
