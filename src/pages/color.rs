//! The operator's colour, and what can be read on it and beside it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A colour of the screen, `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color([u8; 3]);

impl Color {
    /// The darkest.
    pub(super) const BLACK: Self = Self([0; 3]);
    /// The lightest.
    pub(super) const WHITE: Self = Self([u8::MAX; 3]);
    /// What a card is made of where the user wants it dark.
    pub(super) const DARK_GROUND: Self = Self([0x1c, 0x20, 0x26]);
    /// A calm blue.
    pub(super) const DEFAULT: Self = Self([0x2f, 0x5d, 0xa8]);

    /// Black or white, whichever can be read on it: of any colour, one of the two has 4.58 at least.
    pub(super) fn ink_on(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    /// The closest to it that can be read on `ground`.
    pub(super) fn readable_on(self, ground: Self) -> Self {
        let towards = ground.ink_on();
        let mut shades = (0..=STEPS).map(|step| self.mixed(towards, step));
        shades.find(|shade| shade.contrast(ground) >= CONTRAST_MIN).unwrap_or(towards)
    }

    fn mixed(self, other: Self, step: u16) -> Self {
        let mut mixed = self.0;
        for (channel, to) in mixed.iter_mut().zip(other.0) {
            let sum = u16::from(*channel) * (STEPS - step) + u16::from(to) * step;
            *channel = u8::try_from(sum / STEPS).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }

    /// From 1 to 21. **Source:** WCAG 2.2, contrast ratio and relative luminance.
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// **Source:** WCAG 2.2, 1.4.3 (AA).
const CONTRAST_MIN: f64 = 4.5;
/// Between a colour and black or white: finer than anybody sees.
const STEPS: u16 = 64;

impl TryFrom<String> for Color {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] =
            number.ok_or_else(|| format!("{text:?} is no colour such as \"#2f5da8\""))?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.to_string()
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(text: &str) -> Color {
        Color::try_from(text.to_owned()).expect("a colour")
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        // By the examples of WebAIM's contrast checker: #777777 just fails, #767676 just passes.
        for (one, two, expected) in [
            ("#000000", "#ffffff", 21.0),
            ("#ffffff", "#ffffff", 1.0),
            ("#777777", "#ffffff", 4.48),
            ("#767676", "#ffffff", 4.54),
        ] {
            let contrast = color(one).contrast(color(two));
            assert!((contrast - expected).abs() < 0.01, "{one} {two}: {contrast}");
        }
    }

    #[test]
    fn any_colour_can_be_read_on_and_beside() {
        let levels = [0x00, 0x2f, 0x5d, 0x77, 0x80, 0xa8, 0xd0, 0xff];
        for red in levels {
            for green in levels {
                for blue in levels {
                    let accent = Color([red, green, blue]);
                    assert!(accent.contrast(accent.ink_on()) >= CONTRAST_MIN, "{accent}");
                    for ground in [Color::WHITE, Color::BLACK, Color::DARK_GROUND] {
                        let shade = accent.readable_on(ground);
                        assert!(shade.contrast(ground) >= CONTRAST_MIN, "{accent} on {ground}: {shade}");
                    }
                }
            }
        }
        assert_eq!(Color::DEFAULT.readable_on(Color::WHITE), Color::DEFAULT, "what can be read stays");
    }

    #[test]
    fn colours_are_written_in_one_way() {
        assert_eq!(String::from(color("#2F5DA8")), "#2f5da8");
        for wrong in ["", "#", "#fff", "2f5da8", "#2f5da", "#2f5da8f", "#+f5da8", "#2f5dag", "red", "#2f5d\u{e9}"] {
            assert!(Color::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
