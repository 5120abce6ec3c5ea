//! The load generator: one thread, keep-alive connections over raw sockets, no more HTTP than it takes to find the end
//! of an answer, so that it stays the cheaper side.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::Failure;
use crate::requests::Requests;

/// Connections kept open to each server, and so the most requests under way at once. **Source:** at 8 the floor's CPU
/// per request was half as much again, at 256 a quarter more (our study of the floor).
pub(crate) const CONNECTIONS_COUNT: usize = 64;
/// How much longer than planned a run may take before the server counts as stuck.
const OVERRUN_MAX: Duration = Duration::from_secs(30);
/// Room for an answer, in bytes. A longer one is refused, since it would be no answer to a score.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of an answer that is not 200 an error shows, in bytes.
const REFUSAL_BYTES_MAX: usize = 1_024;
/// The longest latency told apart, 60 s; 3 digits make the histogram exact to a thousandth.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
const LATENCY_DIGITS: u8 = 3;

/// Where a server listens.
#[derive(Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Tls(SocketAddr, TlsConnector),
    Unix(PathBuf),
}

/// When the next request is sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as the connection has its last answer: finds the most that the server can do.
    Closed,
    /// At this many a second over all connections, whatever the server does: finds what a caller waits.
    Open { requests_per_s: f64 },
}

/// What a run saw.
pub(crate) struct Outcome {
    pub(crate) answers_count: u64,
    pub(crate) elapsed: Duration,
    /// In nanoseconds, from when the request was due (and not from when it was sent) to the end of its answer.
    pub(crate) latency_ns: Histogram<u64>,
}

/// Open connections to one server.
pub(crate) struct Load {
    connections: Vec<Connection>,
    requests: Arc<Requests>,
}

impl Load {
    /// Opens all connections.
    pub(crate) async fn connect(address: &Address, requests: &Arc<Requests>) -> Result<Self, Failure> {
        let mut connections = Vec::with_capacity(CONNECTIONS_COUNT);
        for _ in 0..CONNECTIONS_COUNT {
            connections.push(Connection::open(address).await?);
        }
        Ok(Self { connections, requests: Arc::clone(requests) })
    }

    /// Sends for `duration` and waits for the last answers.
    ///
    /// # Errors
    /// When a connection breaks, an answer is no HTTP, or one is not 200: a server that refuses is fast, and its
    /// figures would mean nothing.
    pub(crate) async fn run(&mut self, duration: Duration, pace: Pace) -> Result<Outcome, Failure> {
        let schedule = Arc::new(Schedule::starting_now(duration, pace));
        let mut tasks = JoinSet::new();
        let awake = tokio::spawn(stay_awake(schedule.end));
        for connection in self.connections.drain(..) {
            tasks.spawn(drive(connection, Arc::clone(&self.requests), Arc::clone(&schedule)));
        }
        let finished = tokio::time::timeout(duration + OVERRUN_MAX, tasks.join_all()).await;
        let finished = finished.map_err(|_| format!("no answer for {OVERRUN_MAX:?}"))?;
        let elapsed = schedule.start.elapsed();
        awake.abort();
        let mut latency_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS)?;
        let mut refusals = Vec::new();
        for finished in finished {
            let (connection, tally) = finished?;
            self.connections.push(connection);
            refusals.extend(tally.refusals);
            tally.latencies_ns.iter().for_each(|&latency| latency_ns.saturating_record(latency));
        }
        if let Some(refusal) = refusals.first() {
            return Err(format!("{} answers were not 200; one of them:\n{refusal}", refusals.len()).into());
        }
        Ok(Outcome { answers_count: latency_ns.len(), elapsed, latency_ns })
    }

    /// Sends requests one after the other and returns the bodies of the answers.
    pub(crate) async fn sample(&mut self, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let mut bodies = Vec::with_capacity(count);
        let connection = self.connections.first_mut().ok_or("there is no connection to sample with")?;
        for _ in 0..count {
            let answer = connection.exchange(&self.requests).await?;
            let body = connection.received[answer.head_len..answer.len()].to_vec();
            if answer.status != 200 {
                return Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(&body)).into());
            }
            bodies.push(body);
        }
        Ok(bodies)
    }
}

/// Keeps the generator's thread from sleeping. Waking a sleeping peer is paid for by whoever sends, some 4 µs in a virtual
/// machine, so a generator that has time to sleep would charge a slow server more for each answer than a fast one.
async fn stay_awake(end: Instant) {
    while Instant::now() < end {
        tokio::task::yield_now().await;
    }
}

/// When requests are due. Connections share it, so that whichever is free takes the next one.
struct Schedule {
    start: Instant,
    end: Instant,
    pace: Pace,
    taken_count: Mutex<u64>,
}

impl Schedule {
    fn starting_now(duration: Duration, pace: Pace) -> Self {
        let start = Instant::now();
        Self { start, end: start + duration, pace, taken_count: Mutex::new(0) }
    }

    /// Waits until the next request is due and returns that time, or none when the run is over.
    ///
    /// One idle connection at a time watches the clock, while the others queue for the lock. It does so without
    /// sleeping, for timers are exact to 1 ms only and would make bursts out of an even rate; yielding lets the runtime
    /// poll sockets.
    async fn next_due(&self) -> Option<Instant> {
        let Pace::Open { requests_per_s } = self.pace else {
            return Some(Instant::now()).filter(|now| *now < self.end);
        };
        let mut taken_count = self.taken_count.lock().await;
        let due = self.start + Duration::from_secs_f64(*taken_count as f64 / requests_per_s);
        if due >= self.end {
            return None;
        }
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
        *taken_count += 1;
        Some(due)
    }
}

/// What one connection saw.
#[derive(Default)]
struct Tally {
    latencies_ns: Vec<u64>,
    /// The answers that were not 200.
    refusals: Vec<String>,
}

async fn drive(
    mut connection: Connection,
    requests: Arc<Requests>,
    schedule: Arc<Schedule>,
) -> Result<(Connection, Tally), Failure> {
    let mut tally = Tally::default();
    while let Some(due) = schedule.next_due().await {
        let answer = connection.exchange(&requests).await?;
        if answer.status == 200 {
            tally.latencies_ns.push(u64::try_from(due.elapsed().as_nanos())?);
        } else {
            let shown = &connection.received[..answer.len().min(REFUSAL_BYTES_MAX)];
            tally.refusals.push(String::from_utf8_lossy(shown).into_owned());
        }
    }
    Ok((connection, tally))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    /// The request being sent.
    sent: Vec<u8>,
    /// The last answer, in the front part of a buffer of constant length.
    received: Vec<u8>,
}

/// Where the parts of an answer end in the buffer.
struct Answer {
    status: u16,
    head_len: usize,
    body_len: usize,
}

impl Connection {
    async fn open(address: &Address) -> Result<Self, Failure> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(address) => Box::new(connect(*address).await?),
            Address::Tls(address, connector) => {
                let stream = connect(*address).await?;
                Box::new(connector.connect(address.ip().into(), stream).await?)
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        Ok(Self { stream, sent: Vec::new(), received: vec![0; ANSWER_BYTES_MAX] })
    }

    /// Sends the next request and reads its answer to the end.
    async fn exchange(&mut self, requests: &Requests) -> Result<Answer, Failure> {
        requests.write_next(&mut self.sent);
        self.stream.write_all(&self.sent).await?;
        // Within TLS, what is written may wait for more.
        self.stream.flush().await?;
        let mut filled_len = 0;
        loop {
            let read_len = self.stream.read(&mut self.received[filled_len..]).await?;
            if read_len == 0 {
                return Err("the server closed the connection, or its answer is too long".into());
            }
            filled_len += read_len;
            if let Some(answer) = Answer::parse(&self.received[..filled_len])?
                && filled_len >= answer.len()
            {
                return Ok(answer);
            }
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Answer {
    /// Reads the status and the length of the body, or nothing while the head is incomplete.
    fn parse(received: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(head_end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&received[..head_end])?;
        let status = head.get(9..12).ok_or("the status line is too short")?.parse()?;
        let body_len = head.lines().find_map(content_length).ok_or("the answer has no content-length")?.parse()?;
        Ok(Some(Self { status, head_len: head_end + 4, body_len }))
    }

    fn len(&self) -> usize {
        self.head_len + self.body_len
    }
}

fn content_length(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("content-length").then(|| value.trim())
}
