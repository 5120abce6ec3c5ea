//! `askance import`: pieces, progress that outlives a run, and what it prints.

use crate::support::client::Endpoint;
use crate::support::{ApiClient, Askance, CHROME, Finished, Settings, run, time_from_now};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;
use tempfile::TempDir;

/// About 640 kB: more than one piece.
const LINES: usize = 3_000;

fn past(user: usize) -> String {
    let login = json!({
        "user": {"id": format!("user-{user}")}, "ip": "81.2.69.142", "user_agent": CHROME, "device_id": "d1",
        "time": time_from_now(-3_600), "result": "success",
    });
    login.to_string()
}

fn file_of_logins() -> String {
    let mut text = String::new();
    (0..LINES).for_each(|user| writeln!(text, "{}", past(user)).unwrap());
    text
}

/// Runs `askance import FILE` against `url`, once without retries.
fn import(directory: &Path, url: &str, arguments: &[&str]) -> Finished {
    let arguments = [&["import", "--url", url, "--patience-s", "0"], arguments].concat();
    run(directory, &arguments, &[])
}

fn url(server: &Askance) -> String {
    match server.main().endpoint {
        Endpoint::Tcp(address) => format!("http://{address}"),
        Endpoint::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn recorded(server: &Askance) -> u64 {
    let metrics = server.admin().get("/metrics").text();
    let line = metrics.lines().find(|line| line.starts_with(r#"askance_imported_total{result="recorded"}"#));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap()
}

#[test]
fn every_line_of_a_file_arrives_however_it_is_packed() {
    let server = Askance::start(&Settings::new());
    let directory = TempDir::new().unwrap();
    let text = file_of_logins();
    fs::write(directory.path().join("past.ndjson"), &text).unwrap();
    let mut encoder =
        GzEncoder::new(fs::File::create(directory.path().join("past.ndjson.gz")).unwrap(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
    for (times, (file, connections)) in [("past.ndjson", "1"), ("past.ndjson.gz", "3")].into_iter().enumerate() {
        let finished = import(directory.path(), &url(&server), &[file, "--json", "--connections", connections]);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(report, json!({"read": LINES, "recorded": LINES, "rejected": 0, "first_errors": []}));
        assert_eq!(finished.stderr, "", "no bar into a pipe");
        assert_eq!(recorded(&server), (LINES * (times + 1)) as u64);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no state is left behind");
    let nothing = import(directory.path(), &url(&server), &["-"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), "0 logins read, 0 recorded, 0 rejected\n"));
}

#[test]
fn rejected_lines_are_named_by_their_number_in_the_file() {
    let server = Askance::start(&Settings::new());
    let directory = TempDir::new().unwrap();
    let mut lines: Vec<String> = file_of_logins().lines().map(str::to_owned).collect();
    lines[1] = "nope".to_owned();
    lines[2_900] = lines[2_900].replace("\"ip\"", "\"ipp\"");
    fs::write(directory.path().join("past.ndjson"), lines.join("\n")).unwrap();
    let finished = import(directory.path(), &url(&server), &["past.ndjson"]);
    assert_eq!(finished.code, Some(1), "{}", finished.output());
    assert_eq!(
        finished.stdout,
        "3000 logins read, 2998 recorded, 2 rejected\nline 2: request.malformed_json\nline 2901: request.invalid (ipp)\n"
    );
    assert_eq!(finished.stderr, "askance: 2 of 3000 logins were rejected\n");
}

/// A service that takes some pieces and then hangs up; gives the text that it took.
fn failing_service(pieces: usize) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (url, std::thread::spawn(move || take(&listener, pieces)))
}

fn take(listener: &TcpListener, pieces: usize) -> String {
    let mut text = String::new();
    let mut stream = BufReader::new(listener.accept().unwrap().0);
    for piece in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            // Hangs up within the head of one piece too many, so that the caller sees that it is not taken.
            if stream.read_line(&mut line).unwrap() == 0 || piece == pieces {
                return text;
            }
            match line.trim().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                None if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        text.push_str(std::str::from_utf8(&body).unwrap());
        let read = text.lines().count();
        let answer = format!(r#"{{"read":{read},"recorded":1,"rejected":0,"first_errors":[]}}"#);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.get_mut().write_all((head + &answer).as_bytes()).unwrap();
    }
    text
}

#[test]
fn a_run_that_stopped_goes_on_where_it_was() {
    let directory = TempDir::new().unwrap();
    let text = file_of_logins();
    fs::write(directory.path().join("past.ndjson"), &text).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arguments = ["past.ndjson", "--connections", "1"];
    let service = std::thread::spawn(move || {
        let first = take(&listener, 1);
        let rest = take(&listener, usize::MAX);
        (first, rest)
    });
    let stopped = import(directory.path(), &url, &arguments);
    assert_eq!(stopped.code, Some(1), "{}", stopped.output());
    assert!(stopped.stderr.contains("run it again to go on from there"), "{}", stopped.stderr);
    let state = directory.path().join("past.ndjson.askance-import");
    assert!(state.exists());

    let finished = import(directory.path(), &url, &arguments);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    assert!(finished.stderr.contains("where the last run stopped"), "{}", finished.stderr);
    assert!(!state.exists());
    let (first, rest) = service.join().unwrap();
    assert!(!first.is_empty() && first.len() < text.len());
    assert_eq!(first + &rest, text, "nothing is sent twice, and nothing is missing");
}

#[test]
fn what_another_file_or_service_reached_counts_for_nothing() {
    let directory = TempDir::new().unwrap();
    let text = file_of_logins();
    fs::write(directory.path().join("past.ndjson"), &text).unwrap();
    let arguments = ["past.ndjson", "--connections", "1", "--state", "state.json"];
    let (url, service) = failing_service(1);
    assert_eq!(import(directory.path(), &url, &arguments).code, Some(1));
    let begun = service.join().unwrap();
    assert!(text.starts_with(&begun));

    let (elsewhere, service) = failing_service(1);
    assert_eq!(import(directory.path(), &elsewhere, &arguments).code, Some(1));
    assert_eq!(service.join().unwrap(), begun, "another service begins at the first line");

    fs::write(directory.path().join("past.ndjson"), text.replacen("user-0", "user-1", 1)).unwrap();
    let finished = import(directory.path(), &elsewhere, &arguments);
    assert!(finished.stderr.contains("stopped behind line 0"), "{}", finished.stderr);

    fs::write(directory.path().join("state.json"), "{}").unwrap();
    let finished = import(directory.path(), &elsewhere, &arguments);
    assert!(finished.stderr.contains("no state of an import"), "{}", finished.stderr);
}

#[test]
fn the_key_comes_from_the_environment_or_a_private_file() {
    let [history, score] = ["history", "score"].map(|scope| ApiClient::new(scope, &[scope]));
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("askance.sock");
    let settings = Settings::new().set("server.listen", format!("unix:{}", socket.display()));
    let server = Askance::start(&settings.client(&history).client(&score));
    fs::write(directory.path().join("past.ndjson"), past(1)).unwrap();
    fs::write(directory.path().join("key"), format!("{}\n", history.key)).unwrap();
    let url = url(&server);
    let call = |more: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["import", "past.ndjson", "--patience-s", "0", "--url", &url], more].concat();
        run(directory.path(), &arguments, environment)
    };
    for (key, refusal) in [(None, "401 auth.key_invalid"), (Some(&score.key), "403 auth.scope_missing")] {
        let environment: Vec<(&str, &str)> = key.into_iter().map(|key| ("ASKANCE_KEY", key.as_str())).collect();
        let refused = call(&[], &environment);
        assert_eq!(refused.code, Some(1), "{}", refused.output());
        assert!(refused.stderr.contains(refusal), "{}", refused.stderr);
    }
    let open_to_all = call(&["--key-file", "key"], &[]);
    assert!(open_to_all.stderr.contains("chmod 600"), "{}", open_to_all.stderr);
    set_mode(&directory.path().join("key"), 0o600);
    for finished in [call(&["--key-file", "key"], &[]), call(&[], &[("ASKANCE_KEY", &history.key)])] {
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        assert!(!finished.output().contains(&history.key));
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_cannot_be_called_or_read_is_said() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("past.ndjson"), past(1)).unwrap();
    for (url, file, message) in [
        ("https://localhost", "past.ndjson", "wants TLS"),
        ("http://127.0.0.1:0", "past.ndjson", "does not answer"),
        ("http://127.0.0.1:0", "absent.ndjson", "absent.ndjson: "),
        ("http://127.0.0.1:0", ".", "no file"),
    ] {
        let finished = import(directory.path(), url, &[file]);
        assert_eq!(finished.code, Some(1), "{}", finished.output());
        assert!(finished.stderr.contains(message), "{message}: {}", finished.stderr);
    }
}
