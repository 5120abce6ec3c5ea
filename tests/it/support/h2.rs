//! Just enough HTTP/2 to speak it with prior knowledge: requests without compression, answers with a status that has an
//! entry in the static table of HPACK (RFC 7541, appendix A).

use super::client::{Connection, Endpoint};
use std::collections::BTreeMap;
use std::io;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A client's side of one HTTP/2 connection; streams are numbered 1, 3, 5, … in the order of requests.
#[derive(Debug)]
pub(crate) struct H2Connection {
    connection: Connection,
    next_stream: u32,
}

#[derive(Debug, Default)]
pub(crate) struct H2Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    ended: bool,
}

impl H2Connection {
    pub(crate) fn open(endpoint: &Endpoint) -> Self {
        let mut connection = Connection::open(endpoint).expect("the listener accepts");
        connection.write(PREFACE).expect("the preface can be sent");
        let mut opened = Self { connection, next_stream: 1 };
        opened.write_frame(SETTINGS, 0, 0, &[]);
        opened
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &[u8]) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let block = request_block(method, path, &[("content-length", &body.len().to_string())]);
        self.write_frame(HEADERS, END_HEADERS, stream, &block);
        self.write_frame(DATA, END_STREAM, stream, body);
        stream
    }

    /// Reads until every one of `streams` has ended.
    pub(crate) fn read_answers(&mut self, streams: &[u32]) -> BTreeMap<u32, H2Answer> {
        let mut answers: BTreeMap<u32, H2Answer> = BTreeMap::new();
        while !streams.iter().all(|stream| answers.get(stream).is_some_and(|answer| answer.ended)) {
            let (kind, flags, stream, payload) = self.read_frame();
            match kind {
                HEADERS => answers.entry(stream).or_default().status = status_of(&payload),
                DATA => answers.entry(stream).or_default().body.extend_from_slice(&payload),
                SETTINGS if flags & ACK == 0 => self.write_frame(SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => self.write_frame(PING, ACK, 0, &payload),
                RST_STREAM | GOAWAY => panic!("the server gave up (frame {kind}, stream {stream}): {payload:?}"),
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                answers.entry(stream).or_default().ended = true;
            }
        }
        answers
    }

    fn write_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.connection.write(&frame(kind, flags, stream, payload)).expect("the frame can be sent");
    }

    fn read_frame(&mut self) -> (u8, u8, u32, Vec<u8>) {
        self.try_read_frame().expect("a frame follows")
    }

    /// Kind, flags, stream and payload of the next frame; the error is the end of the connection.
    pub(crate) fn try_read_frame(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.connection.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        self.connection.read_exact(&mut payload)?;
        Ok((head[3], head[4], stream, payload))
    }

    /// What is below, for bytes that are no good frames.
    pub(crate) fn raw(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// A frame, whatever is in it.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The block of a request for JSON, with further headers.
pub(crate) fn request_block(method: &str, path: &str, further: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/json"),
    ];
    block(&[&usual, further].concat())
}

/// A block of headers, each a literal that no table is to remember.
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        push_text(&mut block, name);
        push_text(&mut block, value);
    }
    block
}

/// A string literal without Huffman coding; a length of 127 bytes or more goes over several (RFC 7541, section 5.1).
fn push_text(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()).ok().filter(|length| *length < 127) {
        Some(length) => block.push(length),
        None => {
            block.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.push(rest.to_le_bytes()[0] | 128);
                rest >>= 7;
            }
            block.push(rest.to_le_bytes()[0]);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

/// The status, which stands first, after updates of the table's size.
fn status_of(block: &[u8]) -> u16 {
    let first = block.iter().find(|byte| **byte & 0b1110_0000 != 0b0010_0000);
    match first {
        Some(0x88) => 200,
        Some(0x8c) => 400,
        Some(0x8d) => 404,
        other => panic!("a status outside the static table: {other:?}"),
    }
}
