//! Mail by SMTP: what is said to the server, how it is kept from others, and what becomes of a server that misbehaves.

use super::smtp_fake::{Fault, SmtpFake, Speaks};
use super::{ADDRESS, CODE, block_on, messenger, secret, send};
use crate::tls::authority::Authority;
use askance::mfa::message::{SendError, Usage};
use askance::mfa::recipient::Recipient;
use std::path::Path;
use tempfile::TempDir;

fn settings(fake: &SmtpFake, host: &str, more: &str) -> String {
    format!(
        "[[mfa.connectors]]\nname = 'mail'\nkind = 'email'\ntype = 'smtp'\nhost = '{host}'\nport = {}\n\
         from = 'Codes <codes@example.org>'\nallow = ['127.0.0.1', '::1']\n{more}",
        fake.address.port()
    )
}

fn deliver(settings: &str) -> Result<(), SendError> {
    let to = Recipient::email(ADDRESS).unwrap();
    block_on(send(&messenger(settings), &to, Usage::MfaVerification))
}

/// Nothing here takes as long.
const LONG: &str = "timeout_ms = 30000\n";
const PLAIN: &str = "tls = 'danger_plain'\ntimeout_ms = 30000\n";

#[test]
fn a_mail_is_from_us_to_the_recipient_and_says_the_code() {
    let fake = SmtpFake::start(&Speaks::Clear, None, Fault::None);
    assert_eq!(deliver(&settings(&fake, "127.0.0.1", PLAIN)), Ok(()));
    let heard = fake.heard();
    let said = heard.join("\n");
    for line in [
        "EHLO example.org",
        "MAIL FROM:<codes@example.org>",
        "RCPT TO:<bob@example.org>",
        "To: bob@example.org",
        "Auto-Submitted: auto-generated",
        &format!("Subject: {CODE} ist Ihr Code zum Anmelden"),
    ] {
        assert!(heard.iter().any(|heard| heard == line), "{line}: {said}");
    }
    assert!(
        said.contains("From: Codes <codes@example.org>") || said.contains("From: \"Codes\" <codes@example.org>"),
        "{said}"
    );
    assert!(said.contains("Message-ID: <") && said.contains("Date: "), "{said}");
    let body = heard.iter().skip_while(|line| !line.is_empty()).nth(1).unwrap();
    assert!(body.starts_with(&format!("{CODE} ist Ihr Code zum Anmelden.")), "{said}");
    assert!(!said.contains("AUTH"), "nobody logs in");
}

/// An authority, a fake whose certificate it signed for this machine, and the connector's keys for it.
fn with_tls(directory: &Path, speaks: &Speaks, fault: Fault) -> (SmtpFake, String) {
    let authority = Authority::new(directory, "authority");
    let fake = SmtpFake::start(speaks, Some(&authority.issue("mail", "DNS:localhost,IP:127.0.0.1")), fault);
    let tls = if *speaks == Speaks::Implicit { "implicit" } else { "starttls" };
    let password = secret(directory, "password", "hush\n");
    let ca = authority.cert.display();
    (fake, format!("{LONG}tls = '{tls}'\nca_file = '{ca}'\nusername = 'us'\npassword_file = '{password}'\n"))
}

#[test]
fn nothing_is_said_in_clear_that_is_not_hello() {
    for speaks in [Speaks::Implicit, Speaks::StartTls] {
        let directory = TempDir::new().unwrap();
        let (fake, keys) = with_tls(directory.path(), &speaks, Fault::None);
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(deliver(&settings(&fake, host, &keys)), Ok(()), "{speaks:?} {host}");
        }
        let heard = fake.heard();
        let clear: Vec<&str> = heard.iter().filter_map(|line| line.strip_prefix("clear: ")).collect();
        let hello = ["EHLO example.org", "STARTTLS", "EHLO example.org", "STARTTLS"];
        assert_eq!(clear, if speaks == Speaks::StartTls { &hello[..] } else { &[] }, "{speaks:?}");
        // "\0us\0hush" in base64.
        assert!(heard.iter().any(|line| line == "AUTH PLAIN AHVzAGh1c2g="), "{heard:?}");
    }
}

#[test]
fn a_server_that_is_not_who_it_should_be_is_told_nothing() {
    for speaks in [Speaks::Implicit, Speaks::StartTls] {
        let directory = TempDir::new().unwrap();
        let (fake, keys) = with_tls(directory.path(), &speaks, Fault::None);
        let other = TempDir::new().unwrap();
        let stranger = Authority::new(other.path(), "stranger");
        let authority = directory.path().join("authority.crt").display().to_string();
        let distrusting = keys.replace(&authority, &stranger.cert.display().to_string());
        assert_ne!(distrusting, keys);
        assert_eq!(deliver(&settings(&fake, "127.0.0.1", &distrusting)), Err(SendError::General), "{speaks:?}");
        // The system's authorities did not sign it, either.
        let of_system = keys.lines().filter(|line| !line.starts_with("ca_file")).collect::<Vec<_>>().join("\n");
        if std::path::Path::new("/etc/ssl/certs").exists() {
            assert_eq!(deliver(&settings(&fake, "127.0.0.1", &of_system)), Err(SendError::General), "{speaks:?}");
        }
        let heard = fake.heard();
        assert!(!heard.iter().any(|line| line.contains("AUTH") || line.contains("MAIL")), "{heard:?}");
    }
    let directory = TempDir::new().unwrap();
    let (fake, keys) = with_tls(directory.path(), &Speaks::StartTls, Fault::NoStartTls);
    let nobody = keys.lines().filter(|line| !line.starts_with("username") && !line.starts_with("password"));
    for keys in [keys.clone(), nobody.collect::<Vec<_>>().join("\n")] {
        assert_eq!(deliver(&settings(&fake, "127.0.0.1", &keys)), Err(SendError::General), "no TLS is no mail");
    }
    assert_eq!(fake.heard(), ["clear: EHLO example.org"; 2]);
}

#[test]
fn whatever_a_mail_server_does_the_mail_is_taken_or_it_is_known_that_it_was_not() {
    for (fault, then) in [
        (Fault::Says("MAIL", "451 later"), Err(SendError::General)),
        (Fault::Says("RCPT", "550 bob@example.org is nobody"), Err(SendError::General)),
        (Fault::Says("DATA", "552 too much"), Err(SendError::General)),
        (Fault::Says(".", "554 spam"), Err(SendError::General)),
        (Fault::Says("EHLO", "421 away"), Err(SendError::General)),
        (Fault::Says("EHLO", "nonsense"), Err(SendError::General)),
        (Fault::HangsUp("EHLO"), Err(SendError::General)),
        (Fault::HangsUp("RCPT"), Err(SendError::General)),
        (Fault::HangsUp("."), Err(SendError::General)),
        // It has taken the mail.
        (Fault::HangsUp("QUIT"), Ok(())),
        (Fault::Says("QUIT", "500 no"), Ok(())),
        (Fault::Floods, Err(SendError::General)),
    ] {
        let fake = SmtpFake::start(&Speaks::Clear, None, fault);
        assert_eq!(deliver(&settings(&fake, "127.0.0.1", PLAIN)), then, "{fault:?}");
    }
    for speaks in [Speaks::Clear, Speaks::Implicit] {
        let fake = SmtpFake::start(&Speaks::Clear, None, Fault::Hang);
        let tls = if speaks == Speaks::Clear { "danger_plain" } else { "implicit" };
        let directory = TempDir::new().unwrap();
        let ca = Authority::new(directory.path(), "authority").cert;
        let keys = format!("tls = '{tls}'\ntimeout_ms = 300\nca_file = '{}'", ca.display());
        assert_eq!(deliver(&settings(&fake, "127.0.0.1", &keys)), Err(SendError::General), "{speaks:?}");
    }
}

#[test]
fn a_mail_server_behind_our_own_wall_is_not_called_unless_it_is_listed() {
    let fake = SmtpFake::start(&Speaks::Clear, None, Fault::None);
    let closed = settings(&fake, "127.0.0.1", PLAIN).replace("allow = ['127.0.0.1', '::1']\n", "");
    assert_eq!(deliver(&closed), Err(SendError::General));
    assert_eq!(fake.heard().len(), 0);
}
