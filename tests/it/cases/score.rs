//! Runs cases of shape `score` against a real server, as `tests/cases/README.md` says.

use super::compare::differences;
use super::model::{ListFile, ScoreCase, Step};
use crate::support::{Askance, Client, Request, Response, Settings, rfc3339, whole_second_now};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use time::OffsetDateTime;

/// Starts the server that `case` needs; an error is its refusal to start.
pub(crate) fn start(case: &ScoreCase) -> Result<Askance, String> {
    let directory = TempDir::new().expect("a temporary directory");
    let mut settings = Settings::new();
    for (key, value) in &case.config {
        settings = settings.set(key, toml::Value::try_from(value).expect("a case's setting has a TOML form"));
    }
    if !case.config.contains_key("preset") && !case.config.contains_key("verdict.aggregator") {
        settings = settings.set("verdict.aggregator", "strict");
    }
    for list in &case.lists {
        settings = settings.push("signals.untrusted_ip.lists", write_list(list, directory.path()));
    }
    Askance::try_start(&settings, directory)
        .map_err(|refusal| format!("askance did not start (exit code {:?}):\n{}", refusal.code, refusal.log))
}

fn write_list(list: &ListFile, directory: &Path) -> toml::Table {
    let path = directory.join(&list.name);
    let text: String = list.lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, text).expect("the temporary directory is writable");
    if let Some(age_h) = list.age_h {
        let modified = SystemTime::now() - Duration::from_secs(u64::from(age_h) * 3600);
        let file = std::fs::File::options().append(true).open(&path).expect("the list was just written");
        file.set_modified(modified).expect("the time of a file of ours can be set");
    }
    let entry = json!({
        "name": list.name,
        "path": path,
        "format": list.format,
        "category": list.category,
        "max_age_h": list.max_age_h.unwrap_or(48),
    });
    let mut entry = toml::Table::try_from(entry).expect("an entry has a TOML form");
    if let Some(hard) = list.hard {
        entry.insert("hard".to_owned(), hard.into());
    }
    entry
}

/// Runs one case to its end; the error says which step differed and how.
pub(crate) fn run(server: &Askance, case: &ScoreCase) -> Result<(), String> {
    let run = Run { client: server.main(), now: whole_second_now(), case, calls: Cell::new(0) };
    let mut kept = BTreeMap::new();
    run.import_past()?;
    for (index, step) in case.before.iter().enumerate() {
        run.take(step, &mut kept).map_err(|error| format!("before[{index}]: {error}"))?;
    }
    let answer = run.score(&case.when, &kept)?;
    let mut then = case.then.clone();
    then.device.values_mut().try_for_each(|member| substitute(member, &kept))?;
    let found = differences(&answer, &then);
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}

struct Run<'a> {
    client: Client,
    now: OffsetDateTime,
    case: &'a ScoreCase,
    calls: Cell<u32>,
}

impl Run<'_> {
    fn import_past(&self) -> Result<(), String> {
        if self.case.given.is_empty() {
            return Ok(());
        }
        let mut body = String::new();
        for login in &self.case.given {
            body.push_str(&format!("{}\n", self.at_absolute_time(login)?));
        }
        let answer = self.send(Request::post("/v1/import").content("application/x-ndjson", body))?;
        let report: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status != 200 || report["rejected"] != 0 || report["read"] != self.case.given.len() {
            return Err(format!("the import of `given` answered {}: {}", answer.status, answer.text()));
        }
        Ok(())
    }

    fn take(&self, step: &Step, kept: &mut BTreeMap<String, Value>) -> Result<(), String> {
        if let Some(failure) = &step.failure {
            for _ in 0..step.times.unwrap_or(1) {
                self.call("/v1/failures", failure, 204)?;
            }
        }
        let Some(login) = &step.score else { return Ok(()) };
        let answer = self.score(login, kept)?;
        let found = differences(&answer, &step.then);
        if !found.is_empty() {
            return Err(found.join("; "));
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        if let Some(name) = &step.keep {
            kept.insert(name.clone(), body["device"]["token"].clone());
        }
        let decision = body["decision_id"].as_str().unwrap_or_default();
        if let Some(result) = &step.outcome {
            let mut outcome = json!({"result": result});
            let offered = (result == "success").then(|| body["mfa"]["factors"][0].as_str()).flatten();
            if let Some(factor) = step.factor.as_deref().or(offered) {
                outcome["factor"] = factor.into();
            }
            self.call(&format!("/v1/decisions/{decision}/outcome"), &outcome, 204)?;
        }
        if let Some(label) = &step.feedback {
            self.call(&format!("/v1/decisions/{decision}/feedback"), &json!({"label": label}), 204)?;
        }
        Ok(())
    }

    fn score(&self, login: &Value, kept: &BTreeMap<String, Value>) -> Result<Response, String> {
        let mut login = self.at_absolute_time(login)?;
        substitute(&mut login, kept)?;
        self.calls.set(self.calls.get() + 1);
        login["session_id"] = format!("{}-{}", self.case.id, self.calls.get()).into();
        self.send(Request::score(&login))
    }

    fn call(&self, path: &str, body: &Value, status: u16) -> Result<(), String> {
        let answer = self.send(Request::post(path).json(body))?;
        if answer.status == status {
            Ok(())
        } else {
            Err(format!("{path} {body}: {} {}", answer.status, answer.text()))
        }
    }

    fn send(&self, request: Request) -> Result<Response, String> {
        self.client.try_send(request).map_err(|error| format!("no answer: {error}"))
    }

    /// `at` becomes `time`, and so do the times relative to it in `user`.
    fn at_absolute_time(&self, login: &Value) -> Result<Value, String> {
        let mut login = login.clone();
        let members = login.as_object_mut().ok_or("a login is an object")?;
        let at = members.remove("at").unwrap_or_else(|| "0s".into());
        members.insert("time".to_owned(), self.absolute(&at)?);
        if let Some(user) = members.get_mut("user").and_then(Value::as_object_mut) {
            self.make_absolute(user)?;
        }
        Ok(login)
    }

    fn make_absolute(&self, user: &mut Map<String, Value>) -> Result<(), String> {
        for name in ["created_at", "phone_changed_at", "email_changed_at"] {
            if let Some(relative) = user.get_mut(name) {
                *relative = self.absolute(relative)?;
            }
        }
        Ok(())
    }

    fn absolute(&self, relative: &Value) -> Result<Value, String> {
        let text = relative.as_str().ok_or_else(|| format!("{relative} is no relative time"))?;
        Ok(rfc3339(self.now + time::Duration::seconds(parse_offset(text)?)).into())
    }
}

/// Puts kept values in the place of `"$NAME"`.
fn substitute(value: &mut Value, kept: &BTreeMap<String, Value>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix('$') {
                *value = kept.get(name).cloned().ok_or_else(|| format!("nothing was kept as {name}"))?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| substitute(item, kept)),
        Value::Object(members) => members.values_mut().try_for_each(|member| substitute(member, kept)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Seconds in `-29d23h59m59s` and the like.
fn parse_offset(text: &str) -> Result<i64, String> {
    let invalid = || format!("{text:?} is no relative time");
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut seconds = 0;
    while !rest.is_empty() {
        let unit = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(invalid)?;
        let number: i64 = rest[..unit].parse().map_err(|_| invalid())?;
        seconds += number
            * match &rest[unit..=unit] {
                "d" => 86_400,
                "h" => 3_600,
                "m" => 60,
                "s" => 1,
                _ => return Err(invalid()),
            };
        rest = &rest[unit + 1..];
    }
    Ok(sign * seconds)
}

#[test]
fn relative_times_are_read() {
    for (text, seconds) in [
        ("0s", Some(0)),
        ("-2h", Some(-7_200)),
        ("-30d1s", Some(-2_592_001)),
        ("-29d23h59m59s", Some(-2_591_999)),
        ("-10", None),
        ("-1w", None),
        ("yesterday", None),
    ] {
        assert_eq!(parse_offset(text).ok(), seconds, "{text}");
    }
}
