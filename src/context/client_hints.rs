//! `Sec-CH-UA*`: the lists and strings of structured fields that browsers put there.
//!
//! **Source:** RFC 8941 (structured fields) and the User-Agent Client Hints draft (brands, GREASE). Lenient where a
//! browser would be: what cannot be read is no hint, and the user agent answers instead.

use std::borrow::Cow;

/// The brand that names the browser, with its major version: the first that is neither GREASE nor the engine, else the
/// engine.
pub(super) fn brand(list: &str) -> Option<(Cow<'_, str>, u16)> {
    let mut engine = None;
    let mut rest = list;
    while let Some((name, behind)) = quoted(rest) {
        let parameters = behind.split_once(',').map_or(behind, |(parameters, _)| parameters);
        // A brand may hold a comma; its parameters do not.
        rest = &behind[parameters.len()..];
        let version = parameters.split_once("v=").and_then(|(_, value)| quoted(value)).map(|(version, _)| version);
        let found = (name, version.map_or(0, |version| major(&version)));
        if found.0 == "Chromium" {
            engine = Some(found);
        } else if !is_grease(&found.0) {
            return Some(found);
        }
    }
    engine
}

/// A string item such as `"Windows"`.
pub(super) fn string(item: &str) -> Option<Cow<'_, str>> {
    quoted(item).map(|(text, _)| text)
}

/// The leading number of a version, 0 where there is none.
pub(super) fn major(version: &str) -> u16 {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

/// Invented brands such as `Not_A Brand` or `Not)A;Brand` keep servers from relying on the list.
fn is_grease(name: &str) -> bool {
    name.contains("Not") && name.contains("Brand")
}

/// The first quoted string and what stands behind it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (_, text) = text.split_once('"')?;
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let inner = &text[..end];
    let inner = if inner.contains('\\') { Cow::Owned(inner.replace('\\', "")) } else { Cow::Borrowed(inner) };
    Some((inner, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brands() {
        for (list, expected) in [
            (r#""Chromium";v="131", "Google Chrome";v="131", "Not_A Brand";v="24""#, Some(("Google Chrome", 131))),
            (r#""Not)A;Brand";v="99", "Chromium";v="127", "Microsoft Edge";v="127""#, Some(("Microsoft Edge", 127))),
            (r#""Not/A,Brand";v="8", "Chromium";v="120""#, Some(("Chromium", 120))),
            (r#""Odd \"one\"";v="3.1""#, Some((r#"Odd "one""#, 3))),
            (r#""Opera""#, Some(("Opera", 0))),
            (r#""Chrome;v="#, None),
            ("", None),
            (";;;,,,", None),
        ] {
            assert_eq!(brand(list).as_ref().map(|(name, major)| (&**name, *major)), expected, "{list}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in ".{0,200}") {
            let _brand = brand(&text);
            let _string = string(&text);
        }
    }
}
