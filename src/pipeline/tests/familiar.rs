//! Whose logins make a network familiar, and what that changes.

use super::*;
use crate::familiar::{Confirmed, ConfirmedNetwork, FamiliarNetworks};
use crate::verdict::Policy;
use crate::verdict::evidence::Cause;

const NOW_S: u32 = 1_790_000_000;
const DAY_S: u32 = 86_400;
const HOME: (&str, u32) = ("203.0.113.1", 64_500);
const OFFICE: (&str, u32) = ("192.0.2.7", 64_501);
const HOSTED: (&str, u32) = ("198.51.100.7", 24_940);

fn over_networks(edit: impl FnOnce(&mut Loaded)) -> Pipeline<Volatile> {
    let Some(mut loaded) = loaded() else { unreachable!("fixtures are there") };
    loaded.verdict.policy = Policy::Always;
    edit(&mut loaded);
    over(Volatile::new(&Settings::default()), loaded).unwrap_or_else(|| unreachable!("metrics can be set up"))
}

fn login(user: &str, (ip, asn): (&'static str, u32), device: &'static str, time: Timestamp) -> LoginEvent<'static> {
    let mut login = event(time);
    login.user.id = user.to_owned().into();
    login.ip = ClientIp::parse(ip.into());
    login.edge.asn = Some(asn);
    login.device_id = Some(device.into());
    login.remembered_browser = false;
    login
}

/// Users with so many days at home, each of whom then proves a login from there with a factor, or with none.
fn come(pipeline: &Pipeline<Volatile>, users: u32, days: u32, from: (&'static str, u32), factor: Option<Factor>) {
    let time = Timestamp::from_unix_s(NOW_S);
    for user in (0..users).map(|number| format!("{number} of {days} days from {}", from.0)) {
        for day in 1..=days {
            let past = Timestamp::from_unix_s(NOW_S - day * DAY_S);
            assert!(pipeline.import(&login(&user, HOME, "laptop", past), true, past).is_ok());
        }
        let event = login(&user, from, "laptop", time);
        let scored = score(pipeline, &event, time);
        let result = if factor.is_some() { LoginResult::Success } else { LoginResult::Failure };
        let report = Report { client: ClientTag(0), result, factor, verified_here: FactorSet::EMPTY };
        assert!(now(pipeline.settle(scored.id, report, time)).is_ok(), "{user}");
    }
}

fn proposed(pipeline: &Pipeline<Volatile>) -> Vec<String> {
    let found = pipeline.familiar.proposals(Timestamp::from_unix_s(NOW_S));
    found.into_iter().map(|found| found.network.to_string()).collect()
}

/// What a colleague's login from there, on a device of theirs that is new, is weighed by.
fn weighed(pipeline: &Pipeline<Volatile>, from: (&'static str, u32)) -> Vec<Cause> {
    let (user, time) = ("colleague", Timestamp::from_unix_s(NOW_S + 60));
    let past = Timestamp::from_unix_s(NOW_S - DAY_S);
    assert!(pipeline.import(&login(user, HOME, "laptop", past), true, past).is_ok());
    let event = login(user, from, "phone", time);
    let scored = score(pipeline, &event, time);
    let is_told = scored.verdict.reasons.iter().any(|reason| reason.code == "familiar_network");
    assert_eq!(is_told, scored.context.address.is_familiar);
    let evidence = scored.verdict.evidence.as_ref();
    evidence.map(|evidence| evidence.contributions.iter().map(|it| it.cause).collect()).unwrap_or_default()
}

#[test]
fn twenty_users_with_a_past_and_a_factor_propose_a_network_and_nobody_else_does() {
    let totp = Some(Factor::Totp);
    for (what, users, days, from, factor, expected) in [
        ("twenty", 20, 3, OFFICE, totp, &["192.0.2.0/24"][..]),
        ("one less", 19, 3, OFFICE, totp, &[]),
        ("accounts of yesterday", 40, 2, OFFICE, totp, &[]),
        ("who has the passwords only", 40, 3, OFFICE, None, &[]),
        ("a data centre", 40, 3, HOSTED, totp, &[]),
    ] {
        let pipeline = over_networks(|_| {});
        come(&pipeline, users, days, from, factor);
        assert_eq!(proposed(&pipeline), expected, "{what}");
    }
}

#[test]
fn what_is_new_to_one_user_is_not_counted_where_many_are() {
    let confirm = |network: &str, loaded: &mut Loaded| {
        let network = network.parse().unwrap_or_else(|_| unreachable!("it is one"));
        let all = vec![ConfirmedNetwork { network, tenant: "default".to_owned() }];
        loaded.signals.confirmed_networks = Confirmed::try_from(all).unwrap_or_default();
    };
    let proposing = over_networks(|_| {});
    come(&proposing, 20, 3, OFFICE, Some(Factor::Totp));
    assert!(weighed(&proposing, OFFICE).contains(&Cause::SystemNew), "a proposal alone changes nothing");

    let auto = over_networks(|loaded| loaded.signals.familiar_networks = FamiliarNetworks::Auto);
    assert!(weighed(&auto, OFFICE).contains(&Cause::SystemNew), "nobody was there");
    let auto = over_networks(|loaded| loaded.signals.familiar_networks = FamiliarNetworks::Auto);
    come(&auto, 20, 3, OFFICE, Some(Factor::Totp));
    assert_eq!(weighed(&auto, OFFICE), [Cause::Prior, Cause::DeviceAndBrowserNew], "a proposal is enough");

    let confirmed = over_networks(|loaded| confirm("192.0.2.0/24", loaded));
    assert_eq!(weighed(&confirmed, OFFICE), [Cause::Prior, Cause::DeviceAndBrowserNew]);
    let elsewhere = over_networks(|loaded| confirm("192.0.2.0/24", loaded));
    assert!(weighed(&elsewhere, ("192.0.3.7", 64_501)).contains(&Cause::SystemNew), "the next network");
    let hosted = over_networks(|loaded| confirm("198.51.100.0/24", loaded));
    assert!(weighed(&hosted, HOSTED).contains(&Cause::SystemNew), "a data centre is familiar to nobody");
}

/// By the clock of the system, which is what is kept is aged by.
#[test]
fn what_was_counted_is_kept_and_taken_up_again() {
    let pipeline = over_networks(|_| {});
    let at = pipeline.clock.now();
    let Ok(address) = "192.0.2.9".parse() else { unreachable!("it is an address") };
    let prefix = pipeline.key.sources("default", address, None).prefix;
    let note = |pipeline: &Pipeline<Volatile>, number: u32| {
        let user = pipeline.key.user("default", &number.to_string());
        let network = crate::familiar::network_of(address);
        pipeline.familiar.note(&crate::familiar::Seen { user, prefix, network, tenant: "default" }, at)
    };
    assert!(!(0..12).any(|number| note(&pipeline, number)));
    assert!(now(pipeline.share_familiar(false)).is_ok());
    // What another process kept meanwhile is taken, and what was counted here stays.
    let other = over_networks(|_| {});
    assert!(!(12..19).any(|number| note(&other, number)));
    for lane in 0..crate::familiar::LANES {
        let place = Place::Other(crate::pipeline::familiar::place(lane));
        let Ok(kept) = now(pipeline.memory().kept(place, at)) else { unreachable!("it is in memory") };
        let content = other.familiar.write(lane);
        assert_eq!(kept.is_some(), !content.is_empty(), "one lane is kept, that of the network");
        if let Some(kept) = kept {
            let record = Some(Record { content: content.into_boxed_slice(), until: None });
            assert!(matches!(now(pipeline.memory().put(place, Some(kept.version), record, at)), Ok(Put::Done)));
        }
    }
    assert!(now(pipeline.share_familiar(true)).is_ok());
    assert!(note(&pipeline, 19), "the twentieth, of both together");
    assert!(now(pipeline.share_familiar(false)).is_ok());
    let again = over_networks(|_| {});
    for lane in 0..crate::familiar::LANES {
        let place = Place::Other(crate::pipeline::familiar::place(lane));
        if let Ok(Some(kept)) = now(pipeline.memory().kept(place, at)) {
            assert_eq!(again.familiar.absorb(lane, &kept.content, at), Ok(()));
        }
    }
    assert_eq!(again.familiar.proposals(at).len(), 1);
}
