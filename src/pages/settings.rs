//! The tunables of pages.

use super::color::Color;
use super::language::LanguageTag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The tunables of pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whose pages they are.
    pub name: Name,
    /// A picture in place of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_file: Option<PathBuf>,
    /// Of buttons and links.
    pub accent_color: Color,
    /// Where people get help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_url: Option<HelpUrl>,
    /// How people get help, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_text: Option<HelpText>,
    /// The language of browsers that want none that there is.
    pub locale: LanguageTag,
    /// Files with the operator's own words, by language.
    pub texts: BTreeMap<LanguageTag, PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: Name("askance".to_owned()),
            logo_file: None,
            accent_color: Color::DEFAULT,
            help_url: None,
            help_text: None,
            locale: LanguageTag::english(),
            texts: BTreeMap::new(),
        }
    }
}

/// What the site calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// An address that a link may lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HelpUrl(String);

/// A sentence or two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HelpText(String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HelpUrl {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HelpText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        said(&text, 64).then_some(Self(text)).ok_or_else(|| "must have 1 to 64 characters, in one line".to_owned())
    }
}

impl TryFrom<String> for HelpUrl {
    type Error = String;

    /// Refuses schemes by which a link does something else than lead somewhere.
    fn try_from(text: String) -> Result<Self, String> {
        let leads =
            ["https://", "mailto:", "tel:"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        let is_plain = text.len() <= 2_048 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let url = (leads && is_plain).then_some(Self(text));
        url.ok_or_else(|| "must be an address that begins with https://, mailto: or tel:".to_owned())
    }
}

impl TryFrom<String> for HelpText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        said(&text, 512).then_some(Self(text)).ok_or_else(|| "must have 1 to 512 characters, in one line".to_owned())
    }
}

fn said(text: &str, characters_max: usize) -> bool {
    let is_line = !text.chars().any(char::is_control);
    is_line && !text.trim().is_empty() && text.chars().count() <= characters_max
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl From<HelpUrl> for String {
    fn from(url: HelpUrl) -> Self {
        url.0
    }
}

impl From<HelpText> for String {
    fn from(text: HelpText) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_refused_by_key() {
        for (text, said) in [
            ("name = ''", Some("1 to 64")),
            ("name = \"a\\nb\"", Some("1 to 64")),
            ("name = 'Müller & Söhne'", None),
            ("accent_color = 'blue'", Some("no colour")),
            ("accent_color = '#c0ffee'", None),
            ("help_url = 'javascript:alert(1)'", Some("https://")),
            ("help_url = 'http://help.example.org'", Some("https://")),
            ("help_url = 'https://'", Some("https://")),
            ("help_url = 'https://a b'", Some("https://")),
            ("help_url = 'mailto:help@example.org'", None),
            ("help_url = 'tel:+441632960961'", None),
            ("help_text = ' '", Some("1 to 512")),
            ("help_text = 'Ask at desk 4.'", None),
            ("locale = 'german!'", Some("no language tag")),
            ("texts.fr = 'fr.toml'", None),
            ("texts = { 'f' = 'fr.toml' }", Some("no language tag")),
            ("logo = 'x'", Some("unknown field")),
        ] {
            let parsed = toml::from_str::<Settings>(text);
            match said {
                None => assert!(parsed.is_ok(), "{text}: {parsed:?}"),
                Some(said) => {
                    assert!(parsed.as_ref().is_err_and(|error| error.to_string().contains(said)), "{text}: {parsed:?}")
                }
            }
        }
    }
}
