//! A value of a row, by whatever type a vendor chose to store it.

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Flag(bool),
    /// A map, a list or bytes.
    Other,
}

/// What a number may be when it comes as a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Text<T> {
    Says(T),
    /// As if the field were not there.
    Empty,
    Nonsense,
}

impl<'a> Value<'a> {
    /// A text that says something: vendors write `-` for nothing.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text.trim()).filter(|text| !matches!(*text, "" | "-")),
            Self::Number(_) | Self::Flag(_) | Self::Other => None,
        }
    }

    /// A number of any type, or a text that is one.
    pub(super) fn number(self) -> Text<f64> {
        match self {
            Self::Number(number) => Text::Says(number),
            Self::Text(_) => self.text().map_or(Text::Empty, |text| text.parse().map_or(Text::Nonsense, Text::Says)),
            Self::Flag(_) | Self::Other => Text::Nonsense,
        }
    }

    /// `true`, `1`, `"true"`, `"1"`, and their opposites.
    pub(super) fn flag(self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(flag),
            Self::Number(number) => Some(number.abs() > 0.0),
            Self::Text(text) => match text.trim() {
                "true" | "True" | "TRUE" | "1" => Some(true),
                "false" | "False" | "FALSE" | "0" => Some(false),
                _ => None,
            },
            Self::Other => None,
        }
    }

    /// `174`, `"174"` or `"AS174"`; 0 is nobody's.
    pub(super) fn asn(self) -> Option<u32> {
        let asn = match self {
            Self::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
                let asn = number as u32;
                asn
            }
            Self::Text(text) => {
                let text = text.trim();
                let digits =
                    text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("as")).map_or(text, |_| &text[2..]);
                digits.parse().ok()?
            }
            Self::Number(_) | Self::Flag(_) | Self::Other => return None,
        };
        (asn > 0).then_some(asn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_flags_and_systems_come_in_many_types() {
        for (value, number) in [
            (Value::Number(-0.5), Text::Says(-0.5)),
            (Value::Text(" 51.5 "), Text::Says(51.5)),
            (Value::Text("1e2"), Text::Says(100.0)),
            (Value::Text(""), Text::Empty),
            (Value::Text("-"), Text::Empty),
            (Value::Text("north"), Text::Nonsense),
            (Value::Flag(true), Text::Nonsense),
            (Value::Other, Text::Nonsense),
        ] {
            assert_eq!(value.number(), number, "{value:?}");
        }
        for (value, flag) in [
            (Value::Flag(true), Some(true)),
            (Value::Number(0.0), Some(false)),
            (Value::Number(1.0), Some(true)),
            (Value::Text("true"), Some(true)),
            (Value::Text("0"), Some(false)),
            (Value::Text(""), None),
            (Value::Other, None),
        ] {
            assert_eq!(value.flag(), flag, "{value:?}");
        }
        for (value, asn) in [
            (Value::Number(174.0), Some(174)),
            (Value::Text("AS174"), Some(174)),
            (Value::Text("as4294967295"), Some(u32::MAX)),
            (Value::Text("174"), Some(174)),
            (Value::Number(0.0), None),
            (Value::Number(1.5), None),
            (Value::Number(-1.0), None),
            (Value::Text("AS"), None),
            (Value::Text("é"), None),
            (Value::Flag(true), None),
        ] {
            assert_eq!(value.asn(), asn, "{value:?}");
        }
    }
}
