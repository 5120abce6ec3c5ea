//! Labels, and demands that nobody met.

use super::*;

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
