//! The document itself.

use crate::support::contract::contract;
use crate::support::{ApiClient, Askance, Request, Settings, assert_problem, repository};
use askance::signals::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn it_is_served_as_it_is_checked_in() {
    let checked_in = std::fs::read(repository().join("docs/openapi.json")).unwrap();
    let nobody = ApiClient::new("nobody", &[]);
    let (open, keyed) = (Askance::start(&Settings::new()), Askance::start(&Settings::new().client(&nobody)));
    for client in [open.main(), keyed.main().with_key(&nobody.key)] {
        let answer = client.get("/v1/openapi.json");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert!(answer.body == checked_in, "the program holds another document than the repository");
        let head = client.send(Request::new("HEAD", "/v1/openapi.json"));
        assert_eq!((head.status, head.header("content-length")), (200, Some(checked_in.len().to_string().as_str())));
    }
    assert_problem(&keyed.main().get("/v1/openapi.json"), 401, "auth.key_invalid");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_one() {
    let document = contract().document.value();
    let mut references = Vec::new();
    visit(document, &mut |value| references.extend(value["$ref"].as_str().map(str::to_owned)));
    assert!(references.len() > 100, "{} references", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (name, schema) in schemas() {
        let valid = jsonschema::meta::validate(schema);
        assert!(valid.is_ok(), "{name}: {valid:?}");
    }
}

#[test]
fn every_operation_is_named_once_and_says_whom_it_is_for() {
    let document = &contract().document;
    let mut ids = BTreeSet::new();
    let tags: Vec<&Value> = document.value()["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for operation in document.operations() {
        let method = operation.method.to_ascii_lowercase();
        let written = &document.value()["paths"][&operation.path][&method];
        assert!(ids.insert(operation.id.clone()), "{} stands twice", operation.id);
        assert!(written["tags"].as_array().is_some_and(|own| own.iter().all(|tag| tags.contains(&tag))), "{operation}");
        let description = written["description"].as_str().expect("a description");
        for scope in document.scopes(&operation) {
            assert!(description.contains(&format!("cope `{scope}`")), "{operation}: {scope}");
        }
    }
    assert!(!ids.is_empty());
}

#[test]
fn every_object_is_closed_and_every_member_described() {
    let mut members = 0;
    for (name, schema) in schemas() {
        visit_members(schema, name, &mut |path, object| {
            let is_closed = object["additionalProperties"] == false;
            assert!(is_closed, "{path} takes members that it does not name");
            for (member, schema) in object["properties"].as_object().unwrap() {
                members += 1;
                let is_described = schema["description"].is_string() || schema["$ref"].is_string();
                assert!(is_described, "{path}.{member} is not described");
            }
        });
        assert!(schema["description"].is_string(), "{name} is not described");
    }
    assert!(members > 100, "{members} members");
}

#[test]
fn every_example_is_one() {
    let contract = contract();
    let mut examples = 0;
    for (name, schema) in schemas() {
        let pointer = format!("/components/schemas/{name}");
        visit_examples(schema, &pointer, &mut |pointer, example| {
            examples += 1;
            contract.check_value(pointer, example).unwrap_or_else(|breach| panic!("{pointer}: {example}: {breach}"));
        });
    }
    let mut media = Vec::new();
    visit_media(contract.document.value(), "", &mut media);
    for (pointer, content) in media {
        for example in content["examples"].as_object().into_iter().flat_map(|examples| examples.values()) {
            examples += 1;
            let schema = format!("{pointer}/schema");
            let fits = contract.check_value(&schema, &example["value"]);
            assert_eq!(fits, Ok(()), "{pointer}: {example}");
            for line in example["value"].as_str().into_iter().flat_map(str::lines) {
                let line = serde_json::from_str(line).unwrap();
                assert_eq!(contract.check_value(&format!("{schema}/x-lines"), &line), Ok(()), "{pointer}: {line}");
            }
        }
    }
    assert!(examples > 20, "{examples} examples");
}

#[test]
fn codes_are_those_that_the_signals_can_give() {
    let schemas = &contract().document.value()["components"]["schemas"];
    for signal in Signal::ALL {
        let codes: BTreeSet<&str> = signal.codes().iter().map(|code| code.as_str()).collect();
        let written = &schemas[signal.as_str()]["properties"]["code"]["enum"];
        let written: BTreeSet<&str> = written.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(written, codes, "{}", signal.as_str());
    }
    let named = schemas["RiskAssessment"]["properties"]["assessments"]["properties"].as_object().unwrap();
    let signals: BTreeSet<&str> = Signal::ALL.iter().map(|signal| signal.as_str()).collect();
    assert_eq!(named.keys().map(String::as_str).collect::<BTreeSet<_>>(), signals);
}

#[test]
fn a_past_login_is_a_login_with_two_members_more() {
    let schemas = &contract().document.value()["components"]["schemas"];
    let names = |schema: &str| -> BTreeSet<String> {
        schemas[schema]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let more: Vec<String> = names("PastLogin").difference(&names("Login")).cloned().collect();
    assert_eq!(json!(more), json!(["mfa_passed", "result"]));
    assert!(names("PastLogin").is_superset(&names("Login")));
}

/// What stands in several lists is the same everywhere: only what is added differs.
#[test]
fn what_is_held_of_a_decision_or_a_place_is_what_is_shown_and_more() {
    let schemas = &contract().document.value()["components"]["schemas"];
    for (schema, of, more) in [
        ("HeldDecision", "ListedDecision", &["login"][..]),
        ("HeldPlace", "Point", &["asn", "device", "network", "time"]),
    ] {
        let required = |schema: &str| -> BTreeSet<String> {
            let names = schemas[schema]["required"].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let properties = schemas[schema]["properties"].as_object().unwrap();
        let own: Vec<&String> =
            properties.keys().filter(|name| schemas[of]["properties"].get(name).is_none()).collect();
        assert_eq!(own, more, "{schema}");
        for name in schemas[of]["properties"].as_object().unwrap().keys() {
            assert_eq!(properties[name]["$ref"], format!("#/components/schemas/{of}/properties/{name}"), "{schema}");
        }
        let expected: BTreeSet<String> = required(of).into_iter().chain(more.iter().map(ToString::to_string)).collect();
        assert_eq!(required(schema), expected, "{schema}");
    }
}

fn schemas() -> impl Iterator<Item = (&'static String, &'static Value)> {
    contract().document.value()["components"]["schemas"].as_object().unwrap().iter()
}

fn visit(value: &Value, each: &mut impl FnMut(&Value)) {
    each(value);
    match value {
        Value::Object(members) => members.values().for_each(|member| visit(member, each)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Objects that a schema describes; what `if`, `then` and `allOf` say of them is left out.
fn visit_members(schema: &Value, path: &str, each: &mut impl FnMut(&str, &Value)) {
    if schema["type"].is_string() && schema["type"] == "object" && schema["properties"].is_object() {
        each(path, schema);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        visit_members(member, &format!("{path}.{name}"), each);
    }
    if schema["items"].is_object() {
        visit_members(&schema["items"], &format!("{path}[]"), each);
    }
}

fn visit_examples(schema: &Value, pointer: &str, each: &mut impl FnMut(&str, &Value)) {
    for example in schema["examples"].as_array().into_iter().flatten() {
        each(pointer, example);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        visit_examples(member, &format!("{pointer}/properties/{name}"), each);
    }
}

/// Every content with a schema, by its pointer.
fn visit_media<'a>(value: &'a Value, pointer: &str, found: &mut Vec<(String, &'a Value)>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        if member["schema"].is_object() && member["examples"].is_object() {
            found.push((pointer.clone(), member));
        }
        visit_media(member, &pointer, found);
    }
}
