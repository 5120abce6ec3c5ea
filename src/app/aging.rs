//! Has memory forget what is older than it may be: at the start, and once an hour, on a thread of its own.

use crate::memory::Memory;
use crate::pipeline::Pipeline;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Days are what counts.
const INTERVAL: Duration = Duration::from_secs(3600);

/// While this is there, the thread is.
#[derive(Debug)]
pub(super) struct Aging(#[expect(dead_code, reason = "the thread ends when it is dropped")] SyncSender<()>);

/// Starts the thread. It does not keep memory from being closed.
pub(super) fn start<M: Memory>(pipeline: &Arc<Pipeline<M>>) -> io::Result<Aging> {
    let (sender, ended) = sync_channel(0);
    let pipeline = Arc::downgrade(pipeline);
    std::thread::Builder::new().name("askance-aging".to_owned()).spawn(move || run(&pipeline, &ended))?;
    Ok(Aging(sender))
}

fn run<M: Memory>(pipeline: &Weak<Pipeline<M>>, ended: &Receiver<()>) {
    while let Some(pipeline) = pipeline.upgrade() {
        if catch_unwind(AssertUnwindSafe(|| pipeline.age())).is_err() {
            tracing::error!("forgetting what is too old panicked; it is tried again in an hour");
        }
        drop(pipeline);
        match ended.recv_timeout(INTERVAL) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) | Ok(()) => {}
        }
    }
}
