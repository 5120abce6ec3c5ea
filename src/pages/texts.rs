//! What pages say, by language: ours, and what the operator says in its place.

use super::language::LanguageTag;
use maud::{Markup, Render, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::{Table, Value};

/// Every text of one language. A member that no page reads is one that the compiler names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    pub(super) user: String,
    pub(super) action: String,
    pub(super) help: String,
    pub(super) leave: String,
    pub(super) back: String,
    pub(super) other_way: String,
    pub(super) factor_webauthn: String,
    pub(super) factor_totp: String,
    pub(super) factor_sms: String,
    pub(super) factor_email: String,
    pub(super) factor_backup_code: String,
    pub(super) choose_title: String,
    pub(super) choose_lead: String,
    pub(super) choose_webauthn: String,
    pub(super) choose_totp: String,
    pub(super) choose_sms: String,
    pub(super) choose_email: String,
    pub(super) choose_backup_code: String,
    pub(super) code_title_totp: String,
    pub(super) code_title_sent: String,
    pub(super) code_title_backup_code: String,
    pub(super) code_lead_totp: String,
    pub(super) code_lead_sms: String,
    pub(super) code_lead_email: String,
    pub(super) code_lead_backup_code: String,
    pub(super) code_label: String,
    pub(super) code_format: String,
    pub(super) your_phone: String,
    pub(super) your_mailbox: String,
    pub(super) confirm: String,
    pub(super) resend: String,
    pub(super) resend_wait: String,
    pub(super) passkey_title: String,
    pub(super) passkey_lead: String,
    pub(super) passkey_button: String,
    pub(super) passkey_failed: String,
    pub(super) passkey_unsupported: String,
    pub(super) passkey_no_script: String,
    pub(super) prove_title: String,
    pub(super) prove_lead: String,
    pub(super) send_code: String,
    pub(super) enroll_title: String,
    pub(super) enroll_lead: String,
    pub(super) enroll_another_title: String,
    pub(super) enroll_another_lead: String,
    pub(super) enroll_webauthn: String,
    pub(super) enroll_totp: String,
    pub(super) enroll_sms: String,
    pub(super) enroll_email: String,
    pub(super) enroll_backup_code: String,
    pub(super) enroll_other: String,
    pub(super) skip: String,
    pub(super) app_title: String,
    pub(super) app_scan: String,
    pub(super) app_picture: String,
    pub(super) app_type: String,
    pub(super) app_open: String,
    pub(super) app_code: String,
    pub(super) recipient_title_sms: String,
    pub(super) recipient_title_email: String,
    pub(super) recipient_lead: String,
    pub(super) phone_label: String,
    pub(super) phone_format: String,
    pub(super) email_label: String,
    pub(super) change_sms: String,
    pub(super) change_email: String,
    pub(super) create_title: String,
    pub(super) create_lead: String,
    pub(super) create_button: String,
    pub(super) make_title: String,
    pub(super) make_lead: String,
    pub(super) make_button: String,
    pub(super) codes_title: String,
    pub(super) codes_lead: String,
    pub(super) codes_list: String,
    pub(super) codes_file: String,
    pub(super) codes_saved: String,
    pub(super) done_title: String,
    pub(super) done_lead: String,
    pub(super) link_gone_title: String,
    pub(super) link_gone_lead: String,
    pub(super) link_wrong_title: String,
    pub(super) link_wrong_lead: String,
    pub(super) other_browser_title: String,
    pub(super) other_browser_lead: String,
    pub(super) form_refused_title: String,
    pub(super) form_refused_lead: String,
    pub(super) no_way_title: String,
    pub(super) no_way_lead: String,
    pub(super) asleep_title: String,
    pub(super) asleep_lead: String,
    pub(super) unavailable_title: String,
    pub(super) unavailable_lead: String,
    pub(super) off_title: String,
    pub(super) off_lead: String,
    pub(super) not_found_title: String,
    pub(super) not_found_lead: String,
    pub(super) sent: String,
    pub(super) wrong_code: String,
    pub(super) code_gone: String,
    pub(super) tried_too_often: String,
    pub(super) passkey_refused: String,
    pub(super) too_many_messages: String,
    pub(super) asleep: String,
    pub(super) not_sent: String,
    pub(super) wrong_number: String,
    pub(super) wrong_address: String,
    pub(super) app_in_use: String,
    pub(super) not_offered: String,
    pub(super) try_again: String,
    pub(super) seconds: String,
    pub(super) minute: String,
    pub(super) minutes: String,
    pub(super) hour: String,
    pub(super) hours: String,
}

/// Our own. The first one is complete by definition: others are held to its keys.
const OURS: [(&str, &str); 3] = [
    ("en", include_str!("texts/en.toml")),
    ("de", include_str!("texts/de.toml")),
    ("ja", include_str!("texts/ja.toml")),
];
/// A file is read once, at the start; ours have 9 KiB.
const FILE_BYTES_MAX: usize = 65_536;

impl Texts {
    /// All languages that there are: ours, with the operator's words in place of those that their files give, and theirs, with
    /// English where they say nothing. In the order of ours, then by tag.
    ///
    /// # Errors
    ///
    /// A file does not read, has a key that there is not, or fills in something else than our text does; says which.
    pub(super) fn all(own: &BTreeMap<LanguageTag, PathBuf>) -> Result<Vec<(LanguageTag, Self)>, String> {
        let mut tables = BTreeMap::new();
        for (tag, text) in OURS {
            tables.insert(LanguageTag::try_from(tag.to_owned())?, parsed(text)?);
        }
        let english = parsed(OURS[0].1)?;
        for (tag, path) in own {
            let said = |problem: String| format!("pages.texts.{tag}: {}: {problem}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| said(error.to_string()))?;
            if text.len() > FILE_BYTES_MAX {
                return Err(said(format!("must have at most {FILE_BYTES_MAX} bytes")));
            }
            let table = tables.entry(tag.clone()).or_insert_with(|| english.clone());
            overlay(table, parsed(&text).map_err(said)?, &english).map_err(said)?;
        }
        let read = |(tag, table): (LanguageTag, Table)| {
            table.try_into().map(|texts| (tag, texts)).map_err(|error| format!("texts of pages: {error}"))
        };
        let mut all: Vec<(LanguageTag, Self)> = tables.into_iter().map(read).collect::<Result<_, _>>()?;
        all.sort_by_key(|(tag, _)| OURS.iter().position(|(ours, _)| *ours == tag.as_str()).unwrap_or(OURS.len()));
        Ok(all)
    }

    /// How long it takes until then, rounded up, in words.
    pub(super) fn wait(&self, seconds: u32) -> String {
        let (text, n) = match seconds {
            0..=59 => (&self.seconds, seconds.max(1)),
            60 => (&self.minute, 1),
            61..=3_540 => (&self.minutes, seconds.div_ceil(60)),
            3_541..=3_600 => (&self.hour, 1),
            _ => (&self.hours, seconds.div_ceil(3_600)),
        };
        text.replace("{{n}}", &n.to_string())
    }
}

fn parsed(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: toml::de::Error| error.to_string())
}

/// Puts what the operator says over what is there.
fn overlay(table: &mut Table, own: Table, english: &Table) -> Result<(), String> {
    for (key, value) in own {
        let ours = english.get(&key).and_then(Value::as_str);
        let ours = ours.ok_or_else(|| format!("there is no text {key:?}"))?;
        let said = value.as_str().filter(|said| !said.trim().is_empty());
        let said = said.ok_or_else(|| format!("{key} must be a text that says something"))?;
        if names(said) != names(ours) {
            return Err(format!("{key} must hold what is filled in: {ours:?}"));
        }
        table.insert(key, value);
    }
    Ok(())
}

/// What is filled in, sorted.
fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = pieces(text).filter_map(|(_, name)| name).collect();
    names.sort_unstable();
    names
}

/// The text, each piece with the name of what stands behind it.
fn pieces(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let filled = text.split_once("{{").and_then(|(before, behind)| Some((before, behind.split_once("}}")?)));
        let Some((before, (name, behind))) = filled else {
            rest = None;
            return Some((text, None));
        };
        rest = Some(behind);
        Some((before, Some(name)))
    })
}

/// A text with its one gap filled: by a name or an address of somebody, which may be written in the other direction than the text.
#[derive(Debug)]
pub(super) struct Filled<'a>(pub(super) &'a str, pub(super) &'a str);

impl Render for Filled<'_> {
    fn render(&self) -> Markup {
        html! {
            @for (piece, name) in pieces(self.0) {
                (piece)
                @if name.is_some() { bdi { (self.1) } }
            }
        }
    }
}

#[cfg(test)]
mod tests;
