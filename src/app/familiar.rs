//! Keeps what is counted of familiar networks, and takes what other replicas counted, on a thread of its own.

use crate::memory::{Backend, Memory};
use crate::pipeline::Pipeline;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// A network takes days to become familiar: what is lost of a crash is a few of its users, who come again.
const INTERVAL: Duration = Duration::from_secs(10);
/// Where replicas share a store, all of it is looked at in each so-manieth round.
const ROUNDS_OF_ALL: u32 = 6;
/// At the end, for what is not kept yet.
const CLOSE: Duration = Duration::from_secs(5);

/// The thread. It ends when this is stopped.
#[derive(Debug)]
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Keeps what was counted until now, as far as that takes a few seconds.
    pub(super) fn stop(self) {
        // Where it ended by itself, nobody listens.
        self.stop.send(()).unwrap_or_default();
        if self.thread.join().is_err() {
            tracing::error!("the thread of familiar networks died");
        }
    }
}

/// Starts the thread.
pub(super) fn start<M: Memory + Send + Sync + 'static>(pipeline: &Arc<Pipeline<M>>) -> io::Result<Running> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let pipeline = Arc::clone(pipeline);
    let (stop, stopped) = oneshot::channel();
    let run = move || run(&runtime, &pipeline, stopped);
    let thread = std::thread::Builder::new().name("askance-familiar".to_owned()).spawn(run)?;
    Ok(Running { stop, thread })
}

fn run<M: Memory>(runtime: &Runtime, pipeline: &Pipeline<M>, mut stopped: oneshot::Receiver<()>) {
    let is_shared = pipeline.memory().condition().backend == Backend::Redis;
    runtime.block_on(async {
        let (mut round, mut is_read) = (0_u32, false);
        loop {
            // At the start, what was kept is taken, however often that has to be tried.
            let of_all = !is_read || is_shared && round.is_multiple_of(ROUNDS_OF_ALL);
            let shared = tokio::select! {
                shared = pipeline.share_familiar(of_all) => shared,
                _ = &mut stopped => break,
            };
            match shared {
                Ok(()) => is_read |= of_all,
                Err(error) => tracing::warn!(%error, "familiar networks cannot be kept; it is tried again"),
            }
            round = round.wrapping_add(1);
            if tokio::time::timeout(INTERVAL, &mut stopped).await.is_ok() {
                break;
            }
        }
        if !matches!(tokio::time::timeout(CLOSE, pipeline.share_familiar(false)).await, Ok(Ok(()))) {
            tracing::warn!("what was counted last of familiar networks is not kept");
        }
    });
}
