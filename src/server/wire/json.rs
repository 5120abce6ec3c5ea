//! JSON by hand, for the one answer that every login gets: shapes and names are literals, only what a client chose is
//! looked at for escapes. An answer of 1,900 bytes, with a trip and four reasons, takes some
//! 6,800 instructions; derived serialisation took 26,000 for one of 1,100.

/// Writes behind what the buffer holds. Whoever calls keeps the commas.
#[derive(Debug)]
pub(super) struct Json {
    pub(super) out: Vec<u8>,
}

impl Json {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    /// Punctuation and names.
    #[inline]
    pub(super) fn raw(&mut self, literal: &'static str) {
        self.out.extend_from_slice(literal.as_bytes());
    }

    /// Text without its quotes, which the literals around it hold, and which is known to hold nothing to escape: a word of
    /// ours, an id, an address, a time.
    #[inline]
    pub(super) fn plain(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Any text, in quotes and escaped.
    pub(super) fn text(&mut self, text: &str) {
        // All of them, without an end in between: so the compiler looks at many at once.
        let is_odd = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
        if text.bytes().fold(false, |found, byte| found | is_odd(byte)) {
            // Into memory: this cannot fail.
            serde_json::to_writer(&mut self.out, text).unwrap_or_default();
        } else {
            self.raw("\"");
            self.plain(text);
            self.raw("\"");
        }
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    pub(super) fn integer(&mut self, value: i64) {
        self.plain(itoa::Buffer::new().format(value));
    }

    /// A finite number with three digits behind the point; what is not finite is no number of ours and becomes null.
    pub(super) fn thousandths(&mut self, value: f64) {
        if value.abs() >= 1e12 || value.is_nan() {
            serde_json::to_writer(&mut self.out, &value).unwrap_or_default();
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 1e15")]
        let scaled = (value * 1000.0).round() as i64;
        if scaled < 0 {
            self.raw("-");
        }
        self.plain(itoa::Buffer::new().format(scaled.unsigned_abs() / 1000));
        let thousandths = scaled.unsigned_abs() % 1000;
        let digits = [thousandths / 100, thousandths / 10 % 10, thousandths % 10];
        // Of one digit each: the conversion keeps it.
        let [first, second, third] = digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or(0));
        self.out.extend_from_slice(&[b'.', first, second, third]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Json)) -> Result<serde_json::Value, serde_json::Error> {
        let mut json = Json::with_capacity(16);
        write(&mut json);
        serde_json::from_slice(&json.out)
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in ".*") {
            prop_assert_eq!(written(|json| json.text(&text)).ok(), Some(serde_json::Value::from(text)));
        }

        #[test]
        fn any_number_reads_back_to_a_thousandth(value in -1e9..1e9_f64) {
            let read = written(|json| json.thousandths(value)).ok().and_then(|number| number.as_f64());
            prop_assert!(read.is_some_and(|read| (read - value).abs() <= 0.000_501), "{} {:?}", value, read);
        }
    }

    #[test]
    fn odd_numbers() {
        assert_eq!(written(|json| json.thousandths(f64::NAN)).ok(), Some(serde_json::Value::Null));
        assert_eq!(written(|json| json.thousandths(-0.25)).ok(), Some((-0.25).into()));
        for number in [0, 7, 10, -1, i64::MAX, i64::MIN] {
            assert_eq!(written(|json| json.integer(number)).ok(), Some(number.into()));
        }
    }
}
