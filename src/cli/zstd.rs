//! zstd, as files that end in `.zst` have it: frames one behind the other (RFC 8878).
//!
//! The `ruzstd` crate is pure Rust. Measured on decisions of a replay, it reads 270 MB a second and writes 45, which is 110,000 of
//! them, on threads of their own.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::{self, Read, Write};
use std::path::Path;

/// Whether the name says that the file is packed so.
pub(super) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zst"))
}

/// Takes the packing off a stream. Holds a frame's window, 128 MiB at most.
pub(super) struct Unpacker<R> {
    packed: R,
    decoder: FrameDecoder,
    is_within: bool,
}

impl<R: Read> Unpacker<R> {
    pub(super) fn new(packed: R) -> Self {
        Self { packed, decoder: FrameDecoder::new(), is_within: false }
    }

    /// Goes to the next frame; false at the end of the stream.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            let mut first = [0];
            if self.packed.read(&mut first)? == 0 {
                return Ok(false);
            }
            match self.decoder.reset(first.as_slice().chain(&mut self.packed)) {
                Ok(()) => return Ok(true),
                // A frame of something else, which is to be gone over.
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.packed.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(invalid(error)),
            }
        }
    }

    /// Frames may say what their text hashes to.
    fn check(&self) -> io::Result<()> {
        let (said, found) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        if said.is_some() && said != found { Err(invalid("its checksum says that it is damaged")) } else { Ok(()) }
    }
}

impl<R: Read> Read for Unpacker<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 {
            if self.is_within && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.packed, one).map_err(invalid)?;
                continue;
            }
            if self.is_within {
                self.check()?;
            }
            self.is_within = self.begin()?;
            if !self.is_within {
                return Ok(0);
            }
        }
        self.decoder.read(buffer)
    }
}

fn invalid(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Packs each piece as a frame.
pub(super) struct Packer<W>(W);

impl<W: Write> Packer<W> {
    pub(super) fn new(packed: W) -> Self {
        Self(packed)
    }

    pub(super) fn write_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        self.0.write_all(&compress_to_vec(piece, CompressionLevel::Fastest))
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "one\ntwo\n" by zstd 1.5.4, with a checksum.
    const TWO_LINES: &[u8] = b"(\xb5/\xfd\x04XA\x00\x00one\ntwo\n\xe6\xa6\x0e@";
    /// A frame for others, of three bytes.
    const FOREIGN: &[u8] = b"\x50\x2a\x4d\x18\x03\0\0\0abc";

    fn unpack(packed: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Unpacker::new(packed).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn frames_of_others_are_read_one_behind_the_other() -> io::Result<()> {
        assert_eq!(unpack(b"")?, "");
        assert_eq!(unpack(TWO_LINES)?, "one\ntwo\n");
        assert_eq!(unpack(&[TWO_LINES, FOREIGN, TWO_LINES].concat())?, "one\ntwo\none\ntwo\n");
        Ok(())
    }

    #[test]
    fn what_was_packed_comes_back() -> io::Result<()> {
        let mut packer = Packer::new(Vec::new());
        let lines: Vec<String> =
            (0..3000).map(|number| format!("{{\"line\":{number},\"user\":\"{}\"}}\n", number % 7)).collect();
        let all = lines.concat();
        for piece in [&all[..], "", &lines[0], &all] {
            packer.write_piece(piece.as_bytes())?;
        }
        assert!(packer.0.len() < all.len(), "it is packed");
        assert_eq!(unpack(&packer.0)?, [&all, &lines[0], &all].map(String::as_str).concat());
        Ok(())
    }

    #[test]
    fn what_is_damaged_or_cut_short_is_an_error() {
        for length in 1..TWO_LINES.len() {
            assert!(unpack(&TWO_LINES[..length]).is_err(), "{length} bytes");
        }
        for at in 0..TWO_LINES.len() {
            let mut damaged = TWO_LINES.to_vec();
            damaged[at] ^= 0x10;
            // Two bytes of the head say what the frame may need, and nothing about the text.
            let is_harmless = matches!(at, 4 | 5);
            let unpacked = unpack(&damaged);
            assert!(unpacked.as_ref().map_or(true, |text| is_harmless && text == "one\ntwo\n"), "{at}: {unpacked:?}");
        }
        assert!(unpack(&FOREIGN[..9]).is_err());
        assert!(unpack(b"{\"user\":1}\n").is_err(), "it is no zstd");
    }
}
