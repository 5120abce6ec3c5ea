use super::*;
use crate::context::{Grain, Location};
use crate::device_token::{Origin, TokenUse};
use crate::keyed_hash::AddressTag;
use crate::privacy::RetentionDays;
use crate::units::Kilometres;
use proptest::prelude::*;

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
fn the_largest_row_has_a_thousand_bytes_and_one() {
    let mut history = UserHistory::default();
    let mut letters = (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| [a, b]));
    for number in 0..60_u32 {
        let code = letters.next().and_then(|code| CountryCode::new(str::from_utf8(&code).ok()?));
        let all = Login {
            device: Some(DeviceTag(number.into())),
            agent: Some(Agent { family: AgentFamily::from_bits(number), major: 1 }),
            address: Some(AddressTag(number.into())),
            network: Some(NetworkTag(number)),
            asn: Some(number + 1),
            country: code,
            place: place(f64::from(number), 0.0),
            ..login(NOW_S + number)
        };
        history.learn(&Lesson::Fraud { login: all, labelled: all.time });
        history.learn(&Lesson::Completed(all));
    }
    let mut row = Vec::new();
    history.write_row(&mut row);
    assert_eq!(history.marks.len(), reports::MARKS_MAX);
    assert_eq!(row.len(), 989);
    // Days with an anonymiser stand in the place of a network, then and later.
    for (number, is_anonymous) in [(100, true), (101, false)] {
        let network = Some(NetworkTag(number));
        history.learn(&Lesson::Completed(Login { network, is_anonymous, ..login(NOW_S + number) }));
        assert_eq!((history.networks.len(), history.row_len()), (NETWORKS_MAX - 1, 981));
        row.clear();
        history.write_row(&mut row);
        assert_eq!(UserHistory::read_row(&row).as_ref(), Ok(&history));
    }
    history.hidden = None;
    let full = UserHistory { place_confirmed_s: 1, factor_passed_s: 1, unfinished_s: 1, ..history };
    assert_eq!(full.row_len() + 12, 1001, "and one network more");
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
fn of_version(version: u8, row: &[u8]) -> Vec<u8> {
    let (head, mut rest) = row.split_at(9);
    let mut times = Vec::new();
    for bit in 0..4 {
        let (time, behind) = rest.split_at(if head[8] & 1 << bit == 0 { 0 } else { 4 });
        times.extend(if time.is_empty() { &[0; 4] } else { time });
        rest = behind;
    }
    let counts = [head[5], head[6] | (head[8] & 0x10) << 3, head[7]];
    [&[version], &head[1..5], &times, &counts, rest].concat()
}

#[test]
fn rows_of_earlier_versions_are_read_and_aged() {
    let cutoffs =
        |before_s: u32| Cutoffs { devices_s: before_s, networks_s: before_s, places_s: before_s, marks_s: before_s };
    for hides in [false, true] {
        for times in 0..8_u32 {
            let mut history = UserHistory { unfinished_s: times & 1, factor_passed_s: times & 2, ..Default::default() };
            history.fraud_labelled_s = times & 4;
            history.learn(&Lesson::Completed(Login {
                device: Some(DeviceTag(1)),
                network: Some(NetworkTag(1)),
                is_anonymous: hides,
                ..login(NOW_S)
            }));
            let mut row = Vec::new();
            history.write_row(&mut row);
            let before = of_version(4, &row);
            assert_eq!(UserHistory::read_row(&before).as_ref(), Ok(&history));
            let day_after_s = NOW_S + Usage::DAY_S;
            assert!(UserHistory::row_is_aged(&before, &cutoffs(day_after_s)));
            assert!(!UserHistory::row_is_aged(&before, &cutoffs(NOW_S - Usage::DAY_S)));
            let read = UserHistory::read_row(&of_version(3, &row));
            assert_eq!(read, if hides { Err(RowError) } else { Ok(history) }, "nothing was kept of anonymisers");
        }
    }
}

fn traces(device: u64, address: u64, place: Option<Place>) -> Traces {
    let location = place.map_or(Location::Missing, Location::Known);
    Traces { devices: [Some(DeviceTag(device)), None], address: Some(AddressTag(address)), location }
}

fn used(time_s: u32, device: u64, address: u64, place: Option<Place>) -> Login {
    let (device, address) = (Some(DeviceTag(device)), Some(AddressTag(address)));
    Login { device, address, place, ..login(time_s) }
}

#[test]
fn fraud_marks_device_address_and_place_until_a_strong_login_uses_them() {
    let (home, abroad) = (place(48.8, 2.3), place(40.4, -3.7));
    let mut history = UserHistory::default();
    history.record(&used(NOW_S - 86_400, 1, 1, home));
    let fraud = used(NOW_S, 2, 2, abroad);
    history.record(&fraud);
    history.learn(&Lesson::Fraud { login: fraud, labelled: Timestamp::from_unix_s(NOW_S + 60) });
    let now = Timestamp::from_unix_s(NOW_S);
    assert!(!history.knows_device(DeviceTag(2), now, 30) && history.knows_device(DeviceTag(1), now, 30));
    assert_eq!(history.places(now, 90).count(), 1, "the place is forgotten");
    for (traces, expected) in [
        (traces(1, 1, home), false),
        (traces(2, 1, home), true),
        (traces(1, 2, home), true),
        (traces(1, 1, abroad), true),
        (traces(1, 1, place(40.5, -3.7)), true),
    ] {
        assert_eq!(history.is_reported(&traces), expected, "{traces:?}");
    }
    let answered = |proof| Lesson::Completed(Login { proof, ..used(NOW_S + 1, 2, 1, home) });
    history.learn(&answered(Proof::Factor));
    assert!(history.is_reported(&traces(2, 1, home)), "a code is no strong login");
    history.learn(&answered(Proof::Strong));
    assert!(!history.is_reported(&traces(2, 1, home)));
    assert!(history.is_reported(&traces(1, 2, home)), "what the strong login did not use stays marked");
    history.learn(&Lesson::Legitimate { login: fraud, by_operator: false });
    assert!(history.is_reported(&traces(1, 2, home)));
    history.learn(&Lesson::Legitimate { login: fraud, by_operator: true });
    assert!(!history.is_reported(&traces(1, 2, home)) && !history.is_reported(&traces(1, 1, abroad)));
    history.learn(&Lesson::Fraud { login: fraud, labelled: Timestamp::from_unix_s(NOW_S + 90) });
    assert!(history.is_reported(&traces(2, 1, home)), "said again, it stands again");
}

#[test]
fn a_country_is_marked_only_where_the_user_is_a_stranger() {
    let of = |code: &str| {
        let (at, radius) = (Coordinates::new(54.0, -2.0)?, Kilometres::new(500.0)?);
        Some(Place { at, radius, grain: Grain::Country, country: CountryCode::new(code) })
    };
    let login = |age_s, code: &str| Login { country: CountryCode::new(code), ..used(NOW_S - age_s, 9, 9, of(code)) };
    let mut history = UserHistory::default();
    history.record(&login(2 * 86_400, "GB"));
    for code in ["GB", "RU"] {
        history.learn(&Lesson::Fraud { login: login(0, code), labelled: Timestamp::from_unix_s(NOW_S) });
    }
    assert!(!history.is_reported(&traces(1, 1, of("GB"))), "the user's own country");
    assert!(history.is_reported(&traces(1, 1, of("RU"))));
    let now = Timestamp::from_unix_s(NOW_S);
    assert!(history.knows_country(CountryCode::new("GB").unwrap(), now, 180));
}

#[test]
fn an_unmet_demand_counts_until_a_factor_is_passed() {
    let mut history = UserHistory::default();
    history.learn(&Lesson::Unfinished(Timestamp::from_unix_s(NOW_S)));
    let counts = |history: &UserHistory, later_s| {
        history.has_unfinished_challenge(Timestamp::from_unix_s(NOW_S + later_s), 86_400)
    };
    assert!(counts(&history, 86_400) && !counts(&history, 86_401));
    history.learn(&Lesson::Completed(login(NOW_S + 5)));
    assert!(counts(&history, 10), "a password proves nothing");
    history.learn(&Lesson::Completed(Login { proof: Proof::Factor, ..login(NOW_S + 6) }));
    assert!(!counts(&history, 10));
    history.learn(&Lesson::Unfinished(Timestamp::from_unix_s(NOW_S + 2)));
    assert!(!counts(&history, 10), "one that began before, and expires late");
}

#[test]
fn remembered_browsers_are_distrusted_from_a_label_to_a_factor() {
    let mut history = UserHistory::default();
    let fraud = used(NOW_S, 1, 1, None);
    history.learn(&Lesson::Completed(Login { proof: Proof::Factor, ..fraud }));
    history.learn(&Lesson::Fraud { login: fraud, labelled: Timestamp::from_unix_s(NOW_S + 60) });
    assert!(history.distrusts_remembered_browsers());
    history.learn(&Lesson::Completed(Login { proof: Proof::Factor, ..login(NOW_S + 61) }));
    assert!(!history.distrusts_remembered_browsers());
}

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

/// Seeds that a new version of the row made unreadable would fuzz nothing.
#[test]
fn seeds_of_the_fuzz_target_are_what_their_names_say() {
    const REFUSED: [&str; 14] = [
        "beyond-the-pole",
        "cut-short",
        "day-beyond-time",
        "eleven-devices",
        "empty",
        "hidden-in-version-3",
        "no-such-agent",
        "no-such-device",
        "no-such-mark",
        "six-marks",
        "version-1",
        "version-2",
        "unknown-seldom",
        "version-6",
    ];
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/history_row");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let read = UserHistory::read_row(&std::fs::read(&path).unwrap());
        assert_eq!(read.is_err(), REFUSED.contains(&name), "{name}: {read:?}");
    }
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

#[test]
fn a_usual_user_takes_134_bytes() {
    let mut history = UserHistory::default();
    for tag in [1, 2] {
        history.record(&Login {
            device: Some(DeviceTag(tag)),
            agent: chrome(131),
            network: Some(NetworkTag(u32::try_from(tag).unwrap_or(0))),
            country: CountryCode::new("GB"),
            place: place(51.5, -0.1),
            ..login(NOW_S)
        });
    }
    let mut row = Vec::new();
    history.write_row(&mut row);
    assert!(row.len() <= 134, "{} bytes for 2 devices, 2 networks, 1 country, 1 place", row.len());
}

fn any_login() -> impl Strategy<Value = Login> {
    (0..60_u32, 0..20_u64, 0..3_u32, 100..140_u16, 0..40_u32, 0..5_i32, any::<bool>()).prop_map(
        |(day, device, family, major, network, spot, factor_passed)| Login {
            device: Some(DeviceTag(device + 1)),
            agent: Some(Agent { family: AgentFamily::from_bits(family), major }),
            token: (device % 2 == 1).then(|| TokenUse {
                device: DeviceTag(device + 2),
                generation: day + 1,
                origin: Some(Origin(1)),
            }),
            network: Some(NetworkTag(network + 1)),
            asn: Some(64_500 + network % 3),
            place: place(f64::from(spot) * 10.0, 0.0),
            country: CountryCode::new(["GB", "FR", "JP"][usize::try_from(spot).unwrap_or(0) % 3]),
            proof: if factor_passed { Proof::Factor } else { Proof::FirstFactor },
            ..login(NOW_S - day * 86_400)
        },
    )
}

/// Logins of a user whose habits fit the share: nothing is ever evicted.
fn usual_login() -> impl Strategy<Value = Login> {
    any_login().prop_map(|mut login| {
        login.device = login.device.map(|tag| DeviceTag(tag.0 % 10 + 1));
        login.token = None;
        login.network = login.network.map(|tag| NetworkTag(tag.0 % 24 + 1));
        // Lines of versions that go back are told apart by their order.
        let has_agent = login.time.unix_s() / 86_400 % 5 != 0;
        login.agent = login.agent.filter(|_| has_agent).map(|agent| Agent { major: 1, ..agent });
        login
    })
}

fn any_lesson() -> impl Strategy<Value = Lesson> {
    (any_login(), 0..8_u8).prop_map(|(login, kind)| match kind {
        0 => Lesson::Unfinished(login.time),
        1 => Lesson::Fraud { login, labelled: login.time },
        2 => Lesson::Legitimate { login, by_operator: true },
        _ => Lesson::Completed(login),
    })
}

proptest! {
    #[test]
    fn bounded_and_the_row_reads_back(lessons in prop::collection::vec(any_lesson(), 0..120)) {
        let mut history = UserHistory::default();
        lessons.iter().for_each(|lesson| history.learn(lesson));
        let mut row = Vec::new();
        history.write_row(&mut row);
        prop_assert!(row.len() <= 1001, "{} bytes", row.len());
        prop_assert_eq!(UserHistory::read_row(&row), Ok(history));
    }

    #[test]
    fn a_rounded_row_tells_no_more_than_it_may_and_its_places_hold_what_they_held(
        latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64, decimals in 0..=7_u32,
    ) {
        let mut history = UserHistory::default();
        let device = Some(DeviceTag(1));
        history.learn(&Lesson::Completed(Login { device, place: place(latitude, longitude), ..login(NOW_S) }));
        let fraud = Login { place: place(-latitude, -longitude), ..login(NOW_S) };
        history.learn(&Lesson::Fraud { login: fraud, labelled: fraud.time });
        let mut row = Vec::new();
        history.write_row(&mut row);
        let once = UserHistory::rounded_row(&row, decimals).unwrap();
        let read = UserHistory::read_row(&once).unwrap();
        let is_round = |degrees: f64| {
            let shown = format!("{degrees}");
            shown.split_once('.').is_none_or(|(_, digits)| digits.len() <= usize::try_from(decimals).unwrap())
        };
        let spots = read.marks.iter().filter_map(|mark| if let Subject::Spot(at) = mark.subject { Some(at) } else { None });
        for at in read.places.iter().map(|known| known.place.at).chain(spots) {
            prop_assert!(is_round(at.latitude()) && is_round(at.longitude()), "{at:?}");
        }
        for (rounded, exact) in read.places.iter().zip(&history.places) {
            let moved_km = great_circle(rounded.place.at, exact.place.at).value();
            let gained_km = rounded.place.radius.value() - exact.place.radius.value();
            prop_assert!(moved_km <= gained_km + 1e-5, "{moved_km} km, and {gained_km} km of radius");
        }
        prop_assert_eq!(UserHistory::rounded_row(&once, decimals), Ok(once), "again changes nothing");
    }

    #[test]
    fn two_histories_of_a_user_are_what_one_would_have_learnt(
        logins in prop::collection::vec((usual_login(), any::<bool>(), any::<bool>()), 1..30),
    ) {
        let (mut here, mut there, mut one) = (UserHistory::default(), UserHistory::default(), UserHistory::default());
        for (login, is_here, is_fraud) in &logins {
            let half = if *is_here { &mut here } else { &mut there };
            let lesson = Lesson::Completed(*login);
            half.learn(&lesson);
            one.learn(&lesson);
            // What a label takes away, it takes away where it is told; its marks are known everywhere.
            if *is_fraud && one.marks.is_empty() {
                for history in [half, &mut one] {
                    history.mark(Subject::Device(DeviceTag(77)), login.time.unix_s());
                }
            }
        }
        let mut other_way = there.clone();
        other_way.merge(&here);
        here.merge(&there);
        prop_assert_eq!(&sorted(here.clone()), &sorted(one));
        prop_assert_eq!(sorted(here.clone()), sorted(other_way), "either way");
        let before = here.clone();
        here.merge(&there);
        prop_assert_eq!(here, before, "again changes nothing");
    }

    #[test]
    fn a_row_tells_whether_anything_of_it_is_too_old(
        lessons in prop::collection::vec(any_lesson(), 0..60), days in 80..260_u32,
    ) {
        let mut history = UserHistory::default();
        lessons.iter().for_each(|lesson| history.learn(lesson));
        let mut row = Vec::new();
        history.write_row(&mut row);
        let before = history.clone();
        let cutoffs = Cutoffs::new(Timestamp::from_unix_s(NOW_S + days * 86_400), &RetentionDays::default());
        history.learn(&Lesson::Aged(cutoffs));
        prop_assert_eq!(UserHistory::row_is_aged(&row, &cutoffs), history != before);
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
        let cutoffs = Cutoffs::new(Timestamp::from_unix_s(u32::MAX), &RetentionDays::default());
        let _told = UserHistory::row_is_aged(&bytes, &cutoffs);
    }
}

/// Entries stand in the order in which they came; that order means nothing.
fn sorted(mut history: UserHistory) -> UserHistory {
    history.devices.sort_by_key(|known| known.tag.0);
    history.agents.sort_by_key(|known| known.agent.family.to_bits());
    history.networks.sort_by_key(|known| (known.tag.0, known.asn));
    history.countries.sort_by_key(|known| known.code.to_bytes());
    history.places.sort_by_key(ValidPlace::rank);
    history
}
