use super::super::tests::{at, given, ids, login, pending, report, settled};
use super::super::walk::PIECE;
use super::super::{Decision, Decisions, IdSource, Name, Pending, Settlement, Walk};
use super::*;
use crate::history::{Lesson, Login};
use std::convert::Infallible;

fn query(limit: usize) -> Query {
    let tenant = "default".to_owned();
    Query {
        tenant,
        user: None,
        user_before: None,
        action: None,
        since: None,
        before: None,
        only_open: false,
        limit,
        now: at(10),
    }
}

fn walk(decisions: &Decisions, visitor: &mut impl Visitor) {
    let mut walk = Walk::default();
    while decisions.step(&mut walk, visitor) {}
}

fn page(decisions: &Decisions, query: &Query) -> Page {
    let mut listing = Listing::new(query);
    walk(decisions, &mut listing);
    listing.page()
}

fn ids_of(page: &Page) -> Vec<DecisionId> {
    page.decisions.iter().map(|listed| listed.id).collect()
}

/// Every page from here to the end.
fn all(decisions: &Decisions, mut query: Query, mut between: impl FnMut()) -> Vec<DecisionId> {
    let mut listed = Vec::new();
    loop {
        let page = page(decisions, &query);
        assert!(page.decisions.len() <= query.limit && (page.next.is_none() || page.decisions.len() == query.limit));
        listed.extend(ids_of(&page));
        query.before = page.next;
        if query.before.is_none() {
            return listed;
        }
        between();
    }
}

/// Keeps one decision of the `number`th user, of a kind that depends on the number; gives its id.
fn keep(decisions: &Decisions, ids: &IdSource, number: u32) -> DecisionId {
    let id = ids.decision(at(number));
    let of = given(u128::from(number % 10));
    let decision = match number % 3 {
        0 => Decision::Pending(Box::new(Pending { given: of, ..pending() })),
        _ => settled(of),
    };
    decisions.keep(id, decision, number.is_multiple_of(2));
    id
}

#[test]
fn pages_hold_everything_once_newest_first_while_others_arrive() {
    let (ids, decisions) = (ids(), Decisions::new(100_000, 100_000));
    let mut kept: Vec<DecisionId> = (0..5000).map(|number| keep(&decisions, &ids, number)).collect();
    kept.reverse();
    for limit in [1000, 999, 77] {
        let mut newer = 5000;
        let listed = all(&decisions, query(limit), || {
            keep(&decisions, &ids, newer);
            newer += 1;
        });
        let old: Vec<DecisionId> = listed.into_iter().filter(|id| id.time() < at(5000)).collect();
        assert_eq!(old, kept, "limit {limit}");
    }
}

#[test]
fn conditions_hold_together() {
    let (ids, decisions) = (ids(), Decisions::new(10_000, 10_000));
    let kept: Vec<DecisionId> = (0..300).map(|number| keep(&decisions, &ids, number)).collect();
    let allowed = Given { action: Action::Allow, name: Name::new("acme", "user-1"), ..given(1) };
    let other = ids.decision(at(400));
    decisions.keep(other, settled(allowed), true);
    let expected = |is_it: fn(usize) -> bool| -> Vec<DecisionId> {
        kept.iter().enumerate().filter(|(number, _)| is_it(*number)).map(|(_, id)| *id).rev().collect()
    };
    let acme = || Query { tenant: "acme".to_owned(), ..query(1000) };
    for (query, expected) in [
        (query(1000), expected(|_| true)),
        (Query { user: Some(UserKey(3)), ..query(1000) }, expected(|number| number % 10 == 3)),
        (
            Query { user: Some(UserKey(3)), user_before: Some(UserKey(4)), ..query(1000) },
            expected(|number| number % 10 == 3 || number % 10 == 4),
        ),
        (Query { since: Some(at(290)), ..query(1000) }, expected(|number| number >= 290)),
        (Query { only_open: true, ..query(1000) }, expected(|number| number % 3 == 0)),
        (Query { before: kept.get(7).copied(), ..query(1000) }, expected(|number| number < 7)),
        (Query { action: Some(Action::Allow), ..query(1000) }, vec![]),
        (Query { action: Some(Action::Allow), ..acme() }, vec![other]),
        (Query { user: Some(UserKey(2)), ..acme() }, vec![]),
        (Query { only_open: true, now: at(901), ..query(1000) }, vec![]),
    ] {
        assert_eq!(ids_of(&page(&decisions, &query)), expected, "{query:?}");
    }
}

#[test]
fn what_became_of_a_decision_is_listed() {
    let (ids, decisions) = (ids(), Decisions::new(100, 100));
    let [done, waits, late] = [0, 1, 2].map(|second| ids.decision(at(second)));
    for id in [done, waits, late] {
        let expires = if id == late { at(3) } else { at(900) };
        decisions.keep(id, Decision::Pending(Box::new(Pending { expires, ..pending() })), true);
    }
    let success = report(1, LoginResult::Success, Some(Factor::Totp));
    assert_eq!(decisions.settle(done, at(3), success, |_, _| Ok::<(), Infallible>(())), Ok(Settlement::Taken));
    let became = |decisions: &Decisions| -> Vec<_> {
        let listed = page(decisions, &query(10)).decisions.into_iter();
        listed.map(|listed| (listed.id, listed.result, listed.factor, listed.expires)).collect()
    };
    let expected = [
        (late, None, None, None),
        (waits, None, None, Some(at(900))),
        (done, Some(LoginResult::Success), Some(Factor::Totp), None),
    ];
    assert_eq!(became(&decisions), expected, "before the sweep");
    decisions.sweep(at(10), |_, _| {});
    assert_eq!(became(&decisions), expected, "after it");
}

/// What is settled between two pieces is met in either table, and listed once.
#[test]
fn what_is_settled_on_the_way_is_listed_once_and_erased() {
    let count = u32::try_from(40 * PIECE).unwrap_or(0);
    for erase in [false, true] {
        let (ids, decisions) = (ids(), Decisions::new(100_000, 100_000));
        let waiting: Vec<DecisionId> = (0..count)
            .map(|second| {
                let id = ids.decision(at(second));
                decisions.keep(id, Decision::Pending(Box::new(pending())), second.is_multiple_of(2));
                id
            })
            .collect();
        let (everything, mut left) = (query(waiting.len()), waiting.iter());
        let (mut listing, mut eraser) = (Listing::new(&everything), Eraser(UserKey(1)));
        let mut walk = Walk::default();
        loop {
            let more =
                if erase { decisions.step(&mut walk, &mut eraser) } else { decisions.step(&mut walk, &mut listing) };
            if !more {
                break;
            }
            for id in left.by_ref().take(60) {
                let failure = report(1, LoginResult::Failure, None);
                assert!(decisions.settle(*id, at(1), failure, |_, _| Ok::<(), Infallible>(())).is_ok());
            }
        }
        if erase {
            assert_eq!(page(&decisions, &query(10)).decisions, []);
        } else {
            let listed = listing.page();
            assert_eq!((listed.decisions.len(), listed.next), (waiting.len(), None));
        }
    }
}

/// Ids that their decisions left are taken out of the queues, whose entries move.
#[test]
fn a_queue_that_is_tidied_up_on_the_way_loses_nothing() {
    let (ids, decisions) = (ids(), Decisions::new(16 * 1000, 1000));
    let waits = || Decision::Pending(Box::new(pending()));
    let mut kept = Vec::new();
    for second in 0..16 * 900 {
        kept.push(ids.decision(at(second)));
        kept.last().iter().for_each(|id| decisions.keep(**id, waits(), true));
    }
    let everything = query(100_000);
    let (mut listing, mut walk) = (Listing::new(&everything), Walk::default());
    for _ in 0..2 {
        assert!(decisions.step(&mut walk, &mut listing), "within the queue of the first shard");
    }
    let (gone, stay) = kept.split_at(16 * 500);
    for id in gone {
        let failure = report(1, LoginResult::Failure, None);
        assert!(decisions.settle(*id, at(1), failure, |_, _| Ok::<(), Infallible>(())).is_ok());
    }
    for second in 0..16 * 1500 {
        let id = ids.decision(at(50_000 + second));
        decisions.keep(id, waits(), true);
        let failure = report(1, LoginResult::Failure, None);
        assert!(decisions.settle(id, at(1), failure, |_, _| Ok::<(), Infallible>(())).is_ok());
    }
    while decisions.step(&mut walk, &mut listing) {}
    let listed = ids_of(&listing.page());
    assert!(stay.iter().all(|id| listed.contains(id)), "{} of {}", listed.len(), stay.len());
}

#[test]
fn erasing_a_user_leaves_the_others() {
    let (ids, decisions) = (ids(), Decisions::new(16, 10_000));
    for number in 0..2000 {
        keep(&decisions, &ids, number);
    }
    let of_three = Query { user: Some(UserKey(3)), ..query(10_000) };
    let before = page(&decisions, &query(10_000)).decisions.len();
    let theirs = page(&decisions, &of_three).decisions.len();
    walk(&decisions, &mut Eraser(UserKey(3)));
    decisions.unlearn(UserKey(3));
    assert_eq!(page(&decisions, &of_three).decisions, []);
    assert_eq!(page(&decisions, &query(10_000)).decisions.len(), before - theirs);
    let mut overdue = Vec::new();
    decisions.sweep(at(10_000), |user, _| overdue.push(user));
    assert!(!overdue.is_empty() && !overdue.contains(&UserKey(3)), "what was pushed out is forgotten, too");
}

#[test]
fn a_forgotten_device_is_forgotten_by_logins_under_way_of_its_user() {
    let (ids, decisions) = (ids(), Decisions::new(100, 100));
    let on = |user: u128, device: u64| {
        let login = Login { device: Some(DeviceTag(device)), ..login() };
        let id = ids.decision(at(0));
        let given = Given { login, ..given(user) };
        decisions.keep(id, Decision::Pending(Box::new(Pending { given, ..pending() })), true);
        id
    };
    let cases = [(on(1, 7), None), (on(1, 8), Some(DeviceTag(8))), (on(2, 7), Some(DeviceTag(7)))];
    walk(&decisions, &mut DeviceForgetter(UserKey(1), DeviceTag(7)));
    for (id, expected) in cases {
        let mut learnt = None;
        let success = report(1, LoginResult::Success, Some(Factor::Totp));
        let settled = decisions.settle(id, at(1), success, |_, lesson| {
            learnt = Some(*lesson);
            Ok::<(), Infallible>(())
        });
        assert_eq!(settled, Ok(Settlement::Taken));
        assert!(matches!(learnt, Some(Lesson::Completed(login)) if login.device == expected), "{learnt:?}");
    }
}
