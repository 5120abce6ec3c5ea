//! Every limit of the contract, on both sides: taken from the document, asked of the server.

use crate::support::contract::contract;
use crate::support::{Askance, Request, Settings, assert_problem, json_of, plain_login, time_from_now, with};
use serde_json::{Map, Value, json};

/// One limit of a request: changes that just fit, and changes that just do not.
struct Limit {
    /// The member; `[]` are its items, `*` its entries, `~` their names.
    name: String,
    bound: u64,
    fits: Vec<Value>,
    exceeds: Vec<Value>,
}

/// The limits of http-api.md, which the document must have, too.
const OF_THE_CONTRACT: &[(&str, u64)] = &[
    ("user.id", 256),
    ("user.groups", 64),
    ("user.groups[]", 256),
    ("user_agent", 4_096),
    ("device_token", 1_024),
    ("device_id", 256),
    ("session_id", 256),
    ("client_id", 256),
    ("tenant", 256),
    ("attributes", 64),
    ("attributes*", 256),
    ("attributes~", 256),
    ("edge.bot_score", 99),
];

/// The same of failures.
const OF_FAILURES: &[(&str, u64)] = &[("user.id", 256), ("user_agent", 4_096), ("tenant", 256)];

/// What a JSON body may be: its schema, where it goes, a good one, and the status of a good one.
type Call = (&'static str, &'static str, fn() -> Value, u16);

const LOGINS: Call = ("Login", "/v1/score", || plain_login("contract-limits"), 200);
const FAILURES: Call = (
    "LoginFailure",
    "/v1/failures",
    || json!({"user": {"id": "contract-limits"}, "ip": "198.51.100.7", "kind": "password"}),
    204,
);

#[test]
fn every_documented_limit_is_the_servers() {
    let server = Askance::start(&Settings::new());
    for ((schema, path, good, taken), of_the_contract) in [(LOGINS, OF_THE_CONTRACT), (FAILURES, OF_FAILURES)] {
        let mut limits = Vec::new();
        collect(&format!("/components/schemas/{schema}"), "", &|value| value, &mut limits);
        for (name, bound) in of_the_contract {
            assert!(limits.iter().any(|limit| limit.name == *name && limit.bound == *bound), "{name}: {bound}");
        }
        for limit in limits {
            let send = |change: &Value| server.main().post(path, &with(good(), change.clone()));
            for change in &limit.fits {
                let answer = send(change);
                assert_eq!(answer.status, taken, "{} at {}: {}", limit.name, limit.bound, answer.text());
            }
            for change in &limit.exceeds {
                let refusal = assert_problem(&send(change), 422, "request.invalid");
                let named = refusal["field"].as_str().unwrap_or_default();
                let member = limit.name.trim_end_matches(['[', ']', '*', '~']);
                assert!(named.starts_with(member), "{} beyond {}: {refusal}", limit.name, limit.bound);
            }
        }
    }
}

/// Parameters of path, query and header, of every operation that has them.
#[test]
fn every_documented_limit_of_a_parameter_is_the_servers() {
    let server = Askance::start(&Settings::new().set("mfa.enabled", true));
    let document = &contract().document;
    let mut asked = Vec::new();
    for operation in document.operations() {
        for pointer in document.parameters(&operation) {
            let parameter = document.at(&pointer);
            let [name, place] = ["name", "in"].map(|member| parameter[member].as_str().unwrap_or_default());
            let send = |value: &str| {
                let path = document.path_with(&operation, &[]);
                let request = match place {
                    "path" => Request::new(&operation.method, &document.path_with(&operation, &[(name, value)])),
                    "query" => Request::new(&operation.method, &format!("{path}?{name}={value}")),
                    _ => Request::new(&operation.method, &path).header(name, value),
                };
                server.main().send(request)
            };
            let Some((fits, exceeds)) = bounds(&parameter["schema"], place == "header") else { continue };
            asked.push(format!("{} {name}", operation.id));
            for value in fits {
                let answer = send(&value);
                // Of a user without factors, there is none to remove, and backup codes are not alone.
                let has_none = operation.path.contains("/factors") || operation.path.contains("/backup-codes");
                let is_taken =
                    matches!(answer.status, 200 | 204) || has_none && !answer.text().contains("\"request.invalid\"");
                assert!(is_taken, "{operation}: {name}: {value}: {}", answer.text());
            }
            for value in exceeds {
                let refusal = assert_problem(&send(&value), 422, "request.invalid");
                assert_eq!(refusal["field"], name, "{operation}: {value}: {refusal}");
            }
        }
    }
    for expected in ["listDecisions limit", "listDecisions user", "listDecisions x-askance-tenant", "forgetDevice id"] {
        assert!(asked.iter().any(|asked| asked == expected), "{expected}: {asked:?}");
    }
}

/// Values that just fit, and such that just do not; none where the schema has no bounds.
fn bounds(schema: &Value, is_header: bool) -> Option<(Vec<String>, Vec<String>)> {
    if let (Some(min), Some(max)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        return Some(([min, max].map(|it| it.to_string()).into(), [min - 1, max + 1].map(|it| it.to_string()).into()));
    }
    let max = schema["maxLength"].as_u64()?;
    let [mut fits, mut exceeds] = texts(max).map(|texts| -> Vec<String> {
        let text = |text: &Value| text.as_str().unwrap_or_default().to_owned();
        texts.iter().map(text).map(|text| if is_header { text } else { text.replace('ü', "%C3%BC") }).collect()
    });
    assert_eq!(schema["minLength"], 1, "{schema}");
    fits.push("x".to_owned());
    exceeds.push(String::new());
    Some((fits, exceeds))
}

/// Limits of a schema and of all below it; `wrap` makes a change of a value for this member.
fn collect(pointer: &str, name: &str, wrap: &dyn Fn(Value) -> Value, limits: &mut Vec<Limit>) {
    let document = &contract().document;
    let pointer = document.resolved(pointer, document.at(pointer));
    let schema = document.at(&pointer);
    let bound = |keyword: &str| schema[keyword].as_u64();
    let mut push = |suffix: &str, bound, fits: Vec<Value>, exceeds: Vec<Value>| {
        let [fits, exceeds] = [fits, exceeds].map(|values| values.into_iter().map(wrap).collect());
        limits.push(Limit { name: format!("{name}{suffix}"), bound, fits, exceeds });
    };
    if let Some(max) = bound("maxLength").filter(|_| schema["format"].is_null()) {
        let [fits, exceeds] = texts(max);
        push("", max, fits, exceeds);
    }
    if let Some(min) = bound("minLength") {
        assert_eq!(min, 1, "{name}");
        push("", min, vec!["x".into()], vec!["".into()]);
    }
    if let Some(max) = bound("maxItems") {
        push("", max, vec![vec!["x"; count(max)].into()], vec![vec!["x"; count(max) + 1].into()]);
    }
    if let Some(max) = bound("maxProperties") {
        let entries = |count| Value::Object((0..count).map(|number| (format!("a{number}"), json!(number))).collect());
        push("", max, vec![entries(max)], vec![entries(max + 1)]);
    }
    if let Some(max) = schema["propertyNames"]["maxLength"].as_u64() {
        let entry = |text: Value| Value::Object(Map::from_iter([(text.as_str().unwrap().to_owned(), json!(1))]));
        let [fits, exceeds] = texts(max).map(|texts| texts.into_iter().map(entry).collect());
        push("~", max, fits, exceeds);
    }
    if let Some(max) = schema["additionalProperties"]["maxLength"].as_u64() {
        let [fits, exceeds] = texts(max).map(|texts| texts.into_iter().map(|text| json!({"a": text})).collect());
        push("*", max, fits, exceeds);
    }
    if let (Some(min), Some(max)) = (schema["minimum"].as_i64(), schema["maximum"].as_u64()) {
        push("", max, vec![min.into(), max.into()], vec![(min - 1).into(), (max + 1).into()]);
    }
    if schema["items"].is_object() {
        collect(&format!("{pointer}/items"), &format!("{name}[]"), &|value| wrap(json!([value])), limits);
    }
    for member in schema["properties"].as_object().into_iter().flat_map(Map::keys) {
        let below = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
        let wrap = |value: Value| wrap(Value::Object(Map::from_iter([(member.clone(), value)])));
        collect(&format!("{pointer}/properties/{member}"), &below, &wrap, limits);
    }
}

/// Texts of `max` bytes, and of more: bytes are counted, not characters.
fn texts(max: u64) -> [Vec<Value>; 2] {
    let max = count(max);
    let text = |unit: &str, count| Value::from(unit.repeat(count));
    [vec![text("x", max), text("ü", max / 2)], vec![text("x", max + 1), text("ü", max / 2 + 1)]]
}

fn count(bound: u64) -> usize {
    usize::try_from(bound).unwrap()
}

#[test]
fn null_is_as_good_as_absent_where_the_document_says_so_and_nowhere_else() {
    let server = Askance::start(&Settings::new());
    for ((schema, to, good, taken), at_least) in [(LOGINS, 30), (FAILURES, 6)] {
        let mut members = Vec::new();
        nullable(&format!("/components/schemas/{schema}"), &[], &mut members);
        assert!(members.len() >= at_least, "{} members", members.len());
        for (path, takes_null) in members {
            let mut body = good();
            path.iter().fold(&mut body, |at, member| &mut at[member.as_str()]).take();
            let answer = server.main().post(to, &body);
            let expected = if takes_null { taken } else { 422 };
            assert_eq!(answer.status, expected, "{}: {}", path.join("."), answer.text());
        }
    }
}

/// Every member below a schema, with whether null is one of its types; a member without types takes everything.
fn nullable(pointer: &str, path: &[String], members: &mut Vec<(Vec<String>, bool)>) {
    let document = &contract().document;
    let pointer = document.resolved(pointer, document.at(pointer));
    for (member, schema) in document.at(&pointer)["properties"].as_object().into_iter().flatten() {
        let below = format!("{pointer}/properties/{member}");
        let schema = document.at(&document.resolved(&below, schema));
        let types = &schema["type"];
        let path = [path, std::slice::from_ref(member)].concat();
        nullable(&below, &path, members);
        members.push((path, types.is_null() || types.as_array().is_some_and(|types| types.contains(&json!("null")))));
    }
}

#[test]
fn a_body_has_65536_bytes_at_most_wherever_it_is_json() {
    const BYTES_MAX: usize = 65_536;
    let server = Askance::start(&Settings::new());
    let decision = json_of(&server.main().score(&plain_login("contract-body")));
    let decisions = format!("/v1/decisions/{}", decision["decision_id"].as_str().unwrap());
    for (path, body, status) in [
        ("/v1/score".to_owned(), plain_login("contract-body"), 200),
        (format!("{decisions}/outcome"), json!({"result": "success"}), 204),
        (format!("{decisions}/feedback"), json!({"label": "legitimate"}), 204),
        ("/v1/failures".to_owned(), FAILURES.2(), 204),
    ] {
        let sized = |bytes: usize| {
            let text = body.to_string();
            let padding = " ".repeat(bytes - text.len());
            server.main().send(Request::post(&path).content("application/json", text + &padding))
        };
        assert_eq!(sized(BYTES_MAX).status, status, "{path}");
        assert_problem(&sized(BYTES_MAX + 1), 413, "request.too_large");
    }
}

/// Ten seconds stand between the bound and what is asked, since the server's clock goes on meanwhile.
#[test]
fn a_time_is_at_most_300_s_off() {
    let server = Askance::start(&Settings::new());
    let at =
        |offset_s| server.main().score(&with(plain_login("contract-time"), json!({"time": time_from_now(offset_s)})));
    for offset_s in [-290, 290] {
        assert_eq!(at(offset_s).status, 200, "{offset_s} s");
    }
    for offset_s in [-310, 310] {
        assert_problem(&at(offset_s), 422, "event.time_out_of_range");
    }
}
