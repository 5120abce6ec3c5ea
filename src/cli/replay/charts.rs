//! What the plots of a report are drawn from.

use super::cause;
use crate::clock::Timestamp;
use crate::pipeline::Scored;
use crate::server::logged::Label;
use crate::units::Confidence;
use crate::verdict::Action;
use std::collections::BTreeMap;

/// Counts of one configuration.
#[derive(Debug, Default)]
pub(super) struct Charts {
    /// By hour since 1970: legitimate logins, and how many of them were asked. 24 bytes an hour.
    pub(super) hours: BTreeMap<u32, (u64, u64)>,
    /// Legitimate logins that were asked, by the gravest reason: our codes, and the names of rules.
    pub(super) causes: BTreeMap<String, u64>,
    /// By how suspicious they look, legitimate logins and attacks.
    levels: BTreeMap<u8, [u64; 2]>,
}

/// Shares of legitimate logins and of attacks that would be asked, were this the first level to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RocPoint {
    pub(super) legitimate: f64,
    pub(super) attacks: f64,
    pub(super) level: &'static str,
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
        let [legitimate, attacks] = self.levels.entry(u8::try_from(level).unwrap_or(0)).or_default();
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
        let points = LEVELS.iter().zip(0_u8..).map(|((_, level), at)| {
            let [legitimate, attacks] = self.levels.get(&at).copied().unwrap_or_default();
            logins += legitimate;
            caught += attacks;
            RocPoint { legitimate: share(logins, all[0]), attacks: share(caught, all[1]), level }
        });
        points.collect()
    }
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
        charts.levels.insert(0, [1, 6]);
        charts.levels.insert(1, [3, 2]);
        charts.levels.insert(3, [16, 0]);
        let points: Vec<_> = charts.roc().into_iter().map(|point| (point.legitimate, point.attacks)).collect();
        assert_eq!(points, [(0.05, 0.75), (0.2, 1.0), (0.2, 1.0), (1.0, 1.0)]);
        charts.levels.values_mut().for_each(|[_, attacks]| *attacks = 0);
        assert_eq!(charts.roc(), [], "without attacks there is nothing to tell apart");
    }
}
