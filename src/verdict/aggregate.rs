//! One confidence from several.

use crate::signals::Assessment;
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// How assessments become one confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregator {
    /// What speaks for and against the login adds up, in log-odds; hard evidence is low.
    #[default]
    Evidence,
    /// Hard evidence is low; else doubt adds up: 3 points are low, 1 or 2 medium, a low gives 2 and a medium 1.
    Strict,
    /// The mean of what is not neutral, high 2, medium 1, low 0: from 4/3 on high, up to 1/3 low.
    Auth0Mean,
    /// Any low is low, else any medium is medium; over the signals of `verdict.any_of`.
    Any,
}

/// What an aggregator sees of an assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opinion {
    /// How much the assessment speaks for the user.
    pub confidence: Confidence,
    /// Whether it stands by itself.
    pub hard: bool,
}

impl From<&Assessment> for Opinion {
    fn from(assessment: &Assessment) -> Self {
        Self { confidence: assessment.confidence, hard: assessment.hard }
    }
}

/// Of what is counted, in any order; of the others only hard evidence counts.
#[must_use]
pub fn strict(counted: &[Opinion], others: &[Opinion]) -> Confidence {
    let points = counted.iter().map(|opinion| match opinion.confidence {
        Confidence::Low => 2,
        Confidence::Medium => 1,
        Confidence::High | Confidence::Neutral => 0,
    });
    match points.sum::<u32>() {
        _ if counted.iter().chain(others).any(|opinion| opinion.hard) => Confidence::Low,
        0 => Confidence::High,
        1 | 2 => Confidence::Medium,
        _ => Confidence::Low,
    }
}

/// The mean of what is not neutral, in any order.
///
/// **Source:** fitted to the samples that Auth0 publishes; hard evidence is unknown to it.
#[must_use]
pub fn auth0_mean(opinions: &[Opinion]) -> Confidence {
    let counted = opinions.iter().filter_map(|opinion| match opinion.confidence {
        Confidence::High => Some(2),
        Confidence::Medium => Some(1),
        Confidence::Low => Some(0),
        Confidence::Neutral => None,
    });
    let (sum, count) = counted.fold((0_u32, 0_u32), |(sum, count), points| (sum + points, count + 1));
    // Thirds without fractions: mean ≥ 4/3 is 3·sum ≥ 4·count.
    match (3 * sum, count) {
        (_, 0) => Confidence::Neutral,
        (sum, count) if sum >= 4 * count => Confidence::High,
        (sum, count) if sum <= count => Confidence::Low,
        _ => Confidence::Medium,
    }
}

/// The worst that is counted.
#[must_use]
pub fn any(opinions: &[Opinion]) -> Confidence {
    let has = |confidence| opinions.iter().any(|opinion| opinion.confidence == confidence);
    if has(Confidence::Low) {
        Confidence::Low
    } else if has(Confidence::Medium) {
        Confidence::Medium
    } else {
        Confidence::High
    }
}
