//! Aggregator `evidence` over whole logins: what contributes, what it leads to, and what is named.

use super::{Volatile, event, loaded, over, pipeline, score};
use crate::clock::Timestamp;
use crate::event::{ClientIp, GivenLocation, LoginEvent};
use crate::memory::{Memory, Settings};
use crate::pipeline::{Loaded, Pipeline, Scored};
use crate::units::{Confidence, Coordinates, CountryCode};
use crate::verdict::aggregate::Aggregator;
use crate::verdict::evidence::Cause;
use std::sync::atomic::Ordering;

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

/// A login of some user: from where, on what, when.
#[derive(Clone, Copy)]
struct Scene {
    device: Option<&'static str>,
    agent: Option<&'static str>,
    ip: &'static str,
    asn: Option<u32>,
    country: Option<&'static str>,
    place: (f64, f64),
    at_s: u32,
}

const NOW_S: u32 = 1_790_000_000;
const DAY_S: u32 = 86_400;
const HOME: Scene = Scene {
    device: Some("laptop"),
    agent: Some(CHROME),
    ip: "192.0.2.1",
    asn: Some(64_500),
    country: Some("DE"),
    place: (50.0, 10.0),
    at_s: NOW_S,
};

impl Scene {
    fn event(self) -> LoginEvent<'static> {
        let mut login = event(Timestamp::from_unix_s(self.at_s));
        login.device_id = self.device.map(Into::into);
        login.user_agent = self.agent.map(Into::into);
        login.ip = ClientIp::parse(self.ip.into());
        login.edge.asn = self.asn;
        login.location = match (self.country, Coordinates::new(self.place.0, self.place.1)) {
            (Some(name), Some(at)) => GivenLocation::Valid { at, radius: None, country: CountryCode::new(name) },
            _ => GivenLocation::Absent,
        };
        login
    }
}

fn over_evidence(edit: impl FnOnce(&mut Loaded)) -> Pipeline<Volatile> {
    let Some(mut loaded) = loaded() else { unreachable!("fixtures are there") };
    loaded.verdict.aggregator = Aggregator::Evidence;
    edit(&mut loaded);
    let memory = Volatile::new(&Settings::default());
    over(memory, loaded).unwrap_or_else(|| unreachable!("fixtures are there"))
}

fn learn<M: Memory>(pipeline: &Pipeline<M>, past: &[Scene]) {
    for scene in past {
        let login = scene.event();
        assert!(pipeline.import(&login, false, login.time).is_ok());
    }
}

fn causes(scored: &Scored<'_>) -> Vec<&'static str> {
    let evidence = scored.verdict.evidence.iter();
    evidence.flat_map(|evidence| &evidence.contributions).map(|contribution| contribution.cause.as_str()).collect()
}

/// A week of logins at home, and then one login.
#[test]
fn each_cause_contributes_once_and_the_sum_decides() {
    use Confidence::{High, Low, Medium};
    let away = Scene { ip: "198.51.100.1", ..HOME };
    let other_system = Scene { asn: Some(64_501), ..away };
    let abroad = Scene { country: Some("FR"), ..other_system };
    let new_phone = Scene { device: Some("phone"), ..HOME };
    let nothing_known = Scene { device: Some("phone"), agent: Some(FIREFOX), ..HOME };
    for (what, scene, confidence, expected, decisive) in [
        ("as ever", HOME, High, &["device_known", "network_known"][..], None),
        ("another line of the same provider", away, High, &["device_known", "network_new"], None),
        ("another provider", other_system, High, &["device_known_in_new_system", "system_new"], None),
        ("abroad, with a cookie that may be stolen", abroad, Medium, &["device_known_elsewhere", "country_new"], None),
        (
            "the same, faster than a traveller",
            Scene { place: (30.0, -20.0), ..abroad },
            Low,
            &["device_known_elsewhere", "country_new", "travel_fast"],
            Some(Cause::CountryNew),
        ),
        (
            "another browser",
            Scene { agent: Some(FIREFOX), ..HOME },
            High,
            &["device_known", "browser_new", "network_known"],
            None,
        ),
        ("a new device at home", new_phone, High, &["device_new", "network_known"], None),
        (
            "a device of two months ago",
            Scene { device: Some("tablet"), ..HOME },
            High,
            &["device_aged", "network_known"],
            None,
        ),
        ("no device told", Scene { device: None, ..HOME }, High, &["device_new", "network_known"], None),
        ("a new device and browser at home", nothing_known, High, &["device_and_browser_new", "network_known"], None),
        (
            "a new device elsewhere",
            Scene { device: Some("phone"), ..other_system },
            Low,
            &["device_new", "system_new"],
            Some(Cause::DeviceNew),
        ),
        (
            "nothing known anywhere",
            Scene { device: None, agent: Some(FIREFOX), ..abroad },
            Low,
            &["device_and_browser_new", "country_new"],
            Some(Cause::DeviceAndBrowserNew),
        ),
    ] {
        let pipeline = over_evidence(|_| {});
        let hours_ago = |hours: u32| Scene { at_s: NOW_S - hours * 3_600, ..HOME };
        let past: Vec<Scene> = (0..7).map(|day| hours_ago(24 * day + 12)).collect();
        learn(&pipeline, &[Scene { device: Some("tablet"), at_s: NOW_S - 60 * DAY_S, ..HOME }]);
        learn(&pipeline, &past);
        let login = scene.event();
        let scored = score(&pipeline, &login, login.time);
        assert_eq!(causes(&scored), [&["prior"], expected].concat(), "{what}");
        assert_eq!(scored.verdict.confidence, confidence, "{what}: {:?}", scored.verdict.evidence);
        assert_eq!(scored.verdict.evidence.as_ref().and_then(|evidence| evidence.decisive), decisive, "{what}");
    }
}

/// Cookies do not last: a device that is not known says less where none can be.
#[test]
fn a_user_who_was_away_for_long_is_less_suspect_on_a_device_that_is_not_known() {
    let past: Vec<Scene> = (40..50).map(|day| Scene { at_s: NOW_S - day * DAY_S, ..HOME }).collect();
    let phone = Scene { device: Some("phone"), agent: Some(FIREFOX), ip: "198.51.100.1", ..HOME };
    let abroad = Scene { asn: Some(64_501), country: Some("FR"), ..phone };
    for (what, scene, confidence, expected) in [
        ("at home", phone, Confidence::Medium, "network_new"),
        ("through another provider", Scene { country: Some("DE"), ..abroad }, Confidence::Medium, "system_new"),
        ("abroad", abroad, Confidence::Low, "country_new"),
    ] {
        let pipeline = over_evidence(|_| {});
        learn(&pipeline, &past);
        let login = scene.event();
        let scored = score(&pipeline, &login, login.time);
        assert_eq!(causes(&scored), ["prior", "devices_lapsed", expected], "{what}");
        assert_eq!(scored.verdict.confidence, confidence, "{what}: {:?}", scored.verdict.evidence);
    }
}

/// A mail program tells neither device nor browser.
#[test]
fn who_never_told_a_device_is_as_usual_without() {
    let mail = Scene { device: None, agent: None, ..HOME };
    let past: Vec<Scene> = (1..8).map(|day| Scene { at_s: NOW_S - day * DAY_S, ..mail }).collect();
    let pipeline = over_evidence(|_| {});
    learn(&pipeline, &past);
    let login = Scene { ip: "198.51.100.1", ..mail }.event();
    let scored = score(&pipeline, &login, login.time);
    assert_eq!(causes(&scored), ["prior", "devices_lapsed", "network_new"]);
    assert_eq!(scored.verdict.confidence, Confidence::Medium);
}

/// What users' devices are like decides between two logins that are alike.
#[test]
fn a_lost_cookie_says_more_of_a_user_who_never_lost_one() {
    let scene = Scene { device: Some("new"), ip: "198.51.100.1", ..HOME };
    let kept: Vec<Scene> = (1..30).map(|day| Scene { at_s: NOW_S - day * DAY_S, ..HOME }).collect();
    let lost: Vec<Scene> = [("a", 1), ("b", 9), ("c", 20)]
        .map(|(device, day)| Scene { device: Some(device), at_s: NOW_S - day * DAY_S, ..HOME })
        .to_vec();
    let few = vec![Scene { at_s: NOW_S - DAY_S, ..HOME }];
    let scores = [kept, few, lost].map(|past| {
        let pipeline = over_evidence(|_| {});
        learn(&pipeline, &past);
        let login = scene.event();
        let scored = score(&pipeline, &login, login.time);
        scored.verdict.evidence.map(|evidence| evidence.score).unwrap_or_default()
    });
    assert!(scores.windows(2).all(|pair| pair[0] > pair[1] + 0.1), "{scores:?}");
}

/// An exit of an anonymiser, by its number; and a data centre, which databases take exits for.
const EXIT: Scene = Scene { ip: "198.51.100.1", asn: Some(13_335), ..HOME };
const HOSTED: Scene = Scene { ip: "198.51.100.1", asn: Some(24_940), ..HOME };

#[test]
fn who_uses_anonymisers_is_known_by_that() {
    let on_phone = |scene: Scene| Scene { device: Some("phone"), ..scene };
    let elsewhere = Scene { ip: "198.51.100.1", asn: Some(64_501), ..HOME };
    let ago = |days: u32| Some(Scene { ip: "203.0.113.9", at_s: NOW_S - days * DAY_S, ..EXIT });
    for (what, exit, scene, expected) in [
        ("never before", None, HOSTED, &["device_known_in_new_system", "system_new", "hosting"][..]),
        ("last week", ago(7), HOSTED, &["device_known_in_new_system", "system_new", "hosting", "anonymizer_habit"]),
        ("too long ago", ago(181), HOSTED, &["device_known_in_new_system", "system_new", "hosting"]),
        ("through the same again", ago(179), EXIT, &["device_known", "network_new", "anonymizer_habit"]),
        (
            "through what databases take for a data centre",
            Some(Scene { ip: "203.0.113.9", at_s: NOW_S - 7 * DAY_S, ..HOSTED }),
            HOSTED,
            &["device_known", "network_new", "hosting", "anonymizer_habit"],
        ),
        (
            "on a device that is new",
            ago(7),
            on_phone(HOSTED),
            &["device_new", "system_new", "hosting", "anonymizer_habit_device_new"],
        ),
        (
            "through what no database knows",
            ago(7),
            elsewhere,
            &["device_known_in_new_system", "system_new", "anonymizer_habit_new_network"],
        ),
        ("the same on a device that is new", ago(7), on_phone(elsewhere), &["device_new", "system_new"]),
        ("at home", ago(7), HOME, &["device_known", "network_known"]),
        (
            "an exit in another country is in no country",
            None,
            Scene { country: Some("FR"), ..EXIT },
            &["device_known_in_new_system", "system_new"],
        ),
    ] {
        let pipeline = over_evidence(|_| {});
        let past: Vec<Scene> = (1..8).map(|day| Scene { at_s: NOW_S - day * DAY_S, ..HOME }).collect();
        learn(&pipeline, &past);
        learn(&pipeline, exit.as_slice());
        let login = scene.event();
        let scored = score(&pipeline, &login, login.time);
        assert_eq!(causes(&scored), [&["prior"], expected].concat(), "{what}");
    }
}

#[test]
fn hard_evidence_is_low_whatever_the_weights() {
    let pipeline =
        over_evidence(|loaded| loaded.verdict.weights = serde_json::from_str(r#"{"prior": -20}"#).unwrap_or_default());
    learn(&pipeline, &[Scene { at_s: NOW_S - DAY_S, ..HOME }]);
    let login = Scene { ip: "nowhere", ..HOME }.event();
    let verdict = score(&pipeline, &login, login.time).verdict;
    assert_eq!(verdict.confidence, Confidence::Low);
    assert!(
        verdict
            .evidence
            .is_some_and(|evidence| evidence.is_hard && evidence.decisive.is_none() && evidence.score < -15.0)
    );
}

#[test]
fn without_memory_confidence_is_low() {
    let Some(pipeline) = pipeline() else { unreachable!("fixtures are there") };
    let mut loaded = Loaded::clone(&pipeline.loaded());
    loaded.verdict.aggregator = Aggregator::Evidence;
    pipeline.replace(loaded);
    learn(&pipeline, &[Scene { at_s: NOW_S - DAY_S, ..HOME }]);
    pipeline.memory().broken.store(true, Ordering::Relaxed);
    let login = HOME.event();
    let scored = score(&pipeline, &login, login.time);
    assert_eq!((scored.verdict.confidence, causes(&scored)), (Confidence::Low, vec!["prior", "not_available"]));
}

/// An unknown id, an unreadable browser, a place of one's own: none of it is worth more than silence.
#[test]
fn telling_what_is_not_known_is_worth_no_more_than_silence() {
    let past: Vec<Scene> = (1..8).map(|day| Scene { at_s: NOW_S - day * DAY_S, ..HOME }).collect();
    let score_of = |scene: Scene| {
        let pipeline = over_evidence(|_| {});
        learn(&pipeline, &past);
        let login = scene.event();
        score(&pipeline, &login, login.time).verdict.evidence.map(|evidence| evidence.score).unwrap_or_default()
    };
    for network in [HOME, Scene { ip: "198.51.100.1", asn: Some(64_501), ..HOME }] {
        let silent = score_of(Scene { device: None, agent: None, ..network });
        for (device, agent) in [(Some("mine"), None), (None, Some("curl/8.0")), (Some("mine"), Some(FIREFOX))] {
            assert!(score_of(Scene { device, agent, ..network }) >= silent, "{device:?} {agent:?}");
        }
    }
}
