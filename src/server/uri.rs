//! What a path or a query holds, percent-encoded (RFC 3986). A `+` is a plus: it is no form that is sent.

use super::error::Failure;
use std::borrow::Cow;

/// The text behind the escapes; `None` where an escape is none, or the whole is no UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.is_ascii() {
        return None;
    }
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { digit(rest.next()?)? << 4 | digit(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The values of the parameters `names`, each of which may stand there once; others may not.
pub(super) fn parameters<'q, const N: usize>(
    query: Option<&'q str>,
    names: [&str; N],
) -> Result<[Option<Cow<'q, str>>; N], Failure> {
    let mut values = [const { None }; N];
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some((_, place)) = names.iter().zip(&mut values).find(|(known, _)| **known == name) else {
            return Err(Failure::invalid(name, "unknown parameter"));
        };
        let value = decode(value).ok_or_else(|| Failure::invalid(name, "must be percent-encoded UTF-8"))?;
        if place.replace(value).is_some() {
            return Err(Failure::invalid(name, "stands there twice"));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_read_strictly() {
        for (text, expected) in [
            ("alice", Some("alice")),
            ("a%20b+c", Some("a b+c")),
            ("%e2%82%AC%2f%25", Some("€/%")),
            ("", Some("")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+4", None),
            ("%ff", None),
            ("%c3", None),
            ("€", None),
        ] {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_parameter_is_known_and_stands_once() {
        let read = |query| parameters(Some(query), ["user", "limit"]);
        assert_eq!(read("limit=%31&user=a%26b"), Ok([Some("a&b".into()), Some("1".into())]));
        assert_eq!(read("user"), Ok([Some("".into()), None]));
        assert_eq!(parameters(None, ["user", "limit"]), Ok([None, None]));
        for (query, field) in
            [("users=a", "users"), ("user=a&user=a", "user"), ("limit=%", "limit"), ("%75ser=a", "%75ser")]
        {
            let named = matches!(read(query), Err(Failure::Invalid { field: Some(named), .. }) if named == field);
            assert!(named, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in ".*") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let decoded = decode(&encoded);
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }
    }
}
