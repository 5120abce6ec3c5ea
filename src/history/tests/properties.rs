//! What holds whatever is learnt.

use super::*;
use crate::privacy::RetentionDays;
use proptest::prelude::*;

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
