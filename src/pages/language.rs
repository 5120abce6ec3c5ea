//! Which language a browser wants, of those that there are.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A language as BCP 47 writes it, in small letters: `de`, `pt-br`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageTag(String);

impl LanguageTag {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// English.
    pub(super) fn english() -> Self {
        Self("en".to_owned())
    }

    /// Whether it is written from right to left. **Source:** the scripts that CLDR 46 gives as the likely ones of these languages.
    pub(super) fn is_right_to_left(&self) -> bool {
        let language = self.0.split('-').next().unwrap_or_default();
        ["ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"].contains(&language)
    }
}

impl TryFrom<String> for LanguageTag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_part =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let starts_well = text.split('-').next().is_some_and(|first| (2..=3).contains(&first.len()));
        if text.len() <= TAG_BYTES_MAX && starts_well && text.split('-').all(is_part) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!("{text:?} is no language tag such as \"de\" or \"pt-BR\""))
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.0
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// **Source:** BCP 47, section 4.4.1: the length that anybody should be ready for.
const TAG_BYTES_MAX: usize = 35;
/// Browsers send some ten; whoever sends more is no browser, and is not listened to for longer.
const RANGES_MAX: usize = 16;
/// Of the header, for the same reason.
const HEADER_BYTES_MAX: usize = 512;

/// Which of these `accept_language` asks for first, by its place. `None` where it asks for none of them.
///
/// **Source:** RFC 9110, section 12.5.4, and the lookup of RFC 4647, section 3.4; behind it, a language without a region takes that of any.
pub(super) fn wanted(accept_language: &str, tags: &[&LanguageTag]) -> Option<usize> {
    let header = accept_language.get(..HEADER_BYTES_MAX).unwrap_or(accept_language);
    if header.len() > HEADER_BYTES_MAX {
        return None;
    }
    let ranges = header.split(',').take(RANGES_MAX).filter_map(weighed);
    let mut ranges: Vec<(&str, u16)> = ranges.filter(|(_, weight)| *weight > 0).collect();
    // Of equals, the first one: the sort is stable.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    ranges.iter().find_map(|(range, _)| found(range, tags))
}

fn found(range: &str, tags: &[&LanguageTag]) -> Option<usize> {
    let mut shorter = Some(range);
    while let Some(prefix) = shorter {
        if let Some(at) = tags.iter().position(|tag| tag.0.eq_ignore_ascii_case(prefix)) {
            return Some(at);
        }
        shorter = prefix.rsplit_once('-').map(|(before, _)| before);
    }
    let is_of_it =
        |tag: &&LanguageTag| tag.0.split_once('-').is_some_and(|(first, _)| first.eq_ignore_ascii_case(range));
    tags.iter().position(is_of_it)
}

/// A range and its weight in thousandths; `*` wants nothing in particular.
fn weighed(element: &str) -> Option<(&str, u16)> {
    let (range, parameters) = element.split_once(';').map_or((element, None), |(range, rest)| (range, Some(rest)));
    let weight = match parameters.map(str::trim) {
        None => 1000,
        Some(parameter) => {
            thousandths(parameter.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim_start())?
        }
    };
    Some((range.trim(), weight)).filter(|(range, _)| !range.is_empty() && *range != "*")
}

/// `1`, `0.5`, `0.123`; nothing else is a weight.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    match (whole, rest) {
        ("0", _) => Some(rest),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> LanguageTag {
        LanguageTag::try_from(text.to_owned()).expect("a tag")
    }

    #[test]
    fn the_language_is_the_one_that_the_browser_wants_most() {
        let tags = ["en", "de", "ja", "pt-br", "zh-hant-tw"].map(tag);
        let known: Vec<&LanguageTag> = tags.iter().collect();
        let long = format!("{},de", "fr,".repeat(RANGES_MAX));
        for (header, expected) in [
            ("de", Some("de")),
            ("de-AT, en;q=0.5", Some("de")),
            ("fr, ja;q=0.4, de;q=0.5", Some("de")),
            ("fr;q=1.0,ja;Q=0.999 , en ; q=0.1", Some("ja")),
            ("JA", Some("ja")),
            ("ja, de", Some("ja")),
            ("en;q=0, de;q=0.001", Some("de")),
            ("pt", Some("pt-br")),
            ("pt-PT", None),
            ("pt-BR", Some("pt-br")),
            ("zh-Hant-TW-x-own", Some("zh-hant-tw")),
            ("zh", Some("zh-hant-tw")),
            ("*", None),
            ("fr", None),
            ("", None),
            (",,;q=1,;", None),
            ("de;q=2", None),
            ("de;q=1.001", None),
            ("de;q=0.1234", None),
            ("de;q=-1", None),
            ("de;level=1", None),
            ("de;q=", None),
            ("\u{e9},de", Some("de")),
            (&long, None),
            (&" ".repeat(HEADER_BYTES_MAX + 1), None),
        ] {
            let found = wanted(header, &known).map(|at| tags[at].as_str());
            assert_eq!(found, expected, "{header:.40}");
        }
    }

    #[test]
    fn tags_are_those_of_bcp_47() {
        for (text, is_tag) in [
            ("de", true),
            ("pt-BR", true),
            ("zh-Hant-TW", true),
            ("", false),
            ("d", false),
            ("deutsch", false),
            ("de-", false),
            ("de_AT", false),
            ("../de", false),
            ("de-abcdefghi", false),
            (&format!("de{}", "-x".repeat(17)), false),
        ] {
            assert_eq!(LanguageTag::try_from(text.to_owned()).is_ok(), is_tag, "{text}");
        }
    }
}
