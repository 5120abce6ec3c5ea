//! What an answer must look like, whatever it says.

use super::Response;
use serde_json::Value;

/// The body as JSON; fails on anything but a 200 with a JSON body.
pub(crate) fn json_of(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "a 200 was expected: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// Checks a refusal: status, code, and the whole shape of RFC 9457 that every refusal has. Gives the document.
pub(crate) fn assert_problem(answer: &Response, status: u16, code: &str) -> Value {
    let document = problem_of(answer);
    assert_eq!(answer.status, status, "{document}");
    assert_eq!(document["code"], code, "{document}");
    document
}

/// A refusal of whatever status, its shape checked.
pub(crate) fn problem_of(answer: &Response) -> Value {
    assert!((400..600).contains(&answer.status), "a refusal was expected: {} {}", answer.status, answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let document: Value = serde_json::from_slice(&answer.body).expect("a problem document is JSON");
    assert_eq!(document["status"], answer.status, "{document}");
    for member in ["type", "title", "code", "detail"] {
        assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member} is missing: {document}");
    }
    assert_request_id(answer);
    document
}

/// Every answer of ours carries `x-request-id`, in the alphabet that callers may use themselves.
pub(crate) fn assert_request_id(answer: &Response) -> String {
    let id = answer.header("x-request-id").unwrap_or_else(|| panic!("no x-request-id: {answer:?}"));
    let fits = (1..=64).contains(&id.len())
        && id.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    assert!(fits, "an x-request-id that a caller could not have sent: {id:?}");
    id.to_owned()
}
