//! JSON by hand, for the one answer that every login gets: shapes and names are literals, only what a client chose is
//! looked at for escapes. Some 3,000 instructions an answer against 26,000 by derived serialisation.

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
        if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
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
        let mut number = Number::default();
        number.digits(value.unsigned_abs(), 1);
        number.sign(value);
        self.out.extend_from_slice(number.text());
    }

    /// A finite number with three digits behind the point; what is not finite is no number of ours and becomes null.
    pub(super) fn thousandths(&mut self, value: f64) {
        if value.abs() >= 1e12 || value.is_nan() {
            serde_json::to_writer(&mut self.out, &value).unwrap_or_default();
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 1e15")]
        let scaled = (value * 1000.0).round() as i64;
        let mut number = Number::default();
        number.digits(scaled.unsigned_abs() % 1000, 3);
        number.put(b'.');
        number.digits(scaled.unsigned_abs() / 1000, 1);
        number.sign(scaled);
        self.out.extend_from_slice(number.text());
    }
}

/// A number in decimal, written from its end, so that the buffer takes it in one piece.
struct Number {
    bytes: [u8; Self::BYTES],
    first: usize,
}

impl Number {
    /// 20 digits, a point and a sign.
    const BYTES: usize = 22;

    fn put(&mut self, byte: u8) {
        self.first -= 1;
        self.bytes[self.first] = byte;
    }

    /// Decimal digits, at least so many.
    fn digits(&mut self, mut value: u64, at_least: usize) {
        let end = self.first;
        while value > 0 || end - self.first < at_least {
            // One digit: the conversion keeps it.
            self.put(b'0' + u8::try_from(value % 10).unwrap_or(0));
            value /= 10;
        }
    }

    fn sign(&mut self, value: i64) {
        if value < 0 {
            self.put(b'-');
        }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.first..]
    }
}

impl Default for Number {
    fn default() -> Self {
        Self { bytes: [0; Self::BYTES], first: Self::BYTES }
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
