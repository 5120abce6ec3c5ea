//! A decision as it was given, as small as it can be kept: one for every login.

use super::ClientTag;
use crate::event::DEFAULT_TENANT;
use crate::history::Login;
use crate::keyed_hash::{HashKey, UserKey};
use crate::signals::{Assessments, Code, Signal};
use crate::units::Confidence;
use crate::verdict::{Action, DecidedBy, Mode, Verdict};
use arrayvec::ArrayString;
use std::net::IpAddr;

/// What a decision was made of, what it said, and who asked.
///
/// User, tenant and address stand in it in clear: a list of decisions is for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Whose login.
    pub user: UserKey,
    /// The same in clear.
    pub name: Name,
    /// Who asked, and alone may tell the outcome.
    pub client: ClientTag,
    /// What it can teach.
    pub login: Login,
    /// The address; `None` where what was given is none.
    pub ip: Option<IpAddr>,
    /// The code of each signal, in the order of [`Signal::ALL`].
    pub codes: [Code; Signal::ALL.len()],
    /// What the caller was told to do.
    pub action: Action,
    /// What it would have been told in mode `enforce`.
    pub would_be: Action,
    /// Whether verdicts were carried out.
    pub mode: Mode,
    /// The overall confidence.
    pub confidence: Confidence,
    /// What decided.
    pub decided_by: DecidedBy,
}

/// A tenant and a user id in one text. One that is short lies where the decision does, so that a login pays for no allocation, nor for
/// giving back that of the decision whose place it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Of the tenant, which stands first; 0 for the default one, which is left out.
    tenant_bytes: u16,
    text: NameText,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NameText {
    Short(ArrayString<SHORT_BYTES>),
    Long(Box<str>),
}

/// A UUID has 36, an id of an identity provider such as `google-oauth2|…` 35.
const SHORT_BYTES: usize = 40;

impl NameText {
    /// Of both, one behind the other.
    fn new(tenant: &str, user: &str) -> Self {
        let mut short = ArrayString::new();
        match short.try_push_str(tenant).is_ok() && short.try_push_str(user).is_ok() {
            true => Self::Short(short),
            false => Self::Long([tenant, user].concat().into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Short(text) => text,
            Self::Long(text) => text,
        }
    }
}

impl Name {
    /// Of this user of this tenant, which is at most 65,535 bytes long; of a longer one the beginning counts.
    #[must_use]
    pub fn new(tenant: &str, user: &str) -> Self {
        let tenant = if tenant == DEFAULT_TENANT { "" } else { &tenant[..tenant.floor_char_boundary(u16::MAX.into())] };
        let tenant_bytes = u16::try_from(tenant.len()).unwrap_or(u16::MAX);
        Self { tenant_bytes, text: NameText::new(tenant, user) }
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        if self.tenant_bytes == 0 { DEFAULT_TENANT } else { &self.text.as_str()[..self.tenant_bytes.into()] }
    }

    /// The id, as the client gave it.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.text.as_str()[self.tenant_bytes.into()..]
    }

    /// As it is kept: the text, and how many bytes of it are the tenant.
    pub(in crate::memory) fn as_parts(&self) -> (&str, u16) {
        (self.text.as_str(), self.tenant_bytes)
    }

    /// From how it was kept; `None` where the tenant does not end between two characters of the text.
    pub(in crate::memory) fn from_parts(text: &str, tenant_bytes: u16) -> Option<Self> {
        text.is_char_boundary(tenant_bytes.into()).then(|| Self { tenant_bytes, text: NameText::new("", text) })
    }
}

impl Given {
    /// The key that the user has now, if this was decided under one that is being replaced.
    #[must_use]
    pub fn user_in_use(&self, key: &HashKey) -> Option<UserKey> {
        let anchor = || key.anchor(self.name.tenant(), self.name.user());
        let anchor = key.is_being_replaced().then(anchor)?;
        (key.replaced_user_of(anchor) == Some(self.user)).then(|| key.user_of(anchor))
    }

    /// What is kept of a verdict on the login of `name`.
    pub fn new(
        (user, name): (UserKey, Name),
        client: ClientTag,
        (login, ip): (Login, Option<IpAddr>),
        assessments: &Assessments,
        verdict: &Verdict,
    ) -> Self {
        let Verdict { action, would_be, mode, confidence, .. } = *verdict;
        let decided_by = verdict.decided_by.clone();
        let codes = Signal::ALL.map(|signal| assessments.of(signal).code);
        Self { user, name, client, login, ip, codes, action, would_be, mode, confidence, decided_by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_back_tenant_and_user() {
        for (tenant, user) in [
            ("default", "alice"),
            ("acme", "default"),
            ("défaut", "é"),
            ("x", &"y".repeat(SHORT_BYTES - 1)),
            ("x", &"y".repeat(SHORT_BYTES)),
            ("default", &"y".repeat(256)),
        ] {
            let name = Name::new(tenant, user);
            assert_eq!((name.tenant(), name.user()), (tenant, user));
            let (text, tenant_bytes) = name.as_parts();
            assert_eq!(Name::from_parts(text, tenant_bytes), Some(name.clone()), "as it was kept");
        }
    }
}
