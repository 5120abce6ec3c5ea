//! The tunables of tokens that name a user.

use crate::outbound::{Networks, Target};
use crate::server::hooks::UserHeader;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The tunables of tokens that name a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// The issuer's public keys (RFC 7517), in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The same, where the issuer hands them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<Target>,
    /// Networks that are not public, in which that may be.
    #[serde(default)]
    pub allow: Networks,
    /// Who issues them: `iss`.
    pub issuer: String,
    /// For whom they are: one of `aud`.
    pub audience: String,
    /// How they may be signed.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// The cookie that holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// The header that holds one, behind `Bearer` or by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<UserHeader>,
    /// The claim that names the user.
    #[serde(default = "usual_claim")]
    pub user_claim: String,
    /// The claim that holds their address.
    #[serde(default = "usual_email_claim")]
    pub email_claim: String,
}

/// How a token is signed; never with a secret that whoever verifies would know (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of the standard")]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

fn usual_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::Rs256, Algorithm::Es256]
}

fn usual_claim() -> String {
    "sub".to_owned()
}

fn usual_email_claim() -> String {
    "email".to_owned()
}

impl JwtSettings {
    /// Every token is in one place, and so are keys.
    ///
    /// # Errors
    ///
    /// Says what is missing, or too much.
    pub(in crate::server::hooks) fn refuse_two_places(&self) -> Result<(), String> {
        if self.cookie.is_some() == self.header.is_some() {
            return Err("hooks.jwt needs one of cookie and header".to_owned());
        }
        if self.jwks_file.is_some() == self.jwks_url.is_some() {
            return Err("hooks.jwt needs one of jwks_file and jwks_url".to_owned());
        }
        if self.algorithms.is_empty() {
            return Err("hooks.jwt.algorithms: with none, no token is ever good".to_owned());
        }
        Ok(())
    }
}
