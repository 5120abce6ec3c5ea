use super::*;
use proptest::prelude::*;

fn ranges(prefixes: &[IpNet]) -> Ranges {
    Ranges::new(prefixes.iter().copied())
}

fn longest(prefixes: &[&str], ip: &str) -> Option<String> {
    let prefixes: Vec<IpNet> = prefixes.iter().filter_map(|text| network(text).ok()).collect();
    ranges(&prefixes).longest(ip.parse().ok()?).map(|net| net.to_string())
}

#[test]
fn the_longest_prefix_wins_and_the_outer_one_goes_on_behind_it() {
    let list = ["198.51.0.0/16", "198.51.100.128/25", "198.51.100.255", "10.0.0.0/8", "255.255.255.255"];
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
fn lines_of_a_netset() {
    let text =
        "# comment\n\n198.51.100.7/24 ; host bits\n2001:db8:bad::/48\r\n ::ffff:203.0.113.0/120 # mapped\n192.0.2.1\n";
    let prefixes = parse(text, Format::Netset).map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
    let expected = ["198.51.100.0/24", "2001:db8:bad::/48", "203.0.113.0/24", "192.0.2.1/32"];
    assert_eq!(prefixes, Ok(expected.map(str::to_owned).to_vec()));
}

#[test]
fn a_list_is_refused_as_a_whole() {
    for (text, reason) in [
        ("", "holds no prefix"),
        ("# only a comment\n", "holds no prefix"),
        ("192.0.2.0/24\nhello\n", "line 2: \"hello\" is neither an address nor a CIDR"),
        ("192.0.2.0/33\n", "line 1: \"192.0.2.0/33\" is neither an address nor a CIDR"),
        ("0.0.0.0/0\n", "line 1: 0.0.0.0/0 is wider than /8"),
        ("128.0.0.0/7\n", "line 1: 128.0.0.0/7 is wider than /8"),
        ("2000::/18\n", "line 1: 2000::/18 is wider than /19"),
        ("::ffff:0.0.0.0/96\n", "line 1: 0.0.0.0/0 is wider than /8"),
    ] {
        assert_eq!(parse(text, Format::Netset), Err(reason.to_owned()), "{text}");
    }
    assert!(parse("{\"asn\":1}\n", Format::DropJson).is_err());
    assert!(parse("<html>", Format::DropJson).is_err());
}

#[test]
fn an_allow_entry_is_a_network_or_a_system() {
    let parsed = |text: &str| AllowEntry::try_from(text.to_owned()).map(String::from);
    assert_eq!(parsed("198.51.100.9/28").as_deref(), Ok("198.51.100.0/28"));
    assert_eq!(parsed("AS64500").as_deref(), Ok("AS64500"));
    assert!(parsed("AS").is_err() && parsed("64500").is_err() && parsed("example.org").is_err());
}

fn prefix() -> impl Strategy<Value = IpNet> {
    // Few addresses and long prefixes, so that they nest, touch and repeat.
    (0..64_u32, 24..=32_u8).prop_filter_map("a network", |(host, length)| {
        Some(IpNet::V4(ipnet::Ipv4Net::new(Ipv4Addr::from(0xc633_6400 + host * 8), length).ok()?.trunc()))
    })
}

proptest! {
    #[test]
    fn agrees_with_trying_every_prefix(list in prop::collection::vec(prefix(), 0..40), host in 0..1024_u32) {
        let ip = IpAddr::V4(Ipv4Addr::from(0xc633_6400 - 256 + host));
        let slow = list.iter().filter(|net| net.contains(&ip)).max_by_key(|net| net.prefix_len()).copied();
        prop_assert_eq!(ranges(&list).longest(ip), slow);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[0-9a-f.:/# \n{}\"]{0,80}") {
        let _netset = parse(&text, Format::Netset);
        let _drop = parse(&text, Format::DropJson);
    }
}
