//! What a connection is doing, since when, and what it was told: one timer a connection, none a request.

use crate::clock::{Clock, Started};
use bytes::{Buf, Bytes};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The state of one connection. Only its own task writes what it does, so that relaxed order is enough there; its watch
/// writes the order.
#[derive(Debug)]
pub(super) struct Activity {
    started: Started,
    /// Milliseconds after `started` at which the present state began.
    since_ms: AtomicU64,
    /// Bytes of a head have come, and its end has not.
    in_head: AtomicBool,
    /// Not one byte has come yet.
    untouched: AtomicBool,
    requests: AtomicU32,
    multiplexed: AtomicBool,
    /// What the connection was told to do.
    order: AtomicU8,
    /// Wakes the connection's task.
    waker: Mutex<Option<Waker>>,
}

/// What a connection is told to do; a later one is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// End behind the request under way.
    Finish = 1,
    /// End at once.
    CutOff = 2,
}

/// A request under way; over when dropped, which is when its answer is ready or the client went away.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Activity {
    /// A connection that was just opened: its first head is awaited.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            started: clock.start(),
            since_ms: AtomicU64::new(0),
            in_head: AtomicBool::new(true),
            untouched: AtomicBool::new(true),
            requests: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            order: AtomicU8::new(0),
            waker: Mutex::new(None),
        }
    }

    /// Tells the connection what to do, and wakes it.
    pub(super) fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.order.load(Ordering::Acquire) >= Order::Finish as u8
    }

    /// Runs the connection until it ends or is cut off.
    pub(super) async fn until_cut_off(&self, connection: impl Future<Output = ()>) {
        let mut connection = pin!(connection);
        poll_fn(|context| {
            // First the waker, then the look: an order between the two wakes again.
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            drop(waker);
            let is_over = self.order.load(Ordering::Acquire) >= Order::CutOff as u8
                || self.is_finishing() && self.untouched.load(Ordering::Relaxed);
            if is_over {
                return Poll::Ready(());
            }
            connection.as_mut().poll(context)
        })
        .await;
    }

    /// HTTP/2 bounds its heads by itself, and sends bytes that belong to none.
    pub(super) fn heads_are_multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    pub(super) fn request(activity: &Arc<Self>) -> UnderWay {
        activity.in_head.store(false, Ordering::Relaxed);
        activity.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(activity))
    }

    /// Ends when the present state has lasted too long. A request under way has limits of its own.
    pub(super) async fn overdue(&self, request_timeout: Duration, idle_timeout: Duration) {
        loop {
            let limit = match (self.requests.load(Ordering::Relaxed), self.in_head.load(Ordering::Relaxed)) {
                (0, true) => request_timeout,
                (0, false) => idle_timeout,
                _ => {
                    tokio::time::sleep(request_timeout).await;
                    continue;
                }
            };
            let since = Duration::from_millis(self.since_ms.load(Ordering::Relaxed));
            let left = (since + limit).saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return;
            }
            // Never longer than the shorter limit, lest a head that begins meanwhile has both.
            tokio::time::sleep(left.min(request_timeout)).await;
        }
    }

    /// Bytes came: outside a request they begin a head.
    fn bytes_came(&self) {
        self.untouched.store(false, Ordering::Relaxed);
        let begins = self.requests.load(Ordering::Relaxed) == 0
            && !self.multiplexed.load(Ordering::Relaxed)
            && !self.in_head.swap(true, Ordering::Relaxed);
        if begins {
            self.now_begins();
        }
    }

    fn now_begins(&self) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since_ms.store(now_ms, Ordering::Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.now_begins();
        }
    }
}

/// A stream that tells when bytes come, and that can be given bytes back.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    rewound: Bytes,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, rewound: Bytes::new(), activity }
    }

    /// Puts bytes in front of what is still to be read.
    pub(super) fn rewind(&mut self, bytes: Bytes) {
        self.rewound = bytes;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.rewound.has_remaining() {
            let length = self.rewound.len().min(into.remaining());
            into.put_slice(&self.rewound.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        if into.filled().len() > before {
            self.activity.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
