//! PhoneNumber: what kind of number is it? Never part of the overall confidence; a number that is low here is never
//! offered for codes by SMS.

use super::{Assessment, Code, Details, OnFailure};
use crate::context::phone::{LineType, Phone};
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of PhoneNumber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

pub(super) fn assess(phone: &Phone) -> Assessment {
    let number = match phone {
        Phone::Absent => return Assessment::new(Confidence::Neutral, Code::PhoneNumberNotProvided),
        Phone::Unreadable => return Assessment::new(Confidence::Low, Code::RequiresVerification),
        Phone::Number(number) => number,
    };
    let confidence = if number.is_valid { by_line(number.line) } else { Confidence::Low };
    let code = if confidence == Confidence::High { Code::PhoneOk } else { Code::RequiresVerification };
    Assessment::new(confidence, code).with(Details::Phone(number.clone()))
}

/// Low is what costs money to call or belongs to nobody. **Source:** signals.md.
fn by_line(line: LineType) -> Confidence {
    match line {
        LineType::Mobile | LineType::FixedLine | LineType::FixedLineOrMobile => Confidence::High,
        LineType::Voip | LineType::PersonalNumber | LineType::Pager | LineType::Voicemail | LineType::Unknown => {
            Confidence::Medium
        }
        LineType::PremiumRate | LineType::SharedCost | LineType::TollFree | LineType::Uan => Confidence::Low,
    }
}
