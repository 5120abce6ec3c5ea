//! How a client's certificate names it.

use serde::{Deserialize, Serialize};
use std::fmt;
use tokio_rustls::rustls::pki_types::DnsName;
use webpki::EndEntityCert;

/// A name among the subject alternative names of a certificate: a DNS name in lower case, or a URI as it is.
///
/// The subject itself is not looked at: its common name is free text, and no longer a name to anybody else either
/// (**Source:** RFC 9525, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CertName(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Dns(String),
    Uri(String),
}

impl CertName {
    /// Whether the certificate bears the name. Names are compared as a whole: a wildcard, which is for servers, names no
    /// client, or its holder were all of them.
    pub(super) fn is_on(&self, certificate: &EndEntityCert<'_>) -> bool {
        match &self.0 {
            Kind::Dns(name) => certificate.valid_dns_names().any(|borne| borne.eq_ignore_ascii_case(name)),
            Kind::Uri(uri) => certificate.valid_uri_names().any(|borne| borne == uri),
        }
    }
}

impl TryFrom<String> for CertName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_uri = text.split_once("://").is_some_and(|(scheme, rest)| {
            let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            !scheme.is_empty() && scheme.bytes().all(is_scheme) && !rest.is_empty()
        });
        if is_uri && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(Kind::Uri(text)));
        }
        match DnsName::try_from(text.as_str()) {
            Ok(_) => Ok(Self(Kind::Dns(text.to_ascii_lowercase()))),
            Err(_) => Err(format!("{text:?} is no name such as idp.internal or spiffe://example.org/idp")),
        }
    }
}

impl From<CertName> for String {
    fn from(name: CertName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Kind::Dns(name) | Kind::Uri(name)) = &self.0;
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_hosts_or_uris() {
        for (good, kept) in [
            ("idp", "idp"),
            ("IdP.Internal", "idp.internal"),
            ("spiffe://example.org/ns/a/sa/Idp", "spiffe://example.org/ns/a/sa/Idp"),
        ] {
            assert_eq!(CertName::try_from(good.to_owned()).map(String::from).as_deref(), Ok(kept));
        }
        for bad in ["", "*.internal", "two words", "CN=idp", "://x", "spiffe://", "spiffe://a b", "idp..internal"] {
            assert!(CertName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
