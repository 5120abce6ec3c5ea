//! One connection: HTTP/1 or HTTP/2 by its first bytes, a limit of time on every state it can be in, and a drain that
//! lets what has begun finish.

mod activity;

use super::limits::Place;
use super::listen::Accepted;
use super::tls::{Certificates, Certified};
use crate::clock::Clock;
use activity::{Activity, Order, Watched};
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;

/// What every connection is held to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A head must be complete within this.
    pub(super) request_timeout: Duration,
    /// A connection without a request is closed after this.
    pub(super) idle_timeout: Duration,
    /// A longer head is refused.
    pub(super) head_bytes_max: usize,
}

/// Requests that one HTTP/2 connection may have open.
const H2_STREAMS_MAX: u32 = 64;
/// Streams that a client may open and reset before their answer. **Source:** the reset floods of RUSTSEC-2024-0003.
const H2_RESETS_MAX: usize = 32;
/// How long a connection without a request is kept when the service stops: a request that is on its way then still
/// gets its answer instead of a broken connection.
const LINGER: Duration = Duration::from_millis(250);

/// Starts to serve one connection, each request by `handle`, which is told whose certificate came with the connection.
/// TCP speaks TLS where there are certificates.
pub(super) fn start<H, F, B>(
    accepted: Accepted,
    certificates: Option<&Arc<Certificates>>,
    handle: H,
    limits: Limits,
    drain: watch::Receiver<bool>,
    place: Place,
) -> io::Result<()>
where
    H: Fn(Request<Incoming>, Option<Certified>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    match (accepted, certificates) {
        (Accepted::Tcp(stream), Some(certificates)) => {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            let certificates = Arc::clone(certificates);
            tokio::spawn(serve(limits, drain, place, move |activity| async move {
                // The handshake is part of the first head, and has no time of its own.
                let Some((stream, certified)) = certificates.accept(stream).await else { return };
                converse(stream, move |request| handle(request, certified), &activity, limits).await;
            }));
        }
        (Accepted::Tcp(stream), None) => {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            tokio::spawn(serve(limits, drain, place, move |activity| async move {
                converse(stream, move |request| handle(request, None), &activity, limits).await;
            }));
        }
        (Accepted::Unix(stream), _) => {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            tokio::spawn(serve(limits, drain, place, move |activity| async move {
                converse(stream, move |request| handle(request, None), &activity, limits).await;
            }));
        }
    }
    Ok(())
}

/// Serves one connection to its end.
async fn serve<C, W>(limits: Limits, drain: watch::Receiver<bool>, place: Place, converse: C)
where
    C: FnOnce(Arc<Activity>) -> W,
    W: Future<Output = ()>,
{
    let activity = Arc::new(Activity::new(Clock));
    // Timers and the drain are watched by a task of their own: a request then wakes nothing but its connection.
    let watch = tokio::spawn(watch(Arc::clone(&activity), limits, drain));
    activity.until_cut_off(converse(Arc::clone(&activity))).await;
    watch.abort();
    drop(place);
}

/// Tells a connection when it has lasted too long, and when the service stops.
async fn watch(activity: Arc<Activity>, limits: Limits, mut drain: watch::Receiver<bool>) {
    tokio::select! {
        () = activity.overdue(limits.request_timeout, limits.idle_timeout) => return activity.tell(Order::CutOff),
        // A sender that is gone has stopped, too.
        _ = drain.wait_for(|draining| *draining) => {}
    }
    tokio::select! {
        () = activity.overdue(limits.request_timeout, limits.idle_timeout) => return activity.tell(Order::CutOff),
        () = tokio::time::sleep(LINGER) => activity.tell(Order::Finish),
    }
    activity.overdue(limits.request_timeout, limits.idle_timeout).await;
    activity.tell(Order::CutOff);
}

async fn converse<S, H, F, B>(stream: S, handle: H, activity: &Arc<Activity>, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut stream = Watched::new(stream, Arc::clone(activity));
    let Some((first_bytes, is_http2)) = sniff(&mut stream).await else { return };
    stream.rewind(first_bytes);
    let io = TokioIo::new(stream);
    let service = service_fn(|request| {
        let under_way = Activity::request(activity);
        let answer = handle(request);
        async move {
            let answer = answer.await;
            drop(under_way);
            Ok::<_, Infallible>(answer)
        }
    });
    if is_http2 {
        activity.heads_are_multiplexed();
        let connection = http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(H2_STREAMS_MAX)
            .max_pending_accept_reset_streams(H2_RESETS_MAX)
            .max_local_error_reset_streams(H2_RESETS_MAX)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
            .serve_connection(io, service);
        drive(connection, activity).await;
    } else {
        // Answers are not gathered up for a client that pipelines: one would wait for the rest of a request behind it.
        let connection = http1::Builder::new()
            .max_header_size(limits.head_bytes_max)
            // `Activity` times heads: without a timer per request, and it tells an idle client from a slow one.
            .header_read_timeout(None)
            .serve_connection(io, service);
        drive(connection, activity).await;
    }
}

/// Runs a connection; when it is told to finish, it ends behind the request under way. What goes wrong on it is the
/// client's loss alone, and said by its end.
async fn drive<C: GracefulConnection>(connection: C, activity: &Activity) {
    let mut connection = pin!(connection);
    let mut finishing = false;
    poll_fn(|context| {
        if !finishing && activity.is_finishing() {
            finishing = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await
    .unwrap_or_default();
}

/// Reads until it is certain whether HTTP/2 speaks ("prior knowledge", RFC 9113 section 3.3), and gives back what was
/// read. `None` when the client went away.
async fn sniff<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(Bytes, bool)> {
    const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut buffer = [0; PREFACE.len()];
    let mut length = 0;
    while length < buffer.len() && PREFACE.starts_with(&buffer[..length]) {
        match stream.read(&mut buffer[length..]).await {
            Ok(0) if length == 0 => return None,
            // The head is incomplete: hyper says so.
            Ok(0) => break,
            Ok(read) => length += read,
            Err(_) => return None,
        }
    }
    Some((Bytes::copy_from_slice(&buffer[..length]), &buffer == PREFACE))
}
