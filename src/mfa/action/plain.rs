//! Which texts look like what they are.

/// Whether a text shows all that it holds, in one line, in its own place.
pub(super) fn is_plain(text: &str) -> bool {
    let has_odd_blanks = text.trim() != text || text.contains("  ");
    !has_odd_blanks && !text.chars().any(is_deceptive)
}

/// Whether letters of the text run from right to left, and may take what stands beside them along.
///
/// **Source:** UAX #9: the blocks that hold characters of the classes R, AL and AN.
pub(super) fn is_right_to_left(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    })
}

/// **Source:** Unicode 16: the categories Cc, Zl, Zp, Zs but the plain space, Cf, Co, and the property
/// `Default_Ignorable_Code_Point`, which draws nothing.
fn is_deceptive(c: char) -> bool {
    let is_blank = c.is_whitespace() && c != ' ';
    let is_invisible = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    let is_format = matches!(c, '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}');
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    c.is_control() || is_blank || is_invisible || is_format || is_private
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_or_moves_others_is_not_plain() {
        for good in ["Bob", "Bob & Söhne KG", "100", "日本語", "שלום", "a{{amount}}b", "\"quoted\"", "e\u{301}"]
        {
            assert!(is_plain(good), "{good:?}");
        }
        for bad in [
            "a\nb",
            "a\u{0}b",
            "a\u{7f}b",
            "a\u{85}b",
            "a\tb",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200f}b",
            "a\u{61c}b",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{feff}b",
            "a\u{ad}b",
            "a\u{a0}b",
            "a\u{3000}b",
            "a\u{3164}b",
            "a\u{e0041}b",
            "a\u{fe0f}b",
            "a\u{e000}b",
            " a",
            "a ",
            "a  b",
        ] {
            assert!(!is_plain(bad), "{bad:?}");
        }
        assert!(is_right_to_left("שלום") && is_right_to_left("مرحبا") && !is_right_to_left("Bob 100 Ω Б 日"));
    }
}
