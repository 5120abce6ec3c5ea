//! A mail server of few words, in clear or with TLS, which refuses where it was told to.

use crate::tls::authority::Pair;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What it does instead of what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Says nothing, ever.
    Hang,
    /// Says so to the line that begins with this.
    Says(&'static str, &'static str),
    /// Hangs up on the line that begins with this.
    HangsUp(&'static str),
    /// Begins to say hello, and does not end.
    Floods,
    /// Does not offer STARTTLS.
    NoStartTls,
}

/// When it speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Speaks {
    Clear,
    Implicit,
    StartTls,
}

#[derive(Debug)]
pub(super) struct SmtpFake {
    pub(super) address: SocketAddr,
    /// Every line that it was told, of all connections, in order; those before TLS begin with "clear: ".
    heard: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl SmtpFake {
    pub(super) fn start(speaks: &Speaks, certificate: Option<&Pair>, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, stopping) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let session =
            Session { speaks: speaks.clone(), tls: certificate.map(server_config), fault, heard: Arc::clone(&heard) };
        let accepting = std::thread::spawn({
            let stopping = Arc::clone(&stopping);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if stopping.load(Ordering::Relaxed) {
                        return;
                    }
                    let session = session.clone();
                    // It ends with its connection, however that ends.
                    std::thread::spawn(move || session.serve(stream));
                }
            }
        });
        Self { address, heard, stopping, accepting: Some(accepting) }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for SmtpFake {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes it up, so that it sees that.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&pair.cert).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

#[derive(Clone)]
struct Session {
    speaks: Speaks,
    tls: Option<Arc<ServerConfig>>,
    fault: Fault,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Session {
    fn serve(&self, stream: TcpStream) {
        let secured =
            |stream| StreamOwned::new(ServerConnection::new(Arc::clone(self.tls.as_ref().unwrap())).unwrap(), stream);
        let ended = match self.speaks {
            Speaks::Clear => self.talk(stream, "", true).map(|_| ()),
            Speaks::Implicit => self.talk(secured(stream), "", true).map(|_| ()),
            Speaks::StartTls => match self.talk(stream, "clear: ", true) {
                Ok(Some(stream)) => self.talk(secured(stream), "", false).map(|_| ()),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
        };
        // A client may hang up at any time.
        ended.ok();
    }

    /// Gives the stream back where TLS is to begin.
    fn talk<S: Stream>(&self, stream: S, prefix: &str, greets: bool) -> std::io::Result<Option<S>> {
        let mut stream = BufReader::new(stream);
        if self.fault == Fault::Hang {
            std::io::copy(&mut stream, &mut std::io::sink())?;
            return Ok(None);
        }
        if self.fault == Fault::Floods {
            stream.get_mut().write_all(b"220-")?;
            let much = [b'x'; 65_536];
            loop {
                stream.get_mut().write_all(&much)?;
            }
        }
        if greets {
            self.say(&mut stream, "220 fake")?;
        }
        let (mut line, mut in_mail) = (String::new(), false);
        while {
            line.clear();
            stream.read_line(&mut line)?
        } > 0
        {
            let text = line.trim_end();
            self.heard.lock().unwrap().push(format!("{prefix}{text}"));
            if in_mail && text != "." {
                continue;
            }
            if let Fault::Says(at, words) = self.fault
                && text.starts_with(at)
            {
                in_mail = false;
                self.say(&mut stream, words)?;
                continue;
            }
            if let Fault::HangsUp(at) = self.fault
                && text.starts_with(at)
            {
                return Ok(None);
            }
            let words = match text.split(' ').next().unwrap_or_default() {
                "EHLO" if prefix.is_empty() => "250-fake\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                "EHLO" if self.fault == Fault::NoStartTls => "250-fake\r\n250 AUTH PLAIN LOGIN",
                "EHLO" => "250-fake\r\n250 STARTTLS",
                "STARTTLS" => {
                    self.say(&mut stream, "220 go on")?;
                    return Ok(Some(stream.into_inner()));
                }
                "AUTH" => "235 welcome",
                "DATA" => {
                    in_mail = true;
                    "354 go on"
                }
                "QUIT" => {
                    self.say(&mut stream, "221 bye")?;
                    return Ok(None);
                }
                _ => {
                    in_mail = false;
                    "250 ok"
                }
            };
            self.say(&mut stream, words)?;
        }
        Ok(None)
    }

    fn say<S: Stream>(&self, stream: &mut BufReader<S>, words: &str) -> std::io::Result<()> {
        stream.get_mut().write_all(format!("{words}\r\n").as_bytes())?;
        stream.get_mut().flush()
    }
}
