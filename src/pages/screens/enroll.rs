//! Setting up.

use super::{CREATE, Page, factor_name};
use crate::event::Factor;
use crate::pages::texts::Filled;
use maud::{Markup, PreEscaped, html};

/// A button for each way that can be set up.
pub(super) fn choose(page: &Page<'_>, factors: &[Factor], is_skippable: bool, is_another: bool) -> Markup {
    let texts = page.texts;
    html! {
        p { (if is_another { &texts.enroll_another_lead } else { &texts.enroll_lead }) }
        ul.ways {
            @for factor in factors {
                li { (page.form("enroll", &[("factor", factor.as_str())], way(page, *factor))) }
            }
        }
        @if is_skippable { (skip(page)) }
    }
}

fn way(page: &Page<'_>, factor: Factor) -> Markup {
    let texts = page.texts;
    let hint = match factor {
        Factor::Webauthn => &texts.enroll_webauthn,
        Factor::Totp => &texts.enroll_totp,
        Factor::Sms => &texts.enroll_sms,
        Factor::Email => &texts.enroll_email,
        Factor::BackupCode => &texts.enroll_backup_code,
    };
    html! { button.way { strong { (factor_name(texts, factor)) } span { (hint) } } }
}

fn skip(page: &Page<'_>) -> Markup {
    page.beside(page.button("skip", &[], &page.texts.skip))
}

/// A picture to scan, a key to type, a link for whoever reads this on the phone, and the first code.
pub(super) fn app(page: &Page<'_>, enrolment: &str, secret: &str, uri: &str, qr_svg: Option<&str>) -> Markup {
    let texts = page.texts;
    // A longer one is of a name that hardly fits on a screen, and no camera likes it.
    let picture = qr_svg.filter(|svg| svg.len() <= PICTURE_BYTES_MAX);
    html! {
        @if let Some(svg) = picture {
            p { (texts.app_scan) }
            div.picture role="img" aria-label=(texts.app_picture) { (PreEscaped(svg)) }
        }
        p { (texts.app_type) }
        p.secret { @for group in groups(secret) { span { (group) } " " } }
        @if uri.starts_with("otpauth://") { p { a href=(uri) { (texts.app_open) } } }
        p { (texts.app_code) }
        (page.form("bind", &[("factor", Factor::Totp.as_str()), ("enrolment", enrolment)], html! {
            (page.digits_focused(page.notice.is_some()))
            button { (texts.confirm) }
        }))
        (page.beside(page.start_over(&texts.enroll_other)))
    }
}

/// So that a page stays light, whatever a user is called.
const PICTURE_BYTES_MAX: usize = 24_576;

/// In fours, as people read it out.
fn groups(secret: &str) -> impl Iterator<Item = String> {
    let mut letters = secret.chars();
    std::iter::from_fn(move || Some(letters.by_ref().take(4).collect::<String>()).filter(|group| !group.is_empty()))
}

/// Where codes are to be sent.
pub(super) fn recipient(page: &Page<'_>, factor: Factor, given: Option<&str>) -> Markup {
    let texts = page.texts;
    let is_email = factor == Factor::Email;
    let (name, kind) = if is_email { ("email", "email") } else { ("phone_number", "tel") };
    let (label, hint) =
        if is_email { (&texts.email_label, None) } else { (&texts.phone_label, Some(&texts.phone_format)) };
    let described: Vec<&str> = hint.map(|_| "format").into_iter().chain(page.notice_id()).collect();
    let described = Some(described.join(" ")).filter(|ids| !ids.is_empty());
    html! {
        p { (texts.recipient_lead) }
        (page.form("enroll", &[("factor", factor.as_str())], html! {
            label for="recipient" { (label) }
            input #recipient type=(kind) name=(name) autocomplete=(kind) value=[given] aria-describedby=[described]
                aria-invalid=[page.invalid()] required autofocus;
            @if let Some(hint) = hint { p.hint #format { (hint) } }
            button { (texts.send_code) }
        }))
        (page.beside(page.start_over(&texts.enroll_other)))
    }
}

/// A code that was sent to where codes are to be sent from now on.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) enrolment: &'a str,
    pub(super) factor: Factor,
    pub(super) masked: &'a str,
    pub(super) given: &'a str,
    pub(super) resend_after_s: u32,
}

/// A field for that code.
pub(super) fn code(page: &Page<'_>, sent: &Sent<'_>) -> Markup {
    let texts = page.texts;
    let factor = sent.factor.as_str();
    let is_email = sent.factor == Factor::Email;
    let lead = if is_email { &texts.code_lead_email } else { &texts.code_lead_sms };
    let change = if is_email { &texts.change_email } else { &texts.change_sms };
    let name = if is_email { "email" } else { "phone_number" };
    html! {
        p { (Filled(lead, sent.masked)) }
        (page.form("bind", &[("factor", factor), ("enrolment", sent.enrolment)], html! {
            (page.digits())
            button { (texts.confirm) }
        }))
        (page.beside(html! {
            (page.resend("enroll", &[("factor", factor), (name, sent.given)], sent.resend_after_s))
            (page.start_over(change))
        }))
    }
}

/// A button that makes the browser create one.
pub(super) fn passkey(page: &Page<'_>, enrolment: &str, options: &str) -> Markup {
    let texts = page.texts;
    let fields = [("factor", Factor::Webauthn.as_str()), ("enrolment", enrolment)];
    html! {
        p { (texts.create_lead) }
        (page.passkey(CREATE, options, &fields, &texts.create_button))
        (page.beside(page.start_over(&texts.enroll_other)))
    }
}

/// Before codes are made.
pub(super) fn make_codes(page: &Page<'_>, is_skippable: bool) -> Markup {
    html! {
        p { (page.texts.make_lead) }
        (page.form("codes", &[], html! { button autofocus { (page.texts.make_button) } }))
        @if is_skippable { (skip(page)) }
    }
}
