//! Closed-loop load over keep-alive connections, from where alice has been before.

use crate::Failure;
use hdrhistogram::Histogram;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Where alice has been before; all of 127.0.0.0/8 is this machine.
pub(crate) const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
pub(crate) const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const ANSWER_BYTES_MAX: usize = 16 * 1024;
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// What goes through one proxy.
pub(crate) struct Load {
    address: SocketAddr,
    request: Vec<u8>,
}

impl Load {
    pub(crate) fn new(address: SocketAddr) -> Self {
        // alice:secret
        let request = format!(
            "GET /inbox HTTP/1.1\r\nhost: {address}\r\nuser-agent: {CHROME}\r\nauthorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"
        );
        Self { address, request: request.into_bytes() }
    }

    /// Sends for `run` on so many connections, and tells how long each answer took, in nanoseconds.
    pub(crate) async fn run(&self, connections: usize, run: Duration) -> Result<Histogram<u64>, Failure> {
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (stream, request) = (self.connect().await?, self.request.clone());
            tasks.spawn(drive(stream, request, run));
        }
        let mut latency_ns = latency_ns()?;
        while let Some(ended) = tasks.join_next().await {
            ended??.into_iter().for_each(|taken| latency_ns.saturating_record(taken));
        }
        Ok(latency_ns)
    }

    /// Sends so many, one after the other on one connection.
    pub(crate) async fn ask(&self, count: usize) -> Result<(), Failure> {
        let mut stream = self.connect().await?;
        for _ in 0..count {
            exchange(&mut stream, &self.request).await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(HOME.into(), 0))?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// For times in nanoseconds.
pub(crate) fn latency_ns() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?)
}

async fn drive(mut stream: TcpStream, request: Vec<u8>, run: Duration) -> Result<Vec<u64>, String> {
    let (start, mut taken) = (Instant::now(), Vec::new());
    while start.elapsed() < run {
        let sent = Instant::now();
        exchange(&mut stream, &request).await?;
        taken.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(taken)
}

/// One request and its answer, which has to be 200 of the site.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<(), String> {
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    let mut received = vec![0; ANSWER_BYTES_MAX];
    let mut length = 0;
    loop {
        let read = stream.read(&mut received[length..]).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("a proxy closed the connection".to_owned());
        }
        length += read;
        let text = String::from_utf8_lossy(&received[..length]);
        // The site's answer ends so, whatever the proxy makes of its frame.
        if text.ends_with("the site") || text.ends_with("the site\r\n0\r\n\r\n") {
            let is_passed = text.starts_with("HTTP/1.1 200");
            return if is_passed { Ok(()) } else { Err(text.into_owned()) };
        }
        if !text.starts_with("HTTP/1.1 200") && text.contains("\r\n\r\n") {
            return Err(text.into_owned());
        }
    }
}
