//! To whom a message goes: a number in E.164, or an email address. Neither is ever printed.

use crate::context::phone::{LineType, Phone, Phones};
use crate::event::Factor;
use crate::units::CountryCode;
use lettre::Address;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a message gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Short message.
    Sms,
    /// Electronic mail.
    Email,
}

impl Channel {
    /// The factor that is proved by what gets there.
    #[must_use]
    pub fn factor(self) -> Factor {
        match self {
            Self::Sms => Factor::Sms,
            Self::Email => Factor::Email,
        }
    }

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

/// Somebody who can be sent a message. It can be put into records, which are sealed; [`Self::masked`] is for everybody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    channel: Channel,
    to: Box<str>,
}

impl Recipient {
    /// A number that people may be reached at, in any spelling; national ones by `region`. `None` when it is none, or one whose calls
    /// cost the caller more than usual: those are what fraud is after.
    #[must_use]
    pub fn phone(phones: &Phones, text: &str, region: Option<CountryCode>) -> Option<Self> {
        let Phone::Number(number) = phones.look_up(Some(text), region) else { return None };
        let may_be_sent = number.is_valid && !is_costly(number.line);
        may_be_sent.then(|| Self { channel: Channel::Sms, to: (*number.e164).into() })
    }

    /// An email address. `None` when it is none.
    #[must_use]
    pub fn email(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_plain =
            text.len() <= EMAIL_BYTES_MAX && !text.chars().any(|letter| letter.is_control() || letter == ' ');
        (is_plain && text.parse::<Address>().is_ok()).then(|| Self { channel: Channel::Email, to: text.into() })
    }

    /// How it is reached.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The number in E.164, or the address as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.to
    }

    /// The same for every spelling.
    #[must_use]
    pub fn normalised(&self) -> String {
        match self.channel {
            Channel::Sms => self.to.to_string(),
            Channel::Email => self.to.to_lowercase(),
        }
    }

    /// What may be shown to whoever has the password. **Source:** Logto's masks: of a number its last four digits, of an address the
    /// first four letters if there are more.
    #[must_use]
    pub fn masked(&self) -> String {
        match self.channel {
            Channel::Sms => {
                let digits: Vec<char> = self.to.chars().filter(char::is_ascii_digit).collect();
                let last = digits.iter().skip(digits.len().saturating_sub(4));
                format!("****{}", last.collect::<String>())
            }
            Channel::Email => {
                let (local, domain) = self.to.rsplit_once('@').unwrap_or(("", &self.to));
                let is_long = local.chars().count() > SHOWN_LETTERS;
                let shown = local.chars().take(if is_long { SHOWN_LETTERS } else { 0 });
                format!("{}****@{domain}", shown.collect::<String>())
            }
        }
    }
}

/// **Source:** RFC 3696, erratum 1690.
const EMAIL_BYTES_MAX: usize = 254;
const SHOWN_LETTERS: usize = 4;

fn is_costly(line: LineType) -> bool {
    match line {
        LineType::PremiumRate
        | LineType::SharedCost
        | LineType::TollFree
        | LineType::PersonalNumber
        | LineType::Pager
        | LineType::Uan
        | LineType::Voicemail => true,
        LineType::FixedLine | LineType::Mobile | LineType::FixedLineOrMobile | LineType::Voip | LineType::Unknown => {
            false
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({}, …)", self.channel.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_recipient_and_none_is_printed() {
        let phones = Phones::new();
        let [one, other] = ["+819012345678", "+81 90-1234-5678"].map(|text| Recipient::phone(&phones, text, None));
        assert!(one.is_some() && one == other);
        let national = Recipient::phone(&phones, "090-1234-5678", CountryCode::new("JP"));
        assert_eq!(one, national);
        let [one, other] = ["Bob@Example.org", " bob@example.ORG "].map(Recipient::email);
        assert_eq!(one.as_ref().map(Recipient::normalised), other.as_ref().map(Recipient::normalised));
        assert_eq!(one.as_ref().map(Recipient::address), Some("Bob@Example.org"), "as it was given");
        assert_eq!(format!("{one:?} {national:?}"), "Some(Recipient(email, …)) Some(Recipient(sms, …))");
    }

    #[test]
    fn what_is_no_recipient_or_a_costly_one_is_refused() {
        let phones = Phones::new();
        for bad in
            ["", "12", "090-1234-5678", "+8190", "+449098790000", "+448001111111", "+447012345678", "bob@example.org"]
        {
            assert_eq!(Recipient::phone(&phones, bad, None), None, "{bad}");
        }
        let long = format!("{}@example.org", "a".repeat(243));
        for bad in [
            "",
            "bob",
            "bob@",
            "@example.org",
            "a b@example.org",
            "a@example.org\r\nBcc: c@example.org",
            "a@b@c",
            &long,
        ] {
            assert_eq!(Recipient::email(bad), None, "{bad}");
        }
    }

    #[test]
    fn masks_show_what_the_owner_knows_again() {
        for (email, mask) in [
            ("bob@example.org", "****@example.org"),
            ("anna@example.org", "****@example.org"),
            ("carol@example.org", "caro****@example.org"),
            ("jürgen@example.org", "jürg****@example.org"),
        ] {
            assert_eq!(Recipient::email(email).map(|to| to.masked()).as_deref(), Some(mask), "{email}");
        }
        let phone = Recipient::phone(&Phones::new(), "+819012345678", None);
        assert_eq!(phone.map(|to| to.masked()).as_deref(), Some("****5678"));
    }
}
