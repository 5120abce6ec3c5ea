//! The name of a rule.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// 1 to 64 letters, digits, `-` and `_`, since it is a label of metrics and part of a code. A clone shares it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName {
    /// With what stands before it in answers.
    code: Arc<str>,
}

const PREFIX: &str = "rule.";
const BYTES_MAX: usize = 64;

impl RuleName {
    /// A name.
    ///
    /// # Errors
    ///
    /// It has another length, or other characters.
    pub fn new(name: &str) -> Result<Self, String> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_fit) {
            return Err(format!("{name:?} is no name of a rule: 1..={BYTES_MAX} letters, digits, `-` and `_`"));
        }
        Ok(Self { code: format!("{PREFIX}{name}").into() })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.code[PREFIX.len()..]
    }

    /// As it stands in `decided_by` and among the reasons.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl TryFrom<String> for RuleName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::new(&name)
    }
}

impl From<RuleName> for String {
    fn from(name: RuleName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Debug for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
