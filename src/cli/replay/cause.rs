//! Why a login was asked, in words short enough to count by.

use crate::pipeline::Scored;
use crate::signals::{Assessments, Signal};
use crate::units::Confidence;
use crate::verdict::DecidedBy;
use crate::verdict::reasons::Reason;

/// What was counted against the login, the gravest first, each with the signal that said it; and what decided. A rule that
/// decided is the whole cause.
pub(super) fn of(scored: &Scored<'_>) -> String {
    if let DecidedBy::Rule(name) = &scored.verdict.decided_by {
        return name.code().to_owned();
    }
    let doubts: Vec<String> = scored.verdict.reasons.iter().map(|reason| named(reason, &scored.assessments)).collect();
    format!("{} ({})", doubts.join(" + "), scored.verdict.decided_by.as_str())
}

/// The gravest alone.
pub(super) fn gravest<'s>(scored: &'s Scored<'_>) -> &'s str {
    scored.verdict.reasons.first().map_or("no reason", |reason| reason.code.as_ref())
}

fn named(reason: &Reason, assessments: &Assessments) -> String {
    let says = |signal: &Signal| {
        let assessment = assessments.of(*signal);
        assessment.code.as_str() == reason.code && assessment.confidence != Confidence::High
    };
    match Signal::ALL.iter().find(|signal| says(signal)) {
        Some(signal) => format!("{} {}", signal.as_str(), reason.code),
        None => reason.code.as_ref().to_owned(),
    }
}
