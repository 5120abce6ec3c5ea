//! Whole attacks and whole offices against the table, on a clock of our own.

use super::*;
use crate::keyed_hash::HashKey;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const START_S: u32 = 1_790_000_000;
const OFFICE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A table with a key, and a clock that only the test moves.
struct Lab {
    velocity: Velocity,
    key: HashKey,
    settings: Settings,
    now_s: u32,
}

impl Lab {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let velocity = Velocity::new(settings);
        Self { velocity, key: HashKey::fixed([5; 16]), settings, now_s: START_S }
    }

    /// As one of several replicas.
    fn telling() -> Self {
        let lab = Self::new();
        lab.velocity.begin_to_tell();
        lab
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_s(self.now_s)
    }

    fn sources(&self, ip: IpAddr) -> Sources {
        self.key.sources("default", ip, Some(64_500))
    }

    fn user(&self, name: u32) -> UserKey {
        self.key.user("default", &name.to_string())
    }

    fn fail(&self, ip: impl Into<IpAddr>, user: u32) {
        let sources = self.sources(ip.into());
        let failed = Failed { user: Some(self.user(user)), is_unknown: false, sources };
        self.velocity.failed(&failed, self.now(), &self.settings);
    }

    fn fail_unknown(&self, ip: impl Into<IpAddr>, user: u32) {
        let sources = self.sources(ip.into());
        let failed = Failed { user: Some(self.user(user)), is_unknown: true, sources };
        self.velocity.failed(&failed, self.now(), &self.settings);
    }

    fn succeed(&self, ip: impl Into<IpAddr>, user: u32, device_known: bool) {
        let visit = Visit { user: self.user(user), sources: self.sources(ip.into()), device_known };
        self.velocity.succeeded(&visit, self.now());
    }

    fn find(&self, ip: impl Into<IpAddr>) -> Option<Finding> {
        self.velocity.look_up(&self.sources(ip.into()), self.now(), &self.settings)
    }

    fn scope(&self, ip: impl Into<IpAddr>) -> Option<Scope> {
        self.find(ip).map(|finding| finding.scope)
    }
}

fn finding(scope: Scope, window: Window, failures: u32, users: u32) -> Option<Finding> {
    Some(Finding { scope, window, failures, users })
}

#[test]
fn nothing_is_found_below_the_floor_and_everything_of_it_at_the_floor() {
    for (failures, users, found) in [(9, 1, false), (9, 4, false), (10, 1, true), (5, 5, true), (4, 4, false)] {
        let lab = Lab::new();
        (0..failures).for_each(|number| lab.fail(OFFICE, number % users));
        let expected = finding(Scope::Address, Window::FiveMinutes, failures, users);
        assert_eq!(lab.find(OFFICE), expected.filter(|_| found), "{failures} failures of {users} users");
    }
}

#[test]
fn a_failure_without_a_user_counts_as_a_failure() {
    let lab = Lab::new();
    for _ in 0..10 {
        let failed = Failed { user: None, is_unknown: true, sources: lab.sources(OFFICE.into()) };
        lab.velocity.failed(&failed, lab.now(), &lab.settings);
    }
    assert_eq!(lab.find(OFFICE), finding(Scope::Address, Window::FiveMinutes, 10, 0));
}

#[test]
fn what_is_over_is_forgotten_window_by_window() {
    let mut lab = Lab::new();
    (0..40).for_each(|_| lab.fail(OFFICE, 1));
    for (after_s, window) in [
        (0, Some(Window::FiveMinutes)),
        (269, Some(Window::FiveMinutes)),
        (300, Some(Window::Hour)),
        (3_299, Some(Window::Hour)),
        (3_600, None),
    ] {
        lab.now_s = START_S + after_s;
        assert_eq!(lab.find(OFFICE).map(|finding| finding.window), window, "after {after_s} s");
    }
}

/// One failure every six minutes and never two in five: only a day shows it.
#[test]
fn a_slow_attack_is_found_by_the_longer_windows() {
    let mut lab = Lab::new();
    for number in 0..150 {
        lab.fail(OFFICE, number);
        lab.now_s += 360;
    }
    assert!(lab.find(OFFICE).is_some_and(|finding| finding.window == Window::Day));
}

#[test]
fn a_prefix_is_found_where_no_address_is_and_a_system_where_no_prefix_is() {
    let lab = Lab::new();
    (0..20).for_each(|number| lab.fail([203, 0, 113, number], number.into()));
    let found = lab.find([203, 0, 113, 200]);
    assert!(
        found.is_some_and(|found| found.scope == Scope::Prefix && found.failures == 20 && found.users.abs_diff(20) < 6),
        "{found:?}"
    );
    assert_eq!(lab.scope([203, 0, 112, 1]), None, "20 failures are not enough for a system");
    let lab = Lab::new();
    (0..60).for_each(|number| lab.fail([203, 0, number, 1], number.into()));
    assert_eq!(lab.scope([198, 51, 100, 1]), Some(Scope::System));
}

#[test]
fn an_ipv6_line_is_one_source_and_its_neighbours_are_a_prefix() {
    let address = |line: u16, host: u16| Ipv6Addr::new(0x2001, 0xdb8, 1, line, 0, 0, 0, host);
    let lab = Lab::new();
    (0..10).for_each(|host| lab.fail(address(1, host), 1));
    assert_eq!(lab.scope(address(1, 99)), Some(Scope::Address));
    let lab = Lab::new();
    (0..10).for_each(|line| lab.fail(address(line, 1), 1));
    assert_eq!(lab.scope(address(99, 1)), Some(Scope::Prefix));
    assert_eq!(lab.scope(Ipv6Addr::new(0x2001, 0xdb8, 2, 1, 0, 0, 0, 1)), None);
}

#[test]
fn one_tenant_says_nothing_to_another() {
    let lab = Lab::new();
    (0..40).for_each(|user| lab.fail(OFFICE, user));
    let theirs = lab.key.sources("acme", OFFICE.into(), Some(64_500));
    assert_eq!(lab.velocity.look_up(&theirs, lab.now(), &lab.settings), None);
}

/// The more users with a known device, the more failures it takes; logins on devices that nobody knows buy nothing.
#[test]
fn users_with_a_known_device_speak_for_their_source() {
    let failures_needed = |users: u32, device_known: bool| {
        let lab = Lab::with(Settings { surprise_min: BoundedFloat::of::<0>(), ..Settings::default() });
        (0..users).for_each(|user| lab.succeed(OFFICE, user, device_known));
        (1..2_000).find(|_| {
            lab.fail(OFFICE, 1);
            lab.scope(OFFICE) == Some(Scope::Address)
        })
    };
    let needed = [0, 5, 20, 60].map(|users| failures_needed(users, true));
    assert_eq!(needed[..2], [Some(10), Some(20)], "five users halve it");
    assert!(needed.is_sorted_by(|fewer, more| fewer < more) && needed[3] > Some(100), "{needed:?}");
    assert_eq!(failures_needed(20, false), Some(10));
}

#[test]
fn unknown_users_are_held_against_a_source_that_others_speak_for() {
    let users_needed = |unknown: bool| {
        let surprise_min = BoundedFloat::of::<0>();
        let lab = Lab::with(Settings { failures_min: Bounded::of::<1_000_000>(), surprise_min, ..Settings::default() });
        (0..5).for_each(|user| lab.succeed(OFFICE, user, true));
        (1..100).find(|user| {
            if unknown {
                lab.fail_unknown(OFFICE, *user)
            } else {
                lab.fail(OFFICE, *user)
            }
            lab.scope(OFFICE) == Some(Scope::Address)
        })
    };
    let (known, unknown) = (users_needed(false), users_needed(true));
    assert!(known > unknown && unknown > Some(5), "{known:?} {unknown:?}");
}

/// A big office on a Monday morning: many fail as always, and it is not found; as many without the successes are.
#[test]
fn a_source_is_judged_against_its_own_past() {
    let mut lab = Lab::new();
    let hour = |lab: &mut Lab, failures: u32| {
        (0..200).for_each(|user| lab.succeed(OFFICE, user, false));
        (0..failures).for_each(|user| lab.fail(OFFICE, user));
        lab.now_s += 3_600;
    };
    (0..30).for_each(|_| hour(&mut lab, 40));
    assert_eq!(lab.find(OFFICE), None);
    (0..200).for_each(|user| lab.succeed(OFFICE, user, false));
    (0..40).for_each(|user| lab.fail(OFFICE, user));
    assert_eq!(lab.find(OFFICE), None, "as always");
    (0..200).for_each(|user| lab.fail(OFFICE, user));
    assert_eq!(lab.scope(OFFICE), Some(Scope::Address), "six times as many");
}

#[test]
fn nobody_trains_a_source_to_fail_or_drowns_failures_in_logins_of_one_account() {
    let mut lab = Lab::new();
    for _ in 0..48 {
        (0..9).for_each(|_| lab.fail(OFFICE, 1));
        lab.now_s += 1_800;
    }
    lab.now_s += 90_000;
    (0..10).for_each(|_| lab.fail(OFFICE, 1));
    assert_eq!(lab.scope(OFFICE), Some(Scope::Address), "ten failures without a success always stand out");

    let lab = Lab::new();
    (0..500).for_each(|_| lab.succeed(OFFICE, 1, true));
    (0..40).for_each(|user| lab.fail(OFFICE, user));
    assert_eq!(lab.scope(OFFICE), Some(Scope::Address));
}

#[test]
fn a_million_sources_take_no_more_than_the_bound_and_do_not_push_out_the_attacker() {
    let lab = Lab::with(Settings { sources_max: Bounded::of::<8_192>(), ..Settings::default() });
    (0..200).for_each(|user| lab.fail(OFFICE, user));
    let user = Some(lab.user(0));
    for line in 0..500_000_u32 {
        let [_, a, b, c] = line.to_be_bytes();
        let address = Ipv6Addr::new(0x2001, u16::from(a), u16::from_be_bytes([b, c]), 1, 0, 0, 0, 1);
        // An address and a prefix each.
        let sources = lab.key.sources("default", address.into(), None);
        lab.velocity.failed(&Failed { user, is_unknown: false, sources }, lab.now(), &lab.settings);
    }
    assert!(lab.velocity.held() <= 8_192, "{}", lab.velocity.held());
    assert!(lab.velocity.held() > 8_000, "{}", lab.velocity.held());
    assert_eq!(lab.find(OFFICE).map(|found| (found.scope, found.failures)), Some((Scope::Address, 200)));
}

/// A day on, what had so much to tell has become quiet, and makes room.
#[test]
fn nobody_holds_a_place_for_good() {
    let mut lab = Lab::with(Settings { sources_max: Bounded::of::<1_024>(), ..Settings::default() });
    for line in 0..4_096_u32 {
        let [_, _, a, b] = line.to_be_bytes();
        (0..30).for_each(|user| lab.fail([10, a, b, 1], user));
    }
    lab.now_s += 86_400;
    (0..30).for_each(|user| lab.fail(OFFICE, user));
    assert_eq!(lab.scope(OFFICE), Some(Scope::Address));
}

#[test]
fn what_was_counted_before_the_clock_was_set_back_makes_room() {
    let mut lab = Lab::with(Settings { sources_max: Bounded::of::<1_024>(), ..Settings::default() });
    for line in 0..4_096_u32 {
        let [_, _, a, b] = line.to_be_bytes();
        (0..30).for_each(|user| lab.fail([10, a, b, 1], user));
    }
    lab.now_s -= 365 * 86_400;
    (0..30).for_each(|user| lab.fail(OFFICE, user));
    assert_eq!(lab.scope(OFFICE), Some(Scope::Address));
}

/// Until somebody goes over a floor, looking up asks one number.
#[test]
fn no_source_is_looked_at_while_none_is_suspect() {
    let mut lab = Lab::new();
    (0..4).for_each(|_| lab.fail(OFFICE, 1));
    (0..500).for_each(|user| lab.succeed(OFFICE, user, false));
    assert_eq!(lab.velocity.suspect_until_s.load(Ordering::Relaxed), 0);
    (0..6).for_each(|_| lab.fail(OFFICE, 1));
    assert_eq!(lab.velocity.suspect_until_s.load(Ordering::Relaxed), START_S + 300);
    lab.now_s += 300;
    assert_eq!(lab.find(OFFICE), None);
}

/// Two replicas see half of an attack each, and neither finds it.
#[test]
fn what_two_instances_counted_can_be_put_together() -> Result<(), BadRow> {
    let (here, there) = (Lab::telling(), Lab::telling());
    for user in 0..8 {
        (if user % 2 == 0 { &here } else { &there }).fail(OFFICE, user);
    }
    assert_eq!((here.find(OFFICE), there.find(OFFICE)), (None, None));
    let batches = [&here, &there].map(|lab| lab.velocity.take_untold(100, lab.now()));
    here.velocity.hear(&Told::read(&batches[1])?, here.now());
    there.velocity.hear(&Told::read(&batches[0])?, there.now());
    let found = finding(Scope::Address, Window::FiveMinutes, 8, 8);
    assert_eq!((here.find(OFFICE), there.find(OFFICE)), (found, found), "the last failure was told, not counted");
    let again = [&here, &there].map(|lab| lab.velocity.take_untold(100, lab.now()));
    assert_eq!(again, [Vec::<u8>::new(), Vec::new()], "each tells what it counted itself, and once");
    Ok(())
}

#[test]
fn successes_are_told_once_somebody_fails_there_and_failures_first() -> Result<(), BadRow> {
    let (here, there) = (Lab::telling(), Lab::telling());
    (0..20).for_each(|user| here.succeed(OFFICE, user, true));
    // Of an address, its prefix and its system.
    let told = |lab: &Lab, max| Told::read(&lab.velocity.take_untold(max, lab.now()));
    assert_eq!(told(&here, 100)?.len(), 0);
    there.fail(OFFICE, 1);
    there.velocity.hear(&told(&here, 100)?, there.now());
    here.velocity.hear(&told(&there, 100)?, here.now());
    let successes = told(&here, 100)?;
    assert_eq!(successes.len(), 3, "somebody fails there, elsewhere");
    there.velocity.hear(&successes, there.now());
    (0..16).for_each(|_| there.fail(OFFICE, 1));
    assert_eq!(there.find(OFFICE), None, "twenty users speak for it");

    let lab = Lab::telling();
    (0..100).for_each(|number| lab.fail([192, 0, number, 1], 1));
    (0..50).for_each(|_| lab.fail(OFFICE, 1));
    let first = told(&lab, 3)?;
    let (alone, now) = (Lab::new(), lab.now());
    alone.velocity.hear(&first, now);
    assert_eq!(alone.scope(OFFICE), Some(Scope::Address), "of many, those that tell the most");
    let mut left = 0;
    while let batch = told(&lab, 64)?
        && !batch.is_empty()
    {
        assert!(batch.len() <= 64);
        left += batch.len();
    }
    assert_eq!(left, 200, "and all in their turn, an address and a prefix each");
    Ok(())
}

#[test]
fn what_a_clock_far_ahead_or_days_behind_counted_is_left_out() -> Result<(), BadRow> {
    for (away_s, is_heard) in [(-3_600, false), (-300, true), (0, true), (600, true), (90_000, false)] {
        let (mut here, there) = (Lab::new(), Lab::telling());
        here.fail(OFFICE, 99);
        (0..40).for_each(|user| there.fail(OFFICE, user));
        here.now_s = START_S.saturating_add_signed(away_s);
        here.velocity.hear(&Told::read(&there.velocity.take_untold(100, there.now()))?, here.now());
        assert_eq!(here.find(OFFICE).is_some(), is_heard, "the other clock is {} s ahead", -away_s);
        here.fail(OFFICE, 98);
        let begun_anew = away_s < -600;
        assert!(!begun_anew || here.velocity.held() > 0);
    }
    Ok(())
}

/// Everything that was told, put together part by part, is what a replica that begins needs.
#[test]
fn what_was_told_is_kept_and_taken_over_with_what_was_not_told_yet() -> Result<(), BadRow> {
    let (here, there) = (Lab::telling(), Lab::telling());
    let mut parts = (0..PARTS).map(Part::empty).collect::<Vec<_>>();
    for round in 0..3 {
        (0..2).for_each(|user| here.fail(OFFICE, 10 * round + user));
        there.fail(OFFICE, 10 * round + 5);
        for lab in [&here, &there] {
            let told = Told::read(&lab.velocity.take_untold(100, lab.now()))?;
            for (number, part) in parts.iter_mut().enumerate() {
                part.add(&told, lab.now());
                *part = Part::read(number, &part.write(lab.now()))?;
            }
        }
    }
    here.fail(OFFICE, 99);
    for part in &parts {
        here.velocity.take_over(part, here.now());
        // Once more, since nobody knows whether it was done.
        here.velocity.take_over(part, here.now());
    }
    assert_eq!(here.find(OFFICE).map(|found| found.failures), Some(10), "nine that were told, and one that was not");
    let third = Lab::telling();
    parts.iter().for_each(|part| third.velocity.take_over(part, third.now()));
    assert_eq!(third.find(OFFICE).map(|found| found.failures), Some(9));
    assert_eq!(third.velocity.take_untold(100, third.now()), Vec::<u8>::new(), "what others told is not told again");
    Ok(())
}

#[test]
fn rows_give_everything_back_whatever_size_the_table_has() -> Result<(), BadRow> {
    let lab = Lab::new();
    for number in 0..400_u32 {
        let [_, _, a, b] = number.to_be_bytes();
        lab.fail([10, a, b, 1], number);
    }
    (0..200).for_each(|user| lab.fail(OFFICE, user));
    let (changed, is_all) = lab.velocity.take_changed(usize::MAX);
    assert!(is_all);
    assert!(lab.velocity.take_changed(usize::MAX).0.is_empty(), "each once");
    let rows: Vec<_> = changed.iter().map(|number| (*number, lab.velocity.row(*number, lab.now()))).collect();
    for (sources_max, is_in_place) in
        [(Bounded::of::<32_768>(), true), (Bounded::of::<65_536>(), false), (Bounded::of::<8_192>(), false)]
    {
        let again = Lab::with(Settings { sources_max, ..Settings::default() });
        let mut are_in_place = true;
        for (number, row) in &rows {
            are_in_place &= again.velocity.load(*number, row, again.now())?;
        }
        assert_eq!(are_in_place, is_in_place);
        assert_eq!(again.velocity.held(), lab.velocity.held());
        assert_eq!(again.find(OFFICE), lab.find(OFFICE));
        assert!(!again.velocity.take_changed(usize::MAX).0.is_empty());
        again.velocity.note_all();
        assert_eq!(
            again.velocity.take_changed(usize::MAX).0.len(),
            usize::try_from(again.velocity.rows()).unwrap_or(0)
        );
    }
    Ok(())
}

/// A day and a baseline are kept; what says nothing any more goes, with its row.
#[test]
fn what_has_nothing_to_tell_is_neither_kept_nor_read() -> Result<(), BadRow> {
    let mut lab = Lab::new();
    lab.fail([192, 0, 2, 1], 1);
    (0..400).for_each(|user| lab.succeed(OFFICE, user, true));
    let rows = |lab: &Lab| -> Vec<(u32, Vec<u8>)> {
        lab.velocity.note_all();
        let (changed, is_all) = lab.velocity.take_changed(usize::MAX);
        assert!(is_all);
        changed.iter().map(|number| (*number, lab.velocity.row(*number, lab.now()))).collect()
    };
    let of_start = rows(&lab);
    for (after_s, kept) in [(0, 5), (86_399, 5), (90_000, 3), (6 * 86_400, 3), (60 * 86_400, 0), (-3_600, 0)] {
        lab.now_s = START_S.saturating_add_signed(after_s);
        let again = Lab::new();
        for (number, row) in &of_start {
            again.velocity.load(*number, row, lab.now())?;
        }
        let written = rows(&lab).iter().filter(|(_, row)| !row.is_empty()).count();
        assert_eq!(again.velocity.held(), kept, "read after {after_s} s");
        assert!(written <= kept && (written > 0) == (kept > 0), "written after {after_s} s");
    }
    lab.now_s = START_S + 90_000;
    assert!(lab.velocity.take_changed(usize::MAX).0.is_empty());
    lab.velocity.sweep(lab.now());
    assert_eq!(lab.velocity.held(), 3);
    assert!(!lab.velocity.take_changed(usize::MAX).0.is_empty(), "the row is written without it");
    Ok(())
}
