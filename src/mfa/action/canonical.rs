//! The canonical form of JSON, as far as actions need it: an object of texts, numbers and flags.
//!
//! **Source:** RFC 8785, section 3.2, and the number form of ECMAScript (ECMA-262, `Number::toString`) that it names.

use super::Param;
use std::collections::BTreeMap;

/// `{"name":…,"params":{…}}`.
pub(super) fn object_of(name: &str, params: &BTreeMap<String, Param>) -> String {
    let mut sorted: Vec<(&String, &Param)> = params.iter().collect();
    // By UTF-16 units, which is another order than by characters.
    sorted.sort_by_cached_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
    let members = sorted.into_iter().map(|(name, param)| format!("{}:{}", text(name), value(param)));
    format!("{{\"name\":{},\"params\":{{{}}}}}", text(name), members.collect::<Vec<_>>().join(","))
}

fn value(param: &Param) -> String {
    match param {
        Param::Text(content) => text(content),
        Param::Number(content) => number(*content),
        Param::Flag(content) => content.to_string(),
    }
}

fn text(content: &str) -> String {
    let mut quoted = String::with_capacity(content.len() + 2);
    quoted.push('"');
    for c in content.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\u{c}' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            '\0'..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The shortest digits that mean this double, in the form of ECMAScript. Finite ones only.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rust writes the shortest digits, too, but places point and exponent otherwise: one digit, a point, the others, `e`.
    let shortest = format!("{value:e}");
    // Of two that are as short and as near, it takes the greater one, and the standard the even one, as so many digits are rounded to. At
    // powers of two, that may be another double.
    let count = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{value:.*e}", count.saturating_sub(1));
    let is_it = even.parse().is_ok_and(|even: f64| even.to_bits() == value.to_bits());
    let written = if is_it { even } else { shortest };
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{sign}{}", placed(&digits, exponent))
}

/// `digits` with the point behind the first one, times ten to `exponent`.
fn placed(digits: &str, exponent: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    match exponent {
        // Whole, with zeros behind where there are too few digits.
        0..21 if exponent + 1 >= count => format!("{digits}{}", zeros(exponent + 1 - count)),
        0..21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
            format!("{whole}.{fraction}")
        }
        -6..0 => format!("0.{}{digits}", zeros(-exponent - 1)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{first}{point}{rest}e{sign}{}", exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// **Source:** RFC 8785, appendix B; those that are no number are refused before.
    #[test]
    fn numbers_are_those_of_the_standard() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(number(f64::from_bits(bits)), expected, "{bits:#x}");
        }
    }

    /// **Source:** RFC 8785, sections 3.2.2 and 3.2.3: the literals and numbers of the one, the names of the other.
    #[test]
    fn members_are_in_the_order_of_the_standard_and_texts_escape_as_little_as_may_be() {
        let names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let params = names.iter().map(|name| ((*name).to_owned(), Param::Flag(true))).collect();
        let expected = "{\"name\":\"n\",\"params\":{\"\\r\":true,\"1\":true,\"\u{80}\":true,\"\u{f6}\":true,\"\u{20ac}\":true,\
                        \"\u{1f600}\":true,\"\u{fb33}\":true}}";
        assert_eq!(object_of("n", &params), expected);
        let escaped = "\u{20ac}$\u{f}\nA'B\"\\\\\"/";
        assert_eq!(text(escaped), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
        let numbers = [333_333_333.333_333_3, 1e30, 4.50, 2e-3, 0.000_000_000_000_000_000_000_000_001].map(number);
        assert_eq!(numbers, ["333333333.3333333", "1e+30", "4.5", "0.002", "1e-27"]);
    }
}
