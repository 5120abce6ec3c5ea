//! Reading bodies: bounded in size and in time.

use super::error::Failure;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// The whole body, at most `bytes_max` of it, within `timeout`.
pub(super) async fn read(body: &mut Incoming, bytes_max: usize, timeout: Duration) -> Result<Bytes, Failure> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(Failure::TooLarge { bytes_max });
    }
    within(timeout, pin!(collect(body, bytes_max))).await?
}

/// The next piece of a body that is read as it comes; `None` at its end.
pub(super) async fn next(body: &mut Incoming, timeout: Duration) -> Result<Option<Bytes>, Failure> {
    loop {
        match within(timeout, pin!(body.frame())).await? {
            None => return Ok(None),
            Some(Err(_)) => return Err(Failure::Truncated),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn collect(body: &mut Incoming, bytes_max: usize) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    // Asking for the end of a body of announced length would be a second turn for nothing.
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        // The client went away, or sent less than it announced.
        let Ok(data) = frame.map_err(|_| Failure::Truncated)?.into_data() else { continue };
        let length = all.as_ref().map_or(first.len(), BytesMut::len);
        if length + data.len() > bytes_max {
            return Err(Failure::TooLarge { bytes_max });
        }
        // Most bodies come in one piece, which is used as it is.
        match &mut all {
            Some(all) => all.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => all = Some([&first[..], &data[..]].concat().as_slice().into()),
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

/// Waits at most `timeout`; a future that is ready at once, as most are, costs no timer.
async fn within<F: Future>(timeout: Duration, mut future: Pin<&mut F>) -> Result<F::Output, Failure> {
    if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        return Ok(output);
    }
    // Boxed, since every request would carry the room for it.
    Box::pin(tokio::time::timeout(timeout, future)).await.map_err(|_| Failure::Timeout)
}
