//! Answers that are given again: whoever repeats a login of the same session within a minute gets the answer of the first time,
//! whatever became of the decision meanwhile. Nothing is judged or learnt a second time.
//!
//! What is the same request: equal bytes but for the value of `time`, from the same client, in the same form of answer. Each
//! client has a table of its own and an even share of the room, so that none can push out, or ask for, the answers of another.

use crate::bounded::Bounded;
use crate::clock::{Clock, Started};
use crate::keyed_hash::{HashKey, KeyIsHash, RequestTag};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// How long an answer is given again. **Source:** http-api.md.
const KEPT: Duration = Duration::from_secs(60);
/// What an answer costs beside its own bytes: its entries in map and queue, which grow by doubling.
const ENTRY_BYTES: usize = 240;

/// The answers of the last minute, one table a client. One for the process; workers share it through the service.
#[derive(Debug)]
pub(in crate::server) struct Retries {
    key: HashKey,
    started: Started,
    clients: Box<[Mutex<Recent>]>,
}

impl Retries {
    pub(super) fn new(key: HashKey, clock: Clock, mib_max: Bounded<1, 4_096>, shares: usize) -> Self {
        let bytes_max = (mib_max.as_usize() << 20) / shares;
        let clients = std::iter::repeat_with(|| Mutex::new(Recent::new(bytes_max))).take(shares).collect();
        Self { key, started: clock.start(), clients }
    }

    /// Whose turn a login is, of the client with this share.
    pub(super) fn turn(&self, share: usize, minimal: bool, parts: [&[u8]; 2]) -> Turn<'_> {
        let tag = self.key.request(minimal, parts);
        match self.recent(share).find_or_begin(tag, self.started.elapsed()) {
            Found::Nothing => Turn::First(First { retries: self, share, tag, is_answered: false }),
            Found::Answer(answer) => Turn::Again(answer),
            Found::UnderWay(over) => Turn::Wait(over),
        }
    }

    /// Forgets what is over, so that answers do not stay when no more requests come; called once a second.
    pub(in crate::server) fn sweep(&self) {
        (0..self.clients.len()).for_each(|share| self.recent(share).forget_old(self.started.elapsed()));
    }

    /// Forgets every answer: somebody was erased, and answers do not say of whom they are. Who repeats a login now is judged
    /// anew.
    pub(super) fn forget_all(&self) {
        (0..self.clients.len()).for_each(|share| self.recent(share).forget_all());
    }

    fn recent(&self, share: usize) -> MutexGuard<'_, Recent> {
        self.clients[share].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose turn it is to answer a login.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    /// The caller's.
    First(First<'a>),
    /// Nobody's: it was answered.
    Again(Bytes),
    /// Somebody else's, who is at it. When this is over, there is an answer, or it is somebody's turn again.
    Wait(OwnedNotified),
}

/// The turn of whoever came first, up to the answer. Dropped without one, it is the next one's.
#[derive(Debug)]
pub(super) struct First<'a> {
    retries: &'a Retries,
    share: usize,
    tag: RequestTag,
    is_answered: bool,
}

impl First<'_> {
    /// Keeps the answer for all who ask again.
    pub(super) fn answered(mut self, mut answer: Vec<u8>) -> Bytes {
        answer.shrink_to_fit();
        let answer = Bytes::from(answer);
        self.retries.recent(self.share).end(self.tag, Entry::Answered(answer.clone()));
        self.is_answered = true;
        answer
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.retries.recent(self.share).end(self.tag, Entry::Abandoned);
        }
    }
}

/// The answers of one client. Every entry stands once in the map and once in the queue.
#[derive(Debug)]
struct Recent {
    entries: HashMap<RequestTag, Entry, BuildHasherDefault<KeyIsHash>>,
    /// The oldest in front, each with the time at which it came.
    order: VecDeque<(RequestTag, Duration)>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
enum Entry {
    /// Somebody is at it, and perhaps others wait to be told when that is over.
    UnderWay(Option<Arc<Notify>>),
    Answered(Bytes),
    /// Who was at it went away.
    Abandoned,
}

#[derive(Debug)]
enum Found {
    Nothing,
    UnderWay(OwnedNotified),
    Answer(Bytes),
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Self::Answered(answer) => ENTRY_BYTES + answer.len(),
            Self::UnderWay(_) | Self::Abandoned => ENTRY_BYTES,
        }
    }

    /// What it says to whoever asks next, who begins where nobody is at it.
    fn ask(&mut self) -> Found {
        match self {
            Self::Answered(answer) => Found::Answer(answer.clone()),
            Self::UnderWay(over) => Found::UnderWay(Arc::clone(over.get_or_insert_default()).notified_owned()),
            Self::Abandoned => {
                *self = Self::UnderWay(None);
                Found::Nothing
            }
        }
    }

    fn tell_those_who_wait(&self) {
        if let Self::UnderWay(Some(over)) = self {
            over.notify_waiters();
        }
    }
}

impl Recent {
    fn new(bytes_max: usize) -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new(), bytes: 0, bytes_max }
    }

    fn find_or_begin(&mut self, tag: RequestTag, now: Duration) -> Found {
        self.forget_old(now);
        if let Some(entry) = self.entries.get_mut(&tag) {
            return entry.ask();
        }
        self.order.push_back((tag, now));
        self.entries.insert(tag, Entry::UnderWay(None));
        self.bytes += ENTRY_BYTES;
        self.make_room();
        Found::Nothing
    }

    /// Puts the end in the place of what is under way, if that was not forgotten meanwhile.
    fn end(&mut self, tag: RequestTag, end: Entry) {
        let Some(entry) = self.entries.get_mut(&tag) else { return };
        self.bytes = self.bytes - entry.bytes() + end.bytes();
        std::mem::replace(entry, end).tell_those_who_wait();
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.bytes > self.bytes_max && self.forget_oldest() {}
    }

    fn forget_old(&mut self, now: Duration) {
        while self.order.front().is_some_and(|(_, came)| now.saturating_sub(*came) >= KEPT) {
            self.forget_oldest();
        }
    }

    fn forget_all(&mut self) {
        while self.forget_oldest() {}
        *self = Self::new(self.bytes_max);
    }

    /// Gives whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let oldest = self.order.pop_front().and_then(|(tag, _)| self.entries.remove(&tag));
        if let Some(oldest) = &oldest {
            self.bytes -= oldest.bytes();
            oldest.tell_those_who_wait();
        }
        oldest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: RequestTag = RequestTag(7);

    fn retries(shares: usize) -> Retries {
        Retries::new(HashKey::fixed([1; 16]), Clock, Bounded::of::<1>(), shares)
    }

    /// The answer that is there, or the one that is put there.
    fn filled(recent: &mut Recent, tag: RequestTag, now: Duration) -> Bytes {
        match recent.find_or_begin(tag, now) {
            Found::Answer(answer) => answer,
            Found::UnderWay(_) => unreachable!("nobody is at it"),
            Found::Nothing => {
                let answer = Bytes::from(b"answer".to_vec());
                recent.end(tag, Entry::Answered(answer.clone()));
                answer
            }
        }
    }

    #[test]
    fn an_answer_is_given_again_for_a_minute_and_then_no_more() {
        let mut recent = Recent::new(1 << 20);
        let began = Duration::from_secs(1000);
        let first = filled(&mut recent, TAG, began);
        for (passed_ms, same) in [(0, true), (59_999, true), (60_000, false)] {
            let again = filled(&mut recent, TAG, began + Duration::from_millis(passed_ms));
            assert_eq!(first.as_ptr() == again.as_ptr(), same, "after {passed_ms} ms");
        }
        recent.forget_old(began + Duration::from_secs(119));
        assert_eq!(recent.entries.len(), 1, "the one that came in the place of the first");
        recent.forget_old(began + Duration::from_secs(120));
        assert_eq!((recent.entries.len(), recent.order.len(), recent.bytes), (0, 0, 0));
    }

    #[test]
    fn bounded_in_bytes_the_oldest_go_first() {
        let mut recent = Recent::new(10 * (ENTRY_BYTES + 6));
        for number in 0..1000 {
            let _answer = filled(&mut recent, RequestTag(number), Duration::from_millis(5));
            assert!(recent.bytes <= recent.bytes_max && recent.entries.len() == recent.order.len());
        }
        let kept: Vec<bool> = (985..1000).map(|number| recent.entries.contains_key(&RequestTag(number))).collect();
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 10);
        assert!(kept[5..].iter().all(|kept| *kept), "the last ones stay: {kept:?}");
        // Larger than all the room: not kept, and nothing else is, either.
        recent.end(RequestTag(999), Entry::Answered(vec![0; 1 << 20].into()));
        assert_eq!((recent.entries.len(), recent.bytes), (0, 0));
    }

    #[test]
    fn clients_have_tables_of_their_own() {
        let retries = retries(4);
        let first = filled(&mut retries.recent(0), TAG, Duration::ZERO);
        for number in 0..10_000 {
            let _answer = filled(&mut retries.recent(1), RequestTag(number), Duration::ZERO);
        }
        assert_eq!(first.as_ptr(), filled(&mut retries.recent(0), TAG, Duration::ZERO).as_ptr());
        assert!(retries.recent(1).bytes <= (1 << 20) / 4);
    }

    /// What ends the first one's turn, and whether those who waited find its answer.
    #[tokio::test]
    async fn who_comes_second_waits_for_the_first() {
        type End = fn(&Retries, First<'_>);
        let ends: [(&str, End, bool); 3] = [
            ("it answers", |_, first| drop(first.answered(b"first".to_vec())), true),
            ("it goes away", |_, first| drop(first), false),
            (
                "all is forgotten",
                |retries, first| {
                    retries.forget_all();
                    drop(first);
                },
                false,
            ),
        ];
        for (what, end, is_answered) in ends {
            let retries = retries(1);
            let turn = || retries.turn(0, false, [b"body", b"1"]);
            let Turn::First(first) = turn() else { unreachable!("nobody came before") };
            let (Turn::Wait(second), Turn::Wait(third)) = (turn(), turn()) else { unreachable!("the first is at it") };
            end(&retries, first);
            second.await;
            third.await;
            match turn() {
                Turn::Again(answer) => assert!(is_answered && answer == "first", "{what}"),
                Turn::First(_) => assert!(!is_answered, "{what}"),
                Turn::Wait(_) => unreachable!("nobody is at it: {what}"),
            }
        }
    }
}
