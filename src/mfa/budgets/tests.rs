use super::*;
use crate::bounded::Bounded;
use crate::context::phone::Phones;
use crate::memory::volatile::Volatile;
use crate::pipeline::tests::now as at_once;
use Budget::{Country, Prefix, Source};
use Purpose::{Binding, Verification};
use std::net::Ipv4Addr;
use std::sync::LazyLock;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn at(ms: i64) -> Timestamp {
    // The beginning of a slot, so that coarse windows end where they say.
    Timestamp::from_unix_ms(1_700_006_400_000 + ms).expect("it is in range")
}

fn memory() -> Volatile {
    Volatile::new(&crate::memory::Settings::default())
}

fn wide() -> SmsBudget {
    SmsBudget {
        source_10min_max: Bounded::of::<1_000_000>(),
        source_day_max: Bounded::of::<1_000_000>(),
        prefix_10min_max: Bounded::of::<1_000_000>(),
        prefix_day_max: Bounded::of::<1_000_000>(),
        country_10min_max: Bounded::of::<1_000_000>(),
        country_day_max: Bounded::of::<1_000_000>(),
    }
}

fn budgets(sms: SmsBudget) -> Budgets {
    Budgets::new(&[1; 32], codes::Settings::default(), sms, EmailBudget::default())
}

/// Their metadata takes longer than all else here.
static PHONES: LazyLock<Phones> = LazyLock::new(Phones::new);

fn phone(text: &str) -> Recipient {
    Recipient::phone(&PHONES, text, None).unwrap_or_else(|| unreachable!("{text} is a number"))
}

fn email(text: &str) -> Recipient {
    Recipient::email(text).expect("it is an address")
}

/// Which budget is spent, and for how long; `None` where the message may be sent.
fn spent<M: Memory>(budgets: &Budgets, memory: &M, sending: &Sending<'_>, ms: i64) -> Option<(Budget, u32)> {
    match at_once(budgets.admit(memory, sending, at(ms))) {
        Ok(_admitted) => None,
        Err(BudgetError::Spent { budget, wait_s }) => Some((budget, wait_s)),
        Err(BudgetError::Unknown(error)) => unreachable!("{error}"),
    }
}

fn verification(recipient: &Recipient) -> Sending<'_> {
    Sending { recipient, purpose: Verification, source: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))) }
}

#[test]
fn a_recipient_is_sent_so_much_in_any_ten_minutes_and_any_day() {
    let (budgets, memory, to) = (budgets(wide()), memory(), phone("+819012345678"));
    let ask = |ms| spent(&budgets, &memory, &verification(&to), ms);
    for minute in 0..10 {
        assert_eq!(ask(minute * MINUTE), None, "{minute}");
    }
    assert_eq!(ask(10 * MINUTE - 1), Some((Budget::Recipient, 1)));
    assert_eq!(ask(9 * MINUTE + 1_000), Some((Budget::Recipient, 59)));
    for minute in 10..20 {
        assert_eq!(ask(minute * MINUTE), None, "{minute}");
    }
    assert_eq!(ask(30 * MINUTE), Some((Budget::Recipient, 84_600)), "twenty a day");
    assert_eq!(ask(DAY - 1), Some((Budget::Recipient, 1)));
    assert_eq!(ask(DAY), None, "the first one was a day ago");
}

#[test]
fn every_spelling_has_one_budget_and_each_purpose_and_channel_its_own() {
    let (budgets, memory) = (budgets(wide()), memory());
    for (spellings, other) in [
        ([phone("+819012345678"), phone("+81 90-1234-5678")], phone("+819012345679")),
        ([email("bob@example.org"), email("Bob@Example.ORG")], email("eve@example.org")),
    ] {
        for turn in 0..10 {
            assert_eq!(spent(&budgets, &memory, &verification(&spellings[turn % 2]), 0), None);
        }
        for to in &spellings {
            assert_eq!(spent(&budgets, &memory, &verification(to), 1), Some((Budget::Recipient, 600)));
            assert_eq!(spent(&budgets, &memory, &Sending { purpose: Binding, ..verification(to) }, 1), None);
        }
        assert_eq!(spent(&budgets, &memory, &verification(&other), 1), None);
    }
}

/// `cap` messages are let in, and not one more, by the budget that is narrowed; what is outside of it is served.
fn check(
    sms: SmsBudget,
    which: Budget,
    cap: u32,
    inside: impl Fn(u32) -> (Recipient, IpAddr),
    outside: &(Recipient, IpAddr),
) {
    let (budgets, memory) = (budgets(sms), memory());
    let ask = |(to, source): &(Recipient, IpAddr), ms| {
        let sending = Sending { recipient: to, purpose: Verification, source: Some(*source) };
        spent(&budgets, &memory, &sending, ms)
    };
    for number in 0..cap {
        assert_eq!(ask(&inside(number), 0), None, "{which:?} {number}");
    }
    let refused = ask(&inside(cap), 1);
    assert_eq!(refused.map(|(budget, _)| budget), Some(which), "{which:?}");
    assert_eq!(ask(outside, 1), None, "{which:?}: others are served");
    let wait_ms = refused.map_or(0, |(_, wait_s)| i64::from(wait_s) * 1_000);
    assert_eq!(ask(&inside(cap), wait_ms - 1_000).map(|(budget, _)| budget), Some(which), "{which:?}");
    assert_eq!(ask(&inside(cap), 1 + wait_ms), None, "{which:?}: as it was told");
}

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0800_0000 + number).into()
}

/// Numbers of one prefix in Japan, one each.
fn of_prefix(prefix: u32, number: u32) -> Recipient {
    phone(&format!("+81{prefix}{number:06}"))
}

#[test]
fn each_budget_lets_in_what_it_says_and_others_go_on() {
    let here: IpAddr = "2001:db8:1:2::1".parse().expect("it is an address");
    let next_door: IpAddr = "2001:db8:1:3::1".parse().expect("it is an address");
    let line = |number: u32| format!("2001:db8:1:2::{number:x}").parse::<IpAddr>().expect("it is an address");
    let away = of_prefix(9013, 1);
    for sms in [
        SmsBudget { source_10min_max: Bounded::of::<3>(), ..wide() },
        SmsBudget { source_day_max: Bounded::of::<3>(), ..wide() },
    ] {
        let inside = |number| (of_prefix(9012, number), line(number + 1));
        check(sms, Source, 3, inside, &(away.clone(), next_door));
        let inside = |number| (of_prefix(9012, number), v4(7));
        check(sms, Source, 3, inside, &(away.clone(), here));
    }
    for sms in [
        SmsBudget { prefix_10min_max: Bounded::of::<4>(), ..wide() },
        SmsBudget { prefix_day_max: Bounded::of::<4>(), ..wide() },
    ] {
        check(sms, Prefix, 4, |number| (of_prefix(9012, number), v4(number)), &(away.clone(), here));
    }
    for sms in [
        SmsBudget { country_10min_max: Bounded::of::<5>(), ..wide() },
        SmsBudget { country_day_max: Bounded::of::<5>(), ..wide() },
    ] {
        let inside = |number| (of_prefix(9012 + number, number), v4(number));
        check(sms, Country, 5, inside, &(phone("+447400123456"), here));
        // Jamaica's code is that of the United States.
        let inside = |number| (phone(&format!("+187645{number}1234")), v4(number));
        check(sms, Country, 5, inside, &(phone("+12125550123"), here));
    }
}

#[test]
fn a_source_that_is_not_known_has_a_budget_too_and_mail_has_its_own() {
    let narrow = SmsBudget { source_10min_max: Bounded::of::<2>(), ..wide() };
    let (budgets, memory) = (budgets(narrow), memory());
    let ask = |to: &Recipient| {
        spent(&budgets, &memory, &Sending { recipient: to, purpose: Verification, source: None }, 0).map(|(of, _)| of)
    };
    assert_eq!([1, 2, 3].map(|number| ask(&of_prefix(9012, number))), [None, None, Some(Source)]);
    let sent = (0..60).filter(|number| ask(&email(&format!("{number}@example.org"))).is_none()).count();
    assert_eq!(sent, 50, "as many as mail has");
}

#[test]
fn a_flood_of_one_prefix_is_stopped_at_its_cap_and_leaves_others_working() {
    let (budgets, memory) = (budgets(SmsBudget::default()), memory());
    let flood = |number: u32| {
        let to = of_prefix(9012, number);
        let sending = Sending { recipient: &to, purpose: Verification, source: Some(v4(number)) };
        spent(&budgets, &memory, &sending, i64::from(number))
    };
    let sent = (0..10_000).filter(|number| flood(*number).is_none()).count();
    assert_eq!(sent, 100);
    for prefix in 9013..9040 {
        assert_eq!(spent(&budgets, &memory, &verification(&of_prefix(prefix, 7)), 10_000), None, "{prefix}");
    }
}

#[test]
fn what_no_provider_took_is_given_back() {
    let narrow = SmsBudget { prefix_day_max: Bounded::of::<1>(), ..wide() };
    let (budgets, memory, to) = (budgets(narrow), memory(), of_prefix(9012, 1));
    let sending = verification(&to);
    for ms in 0..30 {
        let admitted = at_once(budgets.admit(&memory, &sending, at(ms)));
        let admitted = admitted.unwrap_or_else(|error| unreachable!("{ms}: {error}"));
        assert_eq!(spent(&budgets, &memory, &sending, ms).map(|(budget, _)| budget), Some(Prefix), "{ms}");
        at_once(budgets.give_back(&memory, admitted, at(ms + MINUTE)));
    }
}

/// A message that is refused by its last budget is counted in none of the others.
#[test]
fn what_is_refused_is_not_counted() {
    let narrow = SmsBudget { country_10min_max: Bounded::of::<1>(), ..wide() };
    let (budgets, memory, to) = (budgets(narrow), memory(), of_prefix(9012, 1));
    assert_eq!(spent(&budgets, &memory, &verification(&to), 0), None);
    for ms in 1..50 {
        assert_eq!(spent(&budgets, &memory, &verification(&to), ms).map(|(budget, _)| budget), Some(Country), "{ms}");
    }
}

#[test]
fn what_cannot_be_counted_is_not_sent() {
    let (budgets, to) = (budgets(wide()), of_prefix(9012, 1));
    let faulty = crate::pipeline::tests::pipeline().expect("its parts are there");
    let memory = faulty.memory();
    memory.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let refused = at_once(budgets.admit(memory, &verification(&to), at(0)));
    assert!(matches!(refused, Err(BudgetError::Unknown(_))), "{refused:?}");
    memory.broken.store(false, std::sync::atomic::Ordering::Relaxed);
    let admitted = at_once(budgets.admit(memory, &verification(&to), at(0))).expect("memory answers");
    memory.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    at_once(budgets.give_back(memory, admitted, at(0)));
}

#[test]
fn a_record_that_is_damaged_lets_nothing_through() {
    let (budgets, memory, to) = (budgets(wide()), memory(), of_prefix(9012, 1));
    let account = budgets.accounts(&verification(&to))[0];
    let record = crate::memory::vault::Record { content: b"{}".as_slice().into(), until: None };
    let place = crate::memory::vault::Place::Other(account.place);
    assert!(at_once(memory.put(place, None, Some(record), at(0))).is_ok());
    assert!(matches!(at_once(budgets.admit(&memory, &verification(&to), at(0))), Err(BudgetError::Unknown(_))));
}

/// Two replicas, which know of each other by memory only.
#[test]
fn of_many_at_once_no_more_are_let_in_than_may_be() {
    let narrow = SmsBudget { country_day_max: Bounded::of::<7>(), ..wide() };
    let (replicas, memory) = ([budgets(narrow), budgets(narrow)], memory());
    let send = &|number: u32| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be had");
        let to = of_prefix(9012, number);
        let sending = Sending { recipient: &to, purpose: Verification, source: Some(v4(number)) };
        runtime.block_on(replicas[number as usize % 2].admit(&memory, &sending, at(0))).is_ok()
    };
    // No replica changes a record more often than another one tries again.
    let sent = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..24).map(|number| scope.spawn(move || send(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|sent| *sent).count()
    });
    assert_eq!(sent, 7);
}
