//! Writes every challenge page in every language as files, to be looked at: `cargo run --example pages_gallery DIRECTORY [CONFIG]`.

use askance::config::Config;
use askance::event::Factor;
use askance::mfa::totp;
use askance::pages::{Choice, Dead, EnterCode, Notice, Pages, Passkey, Screen, View};
use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: pages_gallery DIRECTORY [CONFIG]")?;
    let directory = Path::new(&directory);
    let text = arguments.next().map(fs::read_to_string).transpose()?.unwrap_or_default();
    let pages = Pages::load(&Config::parse(&text)?.pages)?;
    fs::create_dir_all(directory)?;
    for name in ["style.css", "passkey.js", "logo"] {
        if let Some(asset) = pages.asset(name) {
            fs::write(directory.join(name), &asset.bytes)?;
        }
    }
    for language in ["en", "de", "ja"].map(|tag| pages.language(Some(tag))) {
        each_screen(&mut |name, screen, notice| {
            let action = matches!(screen, Screen::Passkey(_)).then_some("Pay 100 EUR to Bob");
            let leave = Some("https://app.example.org/");
            let view = View { screen, notice, user: Some("alice@example.org"), action, form_token: "token", leave };
            let html = String::from_utf8(pages.render(&view, language).to_vec())?;
            // The files lie beside the page here.
            let html = html.replace(askance::pages::ASSETS_PATH, "");
            Ok(fs::write(directory.join(format!("{}-{name}.html", pages.tag(language))), html)?)
        })?;
    }
    Ok(())
}

type Look<'a> = &'a mut dyn FnMut(&str, Screen<'_>, Option<Notice>) -> Result<(), Box<dyn Error>>;

fn each_screen(look: Look<'_>) -> Result<(), Box<dyn Error>> {
    let phone = Some("****0961");
    let choices = Factor::ALL.map(|factor| match factor {
        Factor::Sms => Choice { factor, id: "a", label: None, masked: phone },
        Factor::Email => Choice { factor, id: "b", label: None, masked: Some("alic****@example.org") },
        Factor::Webauthn => Choice { factor, id: "c", label: Some("Blue key"), masked: None },
        Factor::Totp | Factor::BackupCode => Choice { factor, id: "", label: None, masked: None },
    });
    look("choose", Screen::Choose(&choices), None)?;
    let asked =
        EnterCode { factor: Factor::Totp, challenge: None, masked: None, id: "", resend_after_s: 0, has_others: true };
    look("code-totp", Screen::EnterCode(asked), None)?;
    look("code-totp-wrong", Screen::EnterCode(asked), Some(Notice::WrongCode))?;
    let sent = EnterCode { factor: Factor::Sms, masked: phone, resend_after_s: 60, ..asked };
    look("code-sms", Screen::EnterCode(sent), Some(Notice::Sent))?;
    look("code-sms-many", Screen::EnterCode(sent), Some(Notice::TooManyMessages(3_000)))?;
    look("code-backup", Screen::EnterCode(EnterCode { factor: Factor::BackupCode, ..asked }), None)?;
    look("passkey", Screen::Passkey(Passkey { challenge: "c", options: "{}", has_others: true }), None)?;
    look("prove-email", Screen::ProveEmail { masked: "alic****@example.org" }, None)?;
    look("enroll", Screen::Enroll { factors: &Factor::ALL[..4], is_skippable: true, is_another: false }, None)?;
    look("enroll-another", Screen::Enroll { factors: &Factor::ALL[..2], is_skippable: true, is_another: true }, None)?;
    let secret = b"12345678901234567890";
    let (written, uri) = (totp::written(secret), totp::uri(secret, "Example Ltd", "alice@example.org"));
    let qr_svg = totp::qr_svg(&uri);
    look("app", Screen::EnrollApp { enrolment: "e", secret: &written, uri: &uri, qr_svg: qr_svg.as_deref() }, None)?;
    look("phone", Screen::EnrollRecipient { factor: Factor::Sms, given: None }, None)?;
    let wrong = Screen::EnrollRecipient { factor: Factor::Email, given: Some("alice@") };
    look("email-wrong", wrong, Some(Notice::WrongAddress))?;
    let sent = Screen::EnrollCode {
        enrolment: "e",
        factor: Factor::Sms,
        masked: "****0961",
        given: "+441632960961",
        resend_after_s: 60,
    };
    look("phone-code", sent, None)?;
    look("create-passkey", Screen::EnrollPasskey { enrolment: "e", options: "{}" }, None)?;
    look("make-codes", Screen::MakeCodes { is_skippable: true }, None)?;
    let codes: Vec<String> = (0..10_u64).map(|at| format!("{:010x}", (at + 1) * 97_612_893_413)).collect();
    look("codes", Screen::Codes(&codes), None)?;
    look("done", Screen::Done, None)?;
    for (name, why) in [
        ("link-gone", Dead::LinkGone),
        ("other-browser", Dead::OtherBrowser),
        ("no-way", Dead::NoWay),
        ("asleep", Dead::Asleep(3_600)),
        ("not-found", Dead::NotFound),
    ] {
        look(name, Screen::Dead(why), None)?;
    }
    Ok(())
}
