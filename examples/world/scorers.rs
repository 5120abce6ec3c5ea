//! Whatever judges the logins of a world: one number for each, high where it is suspicious.

use crate::baselines::{self, Baseline};
use crate::events::{Event, Truth};
use crate::world::{World, configuration};
use askance::config::Config;
use askance::pipeline::Scored;
use askance::replay::Replay;
use askance::server::logged::{self, Label, Logged};
use askance::verdict::Action;
use std::error::Error;
use std::path::Path;

/// A way to judge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scorer {
    /// askance, with this verdict.
    Askance { name: &'static str, verdict: &'static str },
    /// The sum of aggregator `evidence`, hard evidence above every sum.
    Sum,
    /// One of what is to be beaten.
    Baseline(Baseline),
}

impl Scorer {
    /// Today's aggregators, and the baselines.
    pub(crate) const ALL: [Self; 12] = [
        Self::Askance { name: "askance evidence", verdict: EVIDENCE },
        Self::Askance { name: "askance evidence, low = -6.2", verdict: STRICTER },
        Self::Sum,
        Self::Askance { name: "askance strict", verdict: "verdict.aggregator = 'strict'" },
        Self::Askance { name: "askance auth0_mean", verdict: "preset = 'auth0'" },
        Self::Askance { name: "askance any", verdict: "verdict.aggregator = 'any'" },
        Self::Askance { name: "askance, preset logto", verdict: "preset = 'logto'" },
        Self::Baseline(Baseline::CookieOnly),
        Self::Baseline(Baseline::Auth0Like),
        Self::Baseline(Baseline::LogtoLike),
        Self::Baseline(Baseline::Freeman { user_prior: false }),
        Self::Baseline(Baseline::Freeman { user_prior: true }),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Askance { name, .. } => name,
            Self::Sum => "askance evidence, sum",
            Self::Baseline(baseline) => baseline.name(),
        }
    }

    /// Whether it is the default aggregator, at whatever threshold.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Sum | Self::Askance { verdict: EVIDENCE | STRICTER, .. })
    }

    /// Whether it gives numbers, of which a threshold makes decisions.
    pub(crate) fn has_threshold(self) -> bool {
        matches!(self, Self::Sum | Self::Baseline(Baseline::Freeman { .. }))
    }

    /// One number an event; those of failures mean nothing.
    pub(crate) fn judge(self, world: &World, data: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
        match self {
            Self::Askance { verdict, .. } => {
                let mut risks = Vec::with_capacity(world.events.len());
                replay(world, data, verdict, |_, scored| risks.push(scored.map_or(0.0, risk)))?;
                Ok(risks)
            }
            Self::Sum => {
                let mut risks = Vec::with_capacity(world.events.len());
                replay(world, data, EVIDENCE, |_, scored| risks.push(scored.map_or(0.0, sum)))?;
                Ok(risks)
            }
            Self::Baseline(baseline) => Ok(baselines::judge(baseline, world)),
        }
    }
}

/// The default aggregator.
pub(crate) const EVIDENCE: &str = "verdict.aggregator = 'evidence'";
/// For who would rather ask one honest login in nine.
const STRICTER: &str = "verdict = { aggregator = 'evidence', medium = -6.2, low = -6.2 }";

fn sum(scored: &Scored<'_>) -> f64 {
    let evidence = scored.verdict.evidence.as_ref();
    evidence.map_or(0.0, |evidence| if evidence.is_hard { f64::MAX } else { evidence.score })
}

/// 1 for what is not simply let in.
fn risk(scored: &Scored<'_>) -> f64 {
    if scored.verdict.action == Action::Allow { 0.0 } else { 1.0 }
}

/// Runs the log of a world through askance, line by line as `askance replay` does; `see` is shown each event in turn, and what
/// was said on it if it is a login.
pub(crate) fn replay(
    world: &World,
    data: &Path,
    verdict: &str,
    mut see: impl FnMut(&Event, Option<&Scored<'_>>),
) -> Result<(), Box<dyn Error>> {
    let mut replay = Replay::new(Config::parse(&configuration(data, verdict))?)?;
    for event in &world.events {
        let line = event.line();
        match logged::read(line.as_bytes()).map_err(|error| format!("{error:?}: {line}"))? {
            Logged::Failure(failure, time) => {
                replay.failure(&failure, time);
                see(event, None);
            }
            Logged::Login(login, label) => {
                debug_assert_eq!(label == Label::Attack, matches!(event.truth, Truth::Attack(_)));
                see(event, Some(&replay.login(&login, label)));
            }
        }
    }
    Ok(())
}
