use super::*;
use proptest::prelude::*;

const PROXIES: [&str; 3] = ["127.0.0.0/8", "::ffff:10.0.0.0/104", "2001:db8:ffff::/48"];

fn settings(header: &str) -> Settings {
    Settings { trusted_proxies: trusted(&PROXIES).unwrap(), client_ip_header: header.to_owned().try_into().unwrap() }
}

fn trusted(networks: &[&str]) -> Result<TrustedProxies, String> {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().try_into()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The client behind 127.0.0.1, which sent these values of `header`.
fn resolved(header: &str, values: &[&str]) -> Client {
    resolve(address("127.0.0.1"), values.iter().map(|value| (header, value.as_bytes())), &settings(header))
}

const MALFORMED: Client = Client::Unknown(Cause::Malformed);
const WITHHELD: Client = Client::Unknown(Cause::Withheld);
const TOO_LONG: Client = Client::Unknown(Cause::TooLong);
const MISSING: Client = Client::Error(ClientError::HeaderMissing);

fn known(text: &str) -> Client {
    Client::Known(address(text))
}

fn check(header: &str, cases: &[(&[&str], Client)]) {
    for (values, expected) in cases {
        assert_eq!(resolved(header, values), *expected, "{header}: {values:?}");
    }
}

#[test]
fn a_list_is_walked_from_the_right() {
    check(
        "x-forwarded-for",
        &[
            (&[], MISSING),
            (&["6.6.6.6, 81.2.69.142"], known("81.2.69.142")),
            (&["6.6.6.6, 81.2.69.142,10.0.0.1"], known("81.2.69.142")),
            (&["6.6.6.6, 81.2.69.142", "::ffff:10.0.0.1 ,\t2001:db8:ffff::1"], known("81.2.69.142")),
            (&["10.0.0.3, 10.0.0.2", "10.0.0.1"], known("10.0.0.3")),
            (&["127.0.0.1"], known("127.0.0.1")),
            // Junk left of the answer is not even read.
            (&["\u{0}\u{7f}, ,,\"", "81.2.69.142"], known("81.2.69.142")),
            (&["999.1.1.1,81.2.69.142:443"], known("81.2.69.142")),
        ],
    );
}

#[test]
fn what_is_no_address_stops_the_walk() {
    for entry in [
        "",
        " ",
        "\t",
        "unknown",
        "_hidden",
        "unix:",
        "localhost",
        "a",
        "\"81.2.69.142\"",
        "for=81.2.69.142",
        "81.2.69",
        "81.2.69.300",
        "081.2.69.142",
        "0x51.2.69.142",
        "1359103374",
        "81.2.69.142/32",
        "81.2.69.142 x",
        "81.2.69.142:",
        "81.2.69.142:x",
        "81.2.69.142:+80",
        "81.2.69.142:-1",
        "81.2.69.142:65536",
        "81.2.69.142:000080",
        "81.2.69.142:80:80",
        "[81.2.69.142]",
        "[81.2.69.142]:80",
        "2001:db8:::1",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]:",
        "[2001:db8::1]80",
        "[2001:db8::1]]:80",
        "[[2001:db8::1]]",
        "[]",
        "[]:80",
        ":80",
        ":",
        "fe80::1%eth0",
        "fe80::1%1",
        "[fe80::1%3]:80",
        "[fe80::1%3]",
        "12.34.56.",
        "1234.1234.1234.1234",
        "81.2.69.142;",
        "８１.2.69.142",
        "81.2.69.142:_port",
    ] {
        assert_eq!(resolved("x-forwarded-for", &[entry]), MALFORMED, "{entry:?}");
        let walked_to = format!("81.2.69.142, {entry}, 10.0.0.1");
        assert_eq!(resolved("x-forwarded-for", &[&walked_to]), MALFORMED, "{entry:?} between");
    }
    let not_text = [("x-forwarded-for", b"81.2.69.\xb2".as_slice())];
    assert_eq!(resolve(address("127.0.0.1"), not_text, &settings("x-forwarded-for")), MALFORMED);
}

#[test]
fn forms_of_an_address() {
    for (entry, expected) in [
        ("81.2.69.142", "81.2.69.142"),
        ("\t 81.2.69.142:4711 \t", "81.2.69.142"),
        ("81.2.69.142:0", "81.2.69.142"),
        ("::ffff:81.2.69.142", "81.2.69.142"),
        ("::FFFF:5102:458e", "81.2.69.142"),
        ("[::ffff:81.2.69.142]:80", "81.2.69.142"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        // Without brackets a port cannot be told from the address.
        ("2001:db8::1:4711", "2001:db8::1:4711"),
        ("::1", "::1"),
        ("0.0.0.0", "0.0.0.0"),
    ] {
        for header in ["x-forwarded-for", "x-real-ip", "cf-connecting-ip"] {
            assert_eq!(resolved(header, &[entry]), known(expected), "{header}: {entry:?}");
        }
    }
}

#[test]
fn forwarded_names_the_client_in_for() {
    check(
        "forwarded",
        &[
            (&[], MISSING),
            (&["for=81.2.69.142"], known("81.2.69.142")),
            (&["FOR=6.6.6.6, For=81.2.69.142;Proto=https;by=203.0.113.43"], known("81.2.69.142")),
            (&["for=81.2.69.142", "by=_x;for=\"10.0.0.1:80\""], known("81.2.69.142")),
            (&[r#"for="[2001:db8::1]:4711""#], known("2001:db8::1")),
            (&[r#"for="[2001:db8::1]""#], known("2001:db8::1")),
            (&[r#"for="[::ffff:81.2.69.142]:_p0rt""#], known("81.2.69.142")),
            (&[r#"for="\8\1.2.69.142""#], known("81.2.69.142")),
            (&["for=81.2.69.142; proto=http ;\thost=a;"], known("81.2.69.142")),
            (&[";;for=81.2.69.142;;"], known("81.2.69.142")),
            (&[r#"for=81.2.69.142;host="a,for=6.6.6.6""#], known("81.2.69.142")),
            (&[r#"for=81.2.69.142;host="a\",for=6.6.6.6""#], known("81.2.69.142")),
            (&[r#"for=6.6.6.6;a="\\\\",for=81.2.69.142;b="\\""#], known("81.2.69.142")),
            (&["for=10.0.0.2, for=10.0.0.1"], known("10.0.0.2")),
            // What a client opened is not closed by what the proxy added.
            (&[r#"for=6.6.6.6;x=", for=81.2.69.142"#], known("81.2.69.142")),
            (&[r#"for=6.6.6.6;x=", for="81.2.69.142";y="z""#], known("81.2.69.142")),
            (&[r#"for=6.6.6.6;x="\, for="81.2.69.142""#], known("81.2.69.142")),
        ],
    );
}

#[test]
fn forwarded_without_an_address() {
    for (element, expected) in [
        ("for=unknown", WITHHELD),
        ("for=UNKNOWN", WITHHELD),
        ("for=\"unknown:80\"", WITHHELD),
        ("for=_hidden", WITHHELD),
        ("for=\"_SEVKISEK.-_1:_x\"", WITHHELD),
        ("proto=https;by=203.0.113.43", WITHHELD),
        (";", WITHHELD),
        ("", MALFORMED),
        (" ", MALFORMED),
        ("81.2.69.142", MALFORMED),
        ("for", MALFORMED),
        ("for=", MALFORMED),
        ("for=\"\"", MALFORMED),
        ("for=_", MALFORMED),
        ("for=_ä", MALFORMED),
        ("for =81.2.69.142", MALFORMED),
        ("for= 81.2.69.142", MALFORMED),
        ("for=\" 81.2.69.142\"", MALFORMED),
        ("for=81.2.69.142 proto=http", MALFORMED),
        ("for=\"81.2.69.142\"\"\"", MALFORMED),
        ("for=\"81.2.69.142\"x", MALFORMED),
        ("for=81.2.69.142;for=81.2.69.142", MALFORMED),
        ("for=unknown;FOR=81.2.69.142", MALFORMED),
        ("for=81.2.69.142:4711", MALFORMED),
        ("for=2001:db8::1", MALFORMED),
        ("for=\"2001:db8::1\"", MALFORMED),
        ("for=[2001:db8::1]", MALFORMED),
        ("for=\"[fe80::1%eth0]\"", MALFORMED),
        ("for='81.2.69.142'", MALFORMED),
        ("for=\"81.2.69.142", MALFORMED),
        ("for=81.2.69.142\"", MALFORMED),
        ("for=\"81.2.69.142\\\"", MALFORMED),
        ("for=81.2.69.142;host=\"\u{1}\"", MALFORMED),
        ("for=81.2.69.142;host=\"\\\u{1}\"", MALFORMED),
        ("for=81.2.69.142;host=a b", MALFORMED),
        ("for=81.2.69.142;=a", MALFORMED),
        ("for=81.2.69.142;host", MALFORMED),
    ] {
        assert_eq!(resolved("forwarded", &[element]), expected, "{element:?}");
        assert_eq!(resolved("forwarded", &["for=6.6.6.6", element, "for=10.0.0.1"]), expected, "{element:?} between");
    }
}

#[test]
fn only_the_chosen_header_is_read() {
    let lines = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X_Forwarded_For", "2.2.2.2"),
        ("Forwarded", "for=3.3.3.3"),
        ("X-Real-IP", "4.4.4.4"),
        ("x-forwarded-for2", "5.5.5.5"),
        ("X-REAL_IP", "6.6.6.6"),
        ("x-forwarded", "7.7.7.7"),
    ];
    for (header, expected) in [
        ("x-forwarded-for", known("1.1.1.1")),
        ("X-Forwarded-For", known("1.1.1.1")),
        ("FORWARDED", known("3.3.3.3")),
        ("x-real-ip", known("4.4.4.4")),
        ("cf-connecting-ip", MISSING),
    ] {
        let lines = lines.iter().map(|(name, value)| (*name, value.as_bytes()));
        assert_eq!(resolve(address("127.0.0.1"), lines, &settings(header)), expected, "{header}");
    }
}

#[test]
fn the_walk_is_bounded_from_the_right() {
    let hops = |count: usize| vec!["10.0.0.1"; count].join(",");
    let padded = |length: usize| format!("{:>length$}", "81.2.69.142");
    check(
        "x-forwarded-for",
        &[
            (&[&hops(ENTRIES_MAX)], known("10.0.0.1")),
            (&[&format!("81.2.69.142,{}", hops(ENTRIES_MAX - 1))], known("81.2.69.142")),
            (&[&format!("81.2.69.142,{}", hops(ENTRIES_MAX))], TOO_LONG),
            (&vec!["10.0.0.1"; ENTRIES_MAX + 1], TOO_LONG),
            (&[&padded(ENTRY_BYTES_MAX)], known("81.2.69.142")),
            (&[&padded(ENTRY_BYTES_MAX + 1)], TOO_LONG),
            (&[&format!("6.6.6.6,{}", padded(ENTRY_BYTES_MAX))], known("81.2.69.142")),
            (&[&format!("6.6.6.6,{}", padded(ENTRY_BYTES_MAX + 1))], TOO_LONG),
            (&[&format!("{},81.2.69.142", "x".repeat(1_000_000))], known("81.2.69.142")),
            (&[&format!("{},10.0.0.1", "x".repeat(1_000_000))], TOO_LONG),
        ],
    );
    let escapes = format!("for=81.2.69.142;host=\"{}\"", "\\".repeat(ENTRY_BYTES_MAX));
    assert_eq!(resolved("forwarded", &[&escapes]), TOO_LONG);
}

#[test]
fn the_peer_is_read_as_addresses_are() {
    let lines = [("x-forwarded-for", b"81.2.69.142".as_slice())];
    for (peer, expected) in [
        ("::ffff:127.0.0.1", "81.2.69.142"),
        ("::ffff:10.255.255.255", "81.2.69.142"),
        ("2001:db8:ffff::1", "81.2.69.142"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("11.0.0.0", "11.0.0.0"),
        ("9.255.255.255", "9.255.255.255"),
        ("::1", "::1"),
        ("2001:db9::1", "2001:db9::1"),
    ] {
        assert_eq!(resolve(address(peer), lines, &settings("x-forwarded-for")), known(expected), "{peer}");
    }
}

#[test]
fn trust_in_everybody_is_refused() {
    for networks in [
        &["0.0.0.0/0"][..],
        &["::/0"],
        &["10.0.0.0/8", "::0/0"],
        &["::ffff:0:0/96"],
        &["0.0.0.0/1", "128.0.0.0/1"],
        &["8000::/1", "::1", "::/1"],
        &["10.0.0.1/8"],
        &["2001:db8::1/32"],
        &["10.0.0.0/33"],
        &["10.0.0.0/"],
        &["10.0.0.0/-1"],
        &["fe80::1%eth0"],
        &["proxy.example.org"],
        &[""],
    ] {
        let refusal = trusted(networks).expect_err(&format!("{networks:?}"));
        assert!(!refusal.is_empty());
    }
}

#[test]
fn networks_are_written_back_as_they_are_understood() {
    for (networks, expected) in [
        (&[][..], &[][..]),
        (&["::ffff:10.0.0.0/104", "10.1.0.0/16"], &["10.0.0.0/8"]),
        (&["192.0.2.1", "::1", "::ffff:192.0.2.0"], &["192.0.2.0/31", "::1/128"]),
    ] {
        let written = Vec::from(trusted(networks).unwrap());
        assert_eq!(written, expected);
        assert_eq!(trusted(&written.iter().map(String::as_str).collect::<Vec<_>>()), trusted(networks));
    }
    assert_eq!(Vec::from(TrustedProxies::default()), ["127.0.0.0/8", "::1/128"]);
    assert!(!trusted(&[]).unwrap().contains(address("127.0.0.1")), "nobody is trusted unless named");
}

#[test]
fn names_that_no_header_has_are_refused() {
    for name in ["", "x_forwarded_for", "x-forwarded-for ", "x:y", "x\n", "ä"] {
        ClientHeader::try_from(name.to_owned()).expect_err(name);
    }
    assert_eq!(String::from(ClientHeader::try_from("X-Real-IP".to_owned()).unwrap()), "x-real-ip");
}

/// An address, of a trusted proxy every other time.
fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 4]>().prop_map(|bytes| IpAddr::V6(std::net::Ipv4Addr::from(bytes).to_ipv6_mapped())),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        any::<[u8; 10]>().prop_map(|bytes| {
            let mut address = [0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            address[6..].copy_from_slice(&bytes);
            IpAddr::from(address)
        }),
    ]
}

/// What proxies add to the right of what a client sent: the client, then hops.
fn added() -> impl Strategy<Value = Vec<IpAddr>> {
    prop::collection::vec(any_address(), 1..8)
}

/// As a proxy writes it under this header.
fn written(header: &str, address: IpAddr) -> String {
    match (header, address) {
        ("forwarded", IpAddr::V4(_)) => format!("proto=\"a,\\\"b\";for={address}"),
        ("forwarded", IpAddr::V6(_)) => format!("for=\"[{address}]:4711\""),
        _ => address.to_string(),
    }
}

/// Text that is likely to upset a parser of either header.
fn junk() -> impl Strategy<Value = String> {
    prop_oneof![r#"[,;="\\ \t:.%\[\]fFor0-9_]{0,40}"#, ".{0,40}", Just("for=\"".to_owned()), Just(String::new())]
}

fn any_header() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x-forwarded-for", "forwarded", "x-real-ip"])
}

proptest! {
    #[test]
    fn the_first_untrusted_from_the_right_is_the_client(header in any_header(), hops in added(), split in 0..8_usize) {
        let trusted = settings(header).trusted_proxies;
        let expected = hops.iter().rev().find(|hop| !trusted.contains(**hop)).unwrap_or(&hops[0]);
        let entries: Vec<String> = hops.iter().map(|hop| written(header, *hop)).collect();
        let (first, second) = entries.split_at(split.min(entries.len()));
        let lines: Vec<String> = [first, second].iter().filter(|line| !line.is_empty()).map(|line| line.join(" ,\t")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(resolved(header, &lines), Client::Known(expected.to_canonical()));
    }

    #[test]
    fn nothing_on_the_left_changes_the_answer(
        header in any_header(), client in any_address(), hops in added(), line in junk(), left in junk(),
    ) {
        prop_assume!(!settings(header).trusted_proxies.contains(client));
        let entries: Vec<String> = [client].iter().chain(&hops).map(|hop| written(header, *hop)).collect();
        let right = entries.join(", ");
        let alone = resolved(header, &[&right]);
        prop_assert!(matches!(alone, Client::Known(_)));
        prop_assert_eq!(resolved(header, &[&line, &format!("{left},{right}")]), alone);
    }

    #[test]
    fn the_lines_of_a_stranger_never_matter(header in any_header(), peer in any_address(), values in prop::collection::vec(junk(), 0..4)) {
        prop_assume!(!settings(header).trusted_proxies.contains(peer));
        let lines = values.iter().map(|value| (header, value.as_bytes()));
        prop_assert_eq!(resolve(peer, lines, &settings(header)), Client::Known(peer.to_canonical()));
    }

    #[test]
    fn a_trusted_proxy_is_the_client_only_where_all_are(
        header in any_header(), entries in prop::collection::vec(prop_oneof![
            4 => any_address().prop_map(Ok),
            1 => junk().prop_map(Err),
        ], 1..6),
    ) {
        let entries: Vec<String> =
            entries.into_iter().map(|entry| entry.map_or_else(|junk| junk, |hop| written(header, hop))).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        if let Client::Known(found) = resolved(header, &entries) {
            prop_assert_eq!(found, found.to_canonical());
            // A stranger left of all is found only where nothing stops the walk before.
            let stranger = address("203.0.113.5");
            let further = resolved(header, &[&[&*written(header, stranger)], &*entries].concat());
            let is_trusted = settings(header).trusted_proxies.contains(found);
            prop_assert_eq!(further, Client::Known(if is_trusted { stranger } else { found }));
        }
    }
}
