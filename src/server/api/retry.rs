//! Answers that are given again: whoever repeats a login of the same session within a minute gets the answer of the first time,
//! whatever became of the decision meanwhile. Nothing is judged or learnt a second time.
//!
//! What is the same request: equal bytes but for the value of `time`, from the same client, in the same form of answer. Each
//! client has a table of its own and an even share of the room, so that none can push out, or ask for, the answers of another.

use crate::bounded::Bounded;
use crate::clock::{Clock, Started};
use crate::keyed_hash::{HashKey, RequestTag};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long an answer is given again. **Source:** http-api.md.
const KEPT: Duration = Duration::from_secs(60);
/// What an answer costs beside its own bytes: its entries in map and queue, which grow by doubling, and its cell.
const ENTRY_BYTES: usize = 320;

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

    /// The answer of the first time to the client with this share, or what `score` makes. Where two come at a time, the second waits for the first, and
    /// takes its place should its client go away.
    pub(super) async fn answer(
        &self,
        share: usize,
        minimal: bool,
        parts: [&[u8]; 2],
        score: impl Future<Output = Vec<u8>>,
    ) -> Bytes {
        let tag = self.key.request(minimal, parts);
        let cell = self.recent(share).cell(tag, self.started.elapsed());
        let first = || async {
            let mut answer = score.await;
            answer.shrink_to_fit();
            self.recent(share).grow(tag, answer.len());
            Bytes::from(answer)
        };
        cell.get_or_init(first).await.clone()
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

type Cell = Arc<OnceCell<Bytes>>;

/// The answers of one client. Every entry stands once in the map and once in the queue.
#[derive(Debug)]
struct Recent {
    entries: HashMap<RequestTag, Entry>,
    /// The oldest in front, each with the time at which it came.
    order: VecDeque<(RequestTag, Duration)>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry {
    cell: Cell,
    bytes: usize,
}

impl Recent {
    fn new(bytes_max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Where the answer stands, or will stand.
    fn cell(&mut self, tag: RequestTag, now: Duration) -> Cell {
        self.forget_old(now);
        if let Some(entry) = self.entries.get(&tag) {
            return Arc::clone(&entry.cell);
        }
        let cell = Cell::default();
        self.entries.insert(tag, Entry { cell: Arc::clone(&cell), bytes: 0 });
        self.order.push_back((tag, now));
        self.grow(tag, ENTRY_BYTES);
        cell
    }

    /// Counts what an entry takes, and makes room for it. An entry that goes while its answer is awaited, goes.
    fn grow(&mut self, tag: RequestTag, bytes: usize) {
        let Some(entry) = self.entries.get_mut(&tag) else { return };
        entry.bytes += bytes;
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self, now: Duration) {
        while self.order.front().is_some_and(|(_, came)| now.saturating_sub(*came) >= KEPT) {
            self.forget_oldest();
        }
    }

    fn forget_all(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|(tag, _)| self.entries.remove(&tag));
        // Without an entry there are no bytes.
        self.bytes -= oldest.map_or(self.bytes, |entry| entry.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: RequestTag = RequestTag(7);

    fn filled(recent: &mut Recent, tag: RequestTag, now: Duration) -> Cell {
        let cell = recent.cell(tag, now);
        if cell.set(Bytes::from_static(b"answer")).is_ok() {
            recent.grow(tag, 6);
        }
        cell
    }

    #[test]
    fn an_answer_is_given_again_for_a_minute_and_then_no_more() {
        let mut recent = Recent::new(1 << 20);
        let began = Duration::from_secs(1000);
        let first = filled(&mut recent, TAG, began);
        for (passed_ms, same) in [(0, true), (59_999, true), (60_000, false)] {
            let again = recent.cell(TAG, began + Duration::from_millis(passed_ms));
            assert_eq!(Arc::ptr_eq(&first, &again), same, "after {passed_ms} ms");
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
        recent.grow(RequestTag(999), 1 << 20);
        assert_eq!((recent.entries.len(), recent.bytes), (0, 0));
    }

    #[test]
    fn clients_have_tables_of_their_own() {
        let retries = Retries::new(HashKey::fixed([1; 16]), Clock, Bounded::of::<1>(), 4);
        let first = filled(&mut retries.recent(0), TAG, Duration::ZERO);
        for number in 0..10_000 {
            let _answer = filled(&mut retries.recent(1), RequestTag(number), Duration::ZERO);
        }
        assert!(Arc::ptr_eq(&first, &retries.recent(0).cell(TAG, Duration::ZERO)));
        assert!(retries.recent(1).bytes <= (1 << 20) / 4);
    }

    /// The first is under way when the second comes; the second scores only if the first never ends.
    #[tokio::test]
    async fn of_two_at_a_time_one_scores() {
        let retries = Retries::new(HashKey::fixed([1; 16]), Clock, Bounded::of::<1>(), 1);
        for first_goes_away in [false, true] {
            let parts = [&b"body"[..], if first_goes_away { b"1" } else { b"2" }];
            let (release, released) = tokio::sync::oneshot::channel::<()>();
            let slow = async {
                released.await.unwrap_or_default();
                b"first".to_vec()
            };
            let mut first = Box::pin(retries.answer(0, false, parts, slow));
            let mut second = Box::pin(retries.answer(0, false, parts, async { b"second".to_vec() }));
            // Polled once each, so that both are under way.
            tokio::select! {
                biased;
                _ = &mut first => unreachable!("nothing released it"),
                _ = &mut second => unreachable!("the first is not done"),
                () = async {} => {}
            }
            if first_goes_away {
                drop(first);
                assert_eq!(&second.await[..], b"second");
            } else {
                release.send(()).unwrap_or_default();
                let (first, second) = tokio::join!(first, second);
                assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"first"[..]));
            }
        }
    }
}
