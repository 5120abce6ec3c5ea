use super::*;
use crate::clock::Timestamp;
use crate::keyed_hash::HashKey;
use proptest::prelude::*;

const DAY_S: u32 = 86_400;
/// The middle of a day.
const NOON_S: u32 = 20_000 * DAY_S + DAY_S / 2;

fn at(day: u32) -> Timestamp {
    Timestamp::from_unix_s(NOON_S + day * DAY_S)
}

/// A login of this user of this tenant from this address.
fn note(familiar: &Familiar, tenant: &str, user: u32, address: &str, day: u32) -> bool {
    let key = HashKey::fixed([7; 16]);
    let address: IpAddr = address.parse().expect("it is one");
    let seen = Seen {
        user: key.user(tenant, &user.to_string()),
        prefix: key.sources(tenant, address, None).prefix,
        network: network_of(address),
        tenant,
    };
    familiar.note(&seen, at(day))
}

fn proposed(familiar: &Familiar, day: u32) -> Vec<String> {
    familiar.proposals(at(day)).iter().map(|found| format!("{} {}", found.tenant, found.network)).collect()
}

fn is_familiar(familiar: &Familiar, tenant: &str, address: &str) -> [bool; 2] {
    let address: IpAddr = address.parse().expect("it is one");
    let prefix = HashKey::fixed([7; 16]).sources(tenant, address, None).prefix;
    [FamiliarNetworks::Confirm, FamiliarNetworks::Auto].map(|how| familiar.is_familiar(prefix, how))
}

#[test]
fn a_network_is_proposed_for_so_many_users_of_one_tenant() {
    let familiar = Familiar::new(3);
    for repetition in 0..5 {
        assert!(!note(&familiar, "default", 1, "192.0.2.1", 0), "one user is one, {repetition} times");
        assert!(!note(&familiar, "default", 2, "192.0.2.77", repetition), "on however many days");
        assert!(!note(&familiar, "acme", repetition, "192.0.2.1", 0) || repetition == 2, "tenants are apart");
    }
    assert_eq!(proposed(&familiar, 4), ["acme 192.0.2.0/24"]);
    assert!(note(&familiar, "default", 3, "192.0.2.200", 5));
    assert!(!note(&familiar, "default", 4, "192.0.2.200", 5), "it is told once");
    assert_eq!(proposed(&familiar, 5), ["acme 192.0.2.0/24", "default 192.0.2.0/24"]);
    assert_eq!(is_familiar(&familiar, "default", "192.0.2.9"), [false, true]);
    assert_eq!(is_familiar(&familiar, "default", "192.0.3.9"), [false, false]);
    for user in 0..3 {
        note(&familiar, "default", user, "2001:db8:1:2::3", 5);
    }
    assert!(proposed(&familiar, 5).contains(&"default 2001:db8:1::/48".to_owned()));
}

#[test]
fn a_user_counts_for_thirty_days() {
    let familiar = Familiar::new(2);
    note(&familiar, "default", 1, "192.0.2.1", 0);
    note(&familiar, "default", 2, "192.0.2.1", 10);
    for (day, count) in [(10, 1), (29, 1), (30, 0)] {
        assert_eq!(proposed(&familiar, day).len(), count, "day {day}");
    }
    familiar.age(at(29));
    assert_eq!(is_familiar(&familiar, "default", "192.0.2.1"), [false, true]);
    familiar.age(at(30));
    assert_eq!(is_familiar(&familiar, "default", "192.0.2.1"), [false, false], "withdrawn");
    note(&familiar, "default", 1, "192.0.2.1", 30);
    assert_eq!(is_familiar(&familiar, "default", "192.0.2.1"), [false, true], "and proposed again");
    familiar.set(3, at(30));
    assert_eq!(is_familiar(&familiar, "default", "192.0.2.1"), [false, false], "three would be needed now");
}

/// Every lane gets more networks than it holds.
#[test]
fn a_flood_of_networks_displaces_none_that_more_than_one_uses() {
    let familiar = Familiar::new(20);
    for user in 0..19 {
        note(&familiar, "default", user, "192.0.2.1", 0);
    }
    for flood in 0..40_000_u32 {
        let [_, a, b, c] = flood.to_be_bytes();
        note(&familiar, "default", 1_000_000 + flood, &format!("10.{a}.{b}.{c}"), 1);
        note(&familiar, "default", 1_000_000 + flood, &format!("11.{b}.{c}.1"), 1);
    }
    assert!(note(&familiar, "default", 19, "192.0.2.1", 2), "nineteen are still there");
    let written: usize = (0..LANES).map(|lane| familiar.write(lane).len()).sum();
    assert!(written < 4 << 20, "{written} bytes");
}

#[test]
fn a_lane_is_read_as_it_was_written() {
    let familiar = Familiar::new(3);
    for user in 0..5 {
        note(&familiar, "default", user, "192.0.2.1", user);
        note(&familiar, "acme", user, "2001:db8::1", 0);
        note(&familiar, "default", 1, &format!("198.51.{user}.1"), 0);
    }
    let again = Familiar::new(3);
    for lane in 0..LANES {
        let bytes = familiar.write(lane);
        assert_eq!(familiar.take_changed(lane), !bytes.is_empty());
        assert!(!familiar.take_changed(lane), "it is told once");
        if !bytes.is_empty() {
            assert_eq!(again.absorb(lane, &bytes, at(5)), Ok(()));
            assert_eq!(again.absorb(lane, &bytes, at(5)), Ok(()), "twice is as good as once");
            assert_eq!(again.write(lane), bytes);
            for end in 0..bytes.len() {
                assert_eq!(Familiar::new(3).absorb(lane, &bytes[..end], at(5)), Err(row::BadRow), "cut at {end}");
            }
        }
    }
    again.age(at(5));
    assert_eq!(proposed(&again, 5), ["acme 2001:db8::/48", "default 192.0.2.0/24"]);
    assert_eq!(is_familiar(&again, "acme", "2001:db8::7"), [false, true]);
}

#[test]
fn only_what_can_be_proposed_can_be_confirmed() {
    let confirmed =
        |text: &str| toml::from_str::<std::collections::BTreeMap<String, Confirmed>>(text).map(|all| all["x"].clone());
    for bad in ["192.0.2.0/23", "192.0.2.1/24", "192.0.2.7/32", "2001:db8::/32", "2001:db8::/64", "office"] {
        assert!(confirmed(&format!("x = [{{ network = '{bad}' }}]")).is_err(), "{bad}");
    }
    let some = "x = [{ network = '192.0.2.0/24' }, { network = '2001:db8::/48', tenant = 'acme' }, { network = '192.0.2.0/24' }]";
    let confirmed = confirmed(some).expect("it is good");
    assert_eq!(confirmed.len(), 2, "one stands twice");
    for (tenant, address, expected) in [
        ("default", "192.0.2.255", true),
        ("acme", "192.0.2.255", false),
        ("default", "192.0.3.0", false),
        ("acme", "2001:db8::ffff", true),
        ("acme", "2001:db8:1::", false),
        ("default", "2001:db8::ffff", false),
    ] {
        assert_eq!(confirmed.has(tenant, address.parse().expect("it is one")), expected, "{tenant} {address}");
    }
}

proptest! {
    /// Replicas that hear of each other in any order end with the same.
    #[test]
    fn what_two_counted_is_what_one_would_have(logins in prop::collection::vec((0..30_u32, 0..40_u32, any::<bool>()), 0..80)) {
        let [one, a, b] = std::array::from_fn(|_| Familiar::new(50));
        for (user, day, is_a) in &logins {
            note(&one, "default", *user, "192.0.2.1", *day);
            note(if *is_a { &a } else { &b }, "default", *user, "192.0.2.1", *day);
        }
        for lane in 0..LANES {
            let (of_a, of_b) = (a.write(lane), b.write(lane));
            for (own, others) in [(&a, of_b), (&b, of_a)] {
                if !others.is_empty() {
                    prop_assert!(own.absorb(lane, &others, at(0)).is_ok());
                }
            }
            prop_assert_eq!(a.write(lane), one.write(lane));
            prop_assert_eq!(b.write(lane), one.write(lane));
        }
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _whatever = Familiar::new(20).absorb(0, &[&[1][..], &bytes].concat(), at(0));
    }
}
