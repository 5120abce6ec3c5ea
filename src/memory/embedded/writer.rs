//! The one thread that writes: it takes what changed, once a window or as soon as somebody waits, and commits it as a group.
//!
//! A commit that fails is never taken for one that may have gone well: what it held is written again, into a store that was
//! opened anew, and, where a sync had failed, copied into a new file.

use super::desk::{Asked, Next, Waiter};
use super::store::{Batch, Written};
use super::{Shared, lock};
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::memory::vault::Put;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

/// Rows of one commit, beside those that somebody waits for: some 0.1 s.
const ROWS_MAX: usize = 8_192;
/// Decisions of one commit: some 0.1 s, too.
const DECISIONS_MAX: usize = 16_384;
/// Rows of sources of one commit and each of 64 shards, eight sources a row: all that there are, where as many sources are counted as
/// by default.
const VELOCITY_MAX: usize = 65;
/// After failures in a row the next try comes later, up to so many windows.
const PAUSE_WINDOWS_MAX: u32 = 16;

/// The thread's own state.
pub(super) struct Writer<'a> {
    shared: &'a Shared,
    window: Duration,
    failures: u32,
    /// Whom somebody asked for in vain: they come before all others when the disk takes changes again, and so with what was to be done behind
    /// them.
    first: Vec<UserKey>,
    /// Pages that may hold what was erased are left by a clean stop only.
    has_erased: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(shared: &'a Shared, window: Duration) -> Self {
        Self { shared, window, failures: 0, first: Vec::new(), has_erased: false }
    }

    /// Until it is told to stop, and for one more try then.
    pub(super) fn run(mut self) {
        let shared = self.shared;
        shared.desk.serve(self.window, |asked| {
            let is_all = self.round(asked);
            Next { pause: self.pause(is_all), may_end: is_all || self.failures > 0 }
        });
        self.leave();
    }

    /// While more is left than a batch takes, the next one follows at once.
    fn pause(&self, is_all: bool) -> Duration {
        match self.failures {
            0 if is_all => self.window,
            0 => Duration::ZERO,
            failures => self.window * failures.min(PAUSE_WINDOWS_MAX),
        }
    }

    /// Writes a batch, and tells those who wait. Gives whether nothing was left.
    fn round(&mut self, Asked { waiting, wishes, gone }: Asked) -> bool {
        let Shared { changes, users, desk, meters, written_to, velocity, vault, .. } = self.shared;
        self.shared.learn_later();
        let began = self.shared.clock.start();
        let (wishes, wishers): (Vec<_>, Vec<_>) = wishes.into_iter().map(|wisher| (wisher.wish, wisher.told)).unzip();
        let mut urgent = std::mem::take(&mut self.first);
        urgent.extend(waiting.iter().map(|waiter| waiter.user));
        let (taken, are_all_users) = changes.take(urgent.iter().copied(), ROWS_MAX);
        let (mut ids, are_all_decisions) = changes.take_decisions(DECISIONS_MAX);
        let (counted, are_all_counts) =
            velocity.get().map_or_else(|| (Vec::new(), true), |velocity| velocity.take_changed(VELOCITY_MAX));
        let is_all = are_all_users && are_all_decisions && are_all_counts;
        ids.extend(waiting.iter().filter_map(|waiter| waiter.decision));
        ids.sort_unstable();
        ids.dedup();
        let mut batch = Batch { rows: users.changed(&taken), gone, wishes, ..self.shared.batch(&ids) };
        batch.is_probe = self.failures > 0;
        batch.ended_before = self.shared.ended_before();
        self.shared.add_velocity(&counted, &mut batch);
        self.shared.place.round(&mut batch.rows);
        batch.rows.sort_unstable_by_key(|(user, _)| user.0);
        let written = self.write(&batch);
        if let Ok(Written { more_ended, .. }) = &written {
            changes.written();
            vault.done(&batch.wishes);
            if *more_ended {
                *lock(&vault.due) = batch.ended_before;
            }
            desk.gone(batch.gone.len());
            self.has_erased |= !batch.gone.is_empty();
            meters.rows_written.increment(batch.rows.len().try_into().unwrap_or(u64::MAX));
            if is_all {
                *lock(written_to) = began;
            }
        } else {
            users.note_again(&taken);
            urgent.sort_unstable_by_key(|user| user.0);
            urgent.dedup();
            self.first = urgent;
            ids.iter().for_each(|id| changes.note_decision(*id));
            velocity.get().into_iter().for_each(|velocity| velocity.note_changed(&counted));
        }
        self.note(&written);
        tell(waiting, wishers, written);
        is_all
    }

    fn write(&self, batch: &Batch) -> Result<Written, String> {
        *lock(&self.shared.committing) = Some(self.shared.clock.start());
        let written = catch_unwind(AssertUnwindSafe(|| {
            if batch.is_empty() {
                self.shared.sync_what_is_due().map(|()| Written::default())
            } else {
                self.shared.write(batch)
            }
        }));
        *lock(&self.shared.committing) = None;
        written.unwrap_or_else(|_| {
            self.shared.give_up_what_is_open();
            Err("writing panicked".to_owned())
        })
    }

    /// Notes how it went, for whoever asks.
    fn note(&mut self, written: &Result<Written, String>) {
        match written {
            Ok(_) => {
                self.failures = 0;
                if self.shared.is_degraded.load(Ordering::Acquire) {
                    tracing::info!("the store takes changes again");
                    self.shared.trouble(None);
                }
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                self.shared.meters.flush_failures.increment(1);
                tracing::error!(%why, failures = self.failures, "the store takes no changes; memory goes on without it");
                self.shared.trouble(Some(why.clone()));
            }
        }
    }

    /// Leaves the file in order, and without what was erased.
    fn leave(self) {
        let closed = catch_unwind(AssertUnwindSafe(|| self.shared.close(self.has_erased)));
        match closed {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                self.shared.trouble(Some(why.clone()));
                tracing::error!(%why, "the store was not left in order; the next start looks through it");
            }
            Err(_) => tracing::error!("leaving the store panicked; the next start looks through it"),
        }
    }
}

/// Says how it went, to those who wait. Who went away is not told.
fn tell(
    waiting: Vec<Waiter>,
    wishers: Vec<oneshot::Sender<Result<Put, MemoryError>>>,
    written: Result<Written, String>,
) {
    let told = written.as_ref().map(|_| ()).map_err(String::clone);
    for waiter in waiting {
        let _gone = waiter.told.send(told.clone().map_err(MemoryError::Unavailable));
    }
    match written {
        Ok(Written { puts, .. }) => {
            for (wisher, put) in wishers.into_iter().zip(puts) {
                let _gone = wisher.send(Ok(put));
            }
        }
        Err(why) => {
            for wisher in wishers {
                let _gone = wisher.send(Err(MemoryError::Unavailable(why.clone())));
            }
        }
    }
}
