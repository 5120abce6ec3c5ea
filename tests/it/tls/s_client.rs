//! `openssl s_client`: what a handshake agrees on, and connections that stay open.

use super::authority::Pair;
use crate::support::PATIENCE;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// A client that shakes hands.
#[derive(Debug, Clone)]
pub(super) struct SClient {
    arguments: Vec<String>,
}

impl SClient {
    pub(super) fn new(address: SocketAddr, authority: &Path) -> Self {
        let new = Self { arguments: vec!["s_client".to_owned()] };
        new.with(&["-connect", &address.to_string(), "-verify_return_error"])
            .with(&["-CAfile", authority.to_str().unwrap()])
    }

    pub(super) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    pub(super) fn with_certificate(self, pair: &Pair) -> Self {
        self.with(&["-cert", pair.cert.to_str().unwrap(), "-key", pair.key.to_str().unwrap()])
    }

    /// Shakes hands and goes; everything that was said of it.
    pub(super) fn handshake(&self) -> String {
        let output = self.command().stdin(Stdio::null()).output().expect("openssl is installed");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// Whether the server shows the certificate that begins this PEM file.
    pub(super) fn is_shown(&self, pem: &str) -> bool {
        let end = "-----END CERTIFICATE-----";
        let first = pem.split(end).next().expect("a text has a beginning");
        self.handshake().contains(first)
    }

    /// Shakes hands and stays.
    pub(super) fn open(&self) -> Open {
        let mut command = self.command();
        let mut child = command
            .arg("-quiet")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let (input, mut output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (sender, received) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Open { child, input, received }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("openssl");
        command.args(&self.arguments);
        command
    }
}

/// A connection that stays open until it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    child: Child,
    input: ChildStdin,
    received: Receiver<Vec<u8>>,
}

impl Open {
    /// Sends a request and gives the answer, whose body is JSON.
    pub(super) fn ask(&mut self, request: &[u8]) -> String {
        self.input.write_all(request).and_then(|()| self.input.flush()).expect("the connection is open");
        let deadline = Instant::now() + PATIENCE;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            let left = deadline.saturating_duration_since(Instant::now());
            let text = || String::from_utf8_lossy(&answer).into_owned();
            let more = self.received.recv_timeout(left).unwrap_or_else(|error| panic!("{error} after {:?}", text()));
            answer.extend(more);
        }
        String::from_utf8(answer).expect("an answer is text")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Fails only when it has ended already, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether there is a head, and as much of a body as it promises.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
