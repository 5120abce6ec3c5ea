//! HTTP/2 used to keep a server busy, or to fill its memory: floods, stalls, and frames that are none.

use super::Besieged;
use crate::support::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2Connection, HEADERS, PING, RST_STREAM, SETTINGS, block,
    frame, request_block,
};
use crate::support::plain_login;
use std::time::Duration;

const WINDOW_UPDATE: u8 = 8;
const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
/// Why a connection ends (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;
/// A server that takes this much more without a word is flooded.
const FLOOD_BYTES_MAX: usize = 64 << 20;

fn open(besieged: &Besieged) -> H2Connection {
    let mut connection = H2Connection::open(&besieged.client().endpoint);
    // A write that blocks is as good as one that fails: nobody reads it.
    connection.raw().set_patience(Duration::from_millis(500)).unwrap();
    connection
}

/// Sends pieces until the server no longer takes them; how many bytes it took.
fn flood(connection: &mut H2Connection, pieces: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut taken = 0;
    for piece in pieces {
        if connection.raw().write(&piece).is_err() {
            return taken;
        }
        taken += piece.len();
        assert!(taken < FLOOD_BYTES_MAX, "a flood is taken as if it were none");
    }
    taken
}

/// The reason that the server gave for ending the connection, if it did.
fn reason(connection: &mut H2Connection) -> Option<u32> {
    loop {
        match connection.try_read_frame().ok()? {
            (GOAWAY, _, _, payload) => return payload.get(4..8)?.try_into().ok().map(u32::from_be_bytes),
            _ => continue,
        }
    }
}

fn odd_streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// A hundred requests a write, to save system calls.
fn together(frames: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    let mut frames = frames.peekable();
    std::iter::from_fn(move || frames.peek().is_some().then(|| frames.by_ref().take(100).collect::<Vec<_>>().concat()))
}

/// Opened and reset at once, a stream costs its client nothing. **Source:** CVE-2023-44487.
#[test]
fn streams_that_are_reset_at_once_end_their_connection() {
    let besieged = Besieged::new();
    let request = request_block("POST", "/v1/score", &[]);
    for _ in 0..4 {
        let mut connection = open(&besieged);
        let resets = odd_streams().map(|stream| {
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [frame(HEADERS, END_HEADERS, stream, &request), reset].concat()
        });
        flood(&mut connection, together(resets));
        assert!(matches!(reason(&mut connection), Some(ENHANCE_YOUR_CALM) | None));
    }
    besieged.assert_unharmed();
}

/// A block that never ends, in small frames and in large ones. **Source:** CERT/CC VU#421644.
#[test]
fn a_block_of_headers_without_end_ends_its_connection() {
    let besieged = Besieged::new();
    for piece in [Vec::new(), block(&[("x", "y")]), block(&[("x", &"y".repeat(16_000))])] {
        let mut connection = open(&besieged);
        let head = frame(HEADERS, 0, 1, &request_block("POST", "/v1/score", &[]));
        let pieces = std::iter::repeat_with(|| frame(CONTINUATION, 0, 1, &piece));
        flood(&mut connection, std::iter::once(head).chain(together(pieces)));
        reason(&mut connection);
    }
    besieged.assert_unharmed();
}

/// Each asks for an answer, which nobody reads.
#[test]
fn questions_whose_answers_nobody_reads_are_not_taken_for_ever() {
    let mut besieged = Besieged::new();
    let mut held = Vec::new();
    for question in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])]
    {
        let mut connection = open(&besieged);
        flood(&mut connection, together(std::iter::repeat(question)));
        held.push(connection);
    }
    besieged.await_no_connections();
    besieged.assert_memory_is_bounded();
    drop(held);
    besieged.assert_unharmed();
}

/// More streams than are allowed, whose bodies never come: those over the bound are refused, and then the connection.
#[test]
fn streams_over_the_limit_are_refused_and_then_their_connection() {
    let besieged = Besieged::new();
    let mut connection = open(&besieged);
    connection.raw().set_patience(crate::support::PATIENCE).unwrap();
    let request = request_block("POST", "/v1/score", &[("content-length", "60000")]);
    let heads = odd_streams().take(300).map(|stream| frame(HEADERS, END_HEADERS, stream, &request));
    flood(&mut connection, together(heads));
    let (mut refused, mut answered) = (0, 0);
    while let Ok((kind, flags, _, payload)) = connection.try_read_frame() {
        match kind {
            RST_STREAM => refused += usize::from(payload == 7_u32.to_be_bytes()),
            HEADERS => answered += 1,
            // The server may be gone already.
            SETTINGS if flags & ACK == 0 => connection.raw().write(&frame(SETTINGS, ACK, 0, &[])).unwrap_or_default(),
            _ => {}
        }
    }
    assert!(answered <= 64 && refused > 0, "{answered} answered, {refused} refused");
    besieged.assert_unharmed();
}

/// Good requests by a client that never lets the answers out. They are judged: nothing was wrong with them.
#[test]
fn answers_that_are_not_let_out_do_not_hold_the_connection() {
    let mut besieged = Besieged::new();
    let body = plain_login("stalled").to_string();
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut connection = open(&besieged);
        let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let block = request_block("POST", "/v1/score", &[]);
        let requests = odd_streams().take(60).map(|stream| {
            [frame(HEADERS, END_HEADERS, stream, &block), frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
        });
        flood(&mut connection, std::iter::once(no_window).chain(together(requests)));
        held.push(connection);
    }
    besieged.await_no_connections();
    besieged.assert_memory_is_bounded();
    drop(held);
    besieged.assert_unharmed_but_for(1, 0);
}

/// A list of headers over the limit is refused as it is over HTTP/1, whether it is long or wide.
#[test]
fn a_list_of_headers_over_the_limit_is_no_login() {
    let besieged = Besieged::new();
    let body = plain_login("wide").to_string();
    let long = "y".repeat(15_000);
    let many: Vec<(&str, &str)> = vec![("x", "y"); 1_000];
    for further in [&[("a", &*long), ("b", &*long)][..], &many] {
        let mut connection = open(&besieged);
        let request = request_block("POST", "/v1/score", further);
        let mut pieces = request.chunks(16_000).peekable();
        let mut bytes = frame(HEADERS, 0, 1, pieces.next().unwrap());
        while let Some(piece) = pieces.next() {
            bytes.extend(frame(CONTINUATION, if pieces.peek().is_none() { END_HEADERS } else { 0 }, 1, piece));
        }
        bytes.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
        flood(&mut connection, std::iter::once(bytes));
        assert!(!is_let_in(&mut connection));
    }
    besieged.assert_unharmed();
}

/// Whether any stream was answered with a 200.
fn is_let_in(connection: &mut H2Connection) -> bool {
    while let Ok((kind, _, _, payload)) = connection.try_read_frame() {
        // The status stands first; behind it, any byte may be part of a text.
        if kind == HEADERS && payload.first() == Some(&0x88) {
            return true;
        }
    }
    false
}

/// What the others are measured by.
#[test]
fn a_login_over_http_2_is_let_in() {
    let besieged = Besieged::new();
    let good = frame(HEADERS, END_HEADERS, 1, &request_block("POST", "/v1/score", &[]));
    let mut connection = open(&besieged);
    connection
        .raw()
        .write(&[good, frame(DATA, END_STREAM, 1, plain_login("right").to_string().as_bytes())].concat())
        .unwrap();
    assert!(is_let_in(&mut connection));
}

/// The login that each of these is a wrong way to send.
fn wrong_requests(body: &[u8]) -> Vec<Vec<u8>> {
    let data = frame(DATA, END_STREAM, 1, body);
    let request = |block: &[u8]| [frame(HEADERS, END_HEADERS, 1, block), data.clone()].concat();
    let with = |further: &[(&str, &str)]| request(&request_block("POST", "/v1/score", further));
    let only = |headers: &[(&str, &str)]| request(&block(headers));
    let length = (body.len() + 1).to_string();
    let good = request_block("POST", "/v1/score", &[]);
    vec![
        with(&[("content-length", &length)]),
        with(&[("content-length", "-1")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("connection", "close")]),
        with(&[("Upper-Case", "x")]),
        with(&[("", "x")]),
        with(&[("x", "a\r\nb: c")]),
        with(&[("x", "a\0b")]),
        with(&[(":path", "/v1/score")]),
        with(&[(":unknown", "x")]),
        only(&[(":method", "POST"), (":scheme", "http"), (":authority", "localhost")]),
        only(&[(":method", "POST"), (":scheme", "http"), (":path", ""), (":authority", "localhost")]),
        only(&[(":scheme", "http"), (":path", "/v1/score"), (":authority", "localhost")]),
        only(&[
            ("x", "y"),
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/v1/score"),
            (":authority", "localhost"),
        ]),
        only(&[(":method", "CONNECT"), (":authority", "localhost")]),
        only(&[(":status", "200")]),
        request(&[0xff; 64]), // an index beyond every table
        request(&[0x3f; 64]), // a table larger than allowed
        request(&[0x40, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        [frame(HEADERS, END_HEADERS, 0, &good), data.clone()].concat(),
        [frame(HEADERS, END_HEADERS, 2, &good), frame(DATA, END_STREAM, 2, body)].concat(),
        [data.clone(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &good)].concat(),
        [frame(HEADERS, 0, 1, &good), data.clone()].concat(),
        [frame(HEADERS, END_HEADERS | 8, 1, &[&[255], &good[..]].concat()), data.clone()].concat(),
        [frame(CONTINUATION, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(PUSH_PROMISE, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(RST_STREAM, 0, 1, &[0; 4]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(WINDOW_UPDATE, 0, 0, &[0; 4]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()].concat(),
        [
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]).repeat(2),
            frame(HEADERS, END_HEADERS, 1, &good),
            data.clone(),
        ]
        .concat(),
        [frame(SETTINGS, 0, 0, &[0; 5]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(SETTINGS, ACK, 0, &[0; 6]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(SETTINGS, 0, 0, &[0, 4, 255, 255, 255, 255]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()]
            .concat(),
        [frame(PING, 0, 0, &[0; 7]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(PRIORITY, 0, 1, &[0; 4]), frame(HEADERS, END_HEADERS, 1, &good), data.clone()].concat(),
        [frame(DATA, 0, 0, b"x"), frame(HEADERS, END_HEADERS, 1, &good), data].concat(),
        frame(HEADERS, END_HEADERS, 1, &[0; 20_000]),
        vec![0xff; 4_096],
    ]
}

#[test]
fn what_is_no_http_2_is_no_login() {
    let besieged = Besieged::new();
    let body = plain_login("wrong").to_string();
    for request in wrong_requests(body.as_bytes()) {
        let mut connection = open(&besieged);
        connection.raw().write(&request).unwrap();
        connection.raw().finish_writing().unwrap();
        assert!(!is_let_in(&mut connection), "{}", request[..request.len().min(120)].escape_ascii());
    }
    besieged.assert_unharmed();
}
