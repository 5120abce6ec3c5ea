//! Files that an operator downloads, or writes.

use askance::clock::{Clock, Timestamp};
use askance::config::Config;
use askance::context::geoip::{self, GeoIp};
use askance::context::ip_lists::{Category, Entry, Format, IpLists, ListFinding, ListSettings};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// A line that names the format (`netset`, `drop_json`, `tor`, or `csv` and the column), then a list.
///
/// It is refused with a reason that is short whatever stands in it, or its order does not matter, and an address that
/// it holds in a line of its own is on it.
pub fn list_file(bytes: &[u8]) {
    let (first, list) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1));
    let format = match String::from_utf8_lossy(first).trim() {
        "drop_json" => Format::DropJson,
        "tor" => Format::Tor,
        "netset" => Format::Netset,
        other => Format::Csv { column: other.strip_prefix("csv ").unwrap_or("ip").to_owned() },
    };
    let load = |list: &[u8]| {
        let file = Scratch::with("list", list);
        let settings = ListSettings {
            name: "list".to_owned(),
            path: file.path.clone(),
            format: format.clone(),
            category: Category::Abuse,
            max_age_h: u32::MAX,
            hard: None,
        };
        IpLists::load(&[settings], &[], Clock)
    };
    let lists = match load(list) {
        Ok(lists) => lists,
        Err(error) => return assert!(error.to_string().len() < 1024, "a reason of {} bytes", error.to_string().len()),
    };
    assert!(lists.health(Timestamp::from_unix_s(0)).all(|list| list.entries > 0), "an empty list is good");
    // A mark of the encoding is one at the beginning only.
    let list = list.strip_prefix(b"\xef\xbb\xbf").unwrap_or(list);
    let mut lines: Vec<&[u8]> = list.split(|byte| *byte == b'\n').collect();
    lines.reverse();
    let turned = load(&lines.join(&b'\n')).ok();
    for line in lines {
        let Some(ip) = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse::<IpAddr>().ok()) else {
            continue;
        };
        // As every address is by the time that it is looked up.
        let ip = ip.to_canonical();
        let (finding, _) = lists.look_up(ip, None, Timestamp::from_unix_s(0));
        if format == Format::Netset {
            assert!(matches!(finding, ListFinding::Listed(_)), "{ip} is not on it: {finding:?}");
            let turned = turned.as_ref().map(|turned| turned.look_up(ip, None, Timestamp::from_unix_s(0)).0);
            assert_eq!(turned.as_ref(), Some(&finding), "the order of lines matters to {ip}");
        }
        if let ListFinding::Listed(hit) = finding
            && let Entry::Network(network) = hit.matches
        {
            let holds = network.contains(&ip) || matches!((network.addr(), ip), (IpAddr::V4(_), IpAddr::V6(_)));
            assert!(holds, "{ip} is on it for {network}");
        }
    }
}

/// A database: it is refused, or answers for every address, with a network that the address is in, and the same when it is
/// read again.
pub fn database_file(bytes: &[u8]) {
    let file = Scratch::with("mmdb", bytes);
    let paths = || file.path.to_string_lossy().into_owned();
    let settings = geoip::Settings {
        city: (&*paths()).into(),
        asn: (&*paths()).into(),
        anonymous: (&*paths()).into(),
        ..geoip::Settings::default()
    };
    let Ok(database) = GeoIp::open(&settings) else { return };
    let again = GeoIp::open(&settings).ok();
    let last = bytes.last_chunk().map_or(0, |last| u128::from_le_bytes(*last));
    let [a, b, c, d, ..] = last.to_le_bytes();
    let addresses = [
        "81.2.69.142".parse().ok(),
        "2001:630::1".parse().ok(),
        "2002:5102:458e::1".parse().ok(),
        Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
        Some(IpAddr::V6(Ipv6Addr::from(last))),
    ];
    for ip in addresses.into_iter().flatten() {
        let (found, network) = database.describe(ip);
        assert_eq!(again.as_ref().map(|again| again.describe(ip).0), Some(found.clone()), "{ip} is elsewhere");
        let ip = ip.to_canonical();
        let holds = network.is_none_or(|network| network.contains(&ip) || network.addr().is_ipv4() && ip.is_ipv6());
        assert!(holds, "{ip} has the row of {network:?}");
    }
}

/// A configuration: it is refused with reasons, or means the same when it is written out and read again.
pub fn config_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
        // Of a client's key not even the hash is written.
        Ok(config) if !config.server.clients.is_empty() => {}
        Ok(config) => {
            let written = toml::to_string(&config).unwrap_or_else(|error| panic!("it cannot be written: {error}"));
            let read = Config::parse(&written).unwrap_or_else(|error| panic!("{error}, in\n{written}"));
            assert_eq!(Config { origin: String::new(), ..read }, Config { origin: String::new(), ..config });
        }
    }
}

/// A file that goes when it is dropped. One of a kind at a time: a target runs on one thread.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn with(kind: &str, bytes: &[u8]) -> Self {
        let name = format!("askance-fuzz-{}.{kind}", std::process::id());
        let path = Path::new(&std::env::temp_dir()).join(name);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap_or_default();
    }
}
