//! When a source is under attack, or attacks: more failures or users than the floor, and far more than its own past.

use super::source::Source;
use super::tally::Tally;
use super::users::USERS_MANY;
use super::{Finding, Scope, Settings, Window};
use std::borrow::Cow;

/// How many floors of five minutes a longer window has. Less than its length, since an attack that takes its time is one, too; ten of
/// them are 100 failures a day. **Source:** ours; Auth0's suspicious IP throttling gives an address back 100 attempts a day.
fn floors(window: Window) -> u32 {
    match window {
        Window::FiveMinutes => 1,
        Window::Hour => 3,
        Window::Day => 10,
    }
}

/// Whole providers fail more than lines do. **Source:** ours, so that it takes 50 failures or 25 users.
fn floors_of(scope: Scope) -> u32 {
    match scope {
        Scope::Address | Scope::Prefix => 1,
        Scope::System => 5,
    }
}

/// The share of failures that a source without a past is taken to have, as so many failures among so many logins. **Source:** 26 %
/// of logins failed at a large service (Wiefling et al., TOPS 26(1), 2022, without the account that stands for unknown names).
const PRIOR_FAILURES: f64 = 5.0;
const PRIOR_LOGINS: f64 = 20.0;
/// No past makes more than this usual, so that nobody can train a source to fail: ten failures without a success always stand out.
const SHARE_MAX: f64 = 0.4;
/// A share that is usual varies by this much of itself from day to day, beyond what chance does: without it, any change would be
/// a surprise at a source with a hundred thousand logins.
const SHARE_VARIES: f64 = 0.25;
/// A user's successes in five minutes count for so many at most, and in proportion to the floors for longer: whoever owns an account
/// cannot drown failures in logins of it.
const SUCCESSES_OF_USER_MAX: u32 = 4;

/// The shortest window in which the source is over its floor and surprising.
pub(super) fn find(source: &Source, scope: Scope, now_s: u32, settings: &Settings) -> Option<Finding> {
    let source = may_be_over(source, scope, settings)?;
    let now_s = source.asked_at(now_s)?;
    let known = || f64::from(source.succeeding(Window::Day, now_s).marked);
    Window::ALL.into_iter().find_map(|window| {
        let finding = over_floor(&source, scope, window, now_s, settings, known)?;
        let is_surprising = surprise(&source, window, now_s) >= settings.surprise_min.get();
        is_surprising.then_some(finding)
    })
}

/// Until when the source could be found if nothing more is told of it: the end of the longest window over its floor. Users with a
/// known device are left out, since they may go.
pub(super) fn suspect_until_s(source: &Source, scope: Scope, now_s: u32, settings: &Settings) -> Option<u32> {
    let source = may_be_over(source, scope, settings)?;
    let now_s = source.asked_at(now_s)?;
    let over = |window: &Window| over_floor(&source, scope, *window, now_s, settings, || 0.0).is_some();
    Window::ALL.into_iter().rev().find(over).map(|window| now_s.saturating_add(window.seconds()))
}

/// What is counted of a source, unless it has not even as many failures as the lowest of its floors.
fn may_be_over<'a>(source: &'a Source, scope: Scope, settings: &Settings) -> Option<Cow<'a, Tally>> {
    let least = floors_of(scope) * settings.failures_min.get().min(settings.users_min.get());
    (source.failures_max() >= least).then(|| source.tally())
}

fn over_floor(
    source: &Tally,
    scope: Scope,
    window: Window,
    now_s: u32,
    settings: &Settings,
    known: impl Fn() -> f64,
) -> Option<Finding> {
    let floor = floors(window) * floors_of(scope);
    let (failures_min, users_min) = (floor * settings.failures_min.get(), floor * settings.users_min.get());
    // Users are no more than failures, and those are cheaper to count.
    let failures = source.counts(window, now_s).failures;
    if failures < failures_min.min(users_min) {
        return None;
    }
    let users = source.failing(window, now_s);
    let (share, share_of_unknown) = shares(f64::from(settings.known_users_half.get()), known());
    let unknown = users.marked.min(users.all);
    let users_count = f64::from(users.all - unknown) * share + f64::from(unknown) * share_of_unknown;
    let is_over = f64::from(failures) * share >= f64::from(failures_min) || users_count >= f64::from(users_min);
    is_over.then_some(Finding { scope, window, failures, users: users.all })
}

/// What a failure counts, and a user whom nobody knows. Users with a known device speak for their source: they are many people behind
/// one address, and people mistype. They speak half as much for names that do not exist, which is what guessing looks like.
fn shares(half: f64, known: f64) -> (f64, f64) {
    (half / (half + known), half / (half + known / 2.0))
}

/// By how many standard deviations there are more failures than the source's past lets expect.
fn surprise(source: &Tally, window: Window, now_s: u32) -> f64 {
    let counts = source.counts(window, now_s);
    let users = source.succeeding(window, now_s).all;
    let successes_max = if users >= USERS_MANY { u32::MAX } else { users * SUCCESSES_OF_USER_MAX * floors(window) };
    let successes = counts.successes.min(successes_max);
    let past = source.before(window, now_s);
    let (past_failures, past_logins) = (f64::from(past.failures), f64::from(past.failures + past.successes));
    let share = ((past_failures + PRIOR_FAILURES) / (past_logins + PRIOR_LOGINS)).min(SHARE_MAX);
    let (failures, logins) = (f64::from(counts.failures), f64::from(counts.failures + successes));
    let expected = logins * share;
    let variance = expected * (1.0 - share) + (SHARE_VARIES * expected).powi(2);
    // A source with failures has logins, and no past makes the share zero.
    (failures - expected) / variance.sqrt()
}
