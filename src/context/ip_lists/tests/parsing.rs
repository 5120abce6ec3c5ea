//! Each format, by table.

use super::*;

fn parsed(text: impl AsRef<[u8]>, format: &Format) -> Result<Parsed, String> {
    parse(text.as_ref(), format)
}

/// Every one of `on` is found as written there, every one of `off` is not.
fn check(format: &Format, text: &str, entries: usize, on: &[(&str, &str)], off: &[&str]) {
    let list = parsed(text, format).unwrap_or_else(|reason| panic!("{reason}: {text}"));
    let find = |ip: &str| Forms::of(ip.parse().unwrap()).longest(&list.ranges).map(|(_, network)| network.to_string());
    assert_eq!(list.entries, entries, "{text}");
    for (ip, network) in on {
        assert_eq!(find(ip).as_deref(), Some(*network), "{ip}: {text}");
    }
    for ip in off {
        assert_eq!(find(ip), None, "{ip}: {text}");
    }
}

#[test]
fn netsets() {
    check(
        &Format::Netset,
        "\u{feff}# comment\n\n198.51.100.7/24 ; host bits\n2001:db8:bad::/48\r\n ::ffff:203.0.113.0/120 # mapped\n192.0.2.1",
        4,
        &[
            ("198.51.100.255", "198.51.100.0/24"),
            ("2001:db8:bad::1", "2001:db8:bad::/48"),
            ("203.0.113.9", "203.0.113.0/24"),
            ("192.0.2.1", "192.0.2.1/32"),
        ],
        &["198.51.101.0", "192.0.2.2"],
    );
    assert!(parsed(b"# \xe9\xe8\n192.0.2.1\n", &Format::Netset).is_ok(), "comments may be in any encoding");
}

#[test]
fn drop_json() {
    let text = r#"{"cidr":"198.51.100.0/24","sblid":"SBL1","rir":"arin"}
{"cidr":"2001:db8::\/32","sblid":"SBL2"}
{"asn":64500,"rir":"ripencc","domain":"bad.example","cc":"NL","asname":"BAD"}

{"cidr":"203.0.113.0/24","asn":64501}
{"type":"metadata","timestamp":1713186002,"size":3,"records":3,"copyright":"(c)"}
"#;
    check(
        &Format::DropJson,
        text,
        4,
        &[("198.51.100.1", "198.51.100.0/24"), ("2001:db8::1", "2001:db8::/32")],
        &["192.0.2.1"],
    );
    assert_eq!(*parsed(text, &Format::DropJson).unwrap().asns, [64_500], "a network's own system is not accused");
}

#[test]
fn tor() {
    let blocks = "@type tordnsel 1.0\nDownloaded 2026-01-01 00:02:00\nExitNode 4273E6D162ED2717A1CF4207A254004CD3F5307B\n\
                  Published 2026-01-01 11:01:07\nLastStatus 2026-01-01 23:00:00\nExitAddress 198.51.100.7 2026-01-01 \
                  23:17:02\nExitAddress 2001:db8::7 2026-01-01 23:17:02\n";
    let on = [("198.51.100.7", "198.51.100.7/32"), ("2001:db8::7", "2001:db8::7/128")];
    check(&Format::Tor, blocks, 2, &on, &["198.51.100.8"]);
    check(&Format::Tor, "# exits\n198.51.100.7\n\n2001:db8::7\r\n", 2, &on, &["198.51.100.8"]);
}

#[test]
fn tables() {
    let on = [("198.51.100.7", "198.51.100.7/32"), ("203.0.113.9", "203.0.113.0/24")];
    for (column, text) in [
        ("ip", "ip\n198.51.100.7\n203.0.113.0/24\n"),
        ("ip", "# made today\r\n\r\nseen,ip\r\n2026,198.51.100.7\r\n# gone\r\n2026,\"203.0.113.0/24\"\r\n"),
        ("dst ip", "\"seen, first\",\"dst ip\"\n\"a \"\"b\"\", c\", 198.51.100.7 \n\"two\nlines\",203.0.113.0/24"),
        ("ip", "country;ip;note\n\"A;B\";198.51.100.7;x,y\nC;203.0.113.0/24\n"),
        ("ip", "ip\tnote\n198.51.100.7\ta;b\n203.0.113.0/24\t\n\t an empty cell\n"),
        ("ip", "\u{feff}ip,\"note\"\n198.51.100.7,\"\"\n203.0.113.0/24,"),
    ] {
        check(&csv(column), text, 2, &on, &["192.0.2.1"]);
    }
}

#[test]
fn a_list_is_refused_as_a_whole() {
    let long = format!("192.0.2.1\n# {}\n", "x".repeat(4096));
    let quote = format!("ip,b\n192.0.2.1,\"{}", "never closed\n".repeat(2000));
    for (format, text, reason) in [
        (Format::Netset, "", "holds no entry"),
        (Format::Netset, "# only a comment\n", "holds no entry"),
        (Format::Netset, "192.0.2.0/24\nhello\n", "line 2: \"hello\" is neither an address nor a CIDR"),
        (Format::Netset, "192.0.2.0/33\n", "line 1: \"192.0.2.0/33\" is neither an address nor a CIDR"),
        (Format::Netset, "192.0.2.0-192.0.2.9\n", "line 1: \"192.0.2.0-192.0.2.9\" is neither"),
        (Format::Netset, "0.0.0.0/0\n", "line 1: 0.0.0.0/0 is wider than /8"),
        (Format::Netset, "128.0.0.0/7\n", "line 1: 128.0.0.0/7 is wider than /8"),
        (Format::Netset, "2000::/18\n", "line 1: 2000::/18 is wider than /19"),
        (Format::Netset, "::ffff:0.0.0.0/96\n", "line 1: 0.0.0.0/0 is wider than /8"),
        (Format::Netset, "<!DOCTYPE html>\n", "line 1: \"<!DOCTYPE html>\" is neither"),
        (Format::Netset, "\u{0}\u{1}\u{2}", "line 1: \"\\0\\u{1}\\u{2}\" is neither"),
        (Format::Netset, &long, "line 2: over 4096 bytes"),
        (Format::DropJson, "", "holds no entry"),
        (Format::DropJson, "{\"type\":\"metadata\"}\n", "holds no entry"),
        (Format::DropJson, "{\"cidr\":\"192.0.2.0/24\"}\n{\"cidr\":\"198.51", "line 2: EOF while parsing"),
        (Format::DropJson, "<html>", "line 1: expected value"),
        (Format::DropJson, "[\"192.0.2.0/24\"]", "line 1: "),
        (Format::DropJson, "{\"ip\":\"192.0.2.0/24\"}\n", "line 1: neither a cidr, nor an asn, nor metadata"),
        (Format::DropJson, "{\"asn\":0}\n", "line 1: AS0 is no autonomous system"),
        (Format::DropJson, "{\"asn\":4294967296}\n", "line 1: invalid value"),
        (Format::DropJson, "{\"cidr\":\"0.0.0.0/0\"}\n", "line 1: 0.0.0.0/0 is wider than /8"),
        (
            Format::Tor,
            "ExitNode 42\nExitAddress 198.51.100.7 2026-01-01\n",
            "line 2: \"ExitAddress 198.51.100.7 2026-01-01\"",
        ),
        (Format::Tor, "ExitAddress here 2026-01-01 00:00:00\n", "line 1: \"here\" is neither"),
        (Format::Tor, "198.51.100.0/24\n", "line 1: \"198.51.100.0/24\" is neither"),
        (Format::Tor, "<html>\n", "line 1: \"<html>\" is neither a line of an exit list nor an address"),
        (csv("ip"), "a,b,c\n1,2,3\n", "line 1: no column \"ip\" in the header: \"a\", \"b\", \"c\""),
        (csv("ip"), "a;b\n1;2\n", "line 1: no column \"ip\" in the header: \"a\", \"b\""),
        (csv("ip"), "<html><body>\n", "line 1: no column \"ip\" in the header: \"<html><body>\""),
        (csv("ip"), "# nothing\n", "holds no entry"),
        (csv("ip"), "ip,b\n", "holds no entry"),
        (csv("b"), "ip,b\n192.0.2.1\n", "line 2: the row ends before the column"),
        (csv("ip"), "ip,b\n192.0.2.1,x\nhere,y\n", "line 3: \"here\" is neither an address nor a CIDR"),
        (csv("ip"), "ip,b\n0.0.0.0/0,x\n", "line 2: 0.0.0.0/0 is wider than /8"),
        (csv("ip"), "\"ip\n\",b\n", "line 1: the header goes over more than one line"),
        (csv("ip"), "ip,b\n192.0.2.1,x\n192.0.2.2,\"y\n", "a field in quotes does not end"),
        (csv("ip"), &quote, "a record over 16384 bytes"),
    ] {
        let refused = parsed(text, &format).map(|list| list.entries).expect_err(text);
        assert!(refused.contains(reason), "{text:?}\n  expected {reason}\n  found    {refused}");
        assert!(refused.len() < 200, "{refused}");
    }
    assert!(parsed(b"192.0.2.1\n\xff\xfe\n", &Format::Netset).is_err_and(|reason| reason.starts_with("line 2: ")));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        text in "([0-9a-f.:/# ,;\"\t]|ip|asn|cidr|\\{\"|\":|\"\\}|\r?\n|ExitAddress ){0,60}",
    ) {
        for format in [Format::Netset, Format::DropJson, Format::Tor, csv("ip")] {
            for tail in [&bytes[..], text.as_bytes()] {
                let _any = parsed(tail, &format);
                let _after_a_header = parsed([b"ip,a\n", tail].concat(), &format);
            }
        }
    }
}
