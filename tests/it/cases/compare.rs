//! Whether an answer holds what a case says.

use super::model::{Then, ThenAssessment};
use crate::support::Response;
use serde_json::{Map, Value};

/// Everything that differs; empty when the answer holds the case. A member that the case does not name is not checked.
pub(crate) fn differences(answer: &Response, then: &Then) -> Vec<String> {
    let mut found = Vec::new();
    let status = then.status.unwrap_or(200);
    if answer.status != status {
        found.push(format!("status {} instead of {status}: {}", answer.status, answer.text()));
        return found;
    }
    let body: Value = match serde_json::from_slice(&answer.body) {
        Ok(body) => body,
        Err(error) => return vec![format!("the answer is no JSON ({error}): {}", answer.text())],
    };
    compare_members(&body, then, &mut found);
    for (name, expected) in &then.assessments {
        compare_assessment(name, &body["risk_assessment"]["assessments"][name], expected, &mut found);
    }
    compare_named("mfa", &body["mfa"], &then.mfa, &mut found);
    compare_named("device", &body["device"], &then.device, &mut found);
    compare_evidence("evidence", &body["evidence"], &Value::Object(then.evidence.clone()), &mut found);
    let reasons: Vec<&str> =
        body["reasons"].as_array().into_iter().flatten().filter_map(|r| r["code"].as_str()).collect();
    for code in &then.reasons_include {
        if !reasons.contains(&code.as_str()) {
            found.push(format!("reasons lack {code}: {reasons:?}"));
        }
    }
    found
}

fn compare_members(body: &Value, then: &Then, found: &mut Vec<String>) {
    let confidence = &body["risk_assessment"]["confidence"];
    for (name, expected, actual) in [
        ("code", &then.code, &body["code"]),
        ("field", &then.field, &body["field"]),
        ("action", &then.action, &body["action"]),
        ("demand_mfa", &then.demand_mfa, &body["demand_mfa"]),
        ("confidence", &then.confidence, confidence),
        ("remembered_browser", &then.remembered_browser, &body["remembered_browser"]),
        ("mode", &then.mode, &body["mode"]),
        ("would_be", &then.would_be, &body["would_be"]),
        ("decided_by", &then.decided_by, &body["decided_by"]),
        ("interactive", &then.interactive, &body["interactive"]),
    ] {
        if let Some(expected) = expected
            && expected != actual
        {
            found.push(format!("{name} is {actual}, not {expected}"));
        }
    }
}

fn compare_assessment(name: &str, actual: &Value, expected: &ThenAssessment, found: &mut Vec<String>) {
    if actual["confidence"] != expected.confidence.as_str() || actual["code"] != expected.code.as_str() {
        found.push(format!("{name} is {actual}, not {} {}", expected.confidence, expected.code));
    }
    compare_named(&format!("{name}.details"), &actual["details"], &expected.details, found);
}

fn compare_named(about: &str, actual: &Value, expected: &Map<String, Value>, found: &mut Vec<String>) {
    for (name, expected) in expected {
        if &actual[name] != expected {
            found.push(format!("{about}.{name} is {}, not {expected}", actual[name]));
        }
    }
}

/// Walks down to the leaves `{about, within}`.
fn compare_evidence(path: &str, actual: &Value, expected: &Value, found: &mut Vec<String>) {
    if let (Some(about), Some(within)) = (expected["about"].as_f64(), expected["within"].as_f64()) {
        match actual.as_f64() {
            Some(number) if (number - about).abs() <= within => {}
            _ => found.push(format!("{path} is {actual}, not within {within} of {about}")),
        }
        return;
    }
    match expected.as_object() {
        Some(members) => {
            for (name, expected) in members {
                compare_evidence(&format!("{path}.{name}"), &actual[name], expected, found);
            }
        }
        None => found.push(format!("{path}: the case expects {expected}, which is no {{about, within}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(answer: &Value, then: Value, expected: &[&str]) {
        let response =
            Response { status: 200, version: "1.1".to_owned(), headers: Vec::new(), body: answer.to_string().into() };
        let then: Then = serde_json::from_value(then).expect("a then");
        assert_eq!(differences(&response, &then), expected);
    }

    #[test]
    fn an_answer_that_holds_the_case_has_no_differences() {
        let answer = json!({
            "action": "allow", "reasons": [{"code": "no_email"}], "mfa": {"factors": ["totp"]},
            "risk_assessment": {"confidence": "high", "assessments": {
                "NewDevice": {"confidence": "high", "code": "match", "details": {"device": "known", "useragent": "known"}}}},
            "evidence": {"travel": {"distance_km": 10.4}},
        });
        check(
            &answer,
            json!({
                "action": "allow", "confidence": "high", "reasons_include": ["no_email"], "mfa": {"factors": ["totp"]},
                "assessments": {"NewDevice": {"confidence": "high", "code": "match", "details": {"device": "known"}}},
                "evidence": {"travel": {"distance_km": {"about": 10, "within": 0.5}}},
            }),
            &[],
        );
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let answer =
            json!({"action": "allow", "risk_assessment": {"assessments": {"NewDevice": {"confidence": "low"}}}});
        check(&answer, json!({"status": 422}), &[&format!("status 200 instead of 422: {answer}")]);
        check(&answer, json!({"action": "deny"}), &["action is \"allow\", not \"deny\""]);
        check(&answer, json!({"demand_mfa": false}), &["demand_mfa is null, not false"]);
        check(&answer, json!({"device": {"presented": "bad"}}), &["device.presented is null, not \"bad\""]);
        check(&answer, json!({"reasons_include": ["no_email"]}), &["reasons lack no_email: []"]);
        check(
            &answer,
            json!({"evidence": {"travel": {"elapsed_s": {"about": 7200, "within": 0}}}}),
            &["evidence.travel.elapsed_s is null, not within 0 of 7200"],
        );
        check(
            &answer,
            json!({"assessments": {"NewDevice": {"confidence": "low", "code": "no_match", "details": {"device": "x"}}}}),
            &["NewDevice is {\"confidence\":\"low\"}, not low no_match", "NewDevice.details.device is null, not \"x\""],
        );
    }
}
