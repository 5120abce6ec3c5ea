//! What the plots of a report are drawn from.

use super::cause;
use crate::clock::Timestamp;
use crate::pipeline::Scored;
use crate::server::logged::Label;
use crate::units::Confidence;
use crate::verdict::Action;
use crate::verdict::evidence::Evidence;
use std::collections::BTreeMap;

/// Counts of one configuration.
#[derive(Debug, Default)]
pub(super) struct Charts {
    /// By hour since 1970: legitimate logins, and how many of them were asked. 24 bytes an hour.
    pub(super) hours: BTreeMap<u32, (u64, u64)>,
    /// Legitimate logins that were asked, by the gravest reason: our codes, and the names of rules.
    pub(super) causes: BTreeMap<String, u64>,
    /// By how suspicious they look, legitimate logins and attacks: by confidence, and within it by score, where there is one. Some
    /// thousand entries at most.
    levels: BTreeMap<(u8, i32), [u64; 2]>,
}

/// Shares of legitimate logins and of attacks that would be asked, were the threshold here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RocPoint {
    pub(super) legitimate: f64,
    pub(super) attacks: f64,
    /// The level that ends here: a threshold of the configuration.
    pub(super) level: Option<&'static str>,
}

/// From the most suspicious on: the only order that confidences have.
const LEVELS: [(Confidence, &str); 4] = [
    (Confidence::Low, "low"),
    (Confidence::Medium, "medium or less"),
    (Confidence::Neutral, "neutral or less"),
    (Confidence::High, "all"),
];

impl Charts {
    pub(super) fn login(&mut self, scored: &Scored<'_>, time: Timestamp, label: Label) {
        let verdict = &scored.verdict;
        let level = LEVELS.iter().position(|(confidence, _)| *confidence == verdict.confidence).unwrap_or(0);
        let step = verdict.evidence.as_ref().map_or(0, step);
        let [legitimate, attacks] = self.levels.entry((u8::try_from(level).unwrap_or(0), step)).or_default();
        if label == Label::Attack {
            *attacks += 1;
            return;
        }
        *legitimate += 1;
        let asked = verdict.action != Action::Allow;
        let hour = self.hours.entry(time.unix_s() / 3600).or_default();
        hour.0 += 1;
        hour.1 += u64::from(asked);
        if asked {
            let cause = cause::gravest(scored);
            match self.causes.get_mut(cause) {
                Some(count) => *count += 1,
                None => drop(self.causes.insert(cause.to_owned(), 1)),
            }
        }
    }

    /// Legitimate logins.
    pub(super) fn legitimate(&self) -> u64 {
        self.levels.values().map(|[legitimate, _]| legitimate).sum()
    }

    /// How well the levels tell attacks from logins of the user; nothing where there is nothing to tell apart.
    pub(super) fn roc(&self) -> Vec<RocPoint> {
        let (mut logins, attacks) = (self.legitimate(), self.levels.values().map(|[_, attacks]| attacks).sum::<u64>());
        if logins == 0 || attacks == 0 {
            return Vec::new();
        }
        let all = [logins, attacks];
        logins = 0;
        let mut caught = 0;
        let mut points = Vec::new();
        for ((_, level), at) in LEVELS.iter().zip(0_u8..) {
            for [legitimate, attacks] in self.levels.range((at, i32::MIN)..=(at, i32::MAX)).map(|(_, counts)| counts) {
                logins += legitimate;
                caught += attacks;
                points.push(RocPoint {
                    legitimate: share(logins, all[0]),
                    attacks: share(caught, all[1]),
                    level: None,
                });
            }
            // The last step of a level is where it ends; one without logins ends where the one before does.
            if !self.levels.keys().any(|(of, _)| *of == at) {
                points.push(RocPoint {
                    legitimate: share(logins, all[0]),
                    attacks: share(caught, all[1]),
                    level: None,
                });
            }
            if let Some(end) = points.last_mut() {
                end.level = Some(level);
            }
        }
        points
    }
}

/// Tenths of log-odds, the most suspicious first; before all of them what stands by itself, whatever its score.
fn step(evidence: &Evidence) -> i32 {
    if evidence.is_hard {
        return i32::MIN;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a sum of a few weights, each 20 at most")]
    let tenths = (evidence.score * 10.0).round() as i32;
    -tenths
}

/// 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_add_up_from_the_most_suspicious_on() {
        let mut charts = Charts::default();
        assert_eq!(charts.roc(), []);
        charts.levels.insert((0, 0), [1, 6]);
        charts.levels.insert((1, 0), [3, 2]);
        charts.levels.insert((3, 0), [16, 0]);
        let all = |charts: &Charts| -> Vec<_> {
            charts.roc().into_iter().map(|point| (point.legitimate, point.attacks, point.level)).collect()
        };
        let [low, medium, neutral, high] = LEVELS.map(|(_, level)| Some(level));
        assert_eq!(all(&charts), [(0.05, 0.75, low), (0.2, 1.0, medium), (0.2, 1.0, neutral), (1.0, 1.0, high)]);
        // With scores there are steps within a level, and thresholds stay where they are.
        charts.levels.insert((0, i32::MIN), charts.levels[&(0, 0)]);
        charts.levels.insert((0, 0), [0, 0]);
        charts.levels.insert((3, -80), [10, 0]);
        charts.levels.insert((3, 0), [6, 0]);
        let steps = [
            (0.05, 0.75, None),
            (0.05, 0.75, low),
            (0.2, 1.0, medium),
            (0.2, 1.0, neutral),
            (0.7, 1.0, None),
            (1.0, 1.0, high),
        ];
        assert_eq!(all(&charts), steps);
        charts.levels.values_mut().for_each(|[_, attacks]| *attacks = 0);
        assert_eq!(charts.roc(), [], "without attacks there is nothing to tell apart");
    }
}
