//! docs/openapi.json as the judge of all traffic: whatever a test sends and gets back is held to the document.
//!
//! An answer must have a status, a content type, headers and a shape that the document gives its operation; what was taken
//! (2xx) must fit the schemas of the request, of its body and of its parameters, and what was refused as `request.invalid` must
//! not.

pub(crate) mod document;
mod parameters;
mod schemas;

use super::{Request, Response};
use document::{Document, Operation};
use schemas::Schemas;
use serde_json::Value;
use std::sync::OnceLock;

/// Which listener was asked: the same path is another one there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Main,
    Admin,
    /// What proxies ask is another contract than the API's.
    Hooks,
}

/// A document, with the validators that its schemas have come to so far.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) document: Document,
    schemas: Schemas,
}

/// The contract of the repository, read once for the process.
pub(crate) fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| Contract::new(Document::of_the_repository()))
}

/// Fails the test where the exchange is not what the document says.
pub(crate) fn assert_kept(listener: Listener, request: &Request, response: &Response) {
    if let Err(breach) = contract().check(listener, request, response) {
        panic!("{} {} breaks docs/openapi.json: {breach}\n{}", request.method(), request.path(), response.text());
    }
}

impl Contract {
    pub(crate) fn new(document: Document) -> Self {
        Self { schemas: Schemas::new(document.value().clone()), document }
    }

    /// What is wrong with one exchange.
    pub(crate) fn check(&self, listener: Listener, request: &Request, response: &Response) -> Result<(), String> {
        if is_of_hyper(response) || listener == Listener::Hooks {
            return Ok(());
        }
        let operation = self.document.find(listener, request.method(), request.path());
        self.check_answer(&operation, request, response)?;
        self.check_parameters(&operation, request, response)?;
        self.check_request(&operation, request, response)
    }

    /// What is wrong with a value by the schema at a pointer.
    pub(crate) fn check_value(&self, pointer: &str, value: &Value) -> Result<(), String> {
        self.schemas.check(pointer, value)
    }

    fn check_answer(&self, operation: &Operation, request: &Request, response: &Response) -> Result<(), String> {
        let status = response.status;
        let answer = self
            .document
            .answer(operation, status)
            .ok_or_else(|| format!("status {status} is not documented for {operation}"))?;
        self.check_headers(&answer, response)?;
        let Some(content) = self.document.at(&answer)["content"].as_object() else {
            let is_empty = response.body.is_empty() && response.header("content-type").is_none();
            return if is_empty { Ok(()) } else { Err(format!("{operation}: {status} has no body in the document")) };
        };
        let media_type = response.header("content-type").unwrap_or_default();
        if !content.contains_key(media_type) {
            return Err(format!("content type {media_type:?} is not documented for {operation} {status}"));
        }
        if request.method() == "HEAD" || !media_type.ends_with("json") {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&response.body).map_err(|error| format!("no JSON: {error}"))?;
        self.schemas.check(&format!("{answer}/content/{}/schema", escaped(media_type)), &body)
    }

    fn check_headers(&self, answer: &str, response: &Response) -> Result<(), String> {
        let headers = self.document.at(answer)["headers"].as_object().into_iter().flatten();
        for (name, header) in headers {
            let pointer = self.document.resolved(&format!("{answer}/headers/{name}"), header);
            match response.header(name) {
                None if self.document.at(&pointer)["required"] == true => {
                    return Err(format!("header {name} is missing"));
                }
                None => {}
                Some(value) => self.schemas.check(&format!("{pointer}/schema"), &value.into())?,
            }
        }
        Ok(())
    }

    fn check_request(&self, operation: &Operation, request: &Request, response: &Response) -> Result<(), String> {
        let Some((pointer, schema)) = self.document.request_schema(operation) else { return Ok(()) };
        let Some(body) = request.plain_body() else { return Ok(()) };
        if (200..300).contains(&response.status) {
            if schema.get("x-lines").is_some() {
                return self.check_lines(&format!("{pointer}/x-lines"), body, response);
            }
            let body: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON was taken: {error}"))?;
            return self
                .schemas
                .check(&pointer, &body)
                .map_err(|breach| format!("taken, and not documented: {breach}"));
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if problem["code"] != "request.invalid" || is_beyond_schemas(operation, body, &problem) {
            return Ok(());
        }
        // What is wrong may stand before what is no JSON, or nested too deeply for it.
        match serde_json::from_slice(body).map(|body: Value| self.schemas.check(&pointer, &body)) {
            Ok(Ok(())) => Err("refused as invalid, though the document takes it".to_owned()),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// At least as many lines as were recorded are documented as good. Fewer may be recorded: a length in bytes, a time or
    /// a tenant is not for a schema to judge.
    fn check_lines(&self, pointer: &str, body: &[u8], response: &Response) -> Result<(), String> {
        let report: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let lines = body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let fitting = lines.filter(|line| self.schemas.check(pointer, line).is_ok()).count();
        match report["recorded"].as_u64() {
            Some(recorded) if u64::try_from(fitting).unwrap_or(0) >= recorded => Ok(()),
            _ => Err(format!("{fitting} lines are documented as good, and more were recorded: {report}")),
        }
    }
}

/// hyper's own answer to a head that it cannot take. **Source:** http-api.md.
fn is_of_hyper(response: &Response) -> bool {
    matches!(response.status, 400 | 414 | 431) && response.body.is_empty()
}

/// What a schema cannot say: lengths in bytes, names that stand twice, which factor was offered, which actions there are, and which numbers and
/// addresses are good.
fn is_beyond_schemas(operation: &Operation, body: &[u8], problem: &Value) -> bool {
    let is_twice = problem["detail"].as_str().is_some_and(|detail| detail.starts_with("duplicate field"));
    let is_of_the_decision = operation.id == "reportOutcome" && problem["field"] == "factor";
    let field = problem["field"].as_str().unwrap_or_default();
    let is_of_an_action = ["stepUp", "consumeStepUp"].contains(&&*operation.id) && field.starts_with("action.");
    let is_of_a_contact = operation.id == "onboard" && (field.starts_with("verified.") || field == "decision_id");
    // Who may say which factors a user has, is a matter of the configuration; numbers and secrets have rules of their own.
    let is_of_factors = problem["field"] == "user.enrolled_factors"
        || operation.id == "beginEnrolment"
            && ["phone_number", "email", "secret"].iter().any(|own| problem["field"] == *own);
    // Which hosts there are is a matter of the configuration, too.
    let is_of_a_page = field == "return_to";
    !body.is_ascii()
        || is_twice
        || is_of_the_decision
        || is_of_an_action
        || is_of_a_contact
        || is_of_factors
        || is_of_a_page
}

/// A segment of a JSON pointer (RFC 6901).
fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}
