//! The tunables of asking.

use super::budgets::{EmailSettings, SmsSettings};
use super::codes::{self, CodeTtl};
use super::message::{Connectors, Locale, TemplateSettings};
use super::recipient::Channel;
use super::{assertion, pools, webauthn};
use crate::event::{Factor, FactorSet};
use crate::privacy::KeyFiles;
use serde::{Deserialize, Serialize};

/// The tunables of asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether askance asks by itself.
    pub enabled: bool,
    /// The factors that are on.
    pub factors: Factors,
    /// Who is prompted to bind a factor, and whether that can be put off.
    pub policy: PromptPolicy,
    /// Files with the secret from which all keys of it follow: the one in use, and behind it the one that it replaces.
    pub key_files: KeyFiles,
    /// How authenticator apps call the place where the codes are good.
    pub issuer: Issuer,
    /// Seconds for which a code that was sent is good.
    pub code_ttl_s: CodeTtl,
    /// How codes that are sent are guarded.
    pub codes: codes::Settings,
    /// How many wrong answers put a factor to sleep.
    pub failures: pools::Settings,
    /// Passkeys.
    pub webauthn: webauthn::Settings,
    /// Assertions.
    pub assertion: assertion::Settings,
    /// Codes that the caller takes as a first factor.
    pub sign_in_methods: Vec<CodeFactor>,
    /// What is bound by itself where the caller verified it.
    pub bind_verified: Vec<CodeFactor>,
    /// Codes with which the caller lets people recover their password.
    pub recovery_methods: Vec<CodeFactor>,
    /// The language of messages to whoever's own is not known, or has no text.
    pub locale: Locale,
    /// Text messages.
    pub sms: SmsSettings,
    /// Mail.
    pub email: EmailSettings,
    /// Who carries messages, in the order in which they are tried.
    pub connectors: Connectors,
    /// What messages say, in place of our own texts.
    pub templates: Vec<TemplateSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            factors: Factors(vec![Factor::Totp, Factor::BackupCode]),
            policy: PromptPolicy::PromptAtSignInAndSignUp,
            key_files: KeyFiles::default(),
            issuer: Issuer("askance".to_owned()),
            code_ttl_s: CodeTtl::of::<600>(),
            codes: codes::Settings::default(),
            failures: pools::Settings::default(),
            webauthn: webauthn::Settings::default(),
            assertion: assertion::Settings::default(),
            sign_in_methods: Vec::new(),
            bind_verified: vec![CodeFactor::Sms, CodeFactor::Email],
            recovery_methods: Vec::new(),
            locale: Locale::default(),
            sms: SmsSettings::default(),
            email: EmailSettings::default(),
            connectors: Connectors::default(),
            templates: Vec::new(),
        }
    }
}

impl Settings {
    /// Settings that contradict each other are refused.
    ///
    /// # Errors
    ///
    /// Names the setting.
    pub fn refuse_contradictions(&self) -> Result<(), String> {
        if self.enabled && self.factors.0.is_empty() {
            return Err("mfa.factors: with mfa.enabled there must be a factor to ask for".to_owned());
        }
        if self.enabled && self.factors.set().has(Factor::Webauthn) {
            self.webauthn.parties()?;
        }
        for method in self.sign_in_methods.iter().map(|method| method.factor()) {
            if self.factors.set().has(method) {
                let word = method.as_str();
                return Err(format!(
                    "mfa.factors: `{word}` stands in mfa.sign_in_methods, too: a code to the same place is no second factor"
                ));
            }
        }
        Ok(())
    }

    /// What an operator should know of them.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let factors = self.factors.set();
        let both = factors.has(Factor::Sms) && self.recovery_methods.contains(&CodeFactor::Sms);
        let same_sim = "mfa.recovery_methods: whoever holds the SIM recovers the password and is sent the code: `sms` in \
                        mfa.factors is then no second factor";
        let no_sms = self.enabled && factors.has(Factor::Sms) && !self.connectors.carry(Channel::Sms);
        let no_email = self.enabled && factors.has(Factor::Email) && !self.connectors.carry(Channel::Email);
        let warnings = [
            (both, same_sim),
            (no_sms, "mfa.connectors: none carries `sms`, which is in mfa.factors: nobody can be sent a code"),
            (no_email, "mfa.connectors: none carries `email`, which is in mfa.factors: nobody can be sent a code"),
            (self.connectors.log_codes(), "mfa.connectors: codes are written to this log: whoever reads it passes"),
        ];
        warnings.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning).collect()
    }
}

/// Who is prompted to bind a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptPolicy {
    /// Whoever has none, and it cannot be put off.
    Mandatory,
    /// Whoever has none, unless they put it off.
    PromptAtSignInAndSignUp,
    /// The same, but for new accounts.
    PromptAtSignIn,
    /// Nobody.
    NoPrompt,
}

/// The factors that are on: none twice, and backup codes never alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Factor>")]
pub struct Factors(Vec<Factor>);

impl Factors {
    /// As a set.
    #[must_use]
    pub fn set(&self) -> FactorSet {
        self.0.iter().copied().collect()
    }
}

impl TryFrom<Vec<Factor>> for Factors {
    type Error = String;

    fn try_from(factors: Vec<Factor>) -> Result<Self, String> {
        for (at, factor) in factors.iter().enumerate() {
            if factors[..at].contains(factor) {
                return Err(format!("`{}` stands twice", factor.as_str()));
            }
        }
        if factors == [Factor::BackupCode] {
            return Err("`backup_code` cannot be alone: backup codes go with another factor".to_owned());
        }
        Ok(Self(factors))
    }
}

/// A factor that is a code to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeFactor {
    /// To a phone.
    Sms,
    /// To a mailbox.
    Email,
}

impl CodeFactor {
    /// Which factor it is.
    #[must_use]
    pub fn factor(self) -> Factor {
        match self {
            Self::Sms => Factor::Sms,
            Self::Email => Factor::Email,
        }
    }
}

/// How authenticator apps call the place: 1 to 64 characters, and no colon, which stands between it and the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Issuer(String);

impl Issuer {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Issuer {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_good = (1..=64).contains(&text.chars().count()) && !text.chars().any(|c| c == ':' || c.is_control());
        if is_good { Ok(Self(text)) } else { Err("must have 1 to 64 characters, and no colon among them") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        settings.refuse_contradictions().map(|()| settings)
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (text, refused) in [
            ("", None),
            ("enabled = true", None),
            ("factors = []", None),
            ("enabled = true\nfactors = []", Some("there must be a factor to ask for")),
            ("factors = ['backup_code']", Some("`backup_code` cannot be alone")),
            ("factors = ['totp', 'sms', 'totp']", Some("`totp` stands twice")),
            ("factors = ['sms']\nsign_in_methods = ['sms']", Some("`sms` stands in mfa.sign_in_methods, too")),
            ("factors = ['totp', 'email']\nsign_in_methods = ['sms', 'email']", Some("`email` stands in")),
            ("factors = ['totp']\nsign_in_methods = ['sms', 'email']", None),
            ("sign_in_methods = ['totp']", Some("unknown variant `totp`")),
            ("issuer = 'a:b'", Some("1 to 64 characters")),
            ("key_files = ['a', 'b', 'c']", Some("2")),
        ] {
            match (read(text), refused) {
                (Ok(_), None) => {}
                (Err(why), Some(part)) if why.contains(part) => {}
                (other, _) => unreachable!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_makes_a_factor_none_is_warned_of() {
        for (text, warned) in [
            ("factors = ['sms']\nrecovery_methods = ['sms']", true),
            ("factors = ['sms']\nrecovery_methods = ['email']", false),
            ("factors = ['totp']\nrecovery_methods = ['sms']", false),
            ("enabled = true\nfactors = ['sms']", true),
            ("enabled = true\nfactors = ['email']", true),
            ("factors = ['sms']", false),
            ("[[connectors]]\nname = 'l'\nkind = 'sms'\ntype = 'log'\ndanger_log_codes = true", true),
        ] {
            assert_eq!(read(text).map(|settings| !settings.warnings().is_empty()), Ok(warned), "{text}");
        }
    }
}
