//! Lists of decisions, from all that Redis holds of a deployment.

use super::Inner;
use super::names::{self, List, Tag};
use crate::keyed_hash::UserKey;
use crate::memory::MemoryError;
use crate::memory::decisions::{Decision, DecisionId, Held, Listing, Page, Query, Visitor};
use ::redis::{Cmd, Value};

/// Ids that are asked of one list at a time, and decisions that are read at a time.
const PIECE: usize = 256;
/// Tags whose lists are asked at a time: some 2 ms of the server's.
const TAGS_AT_ONCE: usize = 64;

impl Inner {
    /// One page. Ids come from the lists of all tags, or from that of the user, newest first; decisions are then read by their ids until
    /// the page is full.
    pub(super) async fn list(&self, query: &Query) -> Result<Page, MemoryError> {
        let mut listing = Listing::new(query);
        let mut before = query.before;
        loop {
            let (ids, next) = match query.user {
                Some(user) => self.piece_of_user(user, query, before).await?,
                None => self.piece_of_all(query, before).await?,
            };
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
            match self.opened(*id, &record)?.map(|found| found.decision) {
                Some(Decision::Pending(mut pending)) => listing.visit(*id, Held::Waiting(&mut pending)),
                Some(Decision::Settled(mut settled)) => listing.visit(*id, Held::Settled(&mut settled)),
                None => true,
            };
        }
        Ok(())
    }

    async fn piece_of_user(
        &self,
        user: UserKey,
        query: &Query,
        before: Option<DecisionId>,
    ) -> Result<Piece, MemoryError> {
        let tag = Tag::of_user(user);
        let found = self.nodes.command(tag, range(&names::user_list(user), query, before)).await?;
        let ids: Vec<(Tag, DecisionId)> = members(&found).filter_map(id_of).map(|id| (tag, id)).collect();
        let next = ids.last().map(|(_, id)| *id).filter(|_| ids.len() == PIECE);
        Ok((ids, next))
    }

    /// The newest of all lists. Where one of them has more, only what is newer than its rest is sure to be complete; what follows is
    /// the next piece.
    async fn piece_of_all(&self, query: &Query, before: Option<DecisionId>) -> Result<Piece, MemoryError> {
        let (mut ids, mut complete) = (Vec::new(), None);
        let tags: Vec<Tag> = Tag::all().collect();
        for tags in tags.chunks(TAGS_AT_ONCE) {
            let lists = tags.iter().flat_map(|tag| List::ALL.map(|list| (*tag, range(&tag.list(list), query, before))));
            let commands: Vec<(Tag, Cmd)> = lists.collect();
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
