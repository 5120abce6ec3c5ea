//! What replicas tell each other of velocity: once a second each appends what it counted, and reads what the others appended. No login
//! waits for it.
//!
//! Each batch is counted by every replica exactly once: the server appends it once however often it is sent, since batches have numbers,
//! and a replica reads entries in their order, its own left out. The order among replicas does not matter. While Redis is away, what is
//! counted here waits, in a table with a bound of its own; it is told when Redis is back.
//!
//! The stream holds the last minutes. Every ten seconds one replica adds what is new of it to what was told before, in parts
//! (`exchange/parts.rs`); who starts, or was away for longer, takes those over and reads on from there.

mod entry;
mod parts;

use super::Inner;
use super::names::{Tag, Velocity as Key};
use super::scripts::Invocation;
use crate::clock::Started;
use crate::memory::MemoryError;
use crate::velocity::{Told, Velocity};
use ::redis::Value;
use entry::{Entry, EntryId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Sources that all replicas together tell in a round, each its share: 41 kB of new ones, six times as much of busy ones. What is over
/// waits for the next round, those with the most failures first.
const TOLD_MAX: usize = 1_024;
/// Seconds for which the stream holds what was told.
const KEPT_S: u32 = 120;
/// Who has not read for so long may have missed something.
const AWAY: Duration = Duration::from_secs(60);
/// Between two times that all is put together.
const PUT_TOGETHER: Duration = Duration::from_secs(10);
/// Entries that are read at a time: 4 MB at most. Or one of each replica, since the more there are, the less each tells.
const PAGE: usize = 16;
/// Who was heard of so long ago is counted among the others no more.
const SILENT: Duration = Duration::from_secs(30);
/// Others that are counted.
const OTHERS_MAX: usize = 4_096;

/// One replica's part in it.
#[derive(Debug)]
pub(super) struct Exchange {
    velocity: Arc<Velocity>,
    /// Of this life of the process.
    replica: [u8; 8],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last entry that was counted here, and when that was asked; `None` until all that was told before is.
    read: Option<(EntryId, Started)>,
    /// The number of the next batch.
    number: u64,
    /// It was taken, and may have been appended or not.
    on_its_way: Option<Vec<u8>>,
    /// When each was last heard of.
    others: HashMap<Vec<u8>, Started>,
    put_together: Started,
    is_in_trouble: bool,
}

impl Exchange {
    pub(super) fn new(velocity: &Arc<Velocity>, inner: &Inner) -> Self {
        velocity.begin_to_tell();
        let state = State {
            read: None,
            number: 1,
            on_its_way: None,
            others: HashMap::new(),
            put_together: inner.clock.start(),
            is_in_trouble: false,
        };
        Self { velocity: Arc::clone(velocity), replica: inner.version().to_be_bytes(), state: Mutex::new(state) }
    }

    /// For as long as the process lives.
    pub(super) async fn run(self: Arc<Self>, inner: Arc<Inner>) {
        loop {
            tokio::time::sleep(ROUND).await;
            let (tag, _) = Tag::velocity(Key::Stream);
            if inner.nodes.serves(tag) {
                self.round(&inner).await;
            }
        }
    }

    /// Tells what was counted here, and counts what others told.
    pub(super) async fn round(&self, inner: &Inner) {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let done = self.tell_and_hear(inner, state).await;
        match (&done, state.is_in_trouble) {
            (Err(error), false) => {
                tracing::warn!(%error, "velocity is judged on what was counted here; it is told again and again");
            }
            (Ok(()), true) => tracing::info!("velocity is shared again"),
            (Ok(()), false) | (Err(_), true) => {}
        }
        state.is_in_trouble = done.is_err();
    }

    /// At the end of the process: what was not told is, as far as Redis takes it.
    pub(super) async fn tell_all(&self, inner: &Inner) {
        let mut state = self.state.lock().await;
        while let Ok(true) = self.tell(inner, &mut state, TOLD_MAX).await {}
    }

    async fn tell_and_hear(&self, inner: &Inner, state: &mut State) -> Result<(), MemoryError> {
        state.others.retain(|_, heard| heard.elapsed() < SILENT);
        let of_one = (TOLD_MAX / (1 + state.others.len())).max(1);
        self.tell(inner, state, of_one).await?;
        match state.read.filter(|(_, asked)| asked.elapsed() < AWAY) {
            Some((read, _)) => self.hear(inner, state, read).await?,
            None => state.read = Some((self.take_over(inner).await?, inner.clock.start())),
        }
        if state.put_together.elapsed() >= PUT_TOGETHER {
            parts::put_together(inner).await?;
            state.put_together = inner.clock.start();
        }
        Ok(())
    }

    /// Gives whether there was anything to tell.
    async fn tell(&self, inner: &Inner, state: &mut State, max: usize) -> Result<bool, MemoryError> {
        // It stays where it is until it is known to be told, so that nothing is lost wherever this ends.
        let take = || self.velocity.take_untold(max, inner.clock.now());
        let batch = state.on_its_way.get_or_insert_with(take);
        if batch.is_empty() {
            state.on_its_way = None;
            return Ok(false);
        }
        let ((tag, stream), (_, of_replica)) =
            (Tag::velocity(Key::Stream), Tag::velocity(Key::Of(self.replica.as_slice())));
        let (number, kept_s) = (state.number.to_string(), KEPT_S.to_string());
        let invocation = Invocation {
            script: &inner.scripts.tell,
            keys: &[&stream, &of_replica],
            arguments: &[&self.replica, number.as_bytes(), batch, kept_s.as_bytes()],
        };
        inner.nodes.script(tag, invocation).await?;
        (state.on_its_way, state.number) = (None, state.number + 1);
        Ok(true)
    }

    /// Counts what was appended behind this entry.
    async fn hear(&self, inner: &Inner, state: &mut State, mut read: EntryId) -> Result<(), MemoryError> {
        loop {
            let (asked, max) = (inner.clock.start(), PAGE.max(state.others.len()));
            let page = entries_behind(inner, read, max).await?;
            for entry in &page {
                if entry.replica != self.replica {
                    match Told::read(&entry.batch) {
                        Ok(told) => self.velocity.hear(&told, inner.clock.now()),
                        Err(error) => tracing::debug!(%error, "what another replica told is passed over"),
                    }
                    if state.others.len() < OTHERS_MAX || state.others.contains_key(&entry.replica) {
                        state.others.insert(entry.replica.clone(), asked);
                    }
                }
                read = entry.id;
                // What was counted is not counted again, whatever fails behind it.
                state.read = Some((read, asked));
            }
            if page.len() < max {
                state.read = Some((read, asked));
                return Ok(());
            }
        }
    }

    /// Counts all that was told of before; gives up to where that is. Own batches are among it: none is on its way now.
    async fn take_over(&self, inner: &Inner) -> Result<EntryId, MemoryError> {
        let (parts, read) = parts::all(inner).await?;
        parts.iter().for_each(|part| self.velocity.take_over(part, inner.clock.now()));
        Ok(read)
    }
}

/// One page of the stream, oldest first.
async fn entries_behind(inner: &Inner, read: EntryId, max: usize) -> Result<Vec<Entry>, MemoryError> {
    let (tag, stream) = Tag::velocity(Key::Stream);
    let mut range = ::redis::cmd("XRANGE");
    range.arg(stream).arg(read.next().to_string()).arg("+").arg("COUNT").arg(max);
    match inner.nodes.command(tag, range).await? {
        Value::Array(entries) => Ok(entries.iter().filter_map(Entry::of).collect()),
        _ => Err(super::node::Trouble::Odd.into()),
    }
}
