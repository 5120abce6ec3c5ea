//! The numbers by which enums stand in records. They never change: what is new takes a new one, and one that is given up is not
//! given again. A variant without a number does not compile.

use crate::context::Grain;
use crate::event::{Factor, FirstFactor};
use crate::history::Proof;
use crate::memory::decisions::{LoginResult, Teaches};
use crate::signals::Code;
use crate::units::Confidence;
use crate::verdict::aggregate::Aggregator;
use crate::verdict::{Action, DecidedBy, Mode};

/// An enum that is one byte in a record.
pub(super) trait Numbered: Copy {
    fn number(self) -> u8;

    fn of_number(number: u8) -> Option<Self>;
}

macro_rules! numbered {
    ($($type:ty { $($number:literal = $variant:ident $(($inner:path))?,)* })*) => {
        $(impl Numbered for $type {
            fn number(self) -> u8 {
                match self {
                    $(Self::$variant $(($inner))? => $number,)*
                }
            }

            fn of_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant $(($inner))?),)*
                    _ => None,
                }
            }
        })*
    };
}

numbered! {
    Action {
        0 = Allow,
        1 = Challenge,
        2 = VerifyEmail,
        3 = Deny,
    }
    Mode {
        0 = Enforce,
        1 = Observe,
    }
    Confidence {
        0 = Low,
        1 = Medium,
        2 = High,
        3 = Neutral,
    }
    FirstFactor {
        0 = Pwd,
        1 = Passkey,
        2 = Federated,
        3 = Sms,
        4 = Email,
    }
    // These are bits of a set, too: below 8.
    Factor {
        0 = Webauthn,
        1 = Totp,
        2 = Sms,
        3 = Email,
        4 = BackupCode,
    }
    Teaches {
        0 = Always,
        1 = WithFactor,
        2 = WithPhishingResistantFactor,
    }
    LoginResult {
        0 = Success,
        1 = Failure,
        2 = Abandoned,
    }
    Proof {
        0 = FirstFactor,
        1 = Factor,
        2 = Strong,
    }
    Grain {
        0 = Country,
        1 = City,
    }
    Code {
        0 = Match,
        1 = PartialMatch,
        2 = NoMatch,
        3 = UnknownDevice,
        4 = NoDeviceHistory,
        5 = InitialLogin,
        6 = HistoryMissing,
        7 = DeviceReused,
        8 = MinimalTravel,
        9 = Travel,
        10 = SubstantialTravel,
        11 = ImpossibleTravel,
        12 = InvalidTravel,
        13 = MissingGeoip,
        14 = AnonymousProxy,
        15 = UnknownLocation,
        16 = LocationHistoryNotFound,
        17 = NotFoundOnDenyList,
        18 = FoundOnDenyList,
        19 = HighVelocity,
        20 = Automated,
        21 = OnAllowList,
        22 = InvalidIpAddress,
        23 = ListStale,
        24 = PhoneNumberNotProvided,
        25 = PhoneOk,
        26 = RequiresVerification,
        27 = KnownCountry,
        28 = NewCountry,
        29 = Recent,
        30 = LongInactivity,
        31 = NotReported,
        32 = Reported,
        33 = UnfinishedChallenge,
        34 = AssessmentNotAvailable,
        35 = Familiar,
        36 = Unusual,
        37 = Unfamiliar,
        38 = NotEnoughHistory,
    }
}

/// Stands for a rule, whose name follows.
pub(super) const BY_RULE: u8 = 8;

/// The number of what decided.
pub(super) fn number_of_decider(decided_by: &DecidedBy) -> u8 {
    match decided_by {
        DecidedBy::Aggregator(Aggregator::Strict) => 0,
        DecidedBy::Aggregator(Aggregator::Auth0Mean) => 1,
        DecidedBy::Aggregator(Aggregator::Any) => 2,
        DecidedBy::PolicyAlways => 3,
        DecidedBy::PolicyNever => 4,
        DecidedBy::FirstFactorPasskey => 5,
        DecidedBy::FlowPassword => 6,
        DecidedBy::Aggregator(Aggregator::Evidence) => 7,
        DecidedBy::Rule(_) => BY_RULE,
    }
}

/// What the number stands for, but [`BY_RULE`].
pub(super) fn decider_of_number(number: u8) -> Option<DecidedBy> {
    Some(match number {
        0 => DecidedBy::Aggregator(Aggregator::Strict),
        1 => DecidedBy::Aggregator(Aggregator::Auth0Mean),
        2 => DecidedBy::Aggregator(Aggregator::Any),
        3 => DecidedBy::PolicyAlways,
        4 => DecidedBy::PolicyNever,
        5 => DecidedBy::FirstFactorPasskey,
        6 => DecidedBy::FlowPassword,
        7 => DecidedBy::Aggregator(Aggregator::Evidence),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that stands twice would be an unreachable arm, and one of these would not come back.
    #[test]
    fn every_number_stands_for_one_thing() {
        fn count<T: Numbered>() -> usize {
            let all = (0..=u8::MAX).filter_map(|number| Some((number, T::of_number(number)?)));
            all.inspect(|(number, value)| assert_eq!(value.number(), *number)).count()
        }
        let deciders = (0..=u8::MAX).filter_map(|number| Some((number, decider_of_number(number)?)));
        let deciders = deciders.inspect(|(number, by)| assert_eq!(number_of_decider(by), *number)).count();
        let counts = [
            (count::<Action>(), 4),
            (count::<Mode>(), 2),
            (count::<Confidence>(), 4),
            (deciders, 8),
            (count::<FirstFactor>(), 5),
            (count::<Factor>(), 5),
            (count::<Teaches>(), 3),
            (count::<LoginResult>(), 3),
            (count::<Proof>(), 3),
            (count::<Grain>(), 2),
            (count::<Code>(), 39),
        ];
        for (at, (counted, expected)) in counts.into_iter().enumerate() {
            assert_eq!(counted, expected, "table {at}");
        }
        assert!((8..=u8::MAX).all(|number| Factor::of_number(number).is_none()), "a set is one byte");
    }
}
