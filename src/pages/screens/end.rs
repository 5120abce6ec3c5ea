//! What is shown last.

use super::Page;
use crate::pages::view::Dead;
use maud::{Markup, html};

/// The codes, to print, to save or to write down. The file is in its link: nobody has to ask for it, and nothing else knows it.
pub(super) fn codes(page: &Page<'_>, codes: &[String]) -> Markup {
    let texts = page.texts;
    let lines: String = codes.iter().flat_map(|code| [&**code, "%0D%0A"]).collect();
    html! {
        p { (texts.codes_lead) }
        ol.codes aria-label=(texts.codes_list) { @for code in codes { li { code { (code) } } } }
        p { a download="backup-codes.txt" href={ "data:text/plain;charset=utf-8," (lines) } { (texts.codes_file) } }
        (page.form("leave", &[], html! { button { (texts.codes_saved) } }))
    }
}

/// What was proved goes along only where the way back begins with a form.
pub(super) fn done(page: &Page<'_>, leads_back: bool) -> Markup {
    let texts = page.texts;
    html! {
        p { (texts.done_lead) }
        @if leads_back { (page.form("leave", &[], html! { button autofocus { (texts.back) } })) }
    }
}

/// Why it goes no further, and what to do.
pub(super) fn dead(page: &Page<'_>, why: Dead) -> Markup {
    let texts = page.texts;
    let text = match why {
        Dead::LinkGone => &texts.link_gone_lead,
        Dead::LinkWrong => &texts.link_wrong_lead,
        Dead::OtherBrowser => &texts.other_browser_lead,
        Dead::FormRefused => &texts.form_refused_lead,
        Dead::NoWay => &texts.no_way_lead,
        Dead::Asleep(wait_s) => return html! { p { (texts.asleep_lead.replace("{{wait}}", &texts.wait(wait_s))) } },
        Dead::Unavailable => &texts.unavailable_lead,
        Dead::Off => &texts.off_lead,
        Dead::NotFound => &texts.not_found_lead,
    };
    html! { p { (text) } }
}
