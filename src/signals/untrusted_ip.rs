//! UntrustedIP: what is known against this address?
//!
//! The operator's allow list stands before everything; a hit that stands by itself before velocity, what stands by itself before automation,
//! automation before what does not. An address that is none is hard evidence: nobody logs in from nowhere.

use super::{Assessment, Code, Details, OnFailure};
use crate::bounded::Bounded;
use crate::context::Address;
use crate::context::ip_lists::{Category, CategoryConfidence, Entry, Hit, ListFinding, ListSettings};
use crate::units::Confidence;
use crate::velocity::{Scope, Settings as VelocitySettings};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The tunables of UntrustedIP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Networks (CIDR) and autonomous systems (`AS64500`) that the operator vouches for.
    pub allow: Vec<Entry>,
    /// The lists to load.
    pub lists: Vec<ListSettings>,
    /// What a hit of each category is worth.
    pub category_confidence: CategoryConfidence,
    /// What is judged by.
    pub judges: Vec<Judged>,
    /// How many users, proved by a factor within 30 days, make a network one that is proposed as familiar.
    pub office_users: Bounded<2, 100>,
    /// When a source fails too often.
    pub velocity: VelocitySettings,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

/// Something that UntrustedIP can judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// That there is an address at all.
    Address,
    /// The lists.
    Lists,
    /// The databases.
    Databases,
    /// How often logins fail there.
    Velocity,
    /// What an edge says.
    Edge,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            lists: Vec::new(),
            category_confidence: CategoryConfidence::default(),
            office_users: Bounded::of::<20>(),
            judges: vec![Judged::Address, Judged::Lists, Judged::Databases, Judged::Velocity, Judged::Edge],
            velocity: VelocitySettings::default(),
            on_failure: OnFailure::default(),
        }
    }
}

/// An edge's score below this is a bot. **Source:** signals.md; the score is Cloudflare's, 1 to 99.
const BOT_SCORE_MIN: u8 = 30;

/// `device_known` is whether the user has used this device: then what others do at the address says nothing of this login.
pub(super) fn assess(address: &Address<'_>, device_known: bool, settings: &Settings) -> Assessment {
    let judges = |judged| settings.judges.contains(&judged);
    if address.ip.is_none() && judges(Judged::Address) {
        return Assessment::hard(Code::InvalidIpAddress);
    }
    if let ListFinding::Allowed { by_network: true, matches } = &address.lists {
        return allowed(matches);
    }
    let listed = worst_hit(address, settings).map(|hit| listed(hit, settings));
    let velocity = if judges(Judged::Velocity) && !device_known { high_velocity(address) } else { None };
    let automated = if judges(Judged::Edge) { automated(address) } else { None };
    let stands = [listed, velocity, automated].into_iter().flatten();
    stands.min_by_key(rank).unwrap_or_else(|| unlisted(address))
}

/// What stands by itself first; what is a bot, before what is low; among equals the first that is asked.
fn rank(assessment: &Assessment) -> u8 {
    match (assessment.hard, assessment.code, assessment.confidence) {
        (true, _, _) => 0,
        (false, Code::Automated, _) => 1,
        (false, _, Confidence::Low) => 2,
        (false, _, Confidence::Medium | Confidence::High | Confidence::Neutral) => 3,
    }
}

/// The hit of a list or of a database, whichever is worth less confidence; the list's where both are worth the same. An
/// autonomous system that the operator vouches for has neither.
fn worst_hit<'a>(address: &'a Address<'_>, settings: &Settings) -> Option<&'a Hit> {
    let (list, database) = match &address.lists {
        ListFinding::Allowed { .. } => return None,
        ListFinding::Listed(hit) => (Some(hit), address.database.as_ref()),
        ListFinding::Clean | ListFinding::Stale(_) => (None, address.database.as_ref()),
    };
    let rank = |hit: &Hit| match settings.category_confidence.of(hit.category) {
        Confidence::Low => 0,
        Confidence::Medium => 1,
        Confidence::High | Confidence::Neutral => 2,
    };
    let list = list.filter(|_| settings.judges.contains(&Judged::Lists));
    let database = database.filter(|_| settings.judges.contains(&Judged::Databases));
    list.into_iter().chain(database).min_by_key(|hit| rank(hit))
}

fn allowed(matches: &str) -> Assessment {
    Assessment::new(Confidence::High, Code::OnAllowList).with(Details::Allowed { matches: matches.to_owned() })
}

/// `found_on_deny_list`. Hard for `abuse`, `reputation` and `unroutable`, and where the list says so.
fn listed(hit: &Hit, settings: &Settings) -> Assessment {
    let confidence = settings.category_confidence.of(hit.category);
    let by_category = matches!(hit.category, Category::Abuse | Category::Reputation | Category::Unroutable);
    let (matches, source) = (hit.matches, hit.source.clone());
    let details = Details::Listed { matches, source, category: hit.category, hard: hit.hard };
    Assessment {
        confidence,
        code: Code::FoundOnDenyList,
        // What the operator made medium or neutral forces nothing.
        hard: confidence == Confidence::Low && (by_category || hit.hard),
        details,
    }
}

/// `high_velocity`. Hard, but for a whole system, which is too many people to be forced.
fn high_velocity(address: &Address<'_>) -> Option<Assessment> {
    let finding = address.velocity?;
    let matches = match (finding.scope, address.ip?) {
        (Scope::Address, IpAddr::V4(v4)) => network(v4.into(), 32),
        (Scope::Address, IpAddr::V6(v6)) => network(v6.into(), 64),
        (Scope::Prefix, IpAddr::V4(v4)) => network(v4.into(), 24),
        (Scope::Prefix, IpAddr::V6(v6)) => network(v6.into(), 48),
        (Scope::System, _) => Entry::Asn(address.asn?),
    };
    let is_hard = match finding.scope {
        Scope::Address | Scope::Prefix => true,
        Scope::System => false,
    };
    let (window_s, failures, users) = (finding.window.seconds(), finding.failures, finding.users);
    let assessment = Assessment::new(Confidence::Low, Code::HighVelocity);
    Some(Assessment { hard: is_hard, ..assessment.with(Details::Velocity { matches, window_s, failures, users }) })
}

fn network(address: IpAddr, length: u8) -> Entry {
    Entry::Network(IpNet::new(address, length).unwrap_or_else(|_| address.into()).trunc())
}

fn automated(address: &Address<'_>) -> Option<Assessment> {
    let (bot_score, verified_bot) = (address.bot_score, address.verified_bot);
    (verified_bot || bot_score.is_some_and(|score| score < BOT_SCORE_MIN))
        .then(|| Assessment::new(Confidence::Low, Code::Automated).with(Details::Automated { bot_score, verified_bot }))
}

fn unlisted(address: &Address<'_>) -> Assessment {
    match &address.lists {
        _ if address.ip.is_none() => Assessment::new(Confidence::Neutral, Code::InvalidIpAddress),
        ListFinding::Allowed { matches, .. } => allowed(matches),
        ListFinding::Stale(source) => {
            let details = Details::Stale { source: source.clone() };
            Assessment::new(Confidence::Neutral, Code::ListStale).with(details)
        }
        ListFinding::Listed(_) | ListFinding::Clean => Assessment::new(Confidence::High, Code::NotFoundOnDenyList),
    }
}
