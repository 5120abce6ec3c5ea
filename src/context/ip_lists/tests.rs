use super::parse::{Parsed, parse};
use super::*;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

mod parsing;
mod reload;
mod search;

fn ranges(prefixes: &[IpNet]) -> Ranges {
    let mut all = Prefixes::default();
    prefixes.iter().for_each(|prefix| all.push(*prefix));
    all.into_ranges()
}

fn csv(column: &str) -> Format {
    Format::Csv { column: column.to_owned() }
}

#[test]
fn an_allow_entry_is_a_network_or_a_system() {
    let parsed = |text: &str| Entry::try_from(text.to_owned()).map(String::from);
    assert_eq!(parsed("198.51.100.9/28").as_deref(), Ok("198.51.100.0/28"));
    assert_eq!(parsed("::ffff:198.51.100.9").as_deref(), Ok("198.51.100.9/32"));
    assert_eq!(parsed("AS64500").as_deref(), Ok("AS64500"));
    assert!(parsed("AS").is_err() && parsed("64500").is_err() && parsed("example.org").is_err());
}

#[test]
fn a_column_belongs_to_csv() {
    let read = |text: &str| toml::from_str::<ListSettings>(&format!("name='a'\npath='b'\ncategory='abuse'\n{text}"));
    for (text, expected) in [
        ("", Ok(Format::Netset)),
        ("format='drop_json'", Ok(Format::DropJson)),
        ("format='tor'", Ok(Format::Tor)),
        ("format='csv'\ncolumn='ip'", Ok(csv("ip"))),
        ("format='csv'", Err("column: missing")),
        ("format='tor'\ncolumn='ip'", Err("column: only the format csv")),
        ("column='ip'", Err("column: only the format csv")),
        ("format='xml'", Err("unknown variant `xml`")),
        ("colour='red'", Err("unknown field `colour`")),
    ] {
        match (read(text), expected) {
            (Ok(settings), Ok(format)) => {
                assert_eq!(settings.format, format, "{text}");
                let written = toml::to_string(&settings).unwrap();
                assert_eq!(toml::from_str::<ListSettings>(&written).unwrap(), settings, "{written}");
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}
