//! Lists of decisions, from all that Redis holds of a deployment.

use super::Inner;
use super::names::{self, List, Tag};
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::memory::decisions::{Decision, DecisionId, Held, Listing, Page, Query, Visitor};
use ::redis::{Cmd, Value};

/// Ids that are asked of one list at a time, and decisions that are read at a time.
const PIECE: usize = 256;
/// Lists that are asked at a time: some 2 ms of the server's.
const LISTS_AT_ONCE: usize = 256;

impl Inner {
    /// One page. Ids come from the lists of all tags, or from those of the user, newest first; decisions are then read by their ids until
    /// the page is full.
    pub(super) async fn list(&self, query: &Query) -> Result<Page, MemoryError> {
        let mut listing = Listing::new(query);
        let (lists, mut before) = (lists_of(query), query.before);
        loop {
            let (ids, next) = self.piece(&lists, query, before).await?;
            for ids in ids.chunks(PIECE) {
                let wanted: Vec<(Tag, DecisionId)> = ids.iter().copied().filter(|(_, id)| listing.wants(*id)).collect();
                self.show(&wanted, &mut listing).await?;
                if listing.is_full() {
                    return Ok(listing.page());
                }
            }
            before = next;
            if before.is_none() {
                return Ok(listing.page());
            }
        }
    }

    /// All decisions of a user.
    pub(super) async fn ids_of(&self, user: UserKey) -> Result<Vec<DecisionId>, MemoryError> {
        let mut command = ::redis::cmd("ZRANGE");
        command.arg(names::user_list(user)).arg(0).arg(-1);
        let found = self.nodes.command(Tag::of_user(user), command).await?;
        Ok(members(&found).filter_map(id_of).collect())
    }

    async fn show(&self, ids: &[(Tag, DecisionId)], listing: &mut Listing<'_>) -> Result<(), MemoryError> {
        let commands: Vec<(Tag, Cmd)> = ids
            .iter()
            .map(|(tag, id)| {
                let mut command = ::redis::cmd("GET");
                command.arg(tag.decision(*id));
                (*tag, command)
            })
            .collect();
        for ((_, id), record) in ids.iter().zip(self.nodes.commands(&commands).await?) {
            let Value::BulkString(record) = record else { continue };
            // One that does not open was sealed under a key that was taken away: nobody can say whose it is.
            match self.opened(*id, &record).ok().flatten().map(|found| found.decision) {
                Some(Decision::Pending(mut pending)) => listing.visit(*id, Held::Waiting(&mut pending)),
                Some(Decision::Settled(mut settled)) => listing.visit(*id, Held::Settled(&mut settled)),
                None => true,
            };
        }
        Ok(())
    }

    /// The newest of these lists. Where one of them has more, only what is newer than its rest is sure to be complete; what follows is
    /// the next piece.
    async fn piece(
        &self,
        lists: &[(Tag, Vec<u8>)],
        query: &Query,
        before: Option<DecisionId>,
    ) -> Result<Piece, MemoryError> {
        let (mut ids, mut complete) = (Vec::new(), None);
        for lists in lists.chunks(LISTS_AT_ONCE) {
            let commands: Vec<(Tag, Cmd)> = lists.iter().map(|(tag, key)| (*tag, range(key, query, before))).collect();
            for ((tag, _), found) in commands.iter().zip(self.nodes.commands(&commands).await?) {
                let of_list: Vec<DecisionId> = members(&found).filter_map(id_of).collect();
                if of_list.len() == PIECE {
                    complete = complete.max(of_list.last().copied());
                }
                ids.extend(of_list.into_iter().map(|id| (*tag, id)));
            }
        }
        ids.sort_unstable_by(|(_, a), (_, b)| b.cmp(a));
        if let Some(complete) = complete {
            ids.retain(|(_, id)| *id >= complete);
        }
        Ok((ids, complete))
    }
}

/// A user's own, under both keys that they may have; or those of all tags.
fn lists_of(query: &Query) -> Vec<(Tag, Vec<u8>)> {
    match query.user {
        Some(user) => {
            let keys = [Some(user), query.user_before].into_iter().flatten();
            keys.map(|user| (Tag::of_user(user), names::user_list(user))).collect()
        }
        None => Tag::all().flat_map(|tag| List::ALL.map(|list| (tag, tag.list(list)))).collect(),
    }
}

/// Ids, newest first, and where the next ones begin.
type Piece = (Vec<(Tag, DecisionId)>, Option<DecisionId>);

/// The newest of a list. An id stands before all that begins with it, so that to end before the id is to leave it out.
fn range(key: &[u8], query: &Query, before: Option<DecisionId>) -> Cmd {
    let newest = before.map_or(b"+".to_vec(), |id| [b"(".as_slice(), &id.to_bytes()].concat());
    let oldest = query.since.map_or(b"-".to_vec(), |since| {
        let first = u128::from(u64::try_from(since.unix_ms()).unwrap_or(0)) << 80;
        [b"[".as_slice(), &first.to_be_bytes()].concat()
    });
    let mut command = ::redis::cmd("ZREVRANGEBYLEX");
    command.arg(key).arg(newest).arg(oldest).arg("LIMIT").arg(0).arg(PIECE);
    command
}

fn members(found: &Value) -> impl Iterator<Item = &[u8]> {
    let members = match found {
        Value::Array(members) => members.as_slice(),
        _ => &[],
    };
    members.iter().filter_map(|member| match member {
        Value::BulkString(bytes) => Some(bytes.as_slice()),
        _ => None,
    })
}

fn id_of(member: &[u8]) -> Option<DecisionId> {
    member.first_chunk().map(|bytes| DecisionId::from_bytes(*bytes))
}
