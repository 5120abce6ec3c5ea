use super::*;
use crate::context::Grain;
use crate::units::{Coordinates, Kilometres};
use proptest::prelude::*;

const NOW_S: u32 = 1_790_000_000;

fn login(time_s: u32) -> Login {
    Login {
        time: Timestamp::from_unix_s(time_s),
        device: None,
        agent: None,
        network: None,
        asn: None,
        place: None,
        factor_passed: false,
    }
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
    history.record(&Login { place: place(0.0, 0.0), factor_passed: true, ..login(NOW_S - 600) });
    assert_eq!(history.places(Timestamp::from_unix_s(NOW_S), 90).count(), 1);
}

#[test]
fn a_damaged_row_is_refused_at_every_length() {
    let mut history = UserHistory::default();
    history.record(&Login { device: Some(DeviceTag(5)), agent: chrome(1), place: place(1.0, 2.0), ..login(NOW_S) });
    let mut row = Vec::new();
    history.write_row(&mut row);
    for length in 0..row.len() {
        assert_eq!(UserHistory::read_row(&row[..length]), Err(RowError), "{length}");
    }
    row.push(0);
    assert_eq!(UserHistory::read_row(&row), Err(RowError));
}

#[test]
fn a_usual_user_takes_160_bytes() {
    let mut history = UserHistory::default();
    for tag in [1, 2] {
        history.record(&Login {
            device: Some(DeviceTag(tag)),
            agent: chrome(131),
            network: Some(NetworkTag(u32::try_from(tag).unwrap_or(0))),
            place: place(51.5, -0.1),
            ..login(NOW_S)
        });
    }
    let mut row = Vec::new();
    history.write_row(&mut row);
    assert!(row.len() <= 160, "{} bytes for 2 devices, 2 networks, 1 place", row.len());
}

fn any_login() -> impl Strategy<Value = Login> {
    (0..60_u32, 0..20_u64, 0..3_u32, 100..140_u16, 0..40_u32, 0..5_i32, any::<bool>()).prop_map(
        |(day, device, family, major, network, spot, factor_passed)| Login {
            device: Some(DeviceTag(device + 1)),
            agent: Some(Agent { family: AgentFamily::from_bits(family), major }),
            network: Some(NetworkTag(network + 1)),
            asn: Some(64_500 + network % 3),
            place: place(f64::from(spot) * 10.0, 0.0),
            factor_passed,
            ..login(NOW_S - day * 86_400)
        },
    )
}

/// Logins of a user whose habits fit the share: nothing is ever evicted.
fn usual_login() -> impl Strategy<Value = Login> {
    any_login().prop_map(|mut login| {
        login.device = login.device.map(|tag| DeviceTag(tag.0 % 10 + 1));
        login.network = login.network.map(|tag| NetworkTag(tag.0 % 24 + 1));
        login.agent = None;
        login
    })
}

proptest! {
    #[test]
    fn bounded_and_the_row_reads_back(logins in prop::collection::vec(any_login(), 0..80)) {
        let mut history = UserHistory::default();
        logins.iter().for_each(|login| history.record(login));
        let mut row = Vec::new();
        history.write_row(&mut row);
        prop_assert!(row.len() <= 1000, "{} bytes", row.len());
        prop_assert_eq!(UserHistory::read_row(&row), Ok(history));
    }

    #[test]
    fn order_does_not_matter_and_telling_twice_changes_nothing(
        logins in prop::collection::vec(usual_login(), 1..20), turn in 0..20_usize,
    ) {
        let mut once = UserHistory::default();
        logins.iter().for_each(|login| once.record(login));
        let mut again = UserHistory::default();
        let turned = logins.iter().cycle().skip(turn).take(2 * logins.len());
        turned.for_each(|login| again.record(login));
        prop_assert_eq!(sorted(once), sorted(again));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _read = UserHistory::read_row(&bytes);
    }
}

/// Entries stand in the order in which they came; that order means nothing.
fn sorted(mut history: UserHistory) -> UserHistory {
    history.devices.sort_by_key(|known| known.tag.0);
    history.networks.sort_by_key(|known| known.tag.0);
    history.places.sort_by_key(ValidPlace::rank);
    history
}
