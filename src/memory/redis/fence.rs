//! Waiting until what was written is on the server's disk.
//!
//! `WAITAOF` speaks of what its own connection wrote, and stops that connection until it is so. Hence a connection of its own: it
//! writes something, which comes behind all that any connection wrote before, and waits for that; one wait serves all who asked
//! before it began.

use super::names::Tag;
use super::node::Trouble;
use ::redis::aio::MultiplexedConnection;
use ::redis::{ErrorKind, Pipeline, RedisError, Value};
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Calls that may wait at a time.
const WAITING_MAX: usize = 4_096;

/// The way to the task that waits.
pub(super) struct Fence(mpsc::Sender<oneshot::Sender<bool>>);

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
}

impl Fence {
    /// Ends when nobody can ask any more.
    pub(super) fn new(mut connection: MultiplexedConnection, tag: Tag, patience: Duration) -> Self {
        let (sender, mut asked) = mpsc::channel::<oneshot::Sender<bool>>(WAITING_MAX);
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        tokio::spawn(async move {
            while let Some(first) = asked.recv().await {
                let mut waiting = vec![first];
                while let Ok(next) = asked.try_recv() {
                    waiting.push(next);
                }
                let mut pipeline = Pipeline::with_capacity(2);
                pipeline.cmd("SET").arg(tag.probe()).arg(1).arg("PX").arg(1_000);
                pipeline.cmd("WAITAOF").arg(1).arg(0).arg(patience_ms);
                let is_durable = matches!(
                    connection.send_packed_commands(&pipeline, 0, 2).await.as_deref(),
                    Ok([_, Value::Array(counts)]) if matches!(counts.first(), Some(Value::Int(1..)))
                );
                for asked in waiting {
                    // Who asked may have gone away.
                    asked.send(is_durable).unwrap_or_default();
                }
            }
        });
        Self(sender)
    }

    /// What was acknowledged before this call is on the disk.
    pub(super) async fn passed(&self) -> Result<(), Trouble> {
        let (sender, answer) = oneshot::channel();
        self.0.send(sender).await.map_err(|_| Trouble::Away)?;
        match answer.await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let why =
                    (ErrorKind::Client, "what was written did not reach the disk in time (memory.redis.durable_ms)");
                Err(Trouble::Error(RedisError::from(why)))
            }
            Err(_gone) => Err(Trouble::Away),
        }
    }
}
