//! All that replicas told, put together part by part, so that the stream can be short.
//!
//! Before each part stands the last entry that is in it. Whatever fails on the way, an entry is added to a part once: what is not
//! behind that entry is passed over, and a part is replaced only where it still is the one that was read.

use super::super::Inner;
use super::super::names::{Tag, Velocity as Key};
use super::super::node::Trouble;
use super::super::scripts::Invocation;
use super::entry::{Entry, EntryId};
use super::{PAGE, entries_behind};
use crate::memory::MemoryError;
use crate::velocity::{PARTS, Part, Told};
use ::redis::Value;

/// Seconds for which a replica that began has its turn.
const TURN_S: u32 = 8;
/// Seconds for which a part is kept that nobody adds to: what is usual somewhere fades by half in three days.
const PART_S: u32 = 30 * 86_400;

/// Adds what the stream has and the parts do not; nothing, while another replica does, or did a moment ago.
pub(super) async fn put_together(inner: &Inner) -> Result<(), MemoryError> {
    let (tag, turn) = Tag::velocity(Key::Turn);
    let mut take = ::redis::cmd("SET");
    take.arg(turn).arg(1).arg("NX").arg("EX").arg(TURN_S);
    if inner.nodes.command(tag, take).await? != Value::Okay {
        return Ok(());
    }
    let (_, at) = Tag::velocity(Key::At);
    let mut get = ::redis::cmd("GET");
    get.arg(&at);
    let since = inner.bytes(tag, get).await?;
    let since = since.first_chunk().map_or_else(EntryId::default, |bytes| EntryId::from_bytes(*bytes));
    let entries = all_behind(inner, since).await?;
    let Some((last, _)) = entries.last() else { return Ok(()) };
    for number in 0..PARTS {
        let (mut part, seen) = read(inner, number).await?;
        let is_more = add(&mut part, number, &entries, seen);
        if is_more && !replace(inner, number, (seen, *last), &part).await? {
            // Another replica is faster than this one was.
            return Ok(());
        }
    }
    let mut set = ::redis::cmd("SET");
    set.arg(at).arg(last.to_bytes().as_slice());
    inner.nodes.command(tag, set).await?;
    Ok(())
}

/// All parts, with what the stream has beyond them; and the last entry of that.
pub(super) async fn all(inner: &Inner) -> Result<(Vec<Part>, EntryId), MemoryError> {
    let mut parts = Vec::with_capacity(PARTS);
    for number in 0..PARTS {
        parts.push(read(inner, number).await?);
    }
    let entries = all_behind(inner, EntryId::default()).await?;
    let add = |(number, (mut part, seen)): (usize, (Part, EntryId))| {
        add(&mut part, number, &entries, seen);
        part
    };
    let parts = parts.into_iter().enumerate().map(add).collect();
    Ok((parts, entries.last().map_or_else(EntryId::default, |(last, _)| *last)))
}

/// Gives whether anything was added.
fn add(part: &mut Part, number: usize, entries: &[(EntryId, Told)], seen: EntryId) -> bool {
    let mut is_more = false;
    for (id, told) in entries.iter().filter(|(id, told)| *id > seen && told.is_of(number)) {
        part.add(told, id.time());
        is_more = true;
    }
    is_more
}

/// What cannot be read, of another version, is of nobody.
async fn all_behind(inner: &Inner, mut since: EntryId) -> Result<Vec<(EntryId, Told)>, MemoryError> {
    let mut entries = Vec::new();
    loop {
        let page = entries_behind(inner, since, PAGE).await?;
        let is_last = page.len() < PAGE;
        for Entry { id, batch, .. } in page {
            since = id;
            entries.push((id, Told::read(&batch).unwrap_or_default()));
        }
        if is_last {
            return Ok(entries);
        }
    }
}

/// A part that cannot be read begins anew.
async fn read(inner: &Inner, number: usize) -> Result<(Part, EntryId), MemoryError> {
    let (tag, key) = key(number);
    let mut get = ::redis::cmd("GET");
    get.arg(key);
    let found = inner.bytes(tag, get).await?;
    let (seen, row) = found
        .split_first_chunk()
        .map_or((EntryId::default(), &[][..]), |(seen, row)| (EntryId::from_bytes(*seen), row));
    let part = Part::read(number, row).unwrap_or_else(|error| {
        tracing::warn!(%error, part = number, "a part of velocity begins anew");
        Part::empty(number)
    });
    Ok((part, seen))
}

async fn replace(
    inner: &Inner,
    number: usize,
    (seen, last): (EntryId, EntryId),
    part: &Part,
) -> Result<bool, MemoryError> {
    let (tag, key) = key(number);
    // Of one that is not there, nothing was seen.
    let seen = if seen == EntryId::default() { Vec::new() } else { seen.to_bytes().to_vec() };
    let part_s = PART_S.to_string();
    let value = [last.to_bytes().as_slice(), &part.write(last.time())].concat();
    let invocation = Invocation {
        script: &inner.scripts.put_together,
        keys: &[&key],
        arguments: &[&seen, &value, part_s.as_bytes()],
    };
    match inner.nodes.script(tag, invocation).await? {
        Value::Int(replaced) => Ok(replaced == 1),
        _ => Err(Trouble::Odd.into()),
    }
}

fn key(number: usize) -> (Tag, Vec<u8>) {
    Tag::velocity(Key::Part(u8::try_from(number).unwrap_or(0)))
}
