//! Runs cases of shape `aggregate` against the library's pure function.

use super::model::AggregateCase;
use crate::support::overall;
use askance::units::Confidence;
use askance::verdict::aggregate::Opinion;

pub(crate) fn run(case: &AggregateCase) -> Result<(), String> {
    let opinions = ["NewDevice", "ImpossibleTravel", "UntrustedIP"].map(|name| Opinion {
        confidence: confidence(&case.assessments[name]),
        hard: case.hard.iter().any(|hard| hard == name),
    });
    let aggregator = serde_json::from_value(case.aggregator.as_str().into())
        .map_err(|error| format!("aggregator {}: {error}", case.aggregator))?;
    let (actual, expected) = (overall(aggregator, &opinions, &[]), confidence(&case.then.confidence));
    if actual == expected { Ok(()) } else { Err(format!("confidence is {actual:?}, not {expected:?}")) }
}

fn confidence(name: &str) -> Confidence {
    match name {
        "high" => Confidence::High,
        "medium" => Confidence::Medium,
        "low" => Confidence::Low,
        "neutral" => Confidence::Neutral,
        other => panic!("{other:?} is no confidence"),
    }
}
