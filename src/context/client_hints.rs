//! `Sec-CH-UA*`: the lists and strings of structured fields that browsers put there.
//!
//! **Source:** RFC 8941 (structured fields) and the User-Agent Client Hints draft (brands, GREASE). Lenient where a
//! browser would be: what cannot be read is no hint, and the user agent answers instead.

use super::agent::{Exactness, brand_rank};
use std::borrow::Cow;
use std::cmp::Reverse;

/// A brand and its major version, 0 where none is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Brand<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) major: u16,
}

/// The brand that names the browser: the most exact of the list, whatever its order, which browsers shuffle. GREASE is
/// none.
pub(super) fn brand(list: &str) -> Option<Brand<'_>> {
    let mut best: Option<(BrandRank<'_>, Brand<'_>)> = None;
    let mut rest = list;
    while let Some((name, behind)) = quoted(rest) {
        let parameters = behind.split_once(',').map_or(behind, |(parameters, _)| parameters);
        // A brand may hold a comma; its parameters do not.
        rest = &behind[parameters.len()..];
        if name.is_empty() || is_grease(&name) {
            continue;
        }
        let version = parameters.split_once("v=").and_then(|(_, value)| quoted(value)).map(|(version, _)| version);
        let major = version.map_or(0, |version| major(&version));
        let rank = (brand_rank(&name), Reverse(name.clone()));
        if best.as_ref().is_none_or(|(known, _)| rank > *known) {
            best = Some((rank, Brand { name, major }));
        }
    }
    best.map(|(_, brand)| brand)
}

/// Exactness, place among equals, and the name for strangers.
type BrandRank<'a> = ((Exactness, usize), Reverse<Cow<'a, str>>);

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
            (
                r#""Yowser";v="2.5", "Not?A_Brand";v="99", "YaBrowser";v="24.12", "Chromium";v="130""#,
                Some(("YaBrowser", 24)),
            ),
            (r#""Opera";v="115", "OperaMobile";v="86", "Chromium";v="130""#, Some(("OperaMobile", 86))),
            (r#""Android WebView";v="143", "Opera Mini Android";v="97""#, Some(("Opera Mini Android", 97))),
            (r#""Google Chrome";v="119", "Lighthouse";v="11.5.0""#, Some(("Lighthouse", 11))),
            (r#""Beta";v="2", "Chromium";v="130", "Alpha";v="1""#, Some(("Alpha", 1))),
            (r#""Chromium";v="99999999999""#, Some(("Chromium", 0))),
            (r#""Chromium";v="-1""#, Some(("Chromium", 0))),
            (r#""Not A;Brand";v="99""#, None),
            (r#""";v="99""#, None),
            (r#""Chrome;v="#, None),
            ("", None),
            (";;;,,,", None),
        ] {
            assert_eq!(brand(list).as_ref().map(|brand| (&*brand.name, brand.major)), expected, "{list}");
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
