//! What rules did. Names come and go with the configuration, so that there are no handles of the exporter.

use crate::verdict::rules::{Effect, RuleHit, RuleName, Rules};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of each rule of a configuration, in its order.
#[derive(Debug, Default)]
pub struct RuleCounts(Vec<Counted>);

/// The counts go on in the next configuration that has a rule of this name.
#[derive(Debug)]
struct Counted {
    name: RuleName,
    effect: Effect,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    matches: AtomicU64,
    shadow_matches: AtomicU64,
    failures: AtomicU64,
    bypasses: AtomicU64,
}

impl RuleCounts {
    /// Of these rules, going on with what was counted before of those that have the same name.
    #[must_use]
    pub fn new(rules: &Rules, before: &Self) -> Self {
        let counts = |name: &RuleName| {
            let same = before.0.iter().find(|counted| counted.name == *name);
            same.map(|counted| Arc::clone(&counted.counts)).unwrap_or_default()
        };
        let counted =
            |(name, effect): (&RuleName, Effect)| Counted { name: name.clone(), effect, counts: counts(name) };
        Self(rules.all().iter().map(|rule| (&rule.name, rule.effect)).map(counted).collect())
    }

    /// Counts one rule that holds for a login, or fails on it; whether it failed for the first time.
    pub fn count(&self, hit: &RuleHit) -> bool {
        let Some(Counted { counts, .. }) = self.0.get(hit.number) else { return false };
        if hit.lifted.is_some() {
            counts.bypasses.fetch_add(1, Ordering::Relaxed);
        }
        if hit.has_failed {
            return counts.failures.fetch_add(1, Ordering::Relaxed) == 0;
        }
        let matches = if hit.is_shadow { &counts.shadow_matches } else { &counts.matches };
        matches.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Appends the exposition text.
    pub fn render(&self, text: &mut String) {
        type Count = fn(&Counts) -> &AtomicU64;
        let metrics: [(&str, &str, Count); 4] = [
            ("askance_rule_matches_total", "Logins for which a rule held", |counts| &counts.matches),
            ("askance_rule_shadow_matches_total", "Logins for which a rule in the shadow would have held", |counts| {
                &counts.shadow_matches
            }),
            ("askance_rule_failures_total", "Logins on which a rule failed", |counts| &counts.failures),
            ("askance_rule_bypasses_total", "Demands that a rule lifted", |counts| &counts.bypasses),
        ];
        for (name, help, count) in metrics {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} counter\n"));
            for Counted { name: rule, effect, counts } in &self.0 {
                let (effect, value) = (effect.as_str(), count(counts).load(Ordering::Relaxed));
                // Writing to a text cannot fail.
                let _written = writeln!(text, "{name}{{rule=\"{rule}\",effect=\"{effect}\"}} {value}");
            }
            text.push('\n');
        }
    }
}
