//! Look-ups, against trying every prefix.

use super::*;

fn longest(prefixes: &[&str], ip: &str) -> Option<String> {
    let prefixes: Vec<IpNet> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
    let (_, network) = Forms::of(ip.parse().unwrap()).longest(&ranges(&prefixes))?;
    Some(network.to_string())
}

#[test]
fn the_longest_prefix_wins_and_the_outer_one_goes_on_behind_it() {
    let list = ["198.51.0.0/16", "198.51.100.128/25", "198.51.100.255/32", "10.0.0.0/8", "255.255.255.255/32"];
    for (ip, expected) in [
        ("198.51.100.200", Some("198.51.100.128/25")),
        ("198.51.100.255", Some("198.51.100.255/32")),
        ("198.51.101.0", Some("198.51.0.0/16")),
        ("198.50.255.255", None),
        ("198.52.0.0", None),
        ("0.0.0.0", None),
        ("255.255.255.255", Some("255.255.255.255/32")),
        ("::1", None),
    ] {
        assert_eq!(longest(&list, ip).as_deref(), expected, "{ip}");
    }
}

#[test]
fn what_an_address_carries_is_looked_up_as_well() {
    // 6to4: bits of IPv4 stand behind 16 others, so that a /24 is a /40 of the whole.
    let list = ["198.51.100.0/24", "2002:c633::/32", "2002:c633:6407:1::/64", "2001:0:1234::/48"];
    for (ip, expected) in [
        ("198.51.100.7", Some("198.51.100.0/24")),
        ("2002:c633:6407::1", Some("198.51.100.0/24")),
        ("2002:c633:6407:1::1", Some("2002:c633:6407:1::/64")),
        ("2002:c633:6507::1", Some("2002:c633::/32")),
        ("64:ff9b::c633:6407", Some("198.51.100.0/24")),
        ("64:ff9b::1:c633:6407", None),
        ("64:ff9b:1::c633:6407", None),
        // Teredo: 198.51.100.7 is 39cc:9bf8 with each bit inverted.
        ("2001:0:4137:9e76:8000:63bf:39cc:9bf8", Some("198.51.100.0/24")),
        ("2001:0:1234:9e76:8000:63bf:39cc:9bf8", Some("198.51.100.0/24")),
        ("2001:0:1234:9e76:8000:63bf:0:1", Some("2001:0:1234::/48")),
        ("2001:1::39cc:9bf8", None),
    ] {
        assert_eq!(longest(&list, ip).as_deref(), expected, "{ip}");
    }
}

/// The bound that the service is sized by: a million prefixes within 40 MB. Prefixes that do not touch make the most ranges.
#[test]
fn a_million_prefixes_are_within_40_mb() {
    const COUNT: usize = 1_000_000;
    let numbers = || 0..u32::try_from(COUNT).unwrap();
    let v4 = numbers().map(|number| Ipv4Net::new(Ipv4Addr::from(number << 12), 24).unwrap().into());
    let v6 = numbers().map(|number| {
        let bits = (0x2a00_u128 << 112) | (u128::from(number) << 80);
        Ipv6Net::new(Ipv6Addr::from(bits), 64).unwrap().into()
    });
    let v4 = ranges(&v4.collect::<Vec<_>>());
    let v6 = ranges(&v6.collect::<Vec<_>>());
    let index = ((1 << 16) + 1) * size_of::<u32>();
    assert_eq!(v4.heap_bytes(), COUNT * 2 * (size_of::<u32>() + 1) + index);
    assert_eq!(v6.heap_bytes(), COUNT * 2 * (size_of::<u128>() + 1));
    assert!(v4.heap_bytes().max(v6.heap_bytes()) <= 40_000_000);
    for (list, on, off) in [(&v4, "244.35.240.255", "244.35.241.0"), (&v6, "2a00:7:a120::1", "2a00:7:a120:1::")] {
        assert!(list.longest(on.parse().unwrap()).is_some(), "{on}");
        assert!(list.longest(off.parse().unwrap()).is_none(), "{off}");
    }
}

/// Enough prefixes for the index, crowded and spread, with the ends of the address space.
#[test]
fn the_index_changes_nothing() {
    let mut prefixes: Vec<IpNet> = Vec::new();
    let mut push =
        |bits: u32, length| prefixes.push(Ipv4Net::new(Ipv4Addr::from(bits), length).unwrap().trunc().into());
    for number in 0..12_000_u32 {
        push(number.wrapping_mul(2_654_435_761), 9 + u8::try_from(number % 24).unwrap());
        push(0xc633_0000 + number * 16, 29);
    }
    push(0, 32);
    push(u32::MAX, 32);
    let list = ranges(&prefixes);
    assert!(list.heap_bytes() > prefixes.len() * 2 * 5, "the index is there, too");
    let edges = (0..=255_u32).flat_map(|high| [high << 24, (high << 24) | 0xffff, (high << 24) | 0x1_0000]);
    let addresses = (0..500_u32).map(|number| 0xc633_0000 + number * 7).chain(edges).chain([u32::MAX]);
    for ip in addresses.map(|bits| IpAddr::V4(Ipv4Addr::from(bits))) {
        assert_eq!(list.longest(ip), slowly(&prefixes, ip), "{ip}");
    }
}

fn v4_of(sixtofour: Ipv6Addr) -> Ipv4Addr {
    let [_, _, a, b, c, d, ..] = sixtofour.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// The closest entry of several lists, by trying each: its list, and what it matches.
fn closest(lists: &[Vec<IpNet>], ip: IpAddr) -> Option<(usize, IpNet)> {
    let carried = match ip {
        IpAddr::V6(v6) if v6.segments()[0] == 0x2002 => Some(IpAddr::V4(v4_of(v6))),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    let mut best: Option<(u8, usize, IpNet)> = None;
    for (at, list) in lists.iter().enumerate() {
        for (ip, bits_before) in std::iter::once((ip, 0)).chain(carried.map(|v4| (v4, 16))) {
            for network in list.iter().filter(|network| network.contains(&ip)) {
                let bits = bits_before + network.prefix_len();
                if best.is_none_or(|(most, _, _)| bits > most) {
                    best = Some((bits, at, *network));
                }
            }
        }
    }
    best.map(|(_, at, network)| (at, network))
}

fn slowly(prefixes: &[IpNet], ip: IpAddr) -> Option<IpNet> {
    prefixes.iter().filter(|net| net.contains(&ip)).max_by_key(|net| net.prefix_len()).copied()
}

// Few addresses and long prefixes, so that they nest, touch and repeat, at the ends of the address space as well.

fn v4_bits() -> impl Strategy<Value = u32> {
    (prop_oneof![Just(0_u32), Just(0xc633_6400), Just(u32::MAX - 1023)], 0..1024_u32)
        .prop_map(|(base, host)| base + host)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        v4_bits().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        v4_bits().prop_map(|bits| IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) | u128::from(bits)))),
        v4_bits().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(!u128::from(bits)))),
        v4_bits().prop_map(|bits| IpAddr::V6(Ipv6Addr::from((0x2002_u128 << 112) | (u128::from(bits) << 80) | 1))),
    ]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (address(), 0..=10_u8).prop_map(|(ip, wider)| {
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        IpNet::new(ip, longest - wider).unwrap().trunc()
    })
}

proptest! {
    #[test]
    fn agrees_with_trying_every_prefix(list in prop::collection::vec(prefix(), 0..40), ip in address()) {
        prop_assert_eq!(ranges(&list).longest(ip), slowly(&list, ip));
    }
}

proptest! {
    // Each case writes and reads three files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn several_lists_agree_with_trying_every_prefix(
        lists in prop::array::uniform3(prop::collection::vec(prefix(), 1..20)),
        ips in prop::collection::vec(address(), 16),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let settings: Vec<ListSettings> = lists.iter().enumerate().map(|(at, prefixes)| {
            let path = directory.path().join(at.to_string());
            std::fs::write(&path, prefixes.iter().map(|prefix| format!("{prefix}\n")).collect::<String>()).unwrap();
            let (format, category) = (Format::Netset, Category::Abuse);
            ListSettings { name: at.to_string(), path, format, category, max_age_h: 48, hard: None }
        }).collect();
        let loaded = IpLists::load(&settings, &[], Clock).unwrap();
        for ip in ips {
            let expected = closest(&lists, ip).map(|(at, network)| (at.to_string(), Entry::Network(network)));
            let found = match loaded.look_up(ip, None, Clock.now()).0 {
                ListFinding::Listed(hit) => Some((hit.source.to_string(), hit.matches)),
                ListFinding::Allowed { .. } | ListFinding::Clean | ListFinding::Stale(_) => None,
            };
            prop_assert_eq!(found, expected, "{}", ip);
        }
    }
}
