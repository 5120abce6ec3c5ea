//! Base32 (RFC 4648, section 6), without padding: how secrets of authenticator apps are written.

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The letters that stand for the bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().enumerate().fold(0_u64, |bits, (at, byte)| bits | u64::from(*byte) << (32 - 8 * at));
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            let letter = usize::try_from(bits >> (35 - 5 * at) & 31).unwrap_or(0);
            text.push(char::from(LETTERS[letter]));
        }
    }
    text
}

/// The whole bytes behind the letters, large or small; bits beyond them are of no byte, as apps have it. `None` where one is none.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() * 5 / 8), 0_u32, 0);
    for letter in text.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        bits = bits << 5 | u32::try_from(value).unwrap_or(0);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_rfc() {
        // RFC 4648, section 10, without the padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
            assert_eq!(decode(&text.to_lowercase()).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["M1", "MZ=", "M Z", "é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
