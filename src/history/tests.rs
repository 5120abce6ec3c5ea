mod labels;
mod properties;
mod rows;

use super::*;
use crate::context::{Grain, Location};
use crate::device_token::{Origin, TokenUse};
use crate::keyed_hash::AddressTag;
use crate::units::Kilometres;

const NOW_S: u32 = 1_790_000_000;

fn login(time_s: u32) -> Login {
    Login::bare(time_s)
}

fn place(latitude: f64, longitude: f64) -> Option<Place> {
    let at = Coordinates::new(latitude, longitude)?;
    Some(Place { at, radius: Kilometres::new(7.25)?, grain: Grain::City, country: None })
}

fn chrome(major: u16) -> Option<Agent> {
    Some(Agent { family: AgentFamily::from_bits(0x0102_0304), major })
}

fn with_agent(history: &mut UserHistory, time_s: u32, major: u16) {
    history.record(&Login { agent: chrome(major), ..login(time_s) });
}

#[test]
fn a_version_may_go_back_by_one_major_and_an_old_line_is_learnt_beside_the_new() {
    let mut history = UserHistory::default();
    with_agent(&mut history, NOW_S, 131);
    let knows = |history: &UserHistory, major| {
        chrome(major).is_some_and(|agent| history.knows_agent(agent, Timestamp::from_unix_s(NOW_S), 30))
    };
    assert!(knows(&history, 139) && knows(&history, 130) && !knows(&history, 129));
    with_agent(&mut history, NOW_S, 115);
    assert!(knows(&history, 115) && knows(&history, 131));
    assert_eq!(history.agents.len(), 2);
    with_agent(&mut history, NOW_S, 132);
    assert_eq!(history.agents.iter().map(|known| known.agent.major).collect::<Vec<_>>(), [132, 115]);
}

#[test]
fn a_version_that_is_not_told_is_neither_older_nor_newer() {
    for (known, now, expected) in [(0, 60, false), (131, 0, false), (0, 0, true)] {
        let mut history = UserHistory::default();
        with_agent(&mut history, NOW_S, known);
        let agent = chrome(now).unwrap();
        assert_eq!(history.knows_agent(agent, Timestamp::from_unix_s(NOW_S), 30), expected, "{known} {now}");
    }
}

#[test]
fn a_network_that_changes_hands_is_known_in_either_system() {
    let mut history = UserHistory::default();
    for asn in [64_501, 64_500, 64_501] {
        history.record(&Login { network: Some(NetworkTag(1)), asn: Some(asn), ..login(NOW_S) });
    }
    assert!(!history.is_new_asn(64_500) && !history.is_new_asn(64_501) && history.is_new_asn(64_502));
    assert_eq!(history.networks.len(), 2);
}

#[test]
fn a_day_counts_once_in_any_order() {
    let mut usage = Usage::at(NOW_S);
    for seconds_ago in [5 * 86_400, 86_400, 86_400 + 60, 0, 40 * 86_400] {
        usage.add(NOW_S - seconds_ago);
    }
    assert_eq!((usage.days, usage.last_s), (0b10_0011, NOW_S), "40 days ago is beyond what is counted");
}

#[test]
fn a_flood_does_not_flush_what_was_used_on_many_days() {
    let mut history = UserHistory::default();
    let habit = DeviceTag(1);
    for day in 0..5 {
        history.record(&Login { device: Some(habit), ..login(NOW_S - day * 86_400) });
    }
    for tag in 100..200 {
        history.record(&Login { device: Some(DeviceTag(tag)), ..login(NOW_S + 60) });
    }
    assert_eq!(history.devices.len(), DEVICES_MAX);
    assert!(history.knows_device(habit, Timestamp::from_unix_s(NOW_S), 30));
    assert!(history.knows_device(DeviceTag(199), Timestamp::from_unix_s(NOW_S), 30), "the newest gets in");
}

#[test]
fn what_devices_tell_of_how_long_they_are_kept_is_told_by_their_browser() {
    let [phone, laptop, other] = [1, 2, 3].map(AgentFamily::from_bits);
    let mut history = UserHistory::default();
    let mut record = |family: AgentFamily, tag: u64, day: u32| {
        let agent = Some(Agent { family, major: 1 });
        history.record(&Login { device: Some(DeviceTag(tag)), agent, ..login(NOW_S + day * Usage::DAY_S) });
        [phone, laptop, other].map(|family| history.device_habit(Some(family)))
    };
    let (keeps, loses) = (Some(DeviceHabit::Keeps), Some(DeviceHabit::Loses));
    assert_eq!(record(laptop, 10, 0), [None; 3]);
    assert_eq!(record(laptop, 11, 1), [None; 3], "two are few");
    assert_eq!(record(laptop, 12, 2), [loses; 3], "of another browser, all devices tell");
    assert_eq!(record(phone, 20, 3), [None, loses, loses]);
    assert_eq!(record(phone, 20, 24), [keeps, loses, keeps], "that the phone stays says nothing of the laptop");
    assert_eq!(record(laptop, 12, 25), [keeps, keeps, keeps], "it came back");
}

#[test]
fn the_last_places_are_kept_and_one_spot_is_one_place() {
    let mut history = UserHistory::default();
    for (age_s, latitude) in [(500, 10.0), (400, 10.1), (300, 20.0), (200, 30.0), (100, 40.0), (600, 50.0)] {
        history.record(&Login { place: place(latitude, 0.0), ..login(NOW_S - age_s) });
    }
    let mut times: Vec<_> = history.places.iter().map(|place| NOW_S - place.time_s).collect();
    times.sort_unstable();
    assert_eq!(times, [100, 200, 300], "10.0 and 10.1 are one place, and the oldest; 50.0 came too late to stay");
}

#[test]
fn a_confirmed_place_hides_the_older_ones() {
    let mut history = UserHistory::default();
    history.record(&Login { place: place(0.0, 20.0), ..login(NOW_S - 1800) });
    history.record(&Login { place: place(0.0, 0.0), proof: Proof::Factor, ..login(NOW_S - 600) });
    assert_eq!(history.places(Timestamp::from_unix_s(NOW_S), 90).count(), 1);
}

#[test]
fn days_with_an_anonymiser_are_kept_merged_and_forgotten_with_networks() {
    let day_s = Usage::DAY_S;
    let at = |day: u32, is_anonymous: bool| {
        Lesson::Completed(Login { is_anonymous, network: Some(NetworkTag(1)), ..login(NOW_S + day * day_s) })
    };
    let mut history = UserHistory::default();
    history.learn(&at(0, false));
    let now = |day: u32| Timestamp::from_unix_s(NOW_S + day * day_s);
    assert!(!history.hides(now(0), 90));
    let mut other = history.clone();
    history.learn(&at(1, true));
    other.learn(&at(5, true));
    other.merge(&history);
    for (day, hides) in [(5, true), (94, true), (96, false)] {
        assert_eq!(other.hides(now(day), 90), hides, "day {day}");
    }
    let mut row = Vec::new();
    other.write_row(&mut row);
    assert_eq!(UserHistory::read_row(&row).as_ref(), Ok(&other));
}

/// What a row of this version would have been when all four times stood in each.
#[test]
fn a_country_is_the_users_unless_an_anonymiser_stands_there_and_no_factor_was_passed() {
    let gb = CountryCode::new("GB");
    let hidden = Login { country: gb, is_anonymous: true, ..login(NOW_S) };
    let knows = |history: &UserHistory, later_days: u32| {
        let now = Timestamp::from_unix_s(NOW_S + later_days * 86_400);
        gb.is_some_and(|code| history.knows_country(code, now, 180))
    };
    let mut history = UserHistory::default();
    history.record(&hidden);
    assert!(!knows(&history, 0) && !history.knows_countries());
    history.record(&Login { proof: Proof::Factor, ..hidden });
    assert!(knows(&history, 180) && !knows(&history, 181));
}

fn token(generation: u32, origin: u16) -> TokenUse {
    TokenUse { device: DeviceTag(7), generation, origin: Some(Origin(origin)) }
}

#[test]
fn an_older_token_is_good_for_a_minute_from_where_its_successor_was_and_a_copy_after_that() {
    let mut history = UserHistory::default();
    history.record(&Login { token: Some(token(4, 1)), ..login(NOW_S) });
    history.learn(&Lesson::Presented(token(5, 1), Timestamp::from_unix_s(NOW_S + 10)));
    use TokenStanding::{Copied, Good};
    for (used, later_s, expected) in [
        (token(5, 1), 1_000_000, Good),
        (token(5, 2), 0, Good),
        (token(6, 2), 0, Good),
        (token(4, 1), 10, Good),
        (token(4, 1), 70, Good),
        (token(4, 1), 71, Copied),
        (token(4, 2), 70, Copied),
        (TokenUse { origin: None, ..token(4, 1) }, 70, Copied),
        (token(3, 1), 10, Copied),
        (TokenUse { device: DeviceTag(8), ..token(1, 1) }, 71, Good),
    ] {
        let standing = history.token_standing(&used, Timestamp::from_unix_s(NOW_S + later_s));
        assert_eq!(standing, expected, "{used:?} {later_s}");
    }
    assert!(history.advances(&token(6, 1)) && !history.advances(&token(5, 1)));
    history.learn(&Lesson::Copied(DeviceTag(7)));
    let now = Timestamp::from_unix_s(NOW_S + 71);
    assert!(!history.knows_device(DeviceTag(7), now, 30) && !history.advances(&token(6, 1)));
    history.record(&Login { token: Some(token(6, 1)), ..login(NOW_S + 80) });
    assert_eq!(history.token_standing(&token(5, 1), Timestamp::from_unix_s(NOW_S + 141)), Copied, "known again");
}

#[test]
fn a_radius_is_rounded_up_once() {
    let written_and_read = |radius: Kilometres| {
        let mut history = UserHistory::default();
        let place = place(1.0, 2.0).map(|place| Place { radius, ..place });
        history.record(&Login { place, ..login(NOW_S) });
        let mut row = Vec::new();
        history.write_row(&mut row);
        UserHistory::read_row(&row).ok().map(|history| history.places[0].place.radius)
    };
    // Among these are 11 such as 2.007, whose thousandfold is a little more than a whole number.
    for radius_m in 2000..2100_u32 {
        let radius = Kilometres::new(f64::from(radius_m) / 1000.0).unwrap();
        assert_eq!(written_and_read(radius), Some(radius), "{radius_m} m");
    }
    for (radius_km, expected_km) in [(0.0, 0.0), (7.2501, 7.251), (7.2509, 7.251), (1e-9, 0.001), (1e9, 4_294_967.295)]
    {
        assert_eq!(
            written_and_read(Kilometres::new(radius_km).unwrap()),
            Kilometres::new(expected_km),
            "{radius_km} km"
        );
    }
}

#[test]
fn a_device_tells_when_it_was_first_used_and_the_family_of_its_last_use() {
    let family = |bits| Some(Agent { family: AgentFamily::from_bits(bits), major: 1 });
    let used = |second: u32, agent| Login { device: Some(DeviceTag(1)), agent, ..login(NOW_S + second) };
    let mut uses = [used(0, family(3)), used(5000, family(2)), used(9000, family(1)), used(9000, family(0))];
    for _ in 0..uses.len() {
        uses.rotate_left(1);
        let mut history = UserHistory::default();
        uses.iter().for_each(|login| history.record(login));
        let device = history.devices().next().unwrap();
        assert_eq!(device.family.map(AgentFamily::to_bits), Some(1), "of two in one second, the higher number");
        assert_eq!(device.used.last, Timestamp::from_unix_s(NOW_S + 9000));
        let early_ms = Timestamp::from_unix_s(NOW_S).ms_since(device.first);
        assert!((0..256_000).contains(&early_ms), "{early_ms} ms before");
    }
    let mut history = UserHistory::default();
    history.record(&used(0, None));
    let device = history.devices().next().unwrap();
    assert_eq!((device.first, device.family), (device.used.last, None), "a single use is first and last");
}

#[test]
fn what_is_forgotten_is_named_by_nothing_that_stays() {
    let mut history = UserHistory::default();
    let family = |bits| Some(Agent { family: AgentFamily::from_bits(bits), major: 1 });
    let first = Login { device: Some(DeviceTag(1)), agent: family(0), place: place(1.0, 2.0), ..login(NOW_S) };
    history.record(&first);
    assert_eq!(history.places[0].device, first.device);
    history.forget_device(DeviceTag(1));
    assert_eq!((history.devices.len(), history.places[0].device), (0, None));
    history.record(&first);
    for bits in 1..=12 {
        history.record(&Login { agent: family(bits), ..login(NOW_S + bits) });
    }
    let device = history.devices().next().unwrap();
    assert_eq!(device.family, None, "its agent had to go");
}

#[test]
fn days_of_use_are_told_by_date() {
    let mut history = UserHistory::default();
    for days_ago in [0, 3, 15, 16] {
        history.record(&Login { country: CountryCode::new("GB"), ..login(NOW_S - days_ago * 86_400) });
    }
    let used = history.countries().next().unwrap().used;
    let ago: Vec<u32> = used.days().map(|day| (NOW_S - day.unix_s()) / 86_400).collect();
    assert_eq!(ago, [0, 3, 15]);
}
