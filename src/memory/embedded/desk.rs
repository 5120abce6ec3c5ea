//! Where callers meet the one thread that writes: they ask, it takes what was asked as a group, and tells each how it went.

use super::store::Gone;
use super::vault::Wish;
use crate::clock::Timestamp;
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::memory::decisions::DecisionId;
use crate::memory::vault::Put;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What the thread is told. The lock is a parameter, so that a test can go through every order in which threads take it.
#[derive(Debug, Default)]
pub(super) struct Desk<B = Belled<Queue>>(B);

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// One for each request that waits, of which the server bounds the number.
    waiting: Vec<Waiter>,
    /// As many.
    wishes: Vec<Wisher>,
    gone: Vec<Gone>,
    is_stopping: bool,
    is_closed: bool,
}

/// Somebody who answers only when this is on the disk.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) user: UserKey,
    pub(super) decision: Option<DecisionId>,
    pub(super) told: oneshot::Sender<Result<(), MemoryError>>,
}

/// Somebody who answers when it is on the disk whether their wish was granted. One that failed is not tried again.
#[derive(Debug)]
pub(super) struct Wisher {
    pub(super) wish: Wish,
    pub(super) told: oneshot::Sender<Result<Put, MemoryError>>,
}

/// What one round is about.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) waiting: Vec<Waiter>,
    pub(super) wishes: Vec<Wisher>,
    /// Whoever is still to be erased, since it was first asked for.
    pub(super) gone: Vec<Gone>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// That what is known of this user is on the disk, and this decision.
    Kept(UserKey, Option<DecisionId>),
    /// That what was known of this user is not, and that it was erased at this time.
    Erased(UserKey, Timestamp),
    /// That what was known of this user is not: it is known under another key.
    Moved(UserKey),
}

/// What is told: when what was asked for is done.
pub(super) type Told<T = ()> = oneshot::Receiver<Result<T, MemoryError>>;

/// How it goes on after a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    /// The longest wait before the next one.
    pub(super) pause: Duration,
    /// Whether it may be the last one.
    pub(super) may_end: bool,
}

/// A value behind a lock, and a bell for the thread that waits for it to change.
pub(super) trait Board<T> {
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R;
    /// Acts when it is rung and no longer idle, or after this time.
    fn wait<R>(&self, at_most: Duration, idle: impl FnMut(&mut T) -> bool, act: impl FnOnce(&mut T) -> R) -> R;
    fn ring(&self);
}

impl<B: Board<Queue>> Desk<B> {
    /// Asks for something to be on the disk; `None` when the thread has ended.
    pub(super) fn ask(&self, wanted: Wanted) -> Option<Told> {
        let (told, receiver) = oneshot::channel();
        let (user, decision, gone) = match wanted {
            Wanted::Kept(user, decision) => (user, decision, None),
            Wanted::Erased(user, at) => (user, None, Some(Gone { user, erased_at: Some(at) })),
            Wanted::Moved(user) => (user, None, Some(Gone { user, erased_at: None })),
        };
        self.0.with(|queue| {
            if queue.is_closed {
                return None;
            }
            queue.gone.extend(gone);
            queue.waiting.push(Waiter { user, decision, told });
            Some(())
        })?;
        self.0.ring();
        Some(receiver)
    }

    /// Asks for something of the vault; `None` when the thread has ended.
    pub(super) fn wish(&self, wish: Wish) -> Option<Told<Put>> {
        let (told, receiver) = oneshot::channel();
        self.0.with(|queue| {
            if queue.is_closed {
                return None;
            }
            queue.wishes.push(Wisher { wish, told });
            Some(())
        })?;
        self.0.ring();
        Some(receiver)
    }

    /// Whether this user's row on the disk, if there is one, counts no more.
    pub(super) fn is_going(&self, user: UserKey) -> bool {
        self.0.with(|queue| queue.gone.iter().any(|gone| gone.user == user))
    }

    /// Whether nothing but what is left is to be done.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.with(|queue| queue.is_stopping)
    }

    /// The thread is to write what is left, and to end.
    pub(super) fn stop(&self) {
        self.0.with(|queue| queue.is_stopping = true);
        self.0.ring();
    }

    /// The thread's life: a round each window, or as soon as somebody waits, until it is told to stop. Whoever asked before it
    /// closed is in a round; nobody asks afterwards.
    pub(super) fn serve(&self, window: Duration, mut round: impl FnMut(Asked) -> Next) {
        let mut pause = window;
        loop {
            let (asked, is_stopping) = self.next(pause);
            let next = round(asked);
            pause = next.pause;
            if is_stopping && next.may_end && self.close() {
                return;
            }
        }
    }

    /// Waits for the end of a window, or for somebody who cannot wait. What is to be erased stays noted until it is.
    fn next(&self, window: Duration) -> (Asked, bool) {
        let is_idle = |queue: &mut Queue| queue.has_nobody() && !queue.is_stopping;
        self.0.wait(window, is_idle, |queue| {
            let (waiting, wishes) = (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.wishes));
            (Asked { waiting, wishes, gone: queue.gone.clone() }, queue.is_stopping)
        })
    }

    /// The first so many are gone; who was added since may be one of them again.
    pub(super) fn gone(&self, count: usize) {
        self.0.with(|queue| drop(queue.gone.drain(..count)));
    }

    /// Whether nobody came during the last round; then nobody may come any more.
    fn close(&self) -> bool {
        self.0.with(|queue| {
            queue.is_closed = queue.has_nobody();
            queue.is_closed
        })
    }
}

impl Queue {
    fn has_nobody(&self) -> bool {
        self.waiting.is_empty() && self.wishes.is_empty()
    }
}

/// The system's lock and condition.
#[derive(Debug, Default)]
pub(super) struct Belled<T> {
    value: Mutex<T>,
    bell: Condvar,
}

impl<T> Board<T> for Belled<T> {
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.lock())
    }

    fn wait<R>(&self, at_most: Duration, idle: impl FnMut(&mut T) -> bool, act: impl FnOnce(&mut T) -> R) -> R {
        let waited = self.bell.wait_timeout_while(self.lock(), at_most, idle);
        let (mut value, _) = waited.unwrap_or_else(PoisonError::into_inner);
        act(&mut value)
    }

    fn ring(&self) {
        self.bell.notify_one();
    }
}

impl<T> Belled<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
