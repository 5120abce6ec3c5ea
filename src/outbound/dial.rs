//! From a name to a connection with an address that may be called.

use super::{CallError, Networks};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Addresses of one name that are tried, each for its share of the time.
const ADDRESSES_MAX: u32 = 4;
/// Bytes that are read of one connection, with what TLS adds: twice an answer.
const READ_BYTES_MAX: usize = 2 * super::REPLY_BYTES_MAX;

/// Connects to `host`, at an address that is public or one of `allowed`; where nothing is encrypted, at this machine's own only. What
/// `host` leads to is looked up once, and exactly what was looked at is connected to.
///
/// # Errors
///
/// Nobody can be reached, or may be. The caller sets the time for the whole.
pub async fn dial(
    host: &str,
    port: u16,
    allowed: &Networks,
    plain_only: bool,
    deadline: Duration,
) -> Result<Capped, CallError> {
    let found = addresses(host, port).await?;
    let may_be = |address: &SocketAddr| allowed.admits(address.ip()) && (!plain_only || is_loopback(address.ip()));
    let admitted: Vec<SocketAddr> = found.into_iter().filter(may_be).take(ADDRESSES_MAX as usize).collect();
    let Ok(count @ 1..) = u32::try_from(admitted.len()) else { return Err(CallError::NotAllowed) };
    for address in admitted {
        // The last error tells no more than the first.
        if let Ok(Ok(stream)) = tokio::time::timeout(deadline / count, TcpStream::connect(address)).await {
            return Ok(Capped { stream, left: READ_BYTES_MAX });
        }
    }
    Err(CallError::Unreachable)
}

async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, CallError> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| CallError::Unresolved)?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() { Err(CallError::Unresolved) } else { Ok(found) }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A connection of which only so much is read: what sends without end is an error, and not a full memory.
#[derive(Debug)]
pub struct Capped {
    stream: TcpStream,
    left: usize,
}

impl Capped {
    /// Who is at the other end.
    ///
    /// # Errors
    ///
    /// The connection is no more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Capped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        match self.left.checked_sub(buffer.filled().len() - before) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => {
                // Nor is there any more of it later, whoever asks.
                self.left = 0;
                Poll::Ready(Err(ErrorKind::FileTooLarge.into()))
            }
        }
    }
}

impl AsyncWrite for Capped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
