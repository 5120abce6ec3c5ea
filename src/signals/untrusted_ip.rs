//! UntrustedIP: what is known against this address?
//!
//! The operator's allow list stands before everything; a hit that stands by itself before automation, automation before
//! a hit that does not. An address that is none is hard evidence: nobody logs in from nowhere.

use super::{Assessment, Code, Details, OnFailure};
use crate::context::Address;
use crate::context::ip_lists::{AllowEntry, Category, CategoryConfidence, Hit, ListFinding, ListSettings};
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of UntrustedIP.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Networks (CIDR) and autonomous systems (`AS64500`) that the operator vouches for.
    pub allow: Vec<AllowEntry>,
    /// The lists to load.
    pub lists: Vec<ListSettings>,
    /// What a hit of each category is worth.
    pub category_confidence: CategoryConfidence,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

/// An edge's score below this is a bot. **Source:** signals.md; the score is Cloudflare's, 1 to 99.
const BOT_SCORE_MIN: u8 = 30;

pub(super) fn assess(address: &Address<'_>, settings: &Settings) -> Assessment {
    if address.ip.is_none() {
        return Assessment::hard(Code::InvalidIpAddress);
    }
    let listed = match &address.lists {
        ListFinding::Allowed { by_network: true, matches } => return allowed(matches),
        ListFinding::Listed(hit) => Some(listed(hit, settings)),
        ListFinding::Allowed { by_network: false, .. } | ListFinding::Clean | ListFinding::Stale(_) => None,
    };
    match (listed, automated(address)) {
        (Some(listed), _) if listed.hard => listed,
        (_, Some(automated)) => automated,
        (Some(listed), None) => listed,
        (None, None) => unlisted(&address.lists),
    }
}

fn allowed(matches: &str) -> Assessment {
    Assessment::new(Confidence::High, Code::OnAllowList).with(Details::Allowed { matches: matches.to_owned() })
}

/// `found_on_deny_list`. Hard for `abuse`, `reputation` and `unroutable`, and where the list says so.
fn listed(hit: &Hit, settings: &Settings) -> Assessment {
    let confidence = settings.category_confidence.of(hit.category);
    let by_category = matches!(hit.category, Category::Abuse | Category::Reputation | Category::Unroutable);
    let details = Details::Listed { matches: hit.matches, source: hit.source.clone(), category: hit.category };
    Assessment {
        confidence,
        code: Code::FoundOnDenyList,
        // What the operator made medium or neutral forces nothing.
        hard: confidence == Confidence::Low && (by_category || hit.hard),
        details,
    }
}

fn automated(address: &Address<'_>) -> Option<Assessment> {
    let (bot_score, verified_bot) = (address.bot_score, address.verified_bot);
    (verified_bot || bot_score.is_some_and(|score| score < BOT_SCORE_MIN))
        .then(|| Assessment::new(Confidence::Low, Code::Automated).with(Details::Automated { bot_score, verified_bot }))
}

fn unlisted(lists: &ListFinding) -> Assessment {
    match lists {
        ListFinding::Allowed { matches, .. } => allowed(matches),
        ListFinding::Stale(source) => {
            let details = Details::Stale { source: source.clone() };
            Assessment::new(Confidence::Neutral, Code::ListStale).with(details)
        }
        ListFinding::Listed(_) | ListFinding::Clean => Assessment::new(Confidence::High, Code::NotFoundOnDenyList),
    }
}
