//! Just enough HTTP/2 to speak it with prior knowledge: requests without compression, answers with a status that has an
//! entry in the static table of HPACK (RFC 7541, appendix A).

use super::client::{Connection, Endpoint};
use std::collections::BTreeMap;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

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
        let length = body.len().to_string();
        let mut block = Vec::new();
        for (name, value) in [
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/json"),
            ("content-length", &length),
        ] {
            block.push(0); // a literal that no table is to remember
            push_text(&mut block, name);
            push_text(&mut block, value);
        }
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
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.connection.write(&frame).expect("the frame can be sent");
    }

    fn read_frame(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        self.connection.read_exact(&mut head).expect("a frame follows");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        self.connection.read_exact(&mut payload).expect("the frame is whole");
        (head[3], head[4], stream, payload)
    }
}

/// A string literal without Huffman coding; none here is longer than the 126 bytes that its one length byte can say.
fn push_text(block: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short header");
    block.push(length);
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
