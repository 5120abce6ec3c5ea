//! One-time passwords of authenticator apps: six digits, a new one every thirty seconds, each good once.
//!
//! **Source:** RFC 6238, with SHA-1, since that is what apps do whatever the URI says; the URI is that of the wiki of Google Authenticator,
//! "Key Uri Format".

use super::base32;
use crate::clock::Timestamp;
use qrcode::{Color, EcLevel, QrCode};
use totp_rs::{Builder, Secret, Totp};

/// 160 bits, as RFC 4226, section 4, has it.
pub const SECRET_BYTES: usize = 20;
/// What may be taken over from elsewhere. **Source:** mfa.md.
const IMPORT_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=32;

/// A new secret.
///
/// # Errors
///
/// The operating system gives no randomness.
pub fn random_secret() -> Result<Vec<u8>, getrandom::Error> {
    let mut secret = vec![0; SECRET_BYTES];
    getrandom::fill(&mut secret)?;
    Ok(secret)
}

/// A secret that an app has already, in base32; spaces, small letters and padding are as people paste them. `None` where it is none of
/// 16 to 32 characters.
#[must_use]
pub fn import(text: &str) -> Option<Vec<u8>> {
    let letters: String = text.chars().filter(|letter| *letter != ' ').collect();
    let letters = letters.trim_end_matches('=');
    if IMPORT_CHARACTERS.contains(&letters.len()) { base32::decode(letters) } else { None }
}

/// The step whose code this is: the one of now, or the one before or behind it, if it is later than the last one that was
/// accepted. Keep it, and each code is good once.
#[must_use]
pub fn accepted_step(secret: &[u8], last_step: Option<u64>, code: &str, now: Timestamp) -> Option<u64> {
    let step = totp(secret).check(code, now.unix_s().into())?;
    last_step.is_none_or(|last| step > last).then_some(step)
}

/// The secret as people type it.
#[must_use]
pub fn written(secret: &[u8]) -> String {
    base32::encode(secret)
}

/// What an app reads from a QR code.
#[must_use]
pub fn uri(secret: &[u8], issuer: &str, account: &str) -> String {
    let (issuer, account) = (percent_encoded(issuer), percent_encoded(account));
    let secret = written(secret);
    format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
}

/// The QR code as a picture, some 5 kB. `None` where the text is too long for one.
#[must_use]
pub fn qr_svg(uri: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::M).ok()?;
    let (width, colors) = (code.width(), code.into_colors());
    let side = width + 2 * QUIET;
    let scale = 240_usize.div_ceil(side).max(1);
    let size = side * scale;
    let path: String = colors.chunks(width.max(1)).enumerate().map(|(row, colors)| dark_runs(row, colors)).collect();
    // Lines of dark modules, a quarter of what a square for each would weigh. No attribute is a style: strict pages forbid those.
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{size}\" height=\"{size}\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path stroke=\"#000\" d=\"{path}\"/></svg>"
    ))
}

/// Modules around a code that stay light. **Source:** ISO/IEC 18004, quiet zone.
const QUIET: usize = 4;

/// What a pen does that draws the dark modules of a row along their middle.
fn dark_runs(row: usize, colors: &[Color]) -> String {
    let (mut drawn, mut at) = (String::new(), 0);
    let mut pen = None;
    for run in colors.chunk_by(PartialEq::eq) {
        if run.first() == Some(&Color::Dark) {
            match pen {
                None => drawn.push_str(&format!("M{} {}.5", at + QUIET, row + QUIET)),
                Some(pen) => drawn.push_str(&format!("m{} 0", at - pen)),
            }
            drawn.push_str(&format!("h{}", run.len()));
            pen = Some(at + run.len());
        }
        at += run.len();
    }
    drawn
}

/// HMAC fills a short key with zeros, so that a shorter secret is the same with zeros behind it. **Source:** RFC 2104, section 2.
fn totp(secret: &[u8]) -> Totp {
    let mut bytes = [0; SECRET_BYTES];
    bytes.iter_mut().zip(secret).for_each(|(byte, of_secret)| *byte = *of_secret);
    // Its own check of the length would refuse what other services made of 80 bits.
    Builder::new().with_secret(Secret::new_stack(bytes)).with_skew(1).build_noncompliant()
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What an app with this secret shows.
#[must_use]
pub fn shown(secret: &[u8], now: Timestamp) -> String {
    totp(secret).generate(now.unix_s().into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of the eight digits; its last time is beyond 2106.
    const SECRET: &[u8] = b"12345678901234567890";
    const VECTORS: [(u32, &str); 5] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
    ];

    fn accepted(last: Option<u64>, code: &str, at_s: u32) -> Option<u64> {
        accepted_step(SECRET, last, code, Timestamp::from_unix_s(at_s))
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (at_s, code) in VECTORS {
            assert_eq!(accepted(None, code, at_s), Some(u64::from(at_s) / 30), "{at_s}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_around_its_own_and_once() {
        let (code, step) = ("005924", 1_234_567_890_u64 / 30);
        let start = 1_234_567_890;
        assert_eq!(start % 30, 0, "its step begins here");
        for (at_s, is_good) in [(-31, false), (-30, true), (0, true), (29, true), (59, true), (60, false)] {
            let at_s = u32::try_from(i64::from(start) + at_s).expect("it is in range");
            assert_eq!(accepted(None, code, at_s).is_some(), is_good, "{at_s}");
        }
        for (last, is_good) in [(step - 1, true), (step, false), (step + 1, false)] {
            assert_eq!(accepted(Some(last), code, start).is_some(), is_good, "{last}");
        }
        for bad in ["", "05924", "0005924", "00592a", " 05924", "005925", "００５９２４"] {
            assert_eq!(accepted(None, bad, start), None, "{bad}");
        }
    }

    #[test]
    fn secrets_of_other_services_are_taken_over() {
        for (text, bytes) in [
            ("GEZDGNBVGY3TQOJQ", Some(&SECRET[..10])),
            ("gezd gnbv gy3t qojq", Some(&SECRET[..10])),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Some(SECRET)),
            ("GEZDGNBVGY3TQOJQGE======", Some(&SECRET[..11])),
            ("GEZDGNBVGY3TQOJ", None),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQG", None),
            ("GEZDGNBVGY3TQOJ1", None),
            ("", None),
        ] {
            assert_eq!(import(text).as_deref(), bytes, "{text}");
        }
        // A short secret is not the same as a longer one that begins so.
        let (short, now) = (&SECRET[..10], Timestamp::from_unix_s(59));
        assert_eq!(accepted_step(short, None, "287082", now), None);
    }

    #[test]
    fn an_app_reads_what_it_needs() {
        assert_eq!(
            uri(SECRET, "Exämple Ltd", "alice@example.org"),
            "otpauth://totp/Ex%C3%A4mple%20Ltd:alice@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Ex%C3%A4mple%20Ltd\
             &algorithm=SHA1&digits=6&period=30"
        );
        let picture = qr_svg(&uri(SECRET, "x", &"%".repeat(256))).unwrap_or_default();
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>"), "{picture:.40}");
        assert_eq!(qr_svg(&"x".repeat(4000)), None);
    }

    #[test]
    fn the_picture_has_the_modules_of_the_code() {
        for text in [uri(SECRET, "Example", "alice@example.org"), "x".to_owned(), "%41".repeat(400)] {
            let code = QrCode::with_error_correction_level(&text, EcLevel::M).expect("it is short");
            let picture = qr_svg(&text).expect("it is short");
            let path = picture.split("stroke=\"#000\" d=\"").nth(1).and_then(|rest| rest.split('"').next());
            assert_eq!(drawn(path.unwrap_or_default(), code.width()), code.into_colors(), "{text}");
            assert!(!picture.contains("style"), "{picture}");
        }
        assert!(qr_svg(&uri(SECRET, "Example Ltd", "alice@example.org")).unwrap_or_default().len() < 6_000);
    }

    /// What the pen has drawn, by a reader of the few commands that it knows.
    fn drawn(path: &str, width: usize) -> Vec<Color> {
        let mut modules = vec![Color::Light; width * width];
        let (mut x, mut y) = (0, 0);
        let spaced = path.replace('M', " M").replace('m', " m").replace('h', " h");
        let mut words = spaced.split_whitespace();
        while let Some(word) = words.next() {
            let (command, number) = word.split_at(1);
            let number: usize = number.parse().expect("a number");
            match command {
                "M" => {
                    let row = words.next().and_then(|row| row.strip_suffix(".5")).expect("the middle of a row");
                    (x, y) = (number, row.parse::<usize>().expect("a number"));
                }
                "m" => {
                    x += number;
                    assert_eq!(words.next(), Some("0"), "the pen stays in its row");
                }
                "h" => {
                    (x..x + number).for_each(|x| modules[(y - QUIET) * width + x - QUIET] = Color::Dark);
                    x += number;
                }
                other => panic!("{other}"),
            }
        }
        modules
    }
}
