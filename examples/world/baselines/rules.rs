//! Rules that look at the last login and at what was seen before.

use crate::events::Event;
use crate::networks::Row;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// What each user did so far.
#[derive(Default)]
pub(super) struct Past(HashMap<u32, User>);

#[derive(Default)]
struct User {
    cookies: HashSet<u64>,
    agents: HashSet<Rc<str>>,
    countries: HashMap<&'static str, i64>,
    last: Option<(i64, (f64, f64))>,
}

const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: i64 = 86_400_000;
const SPEED_KMPH_MAX: f64 = 900.0;

impl Past {
    pub(super) fn learn(&mut self, event: &Event, row: &Row) {
        let user = self.0.entry(event.user).or_default();
        user.cookies.insert(event.cookie);
        user.agents.insert(event.agent.clone());
        user.countries.insert(row.country, event.time_ms);
        user.last = Some((event.time_ms, row.at));
    }

    pub(super) fn asks_cookie_only(&self, event: &Event) -> f64 {
        self.judge(event, |user| !user.cookies.contains(&event.cookie))
    }

    pub(super) fn asks_auth0_like(&self, event: &Event, row: &Row, is_listed: bool) -> f64 {
        self.judge(event, |user| {
            let is_new = !user.cookies.contains(&event.cookie) && !user.agents.contains(&event.agent);
            is_new || is_listed || user.flies(event, row)
        })
    }

    pub(super) fn asks_logto_like(&self, event: &Event, row: &Row) -> f64 {
        self.judge(event, |user| {
            let in_country = user.countries.get(row.country);
            let is_new_country = in_country.is_none_or(|last| event.time_ms - last > 180 * DAY_MS);
            let was_away = user.last.is_some_and(|(last, _)| event.time_ms - last > 30 * DAY_MS);
            is_new_country || was_away || user.flies(event, row)
        })
    }

    /// Nobody is asked at the first login.
    fn judge(&self, event: &Event, asks: impl FnOnce(&User) -> bool) -> f64 {
        if self.0.get(&event.user).is_some_and(asks) { 1.0 } else { 0.0 }
    }
}

impl User {
    #[expect(clippy::cast_precision_loss, reason = "some 2³⁵")]
    fn flies(&self, event: &Event, row: &Row) -> bool {
        self.last.is_some_and(|(time_ms, at)| {
            let hours = (event.time_ms - time_ms).max(1_000) as f64 / HOUR_MS;
            kilometres(at, row.at) / hours > SPEED_KMPH_MAX
        })
    }
}

/// On a sphere.
fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let [(a_lat, a_lon), (b_lat, b_lon)] = [a, b].map(|(lat, lon): (f64, f64)| (lat.to_radians(), lon.to_radians()));
    let half =
        ((b_lat - a_lat) / 2.0).sin().powi(2) + a_lat.cos() * b_lat.cos() * ((b_lon - a_lon) / 2.0).sin().powi(2);
    2.0 * 6371.0 * half.sqrt().min(1.0).asin()
}
