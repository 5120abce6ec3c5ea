//! What can be learnt of a user, and how much a login proved.

use super::{Cutoffs, UserHistory};
use crate::clock::Timestamp;
use crate::context::Place;
use crate::context::agent::Agent;
use crate::device_token::TokenUse;
use crate::event::{Factor, FirstFactor};
use crate::keyed_hash::{AddressTag, DeviceTag, NetworkTag};
use crate::units::CountryCode;

/// The facts of a login that can teach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Login {
    /// When.
    pub time: Timestamp,
    /// Its device, by an id of the caller's.
    pub device: Option<DeviceTag>,
    /// Its device, by the token that it presented, or else the one that it was given.
    pub token: Option<TokenUse>,
    /// Its browser.
    pub agent: Option<Agent>,
    /// Its exact address, which only a label looks at.
    pub address: Option<AddressTag>,
    /// Its /24 or /48.
    pub network: Option<NetworkTag>,
    /// Its autonomous system.
    pub asn: Option<u32>,
    /// Its country, whether or not its place is known.
    pub country: Option<CountryCode>,
    /// Where; `None` unless the place is valid (no anonymiser, no hosting, no satellite, located).
    pub place: Option<Place>,
    /// The network hides where its user is: an anonymiser's, or a data centre's.
    pub is_anonymous: bool,
    /// What was proved.
    pub proof: Proof,
}

impl Login {
    /// Its devices: by an id, and by a token.
    #[must_use]
    pub fn devices(&self) -> [Option<DeviceTag>; 2] {
        [self.device, self.token.map(|token| token.device)]
    }

    /// Whether it came from this device.
    #[must_use]
    pub fn is_on(&self, device: DeviceTag) -> bool {
        self.devices().contains(&Some(device))
    }

    /// The same, as it teaches of no device.
    #[must_use]
    pub fn without_device(self) -> Self {
        Self { device: None, token: None, ..self }
    }
}

#[cfg(test)]
impl Login {
    /// A login of which nothing is known but when it was.
    pub(crate) fn bare(time_s: u32) -> Self {
        Self {
            time: Timestamp::from_unix_s(time_s),
            device: None,
            token: None,
            agent: None,
            address: None,
            network: None,
            asn: None,
            country: None,
            place: None,
            is_anonymous: false,
            proof: Proof::FirstFactor,
        }
    }
}

/// How much a login proved beyond its first factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Nothing.
    FirstFactor,
    /// A second factor, or a passkey.
    Factor,
    /// A phishing-resistant second factor, or two different factors: enough to clear a report.
    Strong,
}

impl Proof {
    /// What a first factor and the factor that was passed behind it prove together.
    #[must_use]
    pub fn of(first: FirstFactor, passed: Option<Factor>) -> Self {
        match (first, passed) {
            (FirstFactor::Passkey, None) => Self::Factor,
            (FirstFactor::Pwd | FirstFactor::Federated | FirstFactor::Sms | FirstFactor::Email, None) => {
                Self::FirstFactor
            }
            (_, Some(Factor::Webauthn)) | (FirstFactor::Passkey, Some(_)) => Self::Strong,
            (FirstFactor::Sms, Some(Factor::Sms)) | (FirstFactor::Email, Some(Factor::Email)) => Self::Factor,
            (FirstFactor::Sms | FirstFactor::Email, Some(_)) => Self::Strong,
            (FirstFactor::Pwd | FirstFactor::Federated, Some(_)) => Self::Factor,
        }
    }

    /// Whether anything beyond a password was proved.
    #[must_use]
    pub fn is_factor(self) -> bool {
        self >= Self::Factor
    }
}

/// Something to learn of a user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lesson {
    /// A login was completed.
    Completed(Login),
    /// A login at this time was asked for a factor, and none was passed.
    Unfinished(Timestamp),
    /// A token was presented at this time, whatever became of the login.
    Presented(TokenUse, Timestamp),
    /// A token of this device is one copy of two.
    Copied(DeviceTag),
    /// This login was not the user's.
    Fraud {
        /// The login.
        login: Login,
        /// When that was said.
        labelled: Timestamp,
    },
    /// This login was the user's, whatever spoke against it.
    Legitimate {
        /// The login.
        login: Login,
        /// Whether an operator says so, whose word also lifts a report.
        by_operator: bool,
    },
    /// What was used before these times only is to be kept no longer.
    Aged(Cutoffs),
}

impl Lesson {
    /// Whether this is worth remembering of somebody of whom nothing is known.
    #[must_use]
    pub fn begins_a_history(self) -> bool {
        match self {
            Self::Completed(_) | Self::Fraud { .. } | Self::Legitimate { .. } => true,
            Self::Unfinished(_) | Self::Presented(..) | Self::Copied(_) | Self::Aged(_) => false,
        }
    }
}

impl UserHistory {
    /// Learns.
    pub fn learn(&mut self, lesson: &Lesson) {
        match lesson {
            Lesson::Completed(login) => {
                self.record(login);
                if login.proof == Proof::Strong {
                    self.clear_reports(login);
                }
            }
            Lesson::Presented(token, time) => self.accept(*token, time.unix_s()),
            Lesson::Copied(device) => self.forget_device(*device),
            Lesson::Unfinished(time) => self.unfinished_s = self.unfinished_s.max(time.unix_s()),
            Lesson::Fraud { login, labelled } => {
                self.report(login);
                self.fraud_labelled_s = self.fraud_labelled_s.max(labelled.unix_s());
            }
            Lesson::Legitimate { login, by_operator } => {
                // A place is not made valid by a word: it may be an anonymiser's.
                self.record(&Login { place: None, ..*login });
                if *by_operator {
                    self.clear_reports(login);
                }
            }
            Lesson::Aged(cutoffs) => self.age(cutoffs),
        }
    }
}
