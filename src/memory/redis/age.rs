//! Going through all users of Redis for what is older than it may be, by one replica at a time.
//!
//! No list of all users is kept, since it would lie in one slot: this is the one place that scans.

use super::Inner;
use super::names::{self, Tag};
use super::near;
use super::node::{Node, Trouble};
use crate::clock::Timestamp;
use crate::history::{Cutoffs, Lesson, UserHistory};
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::privacy::RetentionDays;
use ::redis::{Cmd, FromRedisValue, Value};
use std::sync::Arc;

/// Keys that are looked at in one step: some 0.2 ms of the server's.
const STEP: usize = 512;
/// Whoever began last goes through all; the others begin no sooner than after so many seconds.
const TURN_S: u32 = 3_000;

impl Inner {
    /// Decisions end by themselves, at the time that they were given when they were stored.
    pub(super) async fn age(&self, now: Timestamp, days: &RetentionDays) {
        let (tag, turn) = Tag::aging();
        let mut take = ::redis::cmd("SET");
        take.arg(&turn).arg(1).arg("NX").arg("EX").arg(TURN_S);
        if !matches!(self.nodes.command(tag, take).await, Ok(Value::Okay)) {
            return;
        }
        let cutoffs = Cutoffs::new(now, days);
        for node in self.nodes.all() {
            if let Err(error) = self.age_node(&node, now, &cutoffs).await {
                tracing::warn!(%error, "what is too old is looked for again later");
                let mut give_back = ::redis::cmd("DEL");
                give_back.arg(&turn);
                drop(self.nodes.command(tag, give_back).await);
                return;
            }
        }
    }

    async fn age_node(&self, node: &Arc<Node>, now: Timestamp, cutoffs: &Cutoffs) -> Result<(), MemoryError> {
        let mut cursor = String::from("0");
        loop {
            let mut scan = ::redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg("askance:{*}:u:*").arg("COUNT").arg(STEP);
            let found = self.nodes.at(node, &scan).await?;
            let (next, keys) =
                <(String, Vec<Vec<u8>>)>::from_redis_value(found).map_err(|error| Trouble::Error(error.into()))?;
            let users: Vec<UserKey> = keys.iter().filter_map(|key| names::user_of_row(key)).collect();
            let rows: Vec<(Tag, Cmd)> = users
                .iter()
                .map(|user| {
                    let mut command = ::redis::cmd("GET");
                    command.arg(names::user_row(*user));
                    (Tag::of_user(*user), command)
                })
                .collect();
            for (user, found) in users.into_iter().zip(self.nodes.commands(&rows).await?) {
                let Value::BulkString(value) = found else { continue };
                let (_, row) = near::taken_apart(&value)?;
                if !row.is_empty() && UserHistory::row_is_aged(row, cutoffs) {
                    self.learn(user, &Lesson::Aged(*cutoffs), now).await?;
                }
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}
