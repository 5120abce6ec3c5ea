//! Rows: their size, versions, and what is refused.

use super::*;

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
