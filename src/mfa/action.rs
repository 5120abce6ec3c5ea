//! Actions: what a step-up is for, and what a proof of it is tied to.
//!
//! The text that a user sees and the digest that an assertion carries are made of the same name and parameters, and by askance, so
//! that what is shown is what is proved (dynamic linking). Each parameter stands in the text, and nothing of one can change
//! what stands around it: control and invisible characters are refused, and letters from right to left are isolated.

mod canonical;
mod plain;
mod template;

pub use template::{Template, TemplateError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plain::is_plain;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    name: String,
    /// By name, no two of the same.
    params: BTreeMap<String, Param>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// A text.
    Text(String),
    /// A finite number; whole ones are exact.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

/// An action that may be proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSettings {
    /// Its name in calls.
    pub name: Name,
    /// What the user is shown, with `{{param}}` for each parameter.
    pub text: Template,
    /// The same in other languages, by language tag.
    #[serde(default)]
    pub locales: BTreeMap<Locale, Template>,
}

/// The actions that may be proved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ActionSettings>", into = "Vec<ActionSettings>")]
pub struct Actions(Vec<ActionSettings>);

/// The name of an action: small letters, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A language tag, such as `de` or `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locale(String);

/// Why an action is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionError {
    /// No action of the configuration has that name.
    Unknown,
    /// The text has no place for a parameter.
    UnknownParam(String),
    /// The text has a place for a parameter that is not there.
    MissingParam(String),
    /// There are two of the same name.
    TwiceParam(String),
    /// A text is longer than 256 bytes, or holds what a user could not see, or would see elsewhere.
    NotPlain(String),
    /// It is neither a text, nor a finite number (a whole one up to 2^53), nor yes or no.
    NoParam(String),
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no action of step_up.actions has this name"),
            Self::UnknownParam(name) => {
                write!(f, "the text of the action has no {{{{{name}}}}}: whatever is proved is shown")
            }
            Self::MissingParam(name) => write!(f, "the text of the action needs the parameter {name}"),
            Self::TwiceParam(name) => write!(f, "there are two parameters {name}"),
            Self::NotPlain(name) => write!(
                f,
                "the parameter {name} must have 1 to {TEXT_BYTES_MAX} bytes, without control, invisible or direction characters, \
                 and without blanks at its ends or side by side"
            ),
            Self::NoParam(name) => {
                write!(f, "the parameter {name} must be a text, a number (a whole one up to 2^53 - 1), true or false")
            }
        }
    }
}

impl std::error::Error for ActionError {}

/// The action of managing factors, which needs no configuration. **Source:** mfa.md, management calls.
pub const MANAGE_FACTORS: &str = "askance.factors";
const MANAGE_FACTORS_TEXT: &str = "Change how you prove that it is you";

/// The longest text of one parameter: payees and purposes are shorter (SEPA: 70 and 140 characters).
const TEXT_BYTES_MAX: usize = 256;
/// No whole number up to here shares its double with another one. **Source:** RFC 7493, section 2.2.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
const ACTIONS_MAX: usize = 256;

impl Action {
    /// An action with its parameters.
    ///
    /// # Errors
    ///
    /// Two have one name, or a text could not be shown as it is.
    pub fn new(name: &str, params: impl IntoIterator<Item = (String, Param)>) -> Result<Self, ActionError> {
        let mut by_name = BTreeMap::new();
        for (name, param) in params {
            if let Param::Text(text) = &param
                && !(1..=TEXT_BYTES_MAX).contains(&text.len())
            {
                return Err(ActionError::NotPlain(name));
            }
            if matches!(&param, Param::Text(text) if !is_plain(text)) {
                return Err(ActionError::NotPlain(name));
            }
            if by_name.contains_key(&name) {
                return Err(ActionError::TwiceParam(name));
            }
            by_name.insert(name, param);
        }
        Ok(Self { name: name.to_owned(), params: by_name })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What ties a proof to it: SHA-256 of the canonical form (RFC 8785) of `{name, params}`, in base64url.
    #[must_use]
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical::object_of(&self.name, &self.params)))
    }
}

impl Param {
    /// The number that `json` is.
    ///
    /// Not as the JSON parser has it, which may be off by one in the last digit.
    #[must_use]
    pub fn number(json: &str) -> Option<Self> {
        let number: f64 = json.parse().ok().filter(|number: &f64| number.is_finite())?;
        let is_whole = json.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        (!is_whole || number.abs() <= EXACT_MAX).then_some(Self::Number(number))
    }
}

impl Actions {
    /// What the user is to be shown, in the language that comes closest to `locale`.
    ///
    /// # Errors
    ///
    /// Such an action does not exist, or has other parameters.
    pub fn text(&self, action: &Action, locale: Option<&str>) -> Result<String, ActionError> {
        match self.0.iter().find(|known| known.name.0 == action.name) {
            Some(known) => known.template(locale).fill(&action.params),
            None if action.name == MANAGE_FACTORS => Template::fixed(MANAGE_FACTORS_TEXT).fill(&action.params),
            None => Err(ActionError::Unknown),
        }
    }
}

impl ActionSettings {
    /// The whole tag first, then the language alone, then what there is.
    fn template(&self, locale: Option<&str>) -> &Template {
        let by_tag =
            |tag: &str| self.locales.iter().find(|(known, _)| known.0.eq_ignore_ascii_case(tag)).map(|(_, text)| text);
        let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_owned();
        locale.and_then(|tag| by_tag(tag).or_else(|| by_tag(&language(tag)))).unwrap_or(&self.text)
    }
}

impl TryFrom<Vec<ActionSettings>> for Actions {
    type Error = String;

    fn try_from(actions: Vec<ActionSettings>) -> Result<Self, String> {
        if actions.len() > ACTIONS_MAX {
            return Err(format!("more than {ACTIONS_MAX} actions"));
        }
        for (at, action) in actions.iter().enumerate() {
            let name = &action.name.0;
            if actions[..at].iter().any(|other| other.name == action.name) {
                return Err(format!("the action {name:?} stands twice"));
            }
            if name == MANAGE_FACTORS && !action.text.params().is_empty() {
                return Err(format!("the action {name:?} has no parameters"));
            }
            for (locale, text) in &action.locales {
                if text.params() != action.text.params() {
                    return Err(format!(
                        "the action {name:?} has other parameters in {:?}: all languages show the same",
                        locale.0
                    ));
                }
            }
        }
        Ok(Self(actions))
    }
}

impl From<Actions> for Vec<ActionSettings> {
    fn from(actions: Actions) -> Self {
        actions.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
        if !(1..=64).contains(&text.len()) || !text.bytes().all(is_letter) {
            return Err(format!(
                "{text:?} is no name such as \"transfer\": 1 to 64 small letters, digits, '_', '-' and '.'"
            ));
        }
        if text.starts_with("askance.") && text != MANAGE_FACTORS {
            return Err(format!(
                "{text:?}: names that begin with \"askance.\" are ours, of which there is {MANAGE_FACTORS:?}"
            ));
        }
        Ok(Self(text))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl TryFrom<String> for Locale {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_part =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if text.split('-').all(is_part) {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no language tag such as \"pt-BR\""))
        }
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.0
    }
}

#[cfg(test)]
mod tests;
