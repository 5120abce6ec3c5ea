//! Familiarity: is this where, and by what, the user logs in?
//!
//! The log-likelihood ratio ln p(x | user) − ln p(x | intruder) of the address's network and the browser's family. The user is at one
//! of their networks, else somewhere else with their provider, else in their country, else anywhere, each with a probability that
//! is split by how often they were there. An intruder is one of several: who has found the user's own network, who rents an address
//! of their provider or in their country, and who comes from anywhere, with the browser copied or not.
//!
//! **Source:** Freeman et al., "Who Are You? A Statistical Approach to Measuring User Authenticity", NDSS 2016: the ratio, and the
//! smoothing by network, provider and country. Not from there: intruders are a mixture, and not everybody else's logins, of which
//! nothing is kept; and there is no prior for the user.

use super::{Assessment, Code, OnFailure, Recall};
use crate::context::LoginContext;
use crate::context::ip_lists::ListFinding;
use crate::history::{Habit, Whence};
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of Familiarity.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

/// With fewer, nothing is a habit. **Source:** signals.md.
const DAYS_MIN: u32 = 3;
/// From here on what speaks for the user outweighs what speaks against.
const FAMILIAR: f64 = 0.0;
/// One in twenty against the user. In front of it are a new provider with the user's browser and a new browser with the user's
/// provider; behind it both at once, and a new country.
const UNFAMILIAR: f64 = -3.0;

/// Where the next login comes from: a network that is known, else its system, else its country, else anywhere.
/// **Source:** the tuning worlds of `docs/EVALUATION.md`, rounded: of honest logins nine in ten come from a known network.
const OF_USER: [f64; 4] = [0.90, 0.06, 0.03, 0.01];
/// The same of intruders. **Source:** the cohorts of those worlds, rounded.
const OF_INTRUDER: [f64; 4] = [0.01, 0.04, 0.25, 0.70];
/// How likely one network is among those of its system, its country and the world. **Source:** there are 2^24 prefixes of 24 bits; a
/// large provider has some thousand of them, a country some ten thousand.
const ONE_OF: [f64; 4] = [1.0, 1.0 / 1024.0, 1.0 / 65_536.0, 1.0 / 16_777_216.0];
/// A user changes to another family, which is one of some ten, in one login of twenty; half of the intruders copy the browser.
const KEEPS_FAMILY: f64 = 0.95;
const COPIES_FAMILY: f64 = 0.5;
const ONE_FAMILY: f64 = 0.1;

pub(super) fn assess(context: &LoginContext<'_>, recall: Recall<'_>, settings: &Settings) -> Assessment {
    let neutral = Assessment::new(Confidence::Neutral, Code::NotEnoughHistory);
    let history = match recall {
        Recall::Failed => return Assessment::not_available(settings.on_failure),
        Recall::Stranger | Recall::Labelled(_) => return neutral,
        Recall::History(history) => history,
    };
    let address = &context.address;
    let family = context.agent.map(|agent| agent.family);
    let whence = Whence { network: address.network, asn: address.asn, country: context.country, family };
    let habit = history.habit(whence);
    if habit.days < DAYS_MIN {
        return neutral;
    }
    // The operator vouches for the network: that it is new to the user speaks neither way.
    let is_vouched_for = matches!(address.lists, ListFinding::Allowed { by_network: true, .. });
    let by_place = where_from(&habit, address.asn.is_some(), context.country.is_some());
    let by_place = if is_vouched_for || address.is_familiar { by_place.max(0.0) } else { by_place };
    let ratio = by_place + by_family(&habit);
    if ratio >= FAMILIAR {
        Assessment::new(Confidence::High, Code::Familiar)
    } else if ratio >= UNFAMILIAR {
        Assessment::new(Confidence::Medium, Code::Unusual)
    } else {
        Assessment::new(Confidence::Low, Code::Unfamiliar)
    }
}

/// What no database tells counts as anywhere.
fn where_from(habit: &Habit, has_system: bool, has_country: bool) -> f64 {
    let is_told = [true, has_system, has_country, true];
    let shares = [habit.network, habit.system, habit.country, 1.0];
    let likelihood = |of: [f64; 4]| -> f64 {
        let anywhere: f64 = of.iter().zip(is_told).filter(|(_, told)| !told).map(|(weight, _)| weight).sum();
        let told = of.iter().zip(is_told).map(|(weight, told)| if told { *weight } else { 0.0 });
        let terms = told.zip(shares).zip(ONE_OF).map(|((weight, share), one)| weight * share * one);
        terms.sum::<f64>() + anywhere * ONE_OF[3]
    };
    (likelihood(OF_USER) / likelihood(OF_INTRUDER)).ln()
}

/// No browser at all is as good as another one.
fn by_family(habit: &Habit) -> f64 {
    let of_user = KEEPS_FAMILY * habit.family + (1.0 - KEEPS_FAMILY) * ONE_FAMILY;
    let of_intruder = COPIES_FAMILY * habit.family + (1.0 - COPIES_FAMILY) * ONE_FAMILY;
    (of_user / of_intruder).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habit(network: f64, system: f64, country: f64, family: f64) -> Habit {
        Habit { days: 10, network, system, country, family }
    }

    fn ratio(habit: &Habit) -> f64 {
        where_from(habit, true, true) + by_family(habit)
    }

    #[test]
    fn what_is_farther_from_the_usual_is_less_familiar() {
        let steps = [
            habit(1.0, 1.0, 1.0, 1.0),
            habit(0.2, 1.0, 1.0, 1.0),
            habit(0.2, 1.0, 1.0, 0.0),
            habit(0.0, 1.0, 1.0, 1.0),
            habit(0.0, 0.0, 1.0, 1.0),
            habit(0.0, 1.0, 1.0, 0.0),
            habit(0.0, 0.0, 0.0, 1.0),
            habit(0.0, 0.0, 1.0, 0.0),
            habit(0.0, 0.0, 0.0, 0.0),
        ];
        let ratios: Vec<f64> = steps.iter().map(ratio).collect();
        assert!(ratios.is_sorted_by(|a, b| a > b), "{ratios:?}");
        let classes: Vec<usize> =
            ratios.iter().map(|ratio| usize::from(*ratio < FAMILIAR) + usize::from(*ratio < UNFAMILIAR)).collect();
        assert_eq!(classes, [0, 0, 0, 0, 1, 1, 2, 2, 2], "{ratios:?}");
    }

    #[test]
    fn what_no_database_tells_is_neither_near_nor_far() {
        let told = where_from(&habit(0.0, 0.0, 0.0, 1.0), true, true);
        let untold = where_from(&habit(0.0, 0.0, 0.0, 1.0), false, false);
        let near = where_from(&habit(0.0, 1.0, 1.0, 1.0), true, true);
        assert!(told < untold && untold < near, "{told} {untold} {near}");
        assert!(where_from(&habit(0.5, 0.0, 0.0, 1.0), false, false) > 4.0, "a network is known all the same");
    }
}
