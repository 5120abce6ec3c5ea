//! What a user is shown: a text with places for parameters, filled once, so that a parameter is never taken for a place.

use super::plain::{is_plain, is_right_to_left};
use super::{ActionError, Param, canonical};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A text with `{{param}}` for each parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Param(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// Empty, too long, or with characters that cannot be seen.
    NotPlain,
    /// Braces that do not fit.
    Braces,
    /// A name that is none.
    Param(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPlain => {
                write!(
                    f,
                    "must have 1 to {TEXT_BYTES_MAX} bytes in one line, without invisible characters or odd blanks"
                )
            }
            Self::Braces => f.write_str("braces that do not fit: a parameter is {{name}}"),
            Self::Param(name) => write!(f, "{name:?} is no name of a parameter: 1 to 32 small letters, digits and '_'"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// What fits on one line of a phone's prompt, some times over.
const TEXT_BYTES_MAX: usize = 512;
/// Isolates: what stands between them is laid out by itself. **Source:** UAX #9, section 2.7.
const ISOLATE: [char; 2] = ['\u{2068}', '\u{2069}'];

impl Template {
    /// A text without parameters.
    pub(super) fn fixed(text: &str) -> Self {
        Self { text: text.to_owned(), parts: vec![Part::Text(text.to_owned())] }
    }

    /// The names of its parameters.
    pub(super) fn params(&self) -> BTreeSet<&str> {
        self.parts.iter().filter_map(|part| if let Part::Param(name) = part { Some(&**name) } else { None }).collect()
    }

    /// The text with these parameters, all of them and no others.
    pub(super) fn fill(&self, params: &BTreeMap<String, Param>) -> Result<String, ActionError> {
        let known = self.params();
        if let Some(unknown) = params.keys().find(|name| !known.contains(&***name)) {
            return Err(ActionError::UnknownParam(unknown.clone()));
        }
        let filled = self.parts.iter().map(|part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Param(name) => params.get(name).map(shown).ok_or_else(|| ActionError::MissingParam(name.clone())),
        });
        filled.collect()
    }
}

fn shown(param: &Param) -> String {
    match param {
        Param::Text(text) if is_right_to_left(text) => format!("{}{text}{}", ISOLATE[0], ISOLATE[1]),
        Param::Text(text) => text.clone(),
        Param::Number(number) => canonical::number(*number),
        Param::Flag(flag) => flag.to_string(),
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        if !(1..=TEXT_BYTES_MAX).contains(&text.len()) || !is_plain(&text) {
            return Err(TemplateError::NotPlain);
        }
        let (mut parts, mut rest) = (Vec::new(), &*text);
        while let Some((before, behind)) = rest.split_once("{{") {
            let (name, behind) = behind.split_once("}}").ok_or(TemplateError::Braces)?;
            let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !(1..=32).contains(&name.len()) || !name.bytes().all(is_name) {
                return Err(TemplateError::Param(name.to_owned()));
            }
            parts.push(plain_part(before)?);
            parts.push(Part::Param(name.to_owned()));
            rest = behind;
        }
        parts.push(plain_part(rest)?);
        Ok(Self { parts, text })
    }
}

fn plain_part(text: &str) -> Result<Part, TemplateError> {
    if text.contains(['{', '}']) { Err(TemplateError::Braces) } else { Ok(Part::Text(text.to_owned())) }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}
