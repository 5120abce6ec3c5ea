//! The thread that tells: it queues what comes, and posts what is due. Where replicas share a store, one of them posts.

mod post;
mod turn;

use super::event::Told;
use super::queue::{Item, LANES, Queue, Sealer};
use super::settings::Kinds;
use super::{Events, Secrets};
use crate::clock::{Clock, Timestamp};
use crate::memory::{Backend, Memory, MemoryError};
use crate::outbound::Destination;
use crate::telemetry::WebhookMeters;
use post::{Outcome, post};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use turn::Turn;

/// Events that are queued at once.
const BATCH_MAX: usize = 64;
/// Posts of one round, and of these at a time: a receiver that hangs holds up the others for seconds, and no longer.
const ROUND_MAX: usize = 64;
const POSTS_MAX: usize = 16;
/// Between two looks at what others queued, and two tries to reach the store.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at a queue that is this process's own.
const LOOK_ALONE: Duration = Duration::from_secs(60);
/// At the end, for what is not queued yet.
const CLOSE: Duration = Duration::from_secs(5);

/// One who is told.
#[derive(Debug)]
pub struct Webhook {
    /// Where.
    pub destination: Destination,
    /// How it is called in the queue: it follows from the URL.
    pub tag: u64,
    /// Of what.
    pub kinds: Kinds,
    /// The secrets that we share with it.
    pub secrets: Secrets,
    /// For one try.
    pub deadline: Duration,
    /// For how long each event is tried, in ms.
    pub give_up_ms: i64,
}

impl Webhook {
    /// For one try, all of it. **Source:** mfa.md.
    pub const DEADLINE: Duration = Duration::from_secs(3);

    /// How a webhook of this URL is called in the queue.
    #[must_use]
    pub fn tag_of(url: &str) -> u64 {
        let hash = blake3::derive_key("askance 2026-11-22 name of a webhook", url.as_bytes());
        hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// What is needed to tell anybody.
#[derive(Debug)]
pub struct Setup {
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// Seals the queue.
    pub sealer: Sealer,
    /// Counts.
    pub meters: WebhookMeters,
    /// When.
    pub clock: Clock,
}

/// Webhooks that are set up, and whose thread is not started.
#[derive(Debug)]
pub struct Ready {
    setup: Setup,
    told: mpsc::Receiver<Told>,
}

impl Setup {
    /// The way by which events come, and the other end of it. Without webhooks, it leads nowhere.
    #[must_use]
    pub fn ready(self) -> (Events, Option<Ready>) {
        if self.webhooks.is_empty() {
            return (Events::default(), None);
        }
        let kinds = self.webhooks.iter().flat_map(|webhook| webhook.kinds.iter());
        let (events, told) = Events::of(kinds, self.meters.lost.clone());
        (events, Some(Ready { setup: self, told }))
    }
}

/// The thread that tells. It ends when this is stopped.
pub struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl Running {
    /// Queues what was told until now, as far as that takes a few seconds. What is queued is told after the next start.
    pub fn stop(self) {
        // Where it ended by itself, that was told.
        self.stop.send(()).unwrap_or_default();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the webhooks died");
        }
    }
}

impl Ready {
    /// Starts the thread, which finds its queue in `memory`.
    ///
    /// # Errors
    ///
    /// The system refuses a thread.
    pub fn start<S>(self, memory: S) -> io::Result<Running>
    where
        S: Deref<Target: Memory + Sized> + Send + Sync + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Self { setup: Setup { webhooks, sealer, meters, clock }, told } = self;
        let is_shared = memory.condition().backend == Backend::Redis;
        let teller = Teller {
            memory,
            queue: Queue::new(sealer),
            webhooks: webhooks.into_iter().map(|webhook| (webhook.tag, Arc::new(webhook))).collect(),
            meters,
            clock,
            queued: Notify::new(),
            turn: is_shared.then(Turn::default),
        };
        let (stop, stopped) = oneshot::channel();
        let run = move || runtime.block_on(teller.run(told, stopped));
        let thread = std::thread::Builder::new().name("askance-webhooks".to_owned()).spawn(run)?;
        Ok(Running { stop, thread })
    }
}

struct Teller<S> {
    memory: S,
    queue: Queue,
    webhooks: HashMap<u64, Arc<Webhook>>,
    meters: WebhookMeters,
    clock: Clock,
    queued: Notify,
    /// Where others could tell the same.
    turn: Option<Turn>,
}

/// Somebody who is to be told now.
struct Post {
    lane: usize,
    due_ms: i64,
    item: Arc<Item>,
    webhook: Arc<Webhook>,
}

impl<S: Deref<Target: Memory + Sized> + Send + Sync> Teller<S> {
    async fn run(self, told: mpsc::Receiver<Told>, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            () = self.queue_all(told, stopped) => {}
            () = self.tell_all() => {}
        }
        if let Some(turn) = &self.turn {
            turn.give_up(&*self.memory, self.clock.now()).await;
        }
    }

    /// Until it is stopped.
    async fn queue_all(&self, mut told: mpsc::Receiver<Told>, mut stopped: oneshot::Receiver<()>) {
        loop {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            let is_over = tokio::select! {
                count = told.recv_many(&mut batch, BATCH_MAX) => count == 0,
                _ = &mut stopped => true,
            };
            while let Some(more) = is_over.then(|| told.try_recv().ok()).flatten() {
                batch.push(more);
            }
            let mut items = batch.iter().filter_map(|told| self.item(told)).collect();
            let queued = async {
                while let Err(error) = self.add(&mut items).await {
                    tracing::warn!(%error, events = items.len(), "events cannot be queued; it is tried again");
                    tokio::time::sleep(LOOK).await;
                }
            };
            let limit = if is_over { CLOSE } else { Duration::MAX };
            let is_late = tokio::select! {
                queued = tokio::time::timeout(limit, queued) => queued.is_err(),
                _ = &mut stopped, if !is_over => true,
            };
            if is_over || is_late {
                return self.close(told, items).await;
            }
        }
    }

    /// What is left when it is over.
    async fn close(&self, mut told: mpsc::Receiver<Told>, mut items: Vec<Item>) {
        while let Ok(more) = told.try_recv() {
            items.extend(self.item(&more));
        }
        let queued = tokio::time::timeout(CLOSE, self.add(&mut items)).await;
        if !matches!(queued, Ok(Ok(()))) {
            tracing::error!(events = items.len(), "events are not told: the store does not take them");
        }
    }

    fn item(&self, told: &Told) -> Option<Item> {
        let wanting = self.webhooks.values().filter(|webhook| webhook.kinds.iter().any(|kind| kind == told.kind));
        Item::new(told, wanting.map(|webhook| webhook.tag))
    }

    async fn add(&self, items: &mut Vec<Item>) -> Result<(), MemoryError> {
        if items.is_empty() {
            return Ok(());
        }
        let lost = self.queue.add(&*self.memory, items, self.clock.now()).await?;
        if lost > 0 {
            self.meters.lost.increment(u64::try_from(lost).unwrap_or(u64::MAX));
            tracing::error!(events = lost, "events are not told: too many wait");
        }
        self.queued.notify_one();
        Ok(())
    }

    /// For as long as it is polled.
    async fn tell_all(&self) {
        let look = if self.turn.is_some() { LOOK } else { LOOK_ALONE };
        loop {
            let wait = match self.round(self.clock.now()).await {
                Ok(next) => next.map_or(look, |next_ms| until(next_ms, self.clock.now())).min(look),
                Err(error) => {
                    tracing::warn!(%error, "what is to be told cannot be read, or not be taken out; it is tried again");
                    LOOK
                }
            };
            // A timer that ran out is a reason to look, too.
            let _queued = tokio::time::timeout(wait, self.queued.notified()).await;
        }
    }

    /// Tells what is due. Gives when there is more, where that is known.
    async fn round(&self, now: Timestamp) -> Result<Option<i64>, MemoryError> {
        if let Some(turn) = &self.turn
            && !turn.take(&*self.memory, now).await?
        {
            self.meters.waiting.set(0.0);
            return Ok(None);
        }
        let (posts, next) = self.due(now).await?;
        let is_all = posts.len() < ROUND_MAX;
        let mut earliest = if is_all { next } else { Some(now.unix_ms()) };
        for (lane, outcomes) in self.post_all(posts, now).await {
            earliest = earliest.into_iter().chain(self.settle(lane, &outcomes, now).await?).min();
        }
        Ok(earliest)
    }

    /// Whom to tell what, the oldest first; and when the next of the others is due.
    async fn due(&self, now: Timestamp) -> Result<(Vec<Post>, Option<i64>), MemoryError> {
        let (mut posts, mut next, mut waiting) = (Vec::new(), None::<i64>, 0_u32);
        for lane in 0..LANES {
            let (_, items) = self.queue.lane(&*self.memory, lane, now).await?;
            let is_left = |item: &Item| item.to.iter().any(|due| !self.webhooks.contains_key(&due.tag));
            if items.iter().any(is_left) {
                // A webhook that was taken out of the configuration is not told any more.
                self.queue.change(&*self.memory, lane, now, |items| self.drop_unknown(items)).await?;
            }
            for item in items.into_iter().map(Arc::new) {
                for due in &item.to {
                    let Some(webhook) = self.webhooks.get(&due.tag) else { continue };
                    waiting += 1;
                    if due.next_ms <= now.unix_ms() {
                        posts.push(Post {
                            lane,
                            due_ms: due.next_ms,
                            item: Arc::clone(&item),
                            webhook: Arc::clone(webhook),
                        });
                    } else {
                        next = Some(next.map_or(due.next_ms, |next| next.min(due.next_ms)));
                    }
                }
            }
        }
        self.meters.waiting.set(f64::from(waiting));
        // What was never tried comes first: whoever takes nothing is in the way of nobody else.
        posts.sort_by_key(|post| (post.due_ms, post.item.time_ms));
        posts.truncate(ROUND_MAX);
        Ok((posts, next))
    }

    fn drop_unknown(&self, items: &mut Vec<Item>) -> bool {
        items.iter_mut().for_each(|item| item.to.retain(|due| self.webhooks.contains_key(&due.tag)));
        items.retain(|item| !item.to.is_empty());
        true
    }

    /// Some at a time. By lane, what came of them.
    async fn post_all(&self, posts: Vec<Post>, now: Timestamp) -> HashMap<usize, Vec<Outcome>> {
        let (mut posts, mut under_way, mut outcomes) = (posts.into_iter(), JoinSet::new(), HashMap::new());
        loop {
            while under_way.len() < POSTS_MAX
                && let Some(Post { lane, item, webhook, .. }) = posts.next()
            {
                under_way.spawn(async move { (lane, post(&webhook, &item, now).await) });
            }
            match under_way.join_next().await {
                // One that panicked is posted again.
                Some(Err(error)) => tracing::error!(%error, "telling of an event died"),
                Some(Ok((lane, outcome))) => outcomes.entry(lane).or_insert_with(Vec::new).push(outcome),
                None => return outcomes,
            }
        }
    }

    /// Takes out what was told, and what is given up; notes when the rest is due. Gives when the first of it is.
    async fn settle(&self, lane: usize, outcomes: &[Outcome], now: Timestamp) -> Result<Option<i64>, MemoryError> {
        outcomes.iter().for_each(|outcome| outcome.count(&self.meters));
        let change = |items: &mut Vec<Item>| {
            outcomes.iter().for_each(|outcome| outcome.note(items));
            items.retain(|item| !item.to.is_empty());
            true
        };
        self.queue.change(&*self.memory, lane, now, change).await?;
        Ok(outcomes.iter().filter_map(Outcome::next_ms).min())
    }
}

fn until(next_ms: i64, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(next_ms.saturating_sub(now.unix_ms())).unwrap_or(0))
}

#[cfg(test)]
mod tests;
