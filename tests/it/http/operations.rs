//! The admin listener: health, readiness, metrics.

use crate::support::{Askance, Request, Settings, eventually, json_of, plain_login, risky_login};
use std::collections::BTreeSet;

#[test]
fn a_started_server_is_healthy_and_ready() {
    let server = Askance::start(&Settings::new());
    for path in ["/healthz", "/readyz"] {
        let answer = server.admin().get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

#[test]
fn readiness_says_what_is_less_than_it_could_be() {
    let server = Askance::start(&Settings::new());
    let text = server.admin().get("/readyz").text();
    assert!(text.contains("volatile"), "a memory that forgets says so: {text}");
    assert!(
        text.contains("country") || text.contains("countries"),
        "travel is judged between countries only, and /readyz says so: {text}"
    );
}

#[test]
fn readiness_names_a_stale_list() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("abuse.netset");
    std::fs::write(&path, "198.51.100.0/24\n").unwrap();
    let settings = Settings::new().abuse_list(&path);
    let server = Askance::start(&settings);
    assert!(!server.admin().get("/readyz").text().contains("too old"), "the list is fresh");

    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(49 * 3600);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
    let server = Askance::start(&settings);
    assert!(server.admin().get("/readyz").text().contains("list lab-abuse is too old to tell"), "a day over its age");
    eventually("a metric that says that a list is stale", || {
        let metrics = server.admin().get("/metrics").text();
        metrics.lines().any(|line| line.contains("stale") && value_of(line) >= 1.0).then_some(())
    });
}

#[test]
fn metrics_count_codes_and_actions_and_time() {
    let server = Askance::start(&Settings::new());
    json_of(&server.main().score(&plain_login("metrics")));
    json_of(&server.main().score(&risky_login("metrics-risky")));
    let answer = server.admin().get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|media_type| media_type.starts_with("text/plain")), "{answer:?}");
    let text = answer.text();
    for label in ["\"initial_login\"", "\"invalid_ip_address\"", "\"allow\"", "\"challenge\""] {
        let counted = text.lines().any(|line| line.contains(label) && value_of(line) >= 1.0);
        assert!(counted, "nothing counts {label}:\n{text}");
    }
    let bounds: Vec<f64> = text.lines().filter_map(bucket_bound).collect();
    let smallest = bounds.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((smallest - 50e-6).abs() < 1e-9, "the smallest latency bucket is {smallest} s, not 50 µs:\n{text}");
}

/// Label values come from closed sets: whatever clients send, the set of series stays as it was.
#[test]
fn clients_cannot_make_new_series() {
    let server = Askance::start(&Settings::new());
    let provoke = |seed: u32| {
        server.main().get(&format!("/path-{seed}"));
        server.main().send(Request::new(&format!("METHOD{seed}"), "/v1/score"));
        server.main().send(
            Request::score(&plain_login(&format!("series-{seed}"))).header("x-request-id", &format!("id-{seed}")),
        );
        server.main().send(Request::post("/v1/score").content(&format!("x/{seed}"), "{}"));
        server.main().score(&risky_login(&format!("series-risky-{seed}")));
        server.main().post(&format!("/v1/decisions/{seed}/outcome"), &serde_json::json!({"result": "success"}));
    };
    provoke(0);
    let before = series(&server);
    for seed in 1..40 {
        provoke(seed);
    }
    let after = series(&server);
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(!before.is_empty());
}

fn series(server: &Askance) -> BTreeSet<String> {
    let text = server.admin().get("/metrics").text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

fn value_of(line: &str) -> f64 {
    line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).unwrap_or(0.0)
}

fn bucket_bound(line: &str) -> Option<f64> {
    let (_, rest) = line.split_once("le=\"")?;
    let (bound, _) = rest.split_once('"')?;
    bound.parse().ok()
}
