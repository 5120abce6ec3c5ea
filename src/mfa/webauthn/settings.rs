//! Where passkeys are good.

use serde::{Deserialize, Serialize};

/// The tunables of passkeys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The domain to which passkeys belong, for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rp_id: Option<RelyingPartyId>,
    /// What browsers call it.
    pub rp_name: String,
    /// The pages that may ask for one.
    pub origins: Vec<Origin>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rp_id: None, rp_name: "askance".to_owned(), origins: Vec::new() }
    }
}

impl Settings {
    /// The domain, and the pages that are of it.
    ///
    /// # Errors
    ///
    /// Names the setting that is missing, or contradicts the other one.
    pub fn parties(&self) -> Result<(&RelyingPartyId, &[Origin]), String> {
        let id = self.rp_id.as_ref().ok_or(
            "mfa.webauthn.rp_id is needed with `webauthn` in mfa.factors: the domain to which passkeys belong, such as \
             \"example.org\"",
        )?;
        if self.origins.is_empty() {
            return Err(
                "mfa.webauthn.origins is needed with `webauthn` in mfa.factors: the pages that may ask for a passkey, \
                        such as [\"https://login.example.org\"]"
                    .to_owned(),
            );
        }
        if self.rp_name.trim().is_empty() || self.rp_name.len() > 64 {
            return Err("mfa.webauthn.rp_name: must have 1 to 64 characters".to_owned());
        }
        for origin in &self.origins {
            let host = origin.host();
            let is_of_it = host == id.0 || host.strip_suffix(&*id.0).is_some_and(|before| before.ends_with('.'));
            if !is_of_it {
                return Err(format!(
                    "mfa.webauthn.origins: {:?} is not of the domain {:?} (mfa.webauthn.rp_id): no browser would ask there",
                    origin.0, id.0
                ));
            }
        }
        Ok((id, &self.origins))
    }
}

/// A domain: labels of small letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelyingPartyId(String);

impl RelyingPartyId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RelyingPartyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // An address is no domain; the last label of a domain is never all digits.
        let is_address = text.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if is_domain(&text) && !is_address {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no domain such as \"example.org\", in small letters, without scheme and port"))
        }
    }
}

impl From<RelyingPartyId> for String {
    fn from(id: RelyingPartyId) -> Self {
        id.0
    }
}

/// Scheme, host and port of pages, as browsers write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or("", |(_, authority)| authority);
        authority.split(':').next().unwrap_or_default()
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let origin = Self(text);
        let (scheme, authority) = origin.0.split_once("://").unwrap_or_default();
        let port = authority.split_once(':').map(|(_, port)| port);
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let host = origin.host();
        // Browsers call pages secure that came by HTTPS, or from the machine itself.
        let is_local = host == "localhost" || host.ends_with(".localhost");
        if is_domain(host) && is_port && (scheme == "https" || scheme == "http" && is_local) {
            return Ok(origin);
        }
        let text = origin.0;
        Err(format!(
            "{text:?} is no origin such as \"https://login.example.org\": scheme, domain, and port if it is another"
        ))
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

/// **Source:** RFC 1035, section 2.3.
fn is_domain(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_of_the_domain_or_refused() {
        for (text, refused) in [
            ("rp_id = 'example.org'\norigins = ['https://example.org', 'https://a.b.example.org:8443']", None),
            ("rp_id = 'localhost'\norigins = ['http://localhost:3000']", None),
            ("", Some("mfa.webauthn.rp_id is needed")),
            ("rp_id = 'example.org'", Some("mfa.webauthn.origins is needed")),
            ("rp_id = 'example.org'\norigins = ['https://example.com']", Some("not of the domain")),
            ("rp_id = 'example.org'\norigins = ['https://badexample.org']", Some("not of the domain")),
            ("rp_id = 'a.example.org'\norigins = ['https://example.org']", Some("not of the domain")),
            ("rp_id = 'example.org'\norigins = ['http://example.org']", Some("no origin")),
            ("rp_id = 'example.org'\norigins = ['https://example.org/']", Some("no origin")),
            ("rp_id = 'example.org'\norigins = ['https://user@example.org']", Some("no origin")),
            ("rp_id = 'example.org'\norigins = ['https://example.org:0']", Some("no origin")),
            ("rp_id = 'example.org'\norigins = ['example.org']", Some("no origin")),
            ("rp_id = 'Example.org'", Some("no domain")),
            ("rp_id = 'https://example.org'", Some("no domain")),
            ("rp_id = '127.0.0.1'", Some("no domain")),
            ("rp_id = '-a.org'", Some("no domain")),
            ("rp_id = 'example.org'\norigins = ['https://example.org']\nrp_name = ' '", Some("1 to 64")),
            ("rp = 'example.org'", Some("unknown field")),
        ] {
            let read = toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned());
            let why = read.and_then(|settings| settings.parties().map(|_| ())).err();
            match (&why, refused) {
                (None, None) => {}
                (Some(why), Some(part)) if why.contains(part) => {}
                _ => unreachable!("{text}: {why:?}"),
            }
        }
    }
}
