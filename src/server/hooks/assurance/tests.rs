use super::*;

const NOW_S: u32 = 1_800_000_000;

fn at(s: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + s)
}

fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
    let address = "81.2.69.142".parse().expect("an address");
    let mut facts = Facts { user: UserKey(1), device: 2, address, family: Some(3) };
    change(&mut facts);
    facts
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_cookie_is_good_for_one_user_device_network_and_browser_and_for_a_time() {
    let keys = SigningKeys::new(&[[1; 32]]);
    let assurance =
        Assurance { proved: at(0), factor: Factor::Totp, hard: HardEvidence::from_bits(5), witness: DeviceTag(7) };
    let cookie = assurance.sign(&keys, facts(|_| ()), 60);
    for (facts, after_s, is_good) in [
        (facts(|_| ()), 0, true),
        (facts(|_| ()), 59, true),
        (facts(|_| ()), 60, false),
        (facts(|facts| facts.address = address("81.2.69.1")), 0, true),
        (facts(|facts| facts.address = address("81.2.70.142")), 0, false),
        (facts(|facts| facts.address = address("::ffff:81.2.69.142")), 0, false),
        (facts(|facts| facts.user = UserKey(2)), 0, false),
        (facts(|facts| facts.device = 3), 0, false),
        (facts(|facts| facts.family = Some(4)), 0, false),
        (facts(|facts| facts.family = None), 0, false),
    ] {
        let opened = Assurance::open(&keys, &cookie, facts, at(after_s));
        assert_eq!(opened, is_good.then(|| assurance.clone()), "{facts:?} after {after_s} s");
    }
    let before = Timestamp::from_unix_s(NOW_S - 1);
    assert_eq!(Assurance::open(&keys, &cookie, facts(|_| ()), before), None, "a clock that went back");
    assert_eq!(Assurance::open(&SigningKeys::new(&[[2; 32]]), &cookie, facts(|_| ()), at(0)), None);
}

#[test]
fn an_errand_comes_back_whole_and_in_time_and_its_ticket_to_its_browser() {
    let keys = SigningKeys::new(&[[1; 32]]);
    let decision = DecisionId::from_bytes([9; 16]);
    let url = "https://app.example.org/a?b=%C3%A4".to_owned();
    let device = Device { number: 2, is_fresh: true, is_known: false };
    let asked = (decision, HardEvidence::from_bits(3), FactorSet::ALL);
    let errand = Errand::new(&keys, asked, (facts(|_| ()), device), (b"who".to_vec(), url));
    let rd = errand.sign(&keys, at(0));
    let open = |after_s| OpenErrand::open(&keys, &rd, at(after_s)).map(|open| (open.errand, open.expires));
    assert_eq!(open(ERRAND_S - 1), Some((errand.clone(), at(ERRAND_S))));
    assert_eq!(open(ERRAND_S), None);
    let (text, expires) = errand.ticket(&keys, Factor::Sms, at(0));
    assert_eq!(expires, at(TICKET_S));
    assert!(OpenErrand::open(&keys, &text, at(0)).is_none() && Ticket::open(&keys, &rd, at(0)).is_none());
    assert!(Ticket::open(&keys, &text, at(TICKET_S)).is_none());
    let ticket = Ticket::open(&keys, &text, at(TICKET_S - 1)).expect("it is in time");
    assert_eq!((&ticket.errand, ticket.factor), (&errand, Factor::Sms));
    for (from, family, is_good) in
        [("81.2.69.9", Some(3), true), ("81.2.70.9", Some(3), false), ("81.2.69.9", None, false)]
    {
        assert_eq!(ticket.is_of(&keys, address(from), family), is_good, "{from} {family:?}");
    }
}
