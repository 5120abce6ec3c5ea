//! Parameters of path, query and header, held to the document as bodies are.

use super::document::Operation;
use super::{Contract, Request, Response};
use serde_json::Value;

/// A parameter as it was sent, its escapes still in it.
struct Given<'a> {
    /// `in` and `name` of the document.
    place: &'static str,
    name: &'a str,
    value: &'a str,
}

impl Contract {
    /// What was taken, is documented; what was refused because of a parameter, is not. Operations without parameters in
    /// their query take any, or none: they say so.
    pub(super) fn check_parameters(
        &self,
        operation: &Operation,
        request: &Request,
        response: &Response,
    ) -> Result<(), String> {
        let documented: Vec<(String, &Value)> = self
            .document
            .parameters(operation)
            .into_iter()
            .map(|pointer| (format!("{pointer}/schema"), self.document.at(&pointer)))
            .collect();
        let judged = |given: &Given<'_>| {
            let known = documented.iter().find(|(_, known)| known["in"] == given.place && known["name"] == given.name);
            let (pointer, _) = known.ok_or_else(|| format!("parameter {} is not documented", given.name))?;
            let value = decoded(given).ok_or_else(|| format!("parameter {} is no text", given.name))?;
            let is_number = self.document.at(pointer)["type"] == "integer" && !value.starts_with('+');
            let number = value.parse::<u64>().ok().filter(|_| is_number);
            let value = number.map_or_else(|| Value::from(value), Value::from);
            self.schemas.check(pointer, &value).map_err(|breach| format!("parameter {}: {breach}", given.name))
        };
        let headers: Vec<&str> = documented
            .iter()
            .filter(|(_, it)| it["in"] == "header")
            .filter_map(|(_, it)| it["name"].as_str())
            .collect();
        let given = given(operation, request, &headers);
        if (200..300).contains(&response.status) {
            let is_closed = operation.refuses_unknown_parameters(&self.document);
            let counts = |given: &&Given<'_>| given.place != "query" || is_closed;
            return given.iter().filter(counts).try_for_each(judged).map_err(|breach| format!("taken: {breach}"));
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let is_invalid = problem["code"] == "request.invalid";
        let of_a_parameter = response.status == 422 && is_invalid && self.document.request_schema(operation).is_none();
        if !of_a_parameter {
            return Ok(());
        }
        let named: Vec<_> = given.iter().filter(|given| problem["field"] == given.name).collect();
        // A length in bytes, and which times are in range, are not for a schema to judge.
        let is_long = named.iter().any(|given| decoded(given).is_some_and(|value| value.len() > 256));
        if named.len() == 1 && judged(named[0]).is_ok() && !is_long && named[0].name != "since" {
            return Err(format!("{} is refused, though the document takes it", named[0].name));
        }
        if named.is_empty() { Err(format!("a parameter is refused that was not sent: {problem}")) } else { Ok(()) }
    }
}

impl Operation {
    /// The operations of the history name their parameters, and say that they take no other.
    fn refuses_unknown_parameters(&self, document: &super::Document) -> bool {
        document.answer(self, 422).is_some_and(|answer| answer.ends_with("/InvalidParameter"))
    }
}

fn given<'a>(operation: &'a Operation, request: &'a Request, headers: &[&'a str]) -> Vec<Given<'a>> {
    let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
    let of_path = operation.path.split('/').zip(path.split('/')).filter_map(|(name, value)| {
        let name = name.strip_prefix('{')?.strip_suffix('}')?;
        Some(Given { place: "path", name, value })
    });
    let of_query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Given { place: "query", name, value }
    });
    let of_headers =
        headers.iter().flat_map(|name| request.values(name).map(move |value| Given { place: "header", name, value }));
    of_path.chain(of_query).chain(of_headers).collect()
}

/// The text behind the escapes of a path or a query; none where they hold no UTF-8.
fn decoded(given: &Given<'_>) -> Option<String> {
    if given.place == "header" {
        return Some(given.value.to_owned());
    }
    let mut bytes = Vec::new();
    let mut rest = given.value;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}
