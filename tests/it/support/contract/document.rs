//! Finding things in an OpenAPI document.

use super::{Listener, escaped};
use crate::support::repository;
use serde_json::Value;
use std::fmt;

/// Where everything of the contract is written down.
#[derive(Debug, Clone)]
pub(crate) struct Document(Value);

/// One operation of the document, or what stands for those that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) listener: Listener,
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Where its `responses` stand.
    pointer: String,
    /// Statuses that count; all when there are none.
    only: &'static [u16],
}

/// What is answered before anybody looks at the method.
const WHATEVER_THE_METHOD: &[u16] = &[401, 403, 405, 503];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Document {
    pub(crate) fn of_the_repository() -> Self {
        let text = std::fs::read_to_string(repository().join("docs/openapi.json")).expect("the document is there");
        Self(serde_json::from_str(&text).expect("the document is JSON"))
    }

    pub(crate) fn of(value: Value) -> Self {
        Self(value)
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    /// What stands at a JSON pointer; null where nothing does.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The pointer of `value`, which stands at `pointer`, or of what it refers to.
    pub(crate) fn resolved(&self, pointer: &str, value: &Value) -> String {
        match value["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => pointer.to_owned(),
        }
    }

    /// Every operation.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().into_iter().flatten() {
            for method in METHODS.into_iter().filter(|method| item.get(method).is_some()) {
                all.push(Operation {
                    // Only what has servers of its own is not on the main listener.
                    listener: if item.get("servers").is_some() { Listener::Admin } else { Listener::Main },
                    id: item[method]["operationId"].as_str().unwrap_or_default().to_owned(),
                    method: method.to_ascii_uppercase(),
                    path: path.clone(),
                    pointer: format!("/paths/{}/{method}", escaped(path)),
                    only: &[],
                });
            }
        }
        all
    }

    /// What stands for every path that is none.
    pub(crate) fn unknown_path(&self, listener: Listener) -> Operation {
        Operation {
            listener,
            id: "unknown path".to_owned(),
            method: "GET".to_owned(),
            path: "/nothing".to_owned(),
            pointer: "/x-unknown-path".to_owned(),
            only: &[],
        }
    }

    /// The operation that a request names.
    pub(super) fn find(&self, listener: Listener, method: &str, path: &str) -> Operation {
        let path = path.split('?').next().unwrap_or_default();
        let here: Vec<Operation> = self
            .operations()
            .into_iter()
            .filter(|known| known.listener == listener && fits(&known.path, path))
            .collect();
        let method = if method == "HEAD" { "GET" } else { method };
        match here.iter().find(|known| known.method == method).or(here.first()) {
            Some(known) if known.method == method => known.clone(),
            Some(other) => Operation { only: WHATEVER_THE_METHOD, method: method.to_owned(), ..other.clone() },
            None => self.unknown_path(listener),
        }
    }

    /// The pointer of what is documented for a status.
    pub(crate) fn answer(&self, operation: &Operation, status: u16) -> Option<String> {
        if !operation.only.is_empty() && !operation.only.contains(&status) {
            return None;
        }
        let pointer = format!("{}/responses/{status}", operation.pointer);
        self.0.pointer(&pointer).map(|answer| self.resolved(&pointer, answer))
    }

    /// Statuses with the codes of their problems; a status without problems has none.
    pub(crate) fn errors(&self, operation: &Operation) -> Vec<(u16, Vec<String>)> {
        let responses = self.at(&operation.pointer)["responses"].as_object().into_iter().flatten();
        let statuses = responses.filter_map(|(status, _)| status.parse().ok());
        let codes = |answer: &str| {
            let codes = self.at(answer).pointer("/content/application~1problem+json/schema/properties/code/enum");
            let codes = codes.and_then(Value::as_array).into_iter().flatten();
            codes.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        statuses.filter_map(|status| Some((status, codes(&self.answer(operation, status)?)))).collect()
    }

    /// The schema of the request's body, with its pointer.
    pub(crate) fn request_schema(&self, operation: &Operation) -> Option<(String, &Value)> {
        let media_type = self.request_type(operation)?;
        let pointer = format!("{}/requestBody/content/{}/schema", operation.pointer, escaped(&media_type));
        let schema = self.0.pointer(&pointer)?;
        Some((pointer, schema))
    }

    /// The content type of the request's body.
    pub(crate) fn request_type(&self, operation: &Operation) -> Option<String> {
        self.at(&operation.pointer)["requestBody"]["content"].as_object()?.keys().next().cloned()
    }

    /// The first example of the request's body.
    pub(crate) fn request_example(&self, operation: &Operation) -> Option<&Value> {
        let media_type = self.request_type(operation)?;
        let content = &self.at(&operation.pointer)["requestBody"]["content"][&media_type];
        content["examples"].as_object()?.values().next().map(|example| &example["value"])
    }

    /// The pointers of an operation's parameters: of its path's, and its own.
    pub(crate) fn parameters(&self, operation: &Operation) -> Vec<String> {
        let path = format!("/paths/{}", escaped(&operation.path));
        let both = [format!("{path}/parameters"), format!("{}/parameters", operation.pointer)];
        let all = both.iter().flat_map(|pointer| {
            let parameters = self.at(pointer).as_array().into_iter().flatten().enumerate();
            parameters.map(move |(at, parameter)| self.resolved(&format!("{pointer}/{at}"), parameter))
        });
        all.collect()
    }

    /// The path of an operation, with what is given, or else the examples of its parameters, in their places.
    pub(crate) fn path_with(&self, operation: &Operation, given: &[(&str, &str)]) -> String {
        self.parameters(operation).iter().map(|pointer| self.at(pointer)).fold(operation.path.clone(), |path, it| {
            let name = it["name"].as_str().unwrap_or_default();
            let given = given.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            path.replace(&format!("{{{name}}}"), given.or(it["example"].as_str()).unwrap_or_default())
        })
    }

    /// Scopes any of which admits; none where no scope is asked for.
    pub(crate) fn scopes(&self, operation: &Operation) -> Vec<String> {
        let scopes = self.at(&operation.pointer)["x-scopes"].as_array().into_iter().flatten();
        scopes.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// Whether a path is one of those that a template stands for: `{…}` is one segment that is not empty.
fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some(expected), Some(given)) if expected == given => {}
            // A user's id that is empty is that operation's to refuse.
            (Some(expected), Some(given)) if expected.starts_with('{') && (!given.is_empty() || expected == "{id}") => {
            }
            _ => return false,
        }
    }
}
