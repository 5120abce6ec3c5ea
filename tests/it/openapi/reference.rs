//! docs/API.md: its calls work as written, its JSON is what it says, and nothing of the document is missing.

use crate::support::contract::contract;
use crate::support::{ApiClient, Askance, Client, Request, Response, Settings, repository};
use serde_json::Value;
use std::collections::BTreeSet;

fn text() -> String {
    std::fs::read_to_string(repository().join("docs/API.md")).expect("docs/API.md is there")
}

/// The code blocks whose info string begins with `language`, with the rest of it.
fn blocks(text: &str, language: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some(rest) = info.strip_prefix(language) {
            found.push((rest.trim().to_owned(), body.join("\n")));
        }
    }
    found
}

#[test]
fn every_call_and_every_code_stands_in_it_and_no_other() {
    let (text, document) = (text(), &contract().document);
    let mut calls = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for operation in
        document.operations().into_iter().chain([document.unknown_path(crate::support::contract::Listener::Main)])
    {
        if operation.id != "unknown path" {
            calls.insert(format!("{} {}", operation.method, operation.path));
        }
        for (status, of_status) in document.errors(&operation) {
            codes.extend(of_status.into_iter().map(|code| format!("| {status} | `{code}` |")));
        }
    }
    let rows = |is_row: fn(&str) -> bool| -> Vec<&str> { text.lines().filter(|line| is_row(line)).collect() };
    let written: BTreeSet<String> =
        rows(|line| ["GET", "POST", "DELETE"].iter().any(|method| line.starts_with(&format!("| `{method} /"))))
            .into_iter()
            .filter_map(|row| row.split('`').nth(1))
            .map(str::to_owned)
            .collect();
    assert_eq!(written, calls);
    let written: BTreeSet<String> = rows(|line| line.starts_with("| 4") || line.starts_with("| 5"))
        .into_iter()
        .map(|row| row.split('|').take(3).collect::<Vec<_>>().join("|") + "|")
        .collect();
    assert_eq!(written, codes);
}

#[test]
fn its_json_fits_the_schemas_that_it_names() {
    let blocks = blocks(&text(), "json");
    assert!(blocks.len() >= 4, "{} blocks", blocks.len());
    for (info, body) in blocks {
        let schema = info.strip_prefix("schema=").unwrap_or_else(|| panic!("no schema is named: {body}"));
        let value: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{schema}: {error}: {body}"));
        assert_eq!(contract().check_value(&format!("/components/schemas/{schema}"), &value), Ok(()), "{schema}");
    }
}

/// In the order in which they stand, on one server: what one call answers is what the next one is about.
#[test]
fn its_calls_work_as_written() {
    let server = Askance::start(&Settings::new());
    let keyed = Askance::start(&Settings::new().client(&ApiClient::new("idp", &["score"]).with_key("YOUR_KEY")));
    let (mut decision, mut calls) = (String::new(), 0);
    for (_, script) in blocks(&text(), "sh") {
        for command in script.replace("\\\n", " ").split("curl ").skip(1) {
            let command = command.replace("$decision_id", &decision);
            let answer = call(if command.contains("authorization") { &keyed } else { &server }, &command);
            assert!(matches!(answer.status, 200 | 204), "curl {command}\n{} {}", answer.status, answer.text());
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if let Some(id) = body["decision_id"].as_str() {
                id.clone_into(&mut decision);
            }
            assert_eq!(body["rejected"].as_u64().unwrap_or(0), 0, "{body}");
            calls += 1;
        }
    }
    assert_eq!(calls, 14);
}

/// Does what `curl` would with these arguments, on the server's own addresses.
fn call(server: &Askance, command: &str) -> Response {
    let (mut client, mut path) = (None, String::new());
    let (mut headers, mut body, mut method) = (Vec::new(), None, None);
    let mut words = words(command).into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => {}
            "-H" => headers.push(words.next().expect("a header")),
            "-d" | "--data-binary" => body = words.next(),
            "-X" => method = words.next(),
            url => {
                let known: [(&str, Client); 2] = [("8470", server.main()), ("8471", server.admin())];
                let at = |port: &str| url.strip_prefix(&format!("http://127.0.0.1:{port}")).map(str::to_owned);
                let (rest, own) = known.into_iter().find_map(|(port, own)| Some((at(port)?, own))).expect("an address");
                (client, path) = (Some(own), rest);
            }
        }
    }
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let request = Request::new(&method, &path);
    let request = headers.iter().fold(request, |request, header| {
        let (name, value) = header.split_once(": ").expect("a name and a value");
        request.header(name, value)
    });
    client.expect("an address").send(match body {
        Some(body) => request.body(body),
        None => request,
    })
}

/// Words of a shell: apart by white space, but for what stands in single quotes.
fn words(command: &str) -> Vec<String> {
    let quoted = command.split('\'').enumerate();
    quoted
        .flat_map(|(number, part)| match number % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}
