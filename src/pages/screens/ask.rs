//! Asking for what the user has.

use super::{GET, Page, factor_name};
use crate::event::Factor;
use crate::pages::texts::Filled;
use crate::pages::view::{Choice, EnterCode, Passkey};
use maud::{Markup, html};

/// A button for each way.
pub(super) fn choose(page: &Page<'_>, choices: &[Choice<'_>]) -> Markup {
    html! {
        p { (page.texts.choose_lead) }
        ul.ways {
            @for choice in choices {
                li { (page.form("ask", &[("factor", choice.factor.as_str()), ("id", choice.id)], way(page, choice))) }
            }
        }
    }
}

fn way(page: &Page<'_>, choice: &Choice<'_>) -> Markup {
    let texts = page.texts;
    let hint = match choice.factor {
        Factor::Webauthn => &texts.choose_webauthn,
        Factor::Totp => &texts.choose_totp,
        Factor::Sms => &texts.choose_sms,
        Factor::Email => &texts.choose_email,
        Factor::BackupCode => &texts.choose_backup_code,
    };
    html! {
        button.way {
            strong {
                (factor_name(texts, choice.factor))
                @if let Some(label) = choice.label { " · " bdi { (label) } }
            }
            span { (Filled(hint, recipient(page, choice.factor, choice.masked))) }
        }
    }
}

/// Number or address, as far as it may be shown.
fn recipient<'a>(page: &Page<'a>, factor: Factor, masked: Option<&'a str>) -> &'a str {
    let unnamed = if factor == Factor::Sms { &page.texts.your_phone } else { &page.texts.your_mailbox };
    masked.unwrap_or(unnamed)
}

/// A field for the code.
pub(super) fn code(page: &Page<'_>, asked: &EnterCode<'_>) -> Markup {
    let texts = page.texts;
    let factor = asked.factor.as_str();
    let lead = match asked.factor {
        Factor::Totp => &texts.code_lead_totp,
        Factor::BackupCode => &texts.code_lead_backup_code,
        Factor::Sms => &texts.code_lead_sms,
        Factor::Email | Factor::Webauthn => &texts.code_lead_email,
    };
    let mut fields = vec![("factor", factor)];
    fields.extend(asked.challenge.map(|challenge| ("challenge", challenge)));
    // What was sent is good until something newer is.
    let again = [("factor", factor), ("id", asked.id), ("challenge", asked.challenge.unwrap_or_default())];
    let is_sent = matches!(asked.factor, Factor::Sms | Factor::Email);
    let field = if asked.factor == Factor::BackupCode { backup_code(page) } else { page.digits() };
    html! {
        p { (Filled(lead, recipient(page, asked.factor, asked.masked))) }
        (page.form("answer", &fields, html! { (field) button { (texts.confirm) } }))
        @if is_sent || asked.has_others {
            (page.beside(html! {
                @if is_sent { (page.resend("ask", &again, asked.resend_after_s)) }
                @if asked.has_others { (page.start_over(&texts.other_way)) }
            }))
        }
    }
}

/// Written down by hand, so that no keyboard should mend it.
fn backup_code(page: &Page<'_>) -> Markup {
    html! {
        label for="code" { (page.texts.code_label) }
        input #code .code name="code" autocomplete="off" autocapitalize="none" spellcheck="false"
            aria-describedby=[page.notice_id()] aria-invalid=[page.invalid()] required autofocus;
    }
}

/// A button that makes the browser ask.
pub(super) fn passkey(page: &Page<'_>, asked: &Passkey<'_>) -> Markup {
    let texts = page.texts;
    let fields = [("factor", Factor::Webauthn.as_str()), ("challenge", asked.challenge)];
    html! {
        p { (texts.passkey_lead) }
        (page.passkey(GET, asked.options, &fields, &texts.passkey_button))
        @if asked.has_others { (page.beside(page.start_over(&texts.other_way))) }
    }
}

/// The first proof.
pub(super) fn prove_email(page: &Page<'_>, masked: &str) -> Markup {
    html! {
        p { (Filled(&page.texts.prove_lead, masked)) }
        (page.form("ask", &[("factor", Factor::Email.as_str())], html! { button autofocus { (page.texts.send_code) } }))
    }
}
