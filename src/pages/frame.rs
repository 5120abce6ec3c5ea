//! What is around every screen: the head of the document, whose site it is, what went wrong, the ways out.

use super::color::Color;
use super::language::LanguageTag;
use super::screens;
use super::settings::Settings;
use super::texts::{Filled, Texts};
use super::view::{Dead, Notice, Screen, View};
use super::{ASSETS_PATH, Asset};
use maud::{DOCTYPE, Markup, html};
use std::collections::BTreeMap;

/// Whose pages they are, and where the files beside them lie.
#[derive(Debug)]
pub(super) struct Site {
    name: String,
    help_url: Option<String>,
    help_text: Option<String>,
    style: String,
    passkey: String,
    icon: String,
    logo: Option<String>,
}

impl Site {
    pub(super) fn new(settings: &Settings, assets: &BTreeMap<&'static str, Asset>) -> Self {
        let address = |name: &str| assets.get(name).map(|asset| format!("{ASSETS_PATH}{name}?{}", asset.hash));
        Self {
            name: settings.name.as_str().to_owned(),
            help_url: settings.help_url.as_ref().map(|url| url.as_str().to_owned()),
            help_text: settings.help_text.as_ref().map(|text| text.as_str().to_owned()),
            style: address("style.css").unwrap_or_default(),
            passkey: address("passkey.js").unwrap_or_default(),
            icon: address("logo").or(address("icon.svg")).unwrap_or_default(),
            logo: address("logo"),
        }
    }
}

/// What a card lies on, as style.css has it; a test holds that it does.
const GROUND_LIGHT: Color = Color::WHITE;
const GROUND_DARK: Color = Color::DARK_GROUND;
const STYLE: &str = include_str!("style.css");

/// The style sheet, with the operator's colour.
pub(super) fn style(accent: Color) -> String {
    let (ink, light, dark) = (accent.ink_on(), accent.readable_on(GROUND_LIGHT), accent.readable_on(GROUND_DARK));
    format!(
        ":root{{--accent:{accent};--on-accent:{ink};--link:{light}}}\n\
         @media (prefers-color-scheme:dark){{:root{{--link:{dark}}}}}\n{STYLE}"
    )
}

/// What stands in the tab where there is no logo. Without any, browsers ask the site behind the proxy for one, which asks for a factor.
pub(super) fn icon(accent: Color) -> String {
    let ink = accent.ink_on();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"8\" fill=\"{accent}\"/>\
         <path d=\"M9 17l5 5 9-12\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"4\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/></svg>"
    )
}

/// The id of what went wrong, which the field refers to.
pub(super) const NOTICE_ID: &str = "notice";

/// The whole document.
pub(super) fn document(site: &Site, tag: &LanguageTag, texts: &Texts, view: &View<'_>) -> Markup {
    let title = screens::title(&view.screen, texts);
    let direction = tag.is_right_to_left().then_some("rtl");
    html! {
        (DOCTYPE)
        html lang=(tag.as_str()) dir=[direction] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                // A form that is posted has to tell where it comes from, which `no-referrer` would keep it from.
                meta name="referrer" content="same-origin";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (site.name) }
                link rel="stylesheet" href=(site.style);
                link rel="icon" href=(site.icon);
                @if needs_script(&view.screen) { script src=(site.passkey) defer {} }
            }
            body {
                main {
                    (head(site))
                    h1 { (title) }
                    @if let Some(notice) = view.notice { (said(notice, texts)) }
                    (who_and_what(view, texts))
                    (screens::body(view, texts))
                    (help(site, &view.screen))
                    (ways_out(site, view, texts))
                }
            }
        }
    }
}

fn needs_script(screen: &Screen<'_>) -> bool {
    matches!(screen, Screen::Passkey(_) | Screen::EnrollPasskey { .. })
}

/// A picture that holds the name shows it; on paper stands the name.
fn head(site: &Site) -> Markup {
    html! {
        p.site {
            @if let Some(logo) = &site.logo {
                img src=(logo) alt=(site.name);
                span.paper { (site.name) }
            } @else {
                (site.name)
            }
        }
    }
}

/// Who is asked, and for what.
fn who_and_what(view: &View<'_>, texts: &Texts) -> Markup {
    html! {
        @if let Some(user) = view.user { p.user { (Filled(&texts.user, user)) } }
        @if let Some(action) = view.action {
            div.action { p { (texts.action) } p { strong { bdi { (action) } } } }
        }
    }
}

fn said(notice: Notice, texts: &Texts) -> Markup {
    let text = match notice {
        Notice::Sent => &texts.sent,
        Notice::WrongCode => &texts.wrong_code,
        Notice::CodeGone => &texts.code_gone,
        Notice::TriedTooOften => &texts.tried_too_often,
        Notice::PasskeyFailed => &texts.passkey_refused,
        Notice::TooManyMessages(_) => &texts.too_many_messages,
        Notice::Asleep(_) => &texts.asleep,
        Notice::NotSent => &texts.not_sent,
        Notice::WrongNumber => &texts.wrong_number,
        Notice::WrongAddress => &texts.wrong_address,
        Notice::AppInUse => &texts.app_in_use,
        Notice::NotOffered => &texts.not_offered,
        Notice::TryAgain => &texts.try_again,
    };
    let text = if let Notice::TooManyMessages(wait_s) | Notice::Asleep(wait_s) = notice {
        text.replace("{{wait}}", &texts.wait(wait_s))
    } else {
        text.clone()
    };
    let is_good = notice == Notice::Sent;
    let (class, role) = if is_good { ("notice good", "status") } else { ("notice", "alert") };
    html! { p id=(NOTICE_ID) class=(class) role=(role) { (text) } }
}

/// Where the way ends, people come in.
fn help(site: &Site, screen: &Screen<'_>) -> Markup {
    let is_needed = matches!(screen, Screen::Dead(Dead::NoWay | Dead::Asleep(_) | Dead::Unavailable));
    html! {
        @if is_needed && let Some(text) = &site.help_text { p { (text) } }
    }
}

fn ways_out(site: &Site, view: &View<'_>, texts: &Texts) -> Markup {
    // Other schemes do something else than lead somewhere.
    let leave = view.leave.filter(|url| ["https://", "http://", "/"].iter().any(|start| url.starts_with(start)));
    // These lead back by a form.
    let leave = leave.filter(|_| !matches!(view.screen, Screen::Codes(_) | Screen::Done));
    let said = if matches!(view.screen, Screen::Dead(_)) { &texts.back } else { &texts.leave };
    html! {
        @if leave.is_some() || site.help_url.is_some() {
            footer {
                @if let Some(leave) = leave { a href=(leave) { (said) } }
                @if let Some(help) = &site.help_url { a href=(help) { (texts.help) } }
            }
        }
    }
}
