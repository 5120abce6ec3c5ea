//! A phone number as libphonenumber's metadata sees it.

use crate::units::CountryCode;
use arrayvec::ArrayString;
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use rlibphonenumber::enums::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};
use std::fmt;

/// What is known of the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phone {
    /// None was given.
    Absent,
    /// Not even the shape of a number.
    Unreadable,
    /// A number, valid or not.
    Number(Number),
}

/// A parsed number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// What kind of line it is.
    pub line: LineType,
    /// Whether it can exist.
    pub is_valid: bool,
    /// Such as 44.
    pub country_code: i32,
    /// E.164.
    pub e164: ArrayString<E164_BYTES_MAX>,
}

/// A plus, three digits of a country code, and the 17 that libphonenumber takes behind them.
const E164_BYTES_MAX: usize = 21;

/// libphonenumber's kinds of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are libphonenumber's own")]
pub enum LineType {
    FixedLine,
    Mobile,
    FixedLineOrMobile,
    TollFree,
    PremiumRate,
    SharedCost,
    Voip,
    PersonalNumber,
    Pager,
    Uan,
    Voicemail,
    Unknown,
}

impl LineType {
    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FixedLine => "FIXED_LINE",
            Self::Mobile => "MOBILE",
            Self::FixedLineOrMobile => "FIXED_LINE_OR_MOBILE",
            Self::TollFree => "TOLL_FREE",
            Self::PremiumRate => "PREMIUM_RATE",
            Self::SharedCost => "SHARED_COST",
            Self::Voip => "VOIP",
            Self::PersonalNumber => "PERSONAL_NUMBER",
            Self::Pager => "PAGER",
            Self::Uan => "UAN",
            Self::Voicemail => "VOICEMAIL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A number is at most 17 characters in E.164; with spaces and brackets, this is generous. Longer ones are unreadable.
const TEXT_BYTES_MAX: usize = 64;
const CACHED_NUMBERS_MAX: usize = 8192;

/// Parses numbers, remembering the usual ones (2.7 µs against 0.03).
pub struct Phones {
    cache: Cache<(Box<str>, Option<CountryCode>), Phone>,
}

impl Phones {
    /// Builds the metadata (some 5 ms), so that no login waits for it.
    #[must_use]
    pub fn new() -> Self {
        let _warm = parse("+442079460000", None);
        Self { cache: Cache::new(CACHED_NUMBERS_MAX) }
    }

    /// Parses a number, national ones by `region`.
    #[must_use]
    pub fn look_up(&self, text: Option<&str>, region: Option<CountryCode>) -> Phone {
        let Some(text) = text else { return Phone::Absent };
        if text.len() > TEXT_BYTES_MAX {
            return Phone::Unreadable;
        }
        if let Some(known) = self.cache.get(&Query(text, region)) {
            return known;
        }
        let phone = parse(text, region);
        self.cache.insert((text.into(), region), phone.clone());
        phone
    }

    /// Forgets every number: whose they are is not known, so that nobody's can be forgotten by itself.
    pub fn forget_all(&self) {
        self.cache.clear();
    }
}

/// A key of the cache that borrows its text.
#[derive(Hash)]
struct Query<'a>(&'a str, Option<CountryCode>);

impl Equivalent<(Box<str>, Option<CountryCode>)> for Query<'_> {
    fn equivalent(&self, (text, region): &(Box<str>, Option<CountryCode>)) -> bool {
        *self.0 == **text && self.1 == *region
    }
}

impl Default for Phones {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Phones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phones").field("cached", &self.cache.len()).finish()
    }
}

fn parse(text: &str, region: Option<CountryCode>) -> Phone {
    let region = region.and_then(|code| Region::try_from(code.as_str()).ok());
    let Ok(number) = PHONE_NUMBER_UTIL.parse(text, region) else { return Phone::Unreadable };
    let line = line_type(PHONE_NUMBER_UTIL.get_number_type(&number));
    let Ok(e164) = ArrayString::from(&PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164)) else {
        return Phone::Unreadable;
    };
    Phone::Number(Number {
        line,
        // Valid is what libphonenumber finds a kind of line for; asking it would match every pattern once more.
        is_valid: line != LineType::Unknown,
        country_code: number.country_code,
        e164,
    })
}

/// The country that a number in E.164 belongs to: 25 of them share +1. `None` where it belongs to none.
#[must_use]
pub fn country_of(e164: &str) -> Option<CountryCode> {
    let number = PHONE_NUMBER_UTIL.parse(e164, None).ok()?;
    CountryCode::new(PHONE_NUMBER_UTIL.get_region_for_number(&number)?.as_region_str().as_str())
}

fn line_type(of: PhoneNumberType) -> LineType {
    match of {
        PhoneNumberType::FixedLine => LineType::FixedLine,
        PhoneNumberType::Mobile => LineType::Mobile,
        PhoneNumberType::FixedLineOrMobile => LineType::FixedLineOrMobile,
        PhoneNumberType::TollFree => LineType::TollFree,
        PhoneNumberType::PremiumRate => LineType::PremiumRate,
        PhoneNumberType::SharedCost => LineType::SharedCost,
        PhoneNumberType::VoIP => LineType::Voip,
        PhoneNumberType::PersonalNumber => LineType::PersonalNumber,
        PhoneNumberType::Pager => LineType::Pager,
        PhoneNumberType::UAN => LineType::Uan,
        PhoneNumberType::VoiceMail => LineType::Voicemail,
        PhoneNumberType::Unknown => LineType::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn national_form_needs_its_region() {
        let phones = Phones::new();
        let japan = CountryCode::new("JP");
        assert_eq!(phones.look_up(Some("090-1234-5678"), None), Phone::Unreadable);
        let Phone::Number(number) = phones.look_up(Some("090-1234-5678"), japan) else {
            unreachable!("a number of Japan")
        };
        assert_eq!((&*number.e164, number.line, number.is_valid), ("+819012345678", LineType::Mobile, true));
        assert_eq!(phones.look_up(Some(&"1".repeat(65)), japan), Phone::Unreadable);
        assert_eq!(phones.look_up(None, japan), Phone::Absent);
    }

    #[test]
    fn countries_that_share_a_code_are_told_apart() {
        for (number, country) in
            [("+819012345678", "JP"), ("+12125550123", "US"), ("+18765550123", "JM"), ("+80012345678", "")]
        {
            assert_eq!(country_of(number), CountryCode::new(country), "{number}");
        }
    }

    #[test]
    fn what_is_forgotten_is_parsed_anew() {
        let phones = Phones::new();
        let first = phones.look_up(Some("+447700900123"), None);
        assert_eq!(phones.cache.len(), 1);
        phones.forget_all();
        assert_eq!(phones.cache.len(), 0);
        assert_eq!(phones.look_up(Some("+447700900123"), None), first);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_unreadable(text in ".{0,64}", region in prop::option::of("[A-Z]{2}")) {
            let _phone = parse(&text, region.as_deref().and_then(CountryCode::new));
        }

        #[test]
        fn valid_is_what_libphonenumber_says(text in "\\+[1-9][0-9]{5,14}") {
            if let (Ok(number), Phone::Number(parsed)) = (PHONE_NUMBER_UTIL.parse(&text, None), parse(&text, None)) {
                prop_assert_eq!(parsed.is_valid, PHONE_NUMBER_UTIL.is_valid_number(&number), "{}", text);
            }
        }
    }
}
