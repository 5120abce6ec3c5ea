//! What stands where askance should, and does not do as askance does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Takes the request and never answers.
    Silent,
    /// Says yes under another status than 200.
    Status(u16),
    /// Says yes, and breaks off within the answer.
    CutOff,
    /// Speaks something else.
    NoHttp,
}

/// Listens until the process ends, which is when its thread does, too.
#[derive(Debug)]
pub(super) struct Peer {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Peer {
    pub(super) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes before it has said all has made no request.
                let Some((stream, body)) = read_request(stream) else { continue };
                seen.lock().unwrap().push(body);
                held.extend(answer(stream, behaviour));
            }
        });
        Self { address, bodies }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bodies of all requests so far.
    pub(super) fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().unwrap().clone()
    }
}

/// One request a connection.
fn read_request(stream: TcpStream) -> Option<(TcpStream, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((reader.into_inner(), body))
}

/// The connection, where it is to stay open.
fn answer(mut stream: TcpStream, behaviour: Behaviour) -> Option<TcpStream> {
    const YES: &str = "{\"action\":\"allow\",\"demand_mfa\":false}";
    let head = |status: u16, length: usize| {
        format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let text = match behaviour {
        Behaviour::Silent => return Some(stream),
        Behaviour::Status(status) => format!("{}{YES}", head(status, YES.len())),
        Behaviour::CutOff => format!("{}{YES}", head(200, YES.len() + 100)),
        Behaviour::NoHttp => YES.to_owned(),
    };
    // Who does not listen any more has made up its mind.
    stream.write_all(text.as_bytes()).ok();
    None
}
