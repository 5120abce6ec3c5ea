//! What others do, in as few lines as it takes. They learn from honest logins only, which is kind to them.

mod freeman;
mod rules;

use crate::world::World;
use freeman::Freeman;
use rules::Past;

/// What is to be beaten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// Asks whenever the cookie is not known.
    CookieOnly,
    /// Any of: cookie and user agent both unknown, over 900 km/h, on the list. Auth0's real combination is not published.
    Auth0Like,
    /// Any of: a country unseen for 180 days, over 900 km/h, 30 days away.
    LogtoLike,
    /// Freeman et al., NDSS 2016, as its reference implementation computes it.
    Freeman { user_prior: bool },
}

impl Baseline {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CookieOnly => "cookie-only",
            Self::Auth0Like => "auth0-like",
            Self::LogtoLike => "logto-like",
            Self::Freeman { user_prior: false } => "freeman",
            Self::Freeman { user_prior: true } => "freeman, user prior",
        }
    }
}

/// One number an event.
pub(crate) fn judge(baseline: Baseline, world: &World) -> Vec<f64> {
    let (mut past, mut freeman) = (Past::default(), Freeman::default());
    let is_freeman = matches!(baseline, Baseline::Freeman { .. });
    let judged = world.events.iter().map(|event| {
        if event.is_failure() {
            return 0.0;
        }
        let row = &world.networks.block_of(event.ip).row;
        let risk = match baseline {
            Baseline::CookieOnly => past.asks_cookie_only(event),
            Baseline::Auth0Like => past.asks_auth0_like(event, row, world.is_listed(event.ip)),
            Baseline::LogtoLike => past.asks_logto_like(event, row),
            Baseline::Freeman { user_prior } => freeman.risk(event, row, user_prior),
        };
        if !event.is_attack() {
            if is_freeman { freeman.learn(event, row) } else { past.learn(event, row) }
        }
        risk
    });
    judged.collect()
}
