//! What an attacker who has the password can change of how the owner is judged: nothing on the owner's own device.

use super::*;
use crate::event::FailureEvent;
use crate::event::FailureKind;
use crate::verdict::evidence::Evidence;

const NOW_S: u32 = 1_790_000_000;
const DAY_S: u32 = 86_400;
const HOME: (&str, u32) = ("203.0.113.1", 64_500);
const AWAY: (&str, u32) = ("192.0.2.7", 64_501);

fn login((ip, asn): (&'static str, u32), device: &'static str, at_s: u32) -> LoginEvent<'static> {
    let mut login = event(Timestamp::from_unix_s(at_s));
    login.ip = ClientIp::parse(ip.into());
    login.edge.asn = Some(asn);
    login.device_id = Some(device.into());
    login.remembered_browser = false;
    login
}

/// The owner logged in from home for a week.
fn at_home() -> Pipeline<Volatile> {
    let Some(loaded) = loaded() else { unreachable!("fixtures are there") };
    let memory = Volatile::new(&Settings::default());
    let pipeline = over(memory, loaded).unwrap_or_else(|| unreachable!("metrics can be set up"));
    for day in 1..=7 {
        let at_s = NOW_S - day * DAY_S;
        assert!(pipeline.import(&login(HOME, "laptop", at_s), false, Timestamp::from_unix_s(at_s)).is_ok());
    }
    pipeline
}

/// What is said of the owner, on their own device, a day later.
fn of_owner(pipeline: &Pipeline<Volatile>, from: (&'static str, u32)) -> (Action, Confidence, Option<Evidence>) {
    let event = login(from, "laptop", NOW_S + DAY_S);
    let scored = score(pipeline, &event, event.time);
    (scored.verdict.action, scored.verdict.confidence, scored.verdict.evidence)
}

#[test]
fn neither_a_hundred_failures_nor_a_day_of_logins_change_what_is_said_of_the_owners_device() {
    let undisturbed = of_owner(&at_home(), HOME);
    assert_eq!(undisturbed.0, Action::Allow);
    let failed = at_home();
    for number in 0..100 {
        // Some where the owner is, some where the attacker is.
        let (ip, _) = if number % 2 == 0 { HOME } else { AWAY };
        let Ok(ip) = ip.parse() else { unreachable!("it is an address") };
        let failure =
            FailureEvent { tenant: "default".into(), user_id: Some("alice".into()), ip, kind: FailureKind::Password };
        failed.fail(&failure, Timestamp::from_unix_s(NOW_S + DAY_S - 600 + number));
    }
    assert_eq!(of_owner(&failed, HOME), undisturbed);

    // Whoever is asked goes away, and comes again; whoever is let in has logged in.
    for device in ["another", "yet another"] {
        let tried = at_home();
        for number in 0..100 {
            let event = login(AWAY, device, NOW_S + number * 600);
            let scored = score(&tried, &event, event.time);
            if scored.verdict.action != Action::Allow {
                let report = Report {
                    client: ClientTag(0),
                    result: LoginResult::Abandoned,
                    factor: None,
                    verified_here: FactorSet::EMPTY,
                };
                assert!(now(tried.settle(scored.id, report, event.time)).is_ok());
            }
        }
        assert_eq!(of_owner(&tried, HOME), undisturbed, "{device}");
    }
}

/// The attacker was let in all day, by an operator's mistake, say.
#[test]
fn a_day_of_completed_logins_elsewhere_leaves_the_owner_at_home_where_they_were() {
    let undisturbed = of_owner(&at_home(), HOME);
    let trained = at_home();
    for number in 0..50 {
        let event = login(AWAY, "another", NOW_S + number * 1_200);
        assert!(trained.import(&event, false, event.time).is_ok());
    }
    assert_eq!(of_owner(&trained, HOME), undisturbed);
}
