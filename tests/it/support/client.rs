//! A small blocking HTTP/1.x client that sends exactly what it is told, however wrong, and hides nothing of the answer.

use super::PATIENCE;
use super::contract::{self, Listener};
use super::secrets;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Endpoint {
    pub(crate) fn parse(address: &str) -> Self {
        match address.strip_prefix("unix:") {
            Some(path) => Self::Unix(PathBuf::from(path)),
            None => Self::Tcp(address.parse().unwrap_or_else(|_| panic!("{address:?} is no socket address"))),
        }
    }

    /// Stands where no address was logged yet; connecting to port 0 fails.
    pub(crate) fn nowhere() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn host(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// One listener, and the key to show there. Each call takes a connection of its own, and is held to docs/openapi.json.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
    listener: Listener,
    key: Option<String>,
}

impl Client {
    pub(crate) fn to(listener: Listener, endpoint: Endpoint) -> Self {
        Self { endpoint, listener, key: None }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(Request::new("GET", path))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Request::post(path).json(body))
    }

    pub(crate) fn score(&self, body: &Value) -> Response {
        self.post("/v1/score", body)
    }

    pub(crate) fn import(&self, lines: &[Value]) -> Response {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.send(Request::post("/v1/import").content("application/x-ndjson", body))
    }

    pub(crate) fn send(&self, request: Request) -> Response {
        let told = format!("{} {}", request.method, request.path);
        self.try_send(request).unwrap_or_else(|error| panic!("{told}: no answer: {error}"))
    }

    /// The error is a refused or broken connection, or an answer that is no HTTP.
    pub(crate) fn try_send(&self, request: Request) -> io::Result<Response> {
        let mut connection = Connection::open(&self.endpoint)?;
        let request = match &self.key {
            Some(key) => request.header("authorization", &format!("Bearer {key}")),
            None => request,
        };
        let request = request.header("connection", "close");
        let sent = connection.write(&request.bytes(&self.endpoint));
        // A server may answer and close before it has read all; the answer counts, the broken pipe does not.
        let response = connection.read_response_to(&request).or_else(|error| sent.and(Err(error)))?;
        secrets::note_exchange(&request, &response);
        contract::assert_kept(self.listener, &request, &response);
        Ok(response)
    }

    /// Where it is, of a TCP listener.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.endpoint {
            Endpoint::Tcp(address) => *address,
            Endpoint::Unix(path) => panic!("{} has no address", path.display()),
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.endpoint).expect("the listener accepts")
    }
}

/// One request, written as it is: nothing is added but `host` and `content-length`, and those only where not set.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), version: "1.1", headers: Vec::new(), body: None }
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn score(body: &Value) -> Self {
        Self::post("/v1/score").json(body)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.content("application/json", body.to_string())
    }

    pub(crate) fn content(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", media_type).body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Speaks HTTP/1.0, which has no `host` of its own.
    pub(crate) fn http_1_0(mut self) -> Self {
        self.version = "1.0";
        self
    }

    /// The head, up to and with the empty line.
    pub(crate) fn head(&self, endpoint: &Endpoint) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/{}\r\n", self.method, self.path, self.version);
        if self.version == "1.1" && !self.has("host") {
            head.push_str(&format!("host: {}\r\n", endpoint.host()));
        }
        if let Some(body) = &self.body
            && !self.has("content-length")
            && !self.has("transfer-encoding")
        {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    pub(crate) fn bytes(&self, endpoint: &Endpoint) -> Vec<u8> {
        let mut bytes = self.head(endpoint);
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The body, where it is sent as it is and not in chunks of the test's own, or packed.
    pub(crate) fn plain_body(&self) -> Option<&[u8]> {
        self.body.as_deref().filter(|_| !self.has("transfer-encoding") && !self.has("content-encoding"))
    }

    /// The values of a header, in the order in which they are sent.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(existing, _)| existing == name)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(existing, _)| existing == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

/// A connection whose steps the test takes by itself.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<Socket>,
}

impl Connection {
    /// Over a connection that a test has made by itself.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { reader: BufReader::new(Socket::Tcp(stream)) }
    }

    pub(crate) fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let socket = match endpoint {
            Endpoint::Tcp(address) => Socket::Tcp(TcpStream::connect_timeout(address, PATIENCE)?),
            Endpoint::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
        };
        if let Socket::Tcp(stream) = &socket {
            stream.set_nodelay(true)?;
        }
        let mut connection = Self { reader: BufReader::new(socket) };
        connection.set_patience(PATIENCE)?;
        Ok(connection)
    }

    /// How long a single read or write may take before it fails.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        match self.reader.get_ref() {
            Socket::Tcp(stream) => {
                stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience)))
            }
            Socket::Unix(stream) => {
                stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience)))
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.reader.get_mut() {
            Socket::Tcp(stream) => stream.write_all(bytes),
            Socket::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Says that nothing more will be written; answers can still be read.
    pub(crate) fn finish_writing(&mut self) -> io::Result<()> {
        match self.reader.get_ref() {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// The answer to a request: one to HEAD has no body, whatever its length says.
    fn read_response_to(&mut self, request: &Request) -> io::Result<Response> {
        if request.method == "HEAD" { self.read_head() } else { self.read_response() }
    }

    /// The next final answer; interim ones (1xx) are passed over.
    pub(crate) fn read_response(&mut self) -> io::Result<Response> {
        loop {
            let mut response = self.read_head()?;
            if response.status >= 200 {
                response.body = self.read_body(&response)?;
                return Ok(response);
            }
        }
    }

    /// The next head, interim or final.
    pub(crate) fn read_head(&mut self) -> io::Result<Response> {
        let status_line = self.read_line()?;
        let mut words = status_line.splitn(3, ' ');
        let version = words.next().and_then(|word| word.strip_prefix("HTTP/")).unwrap_or_default().to_owned();
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(Response { status, version, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("no header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// True when the server closed the connection with nothing more to read.
    pub(crate) fn is_at_end(&mut self) -> bool {
        match self.reader.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(bytes)
    }

    pub(crate) fn read_body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if matches!(head.status, 204 | 304) {
            return Ok(body);
        }
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = self.read_line()?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                let start = body.len();
                body.resize(start + size, 0);
                self.reader.read_exact(&mut body[start..])?;
                self.read_line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        if let Some(length) = head.header("content-length") {
            body.resize(length.parse().map_err(io::Error::other)?, 0);
            self.reader.read_exact(&mut body)?;
        } else {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within an answer"));
        }
        line.pop_if(|last| *last == b'\r');
        String::from_utf8(line).map_err(io::Error::other)
    }
}
