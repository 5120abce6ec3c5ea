//! docs/PROTECT-AN-APP.md, as somebody follows it: each command in turn, then the site as its visitor sees it.

use super::page::{Browser, app_of, field};
use super::peers::is_tested;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What the document has people run, block by block.
fn blocks() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PROTECT-AN-APP.md");
    let document = std::fs::read_to_string(path).unwrap();
    let blocks = document.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Runs these in a shell, at an address of our own; a command that fails ends it.
fn run(blocks: &[String], directory: &Path, host: &str) -> (bool, String) {
    let script = format!("set -euo pipefail\n{}", blocks.join("\n"));
    // Whoever connects comes from 127.0.0.1 all the same, which is why that is the one that is believed.
    let script = ["127.0.0.1", "localhost"]
        .iter()
        .fold(script, |script, name| script.replace(&format!("{name}:"), &format!("{host}:")));
    // Tests run beside each other, and nothing is asserted about time.
    let script = script.replace("[hooks]\n", "[hooks]\ndeadline_ms = 20_000\n");
    let program = Path::new(env!("CARGO_BIN_EXE_askance")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash").args(["-c", &script]).current_dir(directory).env("PATH", path).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    (output.status.success(), told)
}

/// Ends what the document started, however the test ends.
struct Started<'d> {
    directory: &'d Path,
    stop: String,
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // What did not start cannot be stopped.
        let _gone = run(
            &[format!("cd protected; {} || true", self.stop.trim().replace('\n', " || true\n"))],
            self.directory,
            "127.0.0.1",
        );
    }
}

#[test]
fn somebody_who_follows_the_guide_has_a_protected_site() {
    if !is_tested("nginx") || !is_tested("curl") {
        return;
    }
    let blocks = blocks();
    let [build, steps @ .., stop] = &blocks[..] else { panic!("{blocks:?}") };
    // What tests are run against was built like that.
    assert!(build.contains("cargo build\n"), "the first block is the build: {build}");
    let directory = TempDir::new().unwrap();
    // Parts of nginx have a user of their own, who has to come in.
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut random = [0; 3];
    getrandom::fill(&mut random).unwrap();
    let host = format!("127.{}.{}.{}", 200 + random[0] % 50, random[1], 1 + random[2] % 250);
    let _started = Started { directory: directory.path(), stop: stop.clone() };
    let (is_good, told) = run(steps, directory.path(), &host);
    assert!(is_good, "{told}");
    let onboarded = told.lines().rev().find_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
    let onboarded = onboarded.unwrap_or_else(|| panic!("{told}"));
    let page = onboarded["page"].as_str().unwrap_or_else(|| panic!("{onboarded}"));

    let site = format!("{host}:8080");
    let mut browser = Browser::of(&site);
    let path = page.strip_prefix(&format!("http://{site}")).unwrap_or_else(|| panic!("{page}"));
    let shown = browser.get(path);
    let shown = browser.post(path, &shown, &[("do", "enroll"), ("factor", "totp")]);
    let app = app_of(&shown);
    let (enrolment, code) = (field(&shown, "enrolment"), app.code(0));
    let codes = browser.post(path, &shown, &[("do", "bind"), ("enrolment", &enrolment), ("code", &code)]);
    assert_eq!(codes.text().matches("<li>").count(), 10, "{}", codes.text());

    browser.password = Some("YWxpY2U6c2VjcmV0");
    let sent = browser.get("/");
    let to = sent.header("location").and_then(|to| to.strip_prefix(&format!("http://{site}"))).map(str::to_owned);
    let to = to.unwrap_or_else(|| panic!("{sent:?}"));
    assert_eq!(sent.status, 302);
    let asked = browser.get(&to);
    let code = app.code(1);
    let back = browser.post(&to, &asked, &[("do", "answer"), ("factor", "totp"), ("code", &code)]);
    assert_eq!((back.status, back.header("location")), (303, Some(&*format!("http://{site}/"))), "{}", back.text());
    assert_eq!(browser.get("/").text().trim(), "<h1>You are in.</h1>");

    let (is_good, told) = run(&["cd protected".to_owned(), stop.clone()], directory.path(), &host);
    assert!(is_good, "{told}");
}
