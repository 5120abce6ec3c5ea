//! Rules of the operator: the shipped examples on both sides, what answers, metrics and the log say, and what is refused.

use crate::support::{
    Askance, CHROME, Settings, eventually, import, json_of, plain_login, repository, risky_login, run, score,
    time_from_now, with,
};
use askance::signals::Signal;
use askance::verdict::evidence::Cause;
use askance::verdict::rules::field_names;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tempfile::TempDir;
use toml::Table;

const EXAMPLES: &str = "examples/rules";

/// The rules of an example.
fn example(file: &str) -> toml::Value {
    let path = repository().join(EXAMPLES).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.parse::<Table>().unwrap_or_else(|error| panic!("{file}: {error}"))["rules"].clone()
}

fn settings() -> Settings {
    Settings::new().set("verdict.aggregator", "strict")
}

fn rule(name: &str, effect: &str, when: &str) -> Table {
    let entry = [("name", name), ("effect", effect), ("when", when)];
    let mut entry: Table = entry.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    if effect == "bypass" {
        entry.insert("until".to_owned(), time_from_now(86_400).into());
    }
    entry
}

/// Who logs in, and what becomes of it: the action, and the rule that decided, if one did.
type Row = (&'static str, Value, &'static str, Option<&'static str>);

/// An example on both sides.
fn check(file: &str, rules: toml::Value, rows: Vec<Row>) {
    let server = Askance::start(&settings().set("rules", rules));
    let known: BTreeSet<&str> = rows.iter().map(|(user, ..)| *user).collect();
    for user in known {
        import(&server, user, json!({"location": berlin()}));
    }
    for (user, change, action, rule) in rows {
        let answer = score(&server, user, change.clone());
        assert_eq!(answer["action"], action, "{file}: {user} {change}: {answer}");
        let decided_by = rule.map_or("aggregator.strict".to_owned(), |rule| format!("rule.{rule}"));
        assert_eq!(answer["decided_by"], decided_by, "{file}: {user} {change}: {answer}");
        if let Some(rule) = rule {
            assert_eq!(answer["rules"][0]["name"], rule, "{file}: {answer}");
            assert_eq!(answer["reasons"][0]["code"], decided_by, "{file}: {answer}");
        }
    }
}

fn berlin() -> Value {
    json!({"latitude": 52.52, "longitude": 13.405, "accuracy_radius_km": 0, "country": "DE"})
}

fn paris() -> Value {
    json!({"latitude": 48.8566, "longitude": 2.3522, "accuracy_radius_km": 0, "country": "FR"})
}

fn tokyo() -> Value {
    json!({"latitude": 35.6762, "longitude": 139.6503, "accuracy_radius_km": 0, "country": "JP"})
}

#[test]
fn a_new_device_is_asked_of_enrolled_users_only() {
    let file = "new-device-enrolled.toml";
    let unenrolled = json!({"device_id": "d2", "user": {"enrolled_factors": null}});
    check(
        file,
        example(file),
        vec![
            ("ann", json!({}), "allow", None),
            ("ann", json!({"device_id": "d2"}), "challenge", Some("new-device")),
            ("ben", unenrolled, "allow", None),
        ],
    );
}

#[test]
fn impossible_travel_is_refused() {
    let file = "deny-impossible-travel.toml";
    check(
        file,
        example(file),
        vec![
            ("ann", json!({"location": berlin()}), "allow", None),
            ("ben", json!({"location": tokyo()}), "deny", Some("impossible-travel")),
        ],
    );
}

#[test]
fn a_factor_is_asked_outside_of_the_office() {
    let file = "outside-office.toml";
    check(
        file,
        example(file),
        vec![
            ("ann", json!({"ip": "192.0.2.9"}), "allow", None),
            ("ann", json!({"ip": "::ffff:192.0.2.9"}), "allow", None),
            ("ann", json!({"ip": "2001:db8:7:1::9"}), "allow", None),
            ("ann", json!({"ip": "198.51.100.9"}), "challenge", Some("outside-office")),
            ("ben", json!({"ip": "2001:db8:8::9"}), "challenge", Some("outside-office")),
        ],
    );
}

#[test]
fn administrators_are_asked_each_time() {
    let file = "admins-always.toml";
    let admin = json!({"user": {"groups": ["staff", "admin"]}, "remembered_browser": true});
    let unenrolled = json!({"user": {"groups": ["root"], "enrolled_factors": null}});
    check(
        file,
        example(file),
        vec![
            ("ann", json!({"user": {"groups": ["staff"]}}), "allow", None),
            ("ben", admin, "challenge", Some("admins")),
            ("cho", unenrolled, "challenge", Some("admins")),
        ],
    );
}

#[test]
fn some_applications_ask_more_than_others() {
    let file = "step-up-per-client.toml";
    check(
        file,
        example(file),
        vec![
            ("ann", json!({}), "allow", None),
            ("ann", json!({"client_id": "wiki"}), "allow", None),
            ("ann", json!({"client_id": "mail"}), "allow", None),
            ("ann", json!({"client_id": "payroll"}), "challenge", Some("payroll")),
            ("ben", json!({"client_id": "mail", "device_id": "d2"}), "challenge", Some("mail-when-unusual")),
        ],
    );
}

#[test]
fn a_country_is_blocked() {
    let file = "block-country.toml";
    check(
        file,
        example(file),
        vec![
            ("ann", json!({"location": berlin()}), "allow", None),
            // Nothing is known of this address.
            ("ben", json!({"ip": "198.51.100.9"}), "allow", None),
            ("cho", json!({"location": paris()}), "deny", Some("blocked-country")),
        ],
    );
}

/// The file has a day of its own; here it is tomorrow, and yesterday.
#[test]
fn one_user_is_not_asked_for_a_day() {
    let file = "bypass-one-user.toml";
    let until = |offset_s: i64| {
        let mut rules = example(file);
        rules[0].as_table_mut().unwrap().insert("until".to_owned(), time_from_now(offset_s).into());
        rules
    };
    let risky = json!({"ip": "999.1.1.1"});
    let asked = |user| (user, risky.clone(), "challenge", None);
    check(file, until(86_400), vec![("alice", risky.clone(), "allow", Some("lost-phone-alice")), asked("ben")]);
    check(file, until(-1), vec![asked("alice")]);
}

#[test]
fn every_example_is_a_configuration_and_stands_in_the_docs() {
    let docs = std::fs::read_to_string(repository().join("docs/RULES.md")).unwrap();
    let entries = std::fs::read_dir(repository().join(EXAMPLES)).unwrap();
    let files: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files.len(), 7, "{files:?}");
    for file in files {
        assert!(docs.contains(&format!("| `{file}` |")), "{file} is not in docs/RULES.md");
        let path = format!("{EXAMPLES}/{file}");
        let finished = run(repository(), &["--config", &path, "check-config", "--json"], &[]);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        let effective: Value = serde_json::from_str(&finished.stdout).unwrap();
        let written = example(&file);
        assert_eq!(effective["rules"].as_array().unwrap().len(), written.as_array().unwrap().len());
        assert_eq!(effective["rules"][0]["name"], written[0]["name"].as_str().unwrap(), "check-config shows them");
    }
}

#[test]
fn every_name_stands_in_the_docs() {
    let docs = std::fs::read_to_string(repository().join("docs/RULES.md")).unwrap();
    let cells = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(name, _)| name);
    let documented: BTreeSet<String> = cells
        .filter(|name| ["event.", "assessments.", "evidence.", "history."].iter().any(|start| name.starts_with(start)))
        .chain(["now"])
        .map(str::to_owned)
        .collect();
    let general = |name: String| {
        let signal = Signal::ALL.iter().map(|signal| format!("assessments.{}.", signal.as_str()));
        let mut signals = signal.filter(|start| name.starts_with(start) && !name.contains("details"));
        if let Some(start) = signals.next() {
            return name.replace(&start, "assessments.SIGNAL.");
        }
        let is_cause = Cause::ALL.iter().any(|cause| name.ends_with(&format!("contributions.{}", cause.as_str())));
        if is_cause { "evidence.contributions.CAUSE".to_owned() } else { name }
    };
    let known: BTreeSet<String> = field_names().map(general).collect();
    assert_eq!(documented, known);
    assert!(docs.contains("| `now` |"));
}

/// What stands in `rules` of the answer.
fn hits(answer: &Value) -> Vec<&Value> {
    answer["rules"].as_array().map(|rules| rules.iter().collect()).unwrap_or_default()
}

fn assert_metrics(server: &Askance, lines: &[&str]) {
    let metrics = server.admin().get("/metrics").text();
    for line in lines {
        assert!(metrics.lines().any(|found| found == *line), "{line}\n{metrics}");
    }
}

#[test]
fn what_rules_do_stands_in_the_answer_the_metrics_and_the_list() {
    let mut shadow = rule("dark", "deny", "true");
    shadow.insert("shadow".to_owned(), true.into());
    let mut tag = rule("vip", "tag", "has(event.attributes.plan) && event.attributes.plan == 'gold'");
    tag.insert("reason".to_owned(), "a \"good\" one".into());
    let rules = [
        tag,
        shadow,
        rule("odd", "tag", "has(event.attributes.odd) && event.attributes.odd > 1"),
        rule("no", "deny", "false"),
    ];
    let server = Askance::start(&rules.into_iter().fold(settings(), |settings, rule| settings.push("rules", rule)));
    let dark = json!({"name": "dark", "effect": "deny", "shadow": true});
    let plain = score(&server, "ann", json!({}));
    assert_eq!((&plain["action"], hits(&plain)), (&json!("allow"), vec![&dark]), "{plain}");
    let tagged = score(&server, "ann", json!({"attributes": {"plan": "gold"}}));
    let vip = json!({"name": "vip", "effect": "tag", "reason": "a \"good\" one"});
    assert_eq!((&tagged["action"], hits(&tagged)), (&json!("allow"), vec![&vip, &dark]), "{tagged}");
    let failed = score(&server, "ann", json!({"attributes": {"odd": "text"}}));
    let odd = json!({"name": "odd", "effect": "tag", "failed": true});
    assert_eq!((&failed["action"], hits(&failed)), (&json!("challenge"), vec![&dark, &odd]), "{failed}");
    assert_eq!(failed["decided_by"], "rule.odd", "{failed}");
    assert_metrics(
        &server,
        &[
            r#"askance_rule_matches_total{rule="vip",effect="tag"} 1"#,
            r#"askance_rule_matches_total{rule="dark",effect="deny"} 0"#,
            r#"askance_rule_matches_total{rule="no",effect="deny"} 0"#,
            r#"askance_rule_shadow_matches_total{rule="dark",effect="deny"} 3"#,
            r#"askance_rule_failures_total{rule="odd",effect="tag"} 1"#,
        ],
    );
    eventually("the failure is logged", || server.log().contains("a rule failed, which counts").then_some(()));
    let listed = json_of(&server.main().get("/v1/decisions?user=ann&action=challenge"));
    assert_eq!(listed["decisions"][0]["decided_by"], "rule.odd", "{listed}");
}

#[test]
fn a_bypass_is_audited_and_never_lifts_a_refusal() {
    let rules =
        [rule("lost-phone", "bypass", "event.user.id == 'ann'"), rule("no", "deny", "'out' in event.user.groups")];
    let server = Askance::start(&rules.into_iter().fold(settings(), |settings, rule| settings.push("rules", rule)));
    let client = server.main();
    let lifted = json_of(&client.score(&risky_login("ann")));
    assert_eq!((&lifted["action"], &lifted["decided_by"]), (&json!("allow"), &json!("rule.lost-phone")), "{lifted}");
    assert_eq!(lifted["risk_assessment"]["confidence"], "low", "{lifted}");
    assert_eq!(hits(&lifted), [&json!({"name": "lost-phone", "effect": "bypass", "lifted": "challenge"})], "{lifted}");
    let decision = lifted["decision_id"].as_str().unwrap();
    let line = eventually("the bypass is logged", || {
        server.log().lines().find(|line| line.contains("a rule lifted a demand")).map(str::to_owned)
    });
    assert!(line.contains(decision) && line.contains("lost-phone") && !line.contains("ann"), "{line}");
    // It held, and there was nothing to lift.
    let plain = json_of(&client.score(&plain_login("ann")));
    assert_eq!(hits(&plain), [&json!({"name": "lost-phone", "effect": "bypass"})], "{plain}");
    let refused = json_of(&client.score(&with(risky_login("ann"), json!({"user": {"groups": ["out"]}}))));
    assert_eq!((&refused["action"], &refused["decided_by"]), (&json!("deny"), &json!("rule.no")), "{refused}");
    // A refusal of the policy's, to a user who has nothing to prove themselves with.
    let nothing = with(risky_login("ann"), json!({"user": {"enrolled_factors": null}}));
    assert_eq!(json_of(&client.score(&nothing))["action"], "deny");
    assert_metrics(
        &server,
        &[
            r#"askance_rule_bypasses_total{rule="lost-phone",effect="bypass"} 1"#,
            r#"askance_rule_matches_total{rule="lost-phone",effect="bypass"} 4"#,
            r#"askance_rule_matches_total{rule="no",effect="deny"} 1"#,
        ],
    );
    // What was let in at low confidence teaches only with a factor.
    let outcome = client.post(&format!("/v1/decisions/{decision}/outcome"), &json!({"result": "success"}));
    assert_eq!(outcome.status, 204, "{}", outcome.text());
    let user = json_of(&client.get("/v1/users/ann"));
    assert_eq!(user["devices"].as_array().map(Vec::len), Some(1), "the plain login alone: {user}");
}

#[test]
fn hangup_reads_rules_again_and_keeps_those_that_load() {
    let directory = TempDir::new().unwrap();
    let with_rule = |effect: &str, when: &str| settings().push("rules", rule("r", effect, when));
    let path = directory.path().join("askance.toml");
    let server = Askance::start_in(&with_rule("deny", "true"), directory);
    let decided = |action: &str| {
        let answer = json_of(&server.main().score(&plain_login("ann")));
        (answer["action"] == action).then_some(())
    };
    eventually("the rule serves", || decided("deny"));
    // A rule that keeps its name keeps its counts.
    with_rule("challenge", "true").write_to(path.parent().unwrap());
    server.signal("HUP");
    eventually("the new rule serves", || decided("challenge"));
    let counted = server.admin().get("/metrics").text();
    let line = counted
        .lines()
        .find_map(|line| line.strip_prefix(r#"askance_rule_matches_total{rule="r",effect="challenge"} "#));
    assert!(line.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count >= 2), "{counted}");
    with_rule("deny", "event.usr.id == 'x'").write_to(path.parent().unwrap());
    server.signal("HUP");
    eventually("the mistake is told", || server.log().contains("event.usr.id").then_some(()));
    assert_eq!(decided("challenge"), Some(()), "what was there serves");
}

#[test]
fn a_bomb_stops_the_start_and_names_key_rule_and_limit() {
    let loops = "[1,2,3].map(a, [1,2,3].map(b, [1,2,3].map(c, a * b * c))) == []";
    for (when, expected) in [
        (vec!["1"; 1000].join("+"), "allowed is 200 nodes"),
        (vec!["1"; 4000].join("+"), "allowed is 1..=2048"),
        ("(".repeat(1000), "allowed is 16 levels"),
        (loops.to_owned(), "rules have no `map`"),
        ("event.user.id.matches('(a*)*b')".to_owned(), "rules have no `matches`"),
    ] {
        let refusal =
            Askance::try_start(&settings().push("rules", rule("bomb", "deny", &when)), TempDir::new().unwrap());
        let refusal = refusal.expect_err("a bomb");
        assert_eq!(refusal.code, Some(2), "{}", refusal.log);
        for part in ["askance.toml", "rules[0].when", "rule `bomb`", expected] {
            assert!(refusal.log.contains(part), "{part}: {}", refusal.log);
        }
    }
}

#[test]
fn a_rule_asks_in_a_browser_that_claims_to_be_remembered() {
    let server = Askance::start(&settings().push("rules", rule("all", "challenge", "true")));
    let login = with(plain_login("ann"), json!({"remembered_browser": true, "user_agent": CHROME}));
    let answer = json_of(&server.main().score(&login));
    assert_eq!(
        (&answer["action"], &answer["remembered_browser"]),
        (&json!("challenge"), &json!("ignored")),
        "{answer}"
    );
    let unenrolled = json_of(&server.main().score(&with(login, json!({"user": {"enrolled_factors": null}}))));
    assert_eq!(
        (&unenrolled["action"], &unenrolled["mfa"]["next"]),
        (&json!("challenge"), &json!("enroll")),
        "{unenrolled}"
    );
}
