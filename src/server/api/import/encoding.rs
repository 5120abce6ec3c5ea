//! How a body is encoded (RFC 9110, section 8.4): as it is, or in gzip.

use crate::server::error::Failure;
use flate2::write::MultiGzDecoder;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use std::io::{self, Write};

/// Takes the encoding off a body, piece by piece.
#[derive(Debug)]
pub(super) enum Encoding {
    Identity,
    /// One member or several (RFC 1952), as `gzip` and `cat` write them. Holds 32 KiB of window and twice as much of text.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut given = headers.get_all(CONTENT_ENCODING).iter();
        match (given.next().map(|value| value.as_bytes().trim_ascii()), given.next()) {
            (None, _) => Ok(Self::Identity),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"identity") => Ok(Self::Identity),
            (Some(coding), None) if [&b"gzip"[..], b"x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name)) => {
                Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))))
            }
            _ => Err(Failure::ContentType { expected: "application/x-ndjson, as it is or encoded as gzip" }),
        }
    }

    /// Text from the front of `bytes`, as much as there is or 32 KiB, however well it was compressed.
    pub(super) fn decode<'a, 'p: 'a>(&'a mut self, bytes: &mut &'p [u8]) -> Result<&'a [u8], Failure> {
        match self {
            Self::Identity => Ok(std::mem::take(bytes)),
            Self::Gzip(decoder) => {
                decoder.get_mut().clear();
                let taken = decoder.write(bytes).map_err(|error| refused(&error))?;
                *bytes = &bytes[taken..];
                Ok(decoder.get_ref())
            }
        }
    }

    /// The text that was held back at the end.
    pub(super) fn finish(&mut self) -> Result<&[u8], Failure> {
        match self {
            Self::Identity => Ok(b""),
            Self::Gzip(decoder) => {
                decoder.get_mut().clear();
                decoder.try_finish().map_err(|error| refused(&error))?;
                Ok(decoder.get_ref())
            }
        }
    }
}

fn refused(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Failure::Truncated
    } else {
        Failure::MalformedJson("it is no good gzip".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap_or_default();
        encoder.finish().unwrap_or_default()
    }

    fn decoder() -> Encoding {
        let headers = [(CONTENT_ENCODING, HeaderValue::from_static("GZip"))].into_iter().collect();
        Encoding::of(&headers).unwrap_or(Encoding::Identity)
    }

    /// The text, and the length of its longest piece.
    fn decoded(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize), Failure> {
        let (mut encoding, mut text, mut longest) = (decoder(), Vec::new(), 0);
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let part = encoding.decode(&mut piece)?;
                longest = longest.max(part.len());
                text.extend_from_slice(part);
            }
        }
        let rest = encoding.finish()?;
        text.extend_from_slice(rest);
        Ok((text, longest.max(rest.len())))
    }

    #[test]
    fn a_bomb_comes_in_small_pieces() {
        let bomb = gzip(&vec![b'\n'; 4 << 20]);
        assert!(bomb.len() < 1 << 14, "{}", bomb.len());
        let (text, longest) = decoded(&[&bomb]).unwrap_or_default();
        assert_eq!(text.len(), 4 << 20);
        assert!(longest <= 64 << 10, "{longest}");
    }

    #[test]
    fn members_follow_each_other_and_damage_shows() {
        let members = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
        assert_eq!(decoded(&[&members]).map(|(text, _)| text), Ok(b"one\ntwo\n".to_vec()));
        let malformed = Err(Failure::MalformedJson("it is no good gzip".to_owned()));
        let one = gzip(b"one\n");
        let mut crc = one.clone();
        crc[one.len() - 8] ^= 1;
        for (bytes, expected) in [
            (&b"no gzip, but text\n"[..], &malformed),
            (&crc, &malformed),
            (&[&one[..], b"more"].concat(), &Err(Failure::Truncated)),
            (&[&one[..], b"and some more"].concat(), &malformed),
            (&one[..one.len() - 9], &Err(Failure::Truncated)),
            (&one[..5], &Err(Failure::Truncated)),
            (b"", &Err(Failure::Truncated)),
        ] {
            assert_eq!(&decoded(&[bytes]), expected, "{bytes:?}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        for names in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &[""]] {
            let header = |name: &&'static str| (CONTENT_ENCODING, HeaderValue::from_static(name));
            let headers: HeaderMap = names.iter().map(header).fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
            assert!(matches!(Encoding::of(&headers), Err(Failure::ContentType { .. })), "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in prop::collection::vec(0..4_u8, 0..2000), step in 1..50_usize) {
            let bytes = gzip(&text);
            let pieces: Vec<&[u8]> = bytes.chunks(step).collect();
            prop_assert_eq!(decoded(&pieces).map(|(text, _)| text), Ok(text));
        }

        #[test]
        fn any_bytes_come_to_an_end(mut bytes in prop::collection::vec(any::<u8>(), 0..300), good in any::<bool>()) {
            if good {
                bytes.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
            }
            let _text = decoded(&[&bytes]);
        }
    }
}
