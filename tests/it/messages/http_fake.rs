//! A provider by HTTP, which says what it was told to say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What it says to everybody.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    bytes: Vec<u8>,
    /// Whether the connection stays open behind it.
    stays: bool,
}

impl Says {
    pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body.as_bytes()].concat(), stays: true }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::answer(status, "", "")
    }

    pub(crate) fn nothing() -> Self {
        Self { bytes: Vec::new(), stays: true }
    }

    /// A good answer whose end is missing.
    pub(crate) fn torn() -> Self {
        let whole = Self::answer(200, "", r#"{"success":true}"#).bytes;
        Self { bytes: whole[..whole.len() - 4].to_vec(), stays: false }
    }

    /// A good answer that does not end for long.
    pub(crate) fn huge() -> Self {
        Self::answer(200, "", &format!(r#"{{"success":true,"x":"{}"}}"#, "x".repeat(1 << 20)))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct HttpFake {
    pub(crate) address: SocketAddr,
    says: Arc<Mutex<Says>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl HttpFake {
    pub(crate) fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (says, heard) = (Arc::new(Mutex::new(says)), Arc::new(Mutex::new(Vec::new())));
        let stopping = Arc::new(AtomicBool::new(false));
        let accepting = std::thread::spawn({
            let (says, heard, stopping) = (Arc::clone(&says), Arc::clone(&heard), Arc::clone(&stopping));
            move || {
                let open = Arc::new(Mutex::new(Vec::new()));
                for stream in listener.incoming().map_while(Result::ok) {
                    if stopping.load(Ordering::Relaxed) {
                        return;
                    }
                    let (says, heard, open) = (says.lock().unwrap().clone(), Arc::clone(&heard), Arc::clone(&open));
                    std::thread::spawn(move || serve(stream, &says, &heard, &open));
                }
            }
        });
        Self { address, says, heard, stopping, accepting: Some(accepting) }
    }

    pub(crate) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpFake {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes it up, so that it sees that.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

fn serve(mut stream: TcpStream, says: &Says, heard: &Mutex<Vec<Heard>>, open: &Mutex<Vec<TcpStream>>) {
    let Some(request) = read(&mut stream) else { return };
    heard.lock().unwrap().push(request);
    // Whoever has enough hangs up.
    stream.write_all(&says.bytes).ok();
    if says.stays {
        open.lock().unwrap().push(stream);
    }
}

fn read(stream: &mut TcpStream) -> Option<Heard> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(Heard { head: head.to_owned(), body: body.to_owned() });
            }
        }
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
            Ok(_) | Err(_) => return None,
        }
    }
}
