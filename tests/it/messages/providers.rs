//! What each provider by HTTP is told, and what becomes of what it says.

use super::http_fake::{HttpFake, Says};
use super::{ADDRESS, CODE, NUMBER, block_on, messenger, phone, secret, send};
use askance::mfa::message::{Messenger, SendError, Usage};
use askance::mfa::recipient::Recipient;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Nothing here takes as long.
const LONG: &str = "timeout_ms = 30000";

/// A connector of each type at the fake's address.
fn connectors(directory: &TempDir, fake: &HttpFake, more: &str) -> [(&'static str, Messenger); 3] {
    let file = secret(directory.path(), "secret", "hush\n");
    let base = format!(
        "[[mfa.connectors]]\nname = 'main'\nkind = 'sms'\nurl = '{}/base'\nallow = ['127.0.0.1']\n{more}\n",
        fake.url()
    );
    [
        (
            "twilio",
            format!("type = 'twilio'\naccount_sid = 'AC1'\nmessaging_service_sid = 'MG1'\nauth_token_file = '{file}'"),
        ),
        ("smsaero", format!("type = 'smsaero'\naccount = 'a@example.org'\nsign = 'Sign'\napi_key_file = '{file}'")),
        ("http", format!("type = 'http'\nauthorization_file = '{file}'")),
    ]
    .map(|(name, own)| (name, messenger(&format!("{base}{own}"))))
}

fn good() -> Says {
    Says::answer(200, "", r#"{"success":true}"#)
}

#[test]
fn each_provider_is_told_in_its_own_way() {
    let (directory, fake) = (TempDir::new().unwrap(), HttpFake::start(good()));
    for (name, messenger) in connectors(&directory, &fake, LONG) {
        assert_eq!(block_on(send(&messenger, &phone(), Usage::BindMfa)), Ok(()), "{name}");
    }
    let [twilio, smsaero, http] = <[_; 3]>::try_from(fake.heard()).unwrap();
    let head = |of: &super::http_fake::Heard, path: &str, authorization: &str| {
        assert!(of.head.starts_with(&format!("POST {path} HTTP/1.1")), "{}", of.head);
        assert!(of.head.lines().any(|line| line == format!("authorization: {authorization}")), "{}", of.head);
    };
    head(&twilio, "/base/2010-04-01/Accounts/AC1/Messages.json", "Basic QUMxOmh1c2g=");
    assert!(
        twilio.body.starts_with("To=%2B819012345678&MessagingServiceSid=MG1&Body=000007+ist+Ihr+Code"),
        "{}",
        twilio.body
    );
    assert!(twilio.body.contains("10+Min"), "{}", twilio.body);
    head(&smsaero, "/base/v2/sms/send", "Basic YUBleGFtcGxlLm9yZzpodXNo");
    let said: Value = serde_json::from_str(&smsaero.body).unwrap();
    assert_eq!((&said["number"], &said["sign"]), (&json!("819012345678"), &json!("Sign")), "{said}");
    assert!(said["text"].as_str().is_some_and(|text| text.starts_with("000007 ist Ihr Code")), "{said}");
    head(&http, "/base", "hush");
    let said: Value = serde_json::from_str(&http.body).unwrap();
    let expected =
        json!({"to": NUMBER, "type": "BindMfa", "payload": {"code": CODE, "locale": "de"}, "ip": "192.0.2.7"});
    assert_eq!(said, expected);
}

#[test]
fn an_http_connector_carries_mail_too() {
    let fake = HttpFake::start(Says::status(204));
    let messenger = messenger(&format!(
        "[[mfa.connectors]]\nname = 'm'\nkind = 'email'\ntype = 'http'\nurl = '{}/m'\nallow = ['127.0.0.1']\n{LONG}",
        fake.url()
    ));
    let to = Recipient::email(ADDRESS).unwrap();
    assert_eq!(block_on(send(&messenger, &to, Usage::MfaVerification)), Ok(()));
    assert_eq!(block_on(send(&messenger, &phone(), Usage::MfaVerification)), Err(SendError::NotConfigured));
    let heard = fake.heard();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].body.contains(ADDRESS) && !heard[0].head.contains("authorization"), "{heard:?}");
}

#[test]
fn whatever_a_provider_does_the_message_is_sent_or_it_is_known_that_it_was_not() {
    let (directory, elsewhere) = (TempDir::new().unwrap(), HttpFake::start(good()));
    let wait = |wait_s| Err(SendError::RateLimited { wait_s });
    let location = format!("Location: {}/latest/meta-data\r\n", elsewhere.url());
    // What is refused by its body alone is refused by SMS Aero only: the others give a status.
    for (what, says, then, of_smsaero) in [
        ("taken", good(), Ok(()), Ok(())),
        ("created", Says::answer(201, "", r#"{"success":true}"#), Ok(()), Ok(())),
        ("no success", Says::answer(200, "", r#"{"success":false}"#), Ok(()), Err(SendError::General)),
        ("no JSON", Says::answer(200, "", "<html>"), Ok(()), Err(SendError::General)),
        ("later", Says::answer(429, "Retry-After: 17\r\n", ""), wait(17), wait(17)),
        ("later, and not when", Says::status(429), wait(60), wait(60)),
        ("no such number", Says::status(400), Err(SendError::General), Err(SendError::General)),
        ("nobody", Says::status(401), Err(SendError::General), Err(SendError::General)),
        ("broken", Says::status(500), Err(SendError::General), Err(SendError::General)),
        ("away", Says::answer(503, "Retry-After: 17\r\n", ""), Err(SendError::General), Err(SendError::General)),
        ("torn", Says::torn(), Err(SendError::General), Err(SendError::General)),
        ("huge", Says::huge(), Err(SendError::General), Err(SendError::General)),
        ("redirected", Says::answer(307, &location, ""), Err(SendError::General), Err(SendError::General)),
    ] {
        let fake = HttpFake::start(says);
        for (name, messenger) in connectors(&directory, &fake, LONG) {
            let expected = if name == "smsaero" { of_smsaero } else { then };
            assert_eq!(block_on(send(&messenger, &phone(), Usage::MfaVerification)), expected, "{name}: {what}");
        }
        assert_eq!(fake.heard().len(), 3, "{what}: nothing is sent twice");
    }
    assert_eq!(elsewhere.heard().len(), 0, "no redirect is followed");
}

#[test]
fn a_provider_that_hangs_is_not_waited_for() {
    let (directory, fake) = (TempDir::new().unwrap(), HttpFake::start(Says::nothing()));
    for (name, messenger) in connectors(&directory, &fake, "timeout_ms = 300") {
        assert_eq!(block_on(send(&messenger, &phone(), Usage::Generic)), Err(SendError::General), "{name}");
    }
}

#[test]
fn a_provider_behind_our_own_wall_is_not_called_unless_it_is_listed() {
    let (directory, fake) = (TempDir::new().unwrap(), HttpFake::start(good()));
    let base =
        |url: &str| format!("[[mfa.connectors]]\nname = 'm'\nkind = 'sms'\ntype = 'http'\nurl = '{url}'\n{LONG}\n");
    let named = fake.url().replace("127.0.0.1", "localhost");
    for url in [&fake.url(), &named] {
        let closed = messenger(&base(url));
        assert_eq!(block_on(send(&closed, &phone(), Usage::Generic)), Err(SendError::General), "{url}");
        let open = messenger(&format!("{}allow = ['127.0.0.0/8', '::1']", base(url)));
        let expected = fake.heard().len() + 1;
        assert_eq!(block_on(send(&open, &phone(), Usage::Generic)), Ok(()), "{url}");
        assert_eq!(fake.heard().len(), expected, "once each");
    }
    drop(directory);
}
