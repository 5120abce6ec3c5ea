//! Lists over their lives: several of them, stale ones, and files that change for the better or the worse.

use super::*;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn list(name: &str, path: &Path, format: Format, category: Category) -> ListSettings {
    ListSettings { name: name.to_owned(), path: path.to_owned(), format, category, max_age_h: 48, hard: None }
}

fn loaded(settings: &[ListSettings]) -> IpLists {
    IpLists::load(settings, &[], Clock).unwrap_or_else(|error| panic!("{error}"))
}

/// The entry and the list, or `clean`, `stale:NAME`, `allowed:ENTRY`.
fn found(lists: &IpLists, ip: &str, asn: Option<u32>) -> String {
    match lists.look_up(ip.parse().unwrap(), asn, Clock.now()).0 {
        ListFinding::Listed(hit) => format!("{} {}", hit.matches, hit.source),
        ListFinding::Clean => "clean".to_owned(),
        ListFinding::Stale(name) => format!("stale:{name}"),
        ListFinding::Allowed { matches, by_network } => format!("allowed:{matches}:{by_network}"),
    }
}

fn age(path: &Path, hours: u64) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms() - hours * 3_600_000)).unwrap();
}

fn now_ms() -> u64 {
    u64::try_from(Clock.now().unix_ms()).unwrap()
}

#[test]
fn the_closest_match_over_all_lists_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("wide"), "198.51.0.0/16\n203.0.113.0/24\n").unwrap();
    std::fs::write(path("narrow"), "198.51.100.128/25\n203.0.113.0/24\n2002:c633:6400::/40\n").unwrap();
    std::fs::write(path("drop"), "{\"asn\":64500}\n{\"cidr\":\"198.51.100.255/32\"}\n").unwrap();
    let settings = [
        list("wide", &path("wide"), Format::Netset, Category::Datacenter),
        list("narrow", &path("narrow"), Format::Netset, Category::Abuse),
        list("drop", &path("drop"), Format::DropJson, Category::Reputation),
    ];
    let allow = ["AS64496", "192.0.2.0/24"].map(|text| Entry::try_from(text.to_owned()).unwrap());
    let lists = IpLists::load(&settings, &allow, Clock).unwrap();
    for (ip, asn, expected) in [
        ("198.51.100.1", None, "198.51.0.0/16 wide"),
        ("198.51.100.200", None, "198.51.100.128/25 narrow"),
        ("198.51.100.255", None, "198.51.100.255/32 drop"),
        ("203.0.113.1", None, "203.0.113.0/24 wide"),
        ("198.51.100.1", Some(64_500), "198.51.0.0/16 wide"),
        ("8.8.8.8", Some(64_500), "AS64500 drop"),
        ("2001:db8::1", Some(64_500), "AS64500 drop"),
        ("8.8.8.8", Some(64_501), "clean"),
        ("8.8.8.8", None, "clean"),
        // In 6to4 a /25 is a /41, which is closer than the /40.
        ("2002:c633:64ff::1", None, "198.51.100.255/32 drop"),
        ("2002:c633:6401::1", None, "2002:c633:6400::/40 narrow"),
        ("198.51.100.1", Some(64_496), "allowed:AS64496:false"),
        ("8.8.8.8", Some(64_496), "clean"),
        ("192.0.2.1", Some(64_500), "allowed:192.0.2.0/24:true"),
        ("64:ff9b::c000:201", None, "allowed:192.0.2.0/24:true"),
    ] {
        assert_eq!(found(&lists, ip, asn), expected, "{ip} {asn:?}");
    }
    let described = lists.describe("198.51.100.255".parse().unwrap(), Some(64_500));
    assert_eq!(described.iter().map(|hit| &*hit.source).collect::<Vec<_>>(), ["wide", "narrow", "drop"]);
    assert!(described[2].hard && !described[0].hard, "drop_json is hard unless it is told otherwise");
}

#[test]
fn a_list_too_old_tells_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    std::fs::write(&old, "198.51.100.0/24\n").unwrap();
    std::fs::write(&new, "203.0.113.0/24\n").unwrap();
    age(&old, 49);
    let old = list("old", &old, Format::Netset, Category::Abuse);
    let new = list("new", &new, Format::Netset, Category::Abuse);
    let alone = loaded(std::slice::from_ref(&old));
    assert_eq!(found(&alone, "198.51.100.1", None), "stale:old");
    assert_eq!(alone.stale(Clock.now()).collect::<Vec<_>>(), ["old"]);
    let both = loaded(&[old, new]);
    assert_eq!(found(&both, "198.51.100.1", None), "clean");
    assert_eq!(found(&both, "203.0.113.1", None), "203.0.113.0/24 new");
    let health: Vec<_> = both.health(Clock.now()).map(|list| (list.name, list.is_stale, list.entries)).collect();
    assert_eq!(health, [("old", true, 1), ("new", false, 1)]);
}

/// What each format makes of bad files; each is refused, and the good one before it serves on until a good one comes.
#[test]
fn a_bad_file_leaves_the_last_good_one() {
    let good = |format: &Format, hosts: &[u8]| -> String {
        let line = |host: &u8| match format {
            Format::Netset | Format::Tor => format!("198.51.100.{host}\n"),
            Format::DropJson => format!("{{\"cidr\":\"198.51.100.{host}/32\"}}\n"),
            Format::Csv { .. } => format!("x,198.51.100.{host}\n"),
        };
        let header = if let Format::Csv { column } = format { format!("a,{column}\n") } else { String::new() };
        header + &hosts.iter().map(line).collect::<String>()
    };
    for format in [Format::Netset, Format::DropJson, Format::Tor, csv("ip")] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        let settings = [list("one", &path, format.clone(), Category::Abuse)];
        std::fs::write(&path, good(&format, &[1, 2, 3, 4, 5])).unwrap();
        let mut lists = loaded(&settings);
        assert!(!lists.is_changed());
        let poison = good(&format, &[1, 2, 3, 4, 5]).replace("198.51.100.5", "0.0.0.0/0").replace("/0/32", "/0");
        for (bad, part) in [
            ("".to_owned(), "no entry"),
            ("<!DOCTYPE html>\n<html>\n".to_owned(), "line 1"),
            ("\u{0}\u{7f}ELF\u{1}\n\u{2}".to_owned(), "line 1"),
            (good(&format, &[1, 2, 3, 4]) + "{\"cidr\":\"198.51.100.", "line"),
            (poison, "line"),
            (good(&format, &[1, 2]), "shrank from 5 entries to 2"),
        ] {
            std::fs::write(&path, &bad).unwrap();
            assert!(lists.is_changed(), "{format:?}: {bad}");
            let (reloaded, refusals) = lists.reload(&settings, &[], Clock);
            let told: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            assert!(told.len() == 1 && told[0].starts_with("list one (") && told[0].contains(part), "{bad}: {told:?}");
            assert_eq!(found(&reloaded, "198.51.100.1", None), "198.51.100.1/32 one", "{format:?}: {bad}");
            assert_eq!(found(&reloaded, "8.8.8.8", None), "clean", "{format:?}: {bad}");
            let health = reloaded.health(Clock.now()).next().unwrap();
            assert!(health.refused.is_some_and(|reason| reason.contains(part)) && health.entries == 5, "{health:?}");
            assert!(!reloaded.is_changed(), "a file that was refused is not looked at again until it changes");
            lists = reloaded;
        }
        // Half of the entries is not less than half.
        std::fs::write(&path, good(&format, &[7, 8, 9])).unwrap();
        let (lists, refusals) = lists.reload(&settings, &[], Clock);
        assert!(refusals.is_empty(), "{refusals:?}");
        assert_eq!(found(&lists, "198.51.100.7", None), "198.51.100.7/32 one");
        assert_eq!(found(&lists, "198.51.100.1", None), "clean");
        assert_eq!(lists.health(Clock.now()).next().unwrap().refused, None);
    }
}

#[test]
fn only_what_changed_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    std::fs::write(&one, "198.51.100.0/24\n").unwrap();
    std::fs::write(&two, "203.0.113.0/24\n").unwrap();
    let mut settings =
        [list("one", &one, Format::Netset, Category::Abuse), list("two", &two, Format::Netset, Category::Abuse)];
    let first = loaded(&settings);
    settings[0].category = Category::Datacenter;
    std::fs::write(&two, "203.0.113.0/25\n").unwrap();
    let (second, refusals) = first.reload(&settings, &[], Clock);
    assert!(refusals.is_empty());
    assert!(second.lists[0].shares_content(&first.lists[0]) && !second.lists[1].shares_content(&first.lists[1]));
    let (ListFinding::Listed(hit), _) = second.look_up("198.51.100.1".parse().unwrap(), None, Clock.now()) else {
        panic!("the list has it")
    };
    assert_eq!(hit.category, Category::Datacenter, "new settings hold for a file that is the same");

    // The same file, read another way, is read.
    settings[0].format = Format::Tor;
    let (third, refusals) = second.reload(&settings, &[], Clock);
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(third.lists[0].shares_content(&second.lists[0]));

    // A list that is gone is kept, too, and one that is back is read.
    std::fs::remove_file(&two).unwrap();
    let (fourth, refusals) = third.reload(&settings[1..], &[], Clock);
    assert!(refusals.len() == 1 && refusals[0].to_string().contains("cannot be read"), "{refusals:?}");
    assert_eq!(found(&fourth, "203.0.113.1", None), "203.0.113.0/25 two");
    assert!(!fourth.is_changed());
    std::fs::write(&two, "203.0.113.0/26\n").unwrap();
    assert!(fourth.is_changed());
    let (fifth, refusals) = fourth.reload(&settings[1..], &[], Clock);
    assert!(refusals.is_empty());
    assert_eq!(found(&fifth, "203.0.113.1", None), "203.0.113.0/26 two");
    assert_eq!(found(&fifth, "198.51.100.1", None), "clean", "what the settings no longer name is gone");
}

#[test]
fn a_new_list_that_is_refused_is_absent_until_it_is_good() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    let settings = [list("new", &path, Format::Netset, Category::Abuse)];
    assert!(IpLists::load(&settings, &[], Clock).is_err(), "a start needs every list");
    let (lists, refusals) = IpLists::default().reload(&settings, &[], Clock);
    assert_eq!(refusals.len(), 1);
    assert_eq!(found(&lists, "198.51.100.1", None), "stale:new", "it cannot tell");
    assert_eq!(lists.stale(Clock.now()).count(), 0, "its file is not old, it is refused");
    std::fs::write(&path, "198.51.100.0/24\n").unwrap();
    assert!(lists.is_changed());
    let (lists, refusals) = lists.reload(&settings, &[], Clock);
    assert!(refusals.is_empty());
    assert_eq!(found(&lists, "198.51.100.1", None), "198.51.100.0/24 new");

    let twice = [settings[0].clone(), settings[0].clone()];
    assert!(
        IpLists::load(&twice, &[], Clock).is_err_and(|error| error.to_string().contains("another list has this name"))
    );
}

#[test]
fn what_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path(), Path::new("/dev/zero"), &directory.path().join("absent")] {
        let error = IpLists::load(&[list("one", path, Format::Netset, Category::Abuse)], &[], Clock).unwrap_err();
        let why = ["cannot be read", "is no regular file"];
        assert!(why.iter().any(|why| error.to_string().contains(why)), "{error}");
    }
    let huge = directory.path().join("huge");
    std::fs::File::create(&huge).unwrap().set_len((512 << 20) + 1).unwrap();
    let error = IpLists::load(&[list("one", &huge, Format::Netset, Category::Abuse)], &[], Clock).unwrap_err();
    assert!(error.to_string().ends_with("is larger than 512 MiB"), "{error}");
}
