//! What rules did is counted and, where it weakens or breaks something, logged.

use super::Loaded;
use crate::memory::decisions::DecisionId;
use crate::verdict::rules::RuleHit;

/// Every bypass is logged, with the decision that tells whose login it was; a failure once a rule, lest one of them fill the log.
pub(super) fn audit(loaded: &Loaded, id: DecisionId, hits: &[RuleHit]) {
    for hit in hits {
        let has_failed_first = loaded.rule_counts.count(hit);
        if has_failed_first {
            tracing::warn!(rule = %hit.name, decision = %id, "a rule failed, which counts as challenge; further failures are counted only");
        }
        if let Some(lifted) = hit.lifted {
            tracing::info!(rule = %hit.name, decision = %id, lifted = lifted.as_str(), "a rule lifted a demand");
        }
    }
}
