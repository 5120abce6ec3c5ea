//! What messages say, by kind, usage and language.
//!
//! The language of the recipient counts first, then how exactly the usage is met: somebody who reads German is better served by a general
//! German text than by a precise one in English.

mod defaults;

use super::Message;
use crate::mfa::recipient::Channel;
use serde::{Deserialize, Serialize};

/// What a code is sent for. **Source:** mfa.md; Logto's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usage {
    /// To prove a factor.
    MfaVerification,
    /// To bind one.
    #[serde(alias = "BindMFA")]
    BindMfa,
    /// Anything, where there is no better text.
    Generic,
}

impl Usage {
    /// Every usage.
    pub const ALL: [Self; 3] = [Self::MfaVerification, Self::BindMfa, Self::Generic];

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MfaVerification => "MfaVerification",
            Self::BindMfa => "BindMfa",
            Self::Generic => "Generic",
        }
    }
}

/// A language, such as "de" or "pt-br": in lower case, parts apart by `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Locale(String);

impl Default for Locale {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

impl Locale {
    /// `None` where it is no language.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim().replace('_', "-").to_ascii_lowercase();
        let is_part =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_language = text.len() <= 35 && text.split('-').all(is_part);
        is_language.then_some(Self(text))
    }

    /// This one, and what it is part of: "zh-hant-tw", "zh-hant", "zh".
    fn widening(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.0.as_str()), |text| text.rsplit_once('-').map(|(wider, _)| wider))
    }
}

impl TryFrom<String> for Locale {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text).ok_or_else(|| format!("{text:?} is no language, such as \"en\" or \"pt-BR\""))
    }
}

/// A text of the operator's, in place of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct TemplateSettings {
    kind: Channel,
    usage: Usage,
    locale: Locale,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Text>,
    text: Text,
}

/// The keys as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    kind: Channel,
    usage: Usage,
    locale: Locale,
    subject: Option<Text>,
    text: Text,
}

impl TryFrom<Unchecked> for TemplateSettings {
    type Error = &'static str;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { kind, usage, locale, subject, text } = unchecked;
        match (kind, &subject) {
            (Channel::Email, None) => return Err("a mail needs subject"),
            (Channel::Sms, Some(_)) => return Err("subject is for mail only"),
            (Channel::Email, Some(subject)) if subject.0.chars().any(char::is_control) => {
                return Err("subject must be one line");
            }
            (Channel::Email, Some(_)) | (Channel::Sms, None) => {}
        }
        if !text.0.contains(CODE) {
            return Err("text must hold {{code}}");
        }
        Ok(Self { kind, usage, locale, subject, text })
    }
}

/// A text with places for what differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Text(String);

const CODE: &str = "{{code}}";
const MINUTES: &str = "{{minutes}}";
const TEXT_BYTES_MAX: usize = 1_000;

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.replace(CODE, "").replace(MINUTES, "");
        if rest.contains("{{") || rest.contains("}}") {
            return Err("has a place that nothing stands for: {{code}} and {{minutes}} are known".to_owned());
        }
        if text.is_empty()
            || text.len() > TEXT_BYTES_MAX
            || text.chars().any(|letter| letter.is_control() && letter != '\n')
        {
            return Err(format!("must have 1 to {TEXT_BYTES_MAX} bytes, and no control characters but line ends"));
        }
        Ok(Self(text))
    }
}

impl Text {
    fn written(&self, message: &Message<'_>) -> String {
        self.0.replace(CODE, message.code.as_str()).replace(MINUTES, &message.minutes.to_string())
    }
}

/// A message as it is sent.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Written {
    pub(super) subject: String,
    pub(super) text: String,
}

/// Every text that there is: the operator's, then ours.
#[derive(Debug)]
pub(super) struct Templates {
    all: Vec<TemplateSettings>,
    locale: Locale,
}

impl Templates {
    pub(super) fn new(own: &[TemplateSettings], locale: &Locale) -> Self {
        Self { all: own.iter().cloned().chain(defaults::all()).collect(), locale: locale.clone() }
    }

    /// Every usage must have a text for whoever's language is not known, or not among ours.
    pub(super) fn refuse_missing(&self, kind: Channel) -> Result<(), String> {
        for usage in Usage::ALL {
            if self.find(kind, usage, None).is_none() {
                let (kind, usage, locale) = (kind.as_str(), usage.as_str(), &self.locale.0);
                return Err(format!(
                    "mfa.templates: there is none of kind `{kind}` and usage `{usage}` (or `Generic`) in `{locale}`, which is mfa.locale"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, message: &Message<'_>) -> Written {
        let locale = message.locale.and_then(Locale::new);
        let found = self.find(message.to.channel(), message.usage, locale.as_ref());
        // Where a text is needed, there is one: the start has seen to it.
        found.map_or_else(Written::default, |template| Written {
            subject: template.subject.as_ref().map(|subject| subject.written(message)).unwrap_or_default(),
            text: template.text.written(message),
        })
    }

    fn find(&self, kind: Channel, usage: Usage, locale: Option<&Locale>) -> Option<&TemplateSettings> {
        let exact = |usage: Usage, locale: &str| {
            self.all.iter().find(|text| text.kind == kind && text.usage == usage && text.locale.0 == locale)
        };
        let locales = locale.into_iter().chain([&self.locale]).flat_map(Locale::widening);
        locales
            .flat_map(|locale| [(usage, locale), (Usage::Generic, locale)])
            .find_map(|(usage, locale)| exact(usage, locale))
    }
}

#[cfg(test)]
mod tests;
