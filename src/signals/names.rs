//! The names of signals and of their codes: closed sets, on which answers, metrics and configurations agree.

use serde::{Deserialize, Serialize};

/// The signals: four by the names that Auth0 gave them, and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is documented in its module")]
pub enum Signal {
    NewDevice,
    ImpossibleTravel,
    #[serde(rename = "UntrustedIP")]
    UntrustedIp,
    PhoneNumber,
    NewCountry,
    Inactivity,
    Reported,
    Familiarity,
}

impl Signal {
    /// Every signal, in the order of answers.
    pub const ALL: [Self; 8] = [
        Self::NewDevice,
        Self::ImpossibleTravel,
        Self::UntrustedIp,
        Self::PhoneNumber,
        Self::NewCountry,
        Self::Inactivity,
        Self::Reported,
        Self::Familiarity,
    ];

    /// The name that stands in answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewDevice => "NewDevice",
            Self::ImpossibleTravel => "ImpossibleTravel",
            Self::UntrustedIp => "UntrustedIP",
            Self::PhoneNumber => "PhoneNumber",
            Self::NewCountry => "NewCountry",
            Self::Inactivity => "Inactivity",
            Self::Reported => "Reported",
            Self::Familiarity => "Familiarity",
        }
    }

    /// Every code that the signal can give.
    #[must_use]
    pub fn codes(self) -> &'static [Code] {
        match self {
            Self::NewDevice => &[
                Code::Match,
                Code::PartialMatch,
                Code::NoMatch,
                Code::UnknownDevice,
                Code::NoDeviceHistory,
                Code::InitialLogin,
                Code::HistoryMissing,
                Code::DeviceReused,
                Code::AssessmentNotAvailable,
            ],
            Self::ImpossibleTravel => &[
                Code::MinimalTravel,
                Code::Travel,
                Code::SubstantialTravel,
                Code::ImpossibleTravel,
                Code::InvalidTravel,
                Code::MissingGeoip,
                Code::AnonymousProxy,
                Code::UnknownLocation,
                Code::InitialLogin,
                Code::LocationHistoryNotFound,
                Code::AssessmentNotAvailable,
            ],
            Self::UntrustedIp => &[
                Code::NotFoundOnDenyList,
                Code::FoundOnDenyList,
                Code::HighVelocity,
                Code::Automated,
                Code::OnAllowList,
                Code::InvalidIpAddress,
                Code::ListStale,
                Code::AssessmentNotAvailable,
            ],
            Self::PhoneNumber => {
                &[Code::PhoneNumberNotProvided, Code::PhoneOk, Code::RequiresVerification, Code::AssessmentNotAvailable]
            }
            Self::NewCountry => &[
                Code::KnownCountry,
                Code::NewCountry,
                Code::InitialLogin,
                Code::MissingGeoip,
                Code::AssessmentNotAvailable,
            ],
            Self::Inactivity => &[Code::Recent, Code::LongInactivity, Code::InitialLogin, Code::AssessmentNotAvailable],
            Self::Reported => {
                &[Code::NotReported, Code::Reported, Code::UnfinishedChallenge, Code::AssessmentNotAvailable]
            }
            Self::Familiarity => {
                &[Code::Familiar, Code::Unusual, Code::Unfamiliar, Code::NotEnoughHistory, Code::AssessmentNotAvailable]
            }
        }
    }
}

/// Why a signal answers as it does: the codes of signals.md, a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is documented beside its rule, in the signal that gives it")]
pub enum Code {
    Match,
    PartialMatch,
    NoMatch,
    UnknownDevice,
    NoDeviceHistory,
    InitialLogin,
    HistoryMissing,
    DeviceReused,
    MinimalTravel,
    Travel,
    SubstantialTravel,
    ImpossibleTravel,
    InvalidTravel,
    MissingGeoip,
    AnonymousProxy,
    UnknownLocation,
    LocationHistoryNotFound,
    NotFoundOnDenyList,
    FoundOnDenyList,
    HighVelocity,
    Automated,
    OnAllowList,
    InvalidIpAddress,
    ListStale,
    PhoneNumberNotProvided,
    PhoneOk,
    RequiresVerification,
    KnownCountry,
    NewCountry,
    Recent,
    LongInactivity,
    NotReported,
    Reported,
    UnfinishedChallenge,
    Familiar,
    Unusual,
    Unfamiliar,
    NotEnoughHistory,
    AssessmentNotAvailable,
}

impl Code {
    /// The word that stands in answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::PartialMatch => "partial_match",
            Self::NoMatch => "no_match",
            Self::UnknownDevice => "unknown_device",
            Self::NoDeviceHistory => "no_device_history",
            Self::InitialLogin => "initial_login",
            Self::HistoryMissing => "history_missing",
            Self::DeviceReused => "device_reused",
            Self::MinimalTravel => "minimal_travel_from_last_login",
            Self::Travel => "travel_from_last_login",
            Self::SubstantialTravel => "substantial_travel_from_last_login",
            Self::ImpossibleTravel => "impossible_travel_from_last_login",
            Self::InvalidTravel => "invalid_travel",
            Self::MissingGeoip => "missing_geoip",
            Self::AnonymousProxy => "anonymous_proxy",
            Self::UnknownLocation => "unknown_location",
            Self::LocationHistoryNotFound => "location_history_not_found",
            Self::NotFoundOnDenyList => "not_found_on_deny_list",
            Self::FoundOnDenyList => "found_on_deny_list",
            Self::HighVelocity => "high_velocity",
            Self::Automated => "automated",
            Self::OnAllowList => "on_allow_list",
            Self::InvalidIpAddress => "invalid_ip_address",
            Self::ListStale => "list_stale",
            Self::PhoneNumberNotProvided => "phone_number_not_provided",
            Self::PhoneOk => "ok",
            Self::RequiresVerification => "requires_verification",
            Self::KnownCountry => "known_country",
            Self::NewCountry => "new_country",
            Self::Recent => "recent",
            Self::LongInactivity => "long_inactivity",
            Self::NotReported => "not_reported",
            Self::Reported => "reported",
            Self::UnfinishedChallenge => "unfinished_challenge",
            Self::Familiar => "familiar",
            Self::Unusual => "unusual",
            Self::Unfamiliar => "unfamiliar",
            Self::NotEnoughHistory => "not_enough_history",
            Self::AssessmentNotAvailable => "assessment_not_available",
        }
    }
}
