//! Bringing into memory what a store holds.

use super::Progress;
use super::store::StoreFile;
use crate::clock::Timestamp;
use crate::keyed_hash::HashKey;
use crate::memory::changes::Changes;
use crate::memory::decisions::{Decision, Decisions};
use crate::memory::record::RecordCipher;
use crate::memory::users::Users;
use crate::velocity::{BadRow, Velocity};
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows that a thread brings into memory between two reports.
const REPORT_ROWS: u64 = 8_192;

/// Brings all rows into memory, on all cores.
pub(super) fn load(store: &StoreFile, users: &Users, progress: Progress<'_>) -> Result<(), redb::Error> {
    let (count, loaded) = (store.users()?, AtomicU64::new(0));
    let parts = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let load_part = |part| {
        let mut own = 0_u64;
        store.rows((part, parts), |user, row| {
            users.load(user, row);
            own += 1;
            // A count that all threads wrote to for each row would go from core to core a million times.
            if own.is_multiple_of(REPORT_ROWS) {
                progress(loaded.fetch_add(REPORT_ROWS, Ordering::Relaxed) + REPORT_ROWS, count);
            }
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..parts).map(|part| scope.spawn(move || load_part(part))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(redb::Error::Corrupted("a row cannot be read".to_owned())))
        })
    })?;
    progress(count, count);
    Ok(())
}

/// Adds what was counted of sources. What is damaged of it is left out: it says how usual failures are, and nobody's history.
pub(super) fn load_velocity(store: &StoreFile, velocity: &Velocity, now: Timestamp) -> Result<(), redb::Error> {
    let (mut are_in_place, mut damaged) = (true, 0_u64);
    store.velocity(|number, row| match velocity.load(number, row, now) {
        Ok(is_in_place) => are_in_place &= is_in_place,
        Err(BadRow) => damaged += 1,
    })?;
    // What was read is on the disk; of a table of another size, in other rows.
    let (read, _) = velocity.take_changed(usize::MAX);
    if !are_in_place {
        velocity.note_all();
    }
    if damaged > 0 {
        tracing::warn!(rows = damaged, "what is kept of velocity is damaged in part, and left out");
    }
    tracing::debug!(sources = velocity.held(), rows = read.len(), "velocity goes on");
    Ok(())
}

/// Brings decisions into memory. One that does not open, since the key that it was sealed under was taken away, stays where it is
/// until its days are over. One of a user under the key that is being replaced is theirs under the one in use from now on, and written
/// again.
pub(super) fn load_decisions(
    store: &StoreFile,
    (decisions, users, changes): (&Decisions, &Users, &Changes),
    (cipher, key): (&RecordCipher, &HashKey),
) -> Result<(), redb::Error> {
    let mut shut = 0_u64;
    store.decisions(|id, sealed, had_history| {
        let Ok(decision) = cipher.open(id, sealed) else {
            shut += 1;
            return;
        };
        let has_history = match &decision {
            Decision::Pending(pending) => users.is_known(pending.given.user),
            Decision::Settled(_) => had_history,
        };
        match decision.given().user_in_use(key) {
            Some(user) => {
                decisions.load(id, decision.belonging_to(user), has_history);
                changes.note_decision(id);
            }
            None => decisions.load(id, decision, has_history),
        }
    })?;
    if shut > 0 {
        tracing::warn!(
            decisions = shut,
            "decisions cannot be read: they were sealed under another key, or by another version"
        );
    }
    Ok(())
}
