//! `askance connector test`, and what `check-config` and the start make of connectors.

use super::http_fake::{HttpFake, Says};
use super::{ADDRESS, NUMBER, secret};
use crate::support::{Finished, run};
use tempfile::TempDir;

const SPACED: &str = "+81 90-1234-5678";

/// A configuration with these connectors, in a directory of its own.
fn configured(connectors: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("given.toml"), connectors).unwrap();
    directory
}

fn askance(directory: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    run(directory.path(), &[&["--config", "given.toml"], arguments].concat(), environment)
}

fn twilio(fake: &HttpFake) -> String {
    format!(
        "[[mfa.connectors]]\nname = 'main'\nkind = 'sms'\ntype = 'twilio'\nurl = '{}'\nallow = ['127.0.0.1']\n\
         timeout_ms = 30000\naccount_sid = 'AC1'\nfrom = '+15005550006'\nauth_token_env = 'TWILIO_TOKEN'\n",
        fake.url()
    )
}

/// Neither the number, in any spelling, nor the secret stands in what was said.
fn assert_silent(finished: &Finished) {
    let output = finished.output();
    for secret in [NUMBER, "819012345678", "9012345678", SPACED, ADDRESS, "hush", "aHVzaA"] {
        assert!(!output.contains(secret), "{secret}: {output}");
    }
}

/// Digits of a time are at times those of a code.
fn without_times(finished: &Finished) -> String {
    let lines = finished.stderr.lines().map(|line| match serde_json::from_str::<serde_json::Value>(line) {
        Ok(mut event) => {
            event["timestamp"].take();
            event.to_string()
        }
        Err(_) => line.to_owned(),
    });
    lines.chain([finished.stdout.clone()]).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_message_goes_through_the_connector_that_is_named() {
    let fake = HttpFake::start(Says::status(201));
    let directory = configured(&twilio(&fake));
    let test = |to: &str| askance(&directory, &["connector", "test", "main", to], &[("TWILIO_TOKEN", "hush")]);
    for (says, code) in [
        (Says::status(201), 0),
        (Says::status(400), 1),
        (Says::status(500), 1),
        (Says::answer(429, "Retry-After: 7\r\n", ""), 1),
    ] {
        fake.says(says);
        let finished = test(SPACED);
        assert_eq!(finished.code, Some(code), "{}", finished.output());
        assert_eq!(finished.stdout.contains("****5678"), code == 0, "{}", finished.output());
        assert_silent(&finished);
        let said = fake.heard().pop().expect("it was called").body;
        let code = said.split("Body=").nth(1).map(|text| &text[..6]).unwrap();
        assert!(code.bytes().all(|byte| byte.is_ascii_digit()), "{said}");
        assert!(!without_times(&finished).contains(code), "{code}: {}", finished.output());
    }
    let heard = fake.heard();
    assert_eq!(heard.len(), 4);
    assert!(heard.iter().all(|heard| heard.body.contains("To=%2B819012345678&From=%2B15005550006")), "{heard:?}");
    let finished = test(ADDRESS);
    assert_eq!(finished.code, Some(1), "that is no number: {}", finished.output());
    assert_eq!(fake.heard().len(), 4);
}

#[test]
fn what_the_configuration_can_mend_is_told_so() {
    let fake = HttpFake::start(Says::status(201));
    let directory = configured(&twilio(&fake));
    let wrong = askance(&directory, &["connector", "test", "other", NUMBER], &[("TWILIO_TOKEN", "hush")]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.output());
    assert!(wrong.stderr.contains("no `other`; there are main"), "{}", wrong.output());
    for arguments in [&["connector", "test", "main", NUMBER][..], &["check-config"]] {
        let unset = askance(&directory, arguments, &[]);
        assert_eq!(unset.code, Some(2), "{}", unset.output());
        assert!(
            unset.stderr.contains("`main`: auth_token: the environment has no variable TWILIO_TOKEN"),
            "{}",
            unset.output()
        );
    }
    assert_eq!(fake.heard().len(), 0);
}

#[test]
fn check_config_reads_secrets_and_prints_none() {
    let base = "[[mfa.connectors]]\nname = 'main'\nkind = 'sms'\ntype = 'http'\nurl = 'https://sms.example.org/'\n";
    let directory = configured("");
    let file = secret(directory.path(), "secret", "hush");
    let open = secret(directory.path(), "open", "hush");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let empty = secret(directory.path(), "empty", "\n");
    for (path, refused) in [
        (file.as_str(), None),
        ("/nonexistent/secret", Some("authorization: /nonexistent/secret: ")),
        (open.as_str(), Some("others may read it")),
        (empty.as_str(), Some("there is nothing in it")),
    ] {
        std::fs::write(directory.path().join("given.toml"), format!("{base}authorization_file = '{path}'")).unwrap();
        let finished = askance(&directory, &["check-config", "--json"], &[]);
        assert_eq!(finished.code, Some(if refused.is_none() { 0 } else { 2 }), "{path}: {}", finished.output());
        assert!(refused.is_none_or(|why| finished.stderr.contains(why)), "{path}: {}", finished.output());
        assert!(refused.is_some() || finished.stdout.contains("authorization_file"), "{}", finished.output());
        assert_silent(&finished);
    }
}

#[test]
fn a_missing_text_and_a_danger_that_is_not_named_stop_the_start() {
    let log = "[[mfa.connectors]]\nname = 'l'\nkind = 'sms'\ntype = 'log'\n";
    let named = format!("{log}danger_log_codes = true\n");
    let french = "[[mfa.templates]]\nkind = 'sms'\nusage = 'Generic'\nlocale = 'fr'\ntext = '{{code}}'\n";
    for (text, refused) in [
        (log.to_owned(), Some("mfa.connectors[0]: `l`: writes codes to the log: needs danger_log_codes = true")),
        (named.clone(), None),
        (format!("mfa.locale = 'fr'\n{named}"), Some("mfa.templates: there is none of kind `sms`")),
        (format!("mfa.locale = 'fr'\n{french}{named}"), None),
        (format!("{named}{named}"), Some("mfa.connectors: the name `l` stands twice")),
    ] {
        let directory = configured(&text);
        let finished = askance(&directory, &["check-config"], &[]);
        assert_eq!(finished.code, Some(if refused.is_none() { 0 } else { 2 }), "{text}: {}", finished.output());
        assert!(refused.is_none_or(|why| finished.stderr.contains(why)), "{text}: {}", finished.output());
    }
    let finished = askance(&configured(&format!("mfa.locale = 'fr'\n{named}")), &["serve"], &[]);
    assert_eq!(finished.code, Some(2), "{}", finished.output());
    let directory = configured(&format!("{named}[telemetry]\nlog_format = 'json'"));
    let finished = askance(&directory, &["connector", "test", "l", NUMBER, "--locale", "ja"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    assert!(
        finished.stderr.contains("認証コードは") && !finished.output().contains("9012345678"),
        "{}",
        finished.output()
    );
}
