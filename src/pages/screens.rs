//! The screens, and the parts that they share.

mod ask;
mod end;
mod enroll;

use super::frame::NOTICE_ID;
use super::texts::Texts;
use super::view::{Dead, Notice, Screen, View};
use crate::event::Factor;
use maud::{Markup, Render, html};

/// What the page is about: its heading, and the name of its tab.
pub(super) fn title<'t>(screen: &Screen<'_>, texts: &'t Texts) -> &'t str {
    match screen {
        Screen::Choose(_) => &texts.choose_title,
        Screen::EnterCode(asked) => match asked.factor {
            Factor::Totp => &texts.code_title_totp,
            Factor::BackupCode => &texts.code_title_backup_code,
            Factor::Sms | Factor::Email | Factor::Webauthn => &texts.code_title_sent,
        },
        Screen::Passkey(_) => &texts.passkey_title,
        Screen::ProveEmail { .. } => &texts.prove_title,
        Screen::Enroll { is_another: false, .. } => &texts.enroll_title,
        Screen::Enroll { is_another: true, .. } => &texts.enroll_another_title,
        Screen::EnrollApp { .. } => &texts.app_title,
        Screen::EnrollRecipient { factor: Factor::Email, .. } => &texts.recipient_title_email,
        Screen::EnrollRecipient { .. } => &texts.recipient_title_sms,
        Screen::EnrollCode { .. } => &texts.code_title_sent,
        Screen::EnrollPasskey { .. } => &texts.create_title,
        Screen::MakeCodes { .. } => &texts.make_title,
        Screen::Codes(_) => &texts.codes_title,
        Screen::Done => &texts.done_title,
        Screen::Dead(why) => match why {
            Dead::LinkGone => &texts.link_gone_title,
            Dead::LinkWrong => &texts.link_wrong_title,
            Dead::OtherBrowser => &texts.other_browser_title,
            Dead::FormRefused => &texts.form_refused_title,
            Dead::NoWay => &texts.no_way_title,
            Dead::Asleep(_) => &texts.asleep_title,
            Dead::Unavailable => &texts.unavailable_title,
            Dead::Off => &texts.off_title,
            Dead::NotFound => &texts.not_found_title,
        },
    }
}

/// What stands under the heading.
pub(super) fn body(view: &View<'_>, texts: &Texts) -> Markup {
    let page = Page { texts, token: view.form_token, notice: view.notice };
    match &view.screen {
        Screen::Choose(choices) => ask::choose(&page, choices),
        Screen::EnterCode(asked) => ask::code(&page, asked),
        Screen::Passkey(asked) => ask::passkey(&page, asked),
        Screen::ProveEmail { masked } => ask::prove_email(&page, masked),
        Screen::Enroll { factors, is_skippable, is_another } => {
            enroll::choose(&page, factors, *is_skippable, *is_another)
        }
        Screen::EnrollApp { enrolment, secret, uri, qr_svg } => enroll::app(&page, enrolment, secret, uri, *qr_svg),
        Screen::EnrollRecipient { factor, given } => enroll::recipient(&page, *factor, *given),
        Screen::EnrollCode { enrolment, factor, masked, given, resend_after_s } => {
            let sent = enroll::Sent { enrolment, factor: *factor, masked, given, resend_after_s: *resend_after_s };
            enroll::code(&page, &sent)
        }
        Screen::EnrollPasskey { enrolment, options } => enroll::passkey(&page, enrolment, options),
        Screen::MakeCodes { is_skippable } => enroll::make_codes(&page, *is_skippable),
        Screen::Codes(codes) => end::codes(&page, codes),
        Screen::Done => end::done(&page, view.leave.is_some()),
        Screen::Dead(why) => end::dead(&page, *why),
    }
}

/// What the parts of a page have in common.
#[derive(Debug, Clone, Copy)]
struct Page<'a> {
    texts: &'a Texts,
    token: &'a str,
    notice: Option<Notice>,
}

impl Page<'_> {
    /// A form that does one thing: `fields` are its hidden members beside `token` and `do`.
    fn form(&self, what: &str, fields: &[(&str, &str)], content: impl Render) -> Markup {
        html! {
            form method="post" { (self.hidden(what, fields)) (content) }
        }
    }

    fn hidden(&self, what: &str, fields: &[(&str, &str)]) -> Markup {
        html! {
            input type="hidden" name="token" value=(self.token);
            input type="hidden" name="do" value=(what);
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
        }
    }

    /// A form of nothing but a button that is not the main one.
    fn button(&self, what: &str, fields: &[(&str, &str)], said: &str) -> Markup {
        self.form(what, fields, html! { button.plain { (said) } })
    }

    /// Six digits. Spaces that are pasted with them do no harm.
    fn digits(&self) -> Markup {
        self.digits_focused(true)
    }

    /// The same, where something else is to be seen first.
    fn digits_focused(&self, is_focused: bool) -> Markup {
        let format = &self.texts.code_format;
        html! {
            label for="code" { (self.texts.code_label) }
            input #code .code name="code" inputmode="numeric" autocomplete="one-time-code" pattern=r"\s*(\d\s*){6}" title=(format)
                aria-describedby=[self.notice_id()] aria-invalid=[self.invalid()] required autofocus[is_focused];
        }
    }

    /// The notice, where there is one: whoever hears the field hears it, too.
    fn notice_id(&self) -> Option<&'static str> {
        self.notice.map(|_| NOTICE_ID)
    }

    fn invalid(&self) -> Option<&'static str> {
        let is_wrong = matches!(self.notice, Some(Notice::WrongCode | Notice::WrongNumber | Notice::WrongAddress));
        is_wrong.then_some("true")
    }

    /// The ways beside the main one.
    fn beside(&self, content: impl Render) -> Markup {
        html! { div.beside { (content) } }
    }

    /// The page anew, with nothing chosen. Its address is that of the document, whatever stands in it.
    fn start_over(&self, said: &str) -> Markup {
        html! { a href="" { (said) } }
    }

    /// When a code can be sent again, and the button for it.
    fn resend(&self, what: &str, fields: &[(&str, &str)], after_s: u32) -> Markup {
        let wait = self.texts.resend_wait.replace("{{wait}}", &self.texts.wait(after_s));
        html! {
            (self.button(what, fields, &self.texts.resend))
            @if after_s > 0 { p.hint { (wait) } }
        }
    }

    /// Passkeys are for the script: it reads what the browser is to do, and posts what comes of it.
    fn passkey(&self, job: &str, options: &str, fields: &[(&str, &str)], said: &str) -> Markup {
        let texts = self.texts;
        html! {
            form method="post" data-passkey=(job) data-options=(options) data-failed=(texts.passkey_failed)
                data-unsupported=(texts.passkey_unsupported) {
                (self.hidden(if job == CREATE { "bind" } else { "answer" }, fields))
                input type="hidden" name="credential";
                p.notice role="alert" hidden {}
                button type="button" hidden autofocus { (said) }
                noscript { p.notice { (texts.passkey_no_script) } }
            }
        }
    }
}

/// The jobs of the script: a new passkey, or a proof with one.
const CREATE: &str = "create";
const GET: &str = "get";

fn factor_name(texts: &Texts, factor: Factor) -> &str {
    match factor {
        Factor::Webauthn => &texts.factor_webauthn,
        Factor::Totp => &texts.factor_totp,
        Factor::Sms => &texts.factor_sms,
        Factor::Email => &texts.factor_email,
        Factor::BackupCode => &texts.factor_backup_code,
    }
}
