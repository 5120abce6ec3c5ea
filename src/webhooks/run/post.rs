//! One try to tell somebody of one event, and when the next one is.

use super::super::queue::Item;
use super::Webhook;
use crate::clock::Timestamp;
use crate::outbound::{Call, Secret};
use crate::telemetry::WebhookMeters;
use bytes::Bytes;
use hyper::header::HeaderName;

/// Between the first two tries; each further wait is twice the one before, up to an hour. **Source:** Standard Webhooks 1.0.0, "Deliverability
/// and reliability", which asks for some such growth.
const WAIT_MS: i64 = 5_000;
const WAIT_MS_MAX: i64 = 3_600_000;
/// Nobody is there any more, and says so. **Source:** the same: such a receiver is not to be asked again.
const GONE: u16 = 410;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    id: String,
    tag: u64,
    ended: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It was taken.
    Told,
    /// It was not, and is tried again.
    Again { next_ms: i64 },
    /// It was not, and that was the last time.
    GivenUp,
}

/// Posts an event, signed for this moment.
pub(super) async fn post(webhook: &Webhook, item: &Item, now: Timestamp) -> Outcome {
    let tries = item.to.iter().find(|due| due.tag == webhook.tag).map_or(0, |due| due.tries);
    let outcome = |ended| Outcome { id: item.id.clone(), tag: webhook.tag, ended };
    let reply = match call(webhook, item, now) {
        Some(call) => webhook.destination.post(call).await.map_err(|error| error.as_str()),
        None => Err("unsigned"),
    };
    let (why, wait_s, is_gone) = match &reply {
        Ok(reply) if reply.is_success() => return outcome(Ended::Told),
        Ok(reply) => (reply.status.to_string(), reply.retry_after_s, reply.status == GONE),
        Err(why) => ((*why).to_owned(), None, false),
    };
    let wait_ms = wait_ms(tries, getrandom::u32().unwrap_or(u32::MAX)).max(i64::from(wait_s.unwrap_or(0)) * 1_000);
    let next_ms = now.unix_ms().saturating_add(wait_ms);
    let is_last = is_gone || next_ms.saturating_sub(item.time_ms) > webhook.give_up_ms;
    let webhook = &webhook.destination;
    if is_last {
        tracing::error!(?webhook, event = %item.id, kind = ?item.kind, why, "an event was not taken, and is given up");
        return outcome(Ended::GivenUp);
    }
    tracing::warn!(?webhook, event = %item.id, kind = ?item.kind, why, wait_ms, "an event was not taken");
    outcome(Ended::Again { next_ms })
}

fn call(webhook: &Webhook, item: &Item, now: Timestamp) -> Option<Call> {
    let time_s = now.unix_s();
    let header = |name: &'static str, value: &str| Some((HeaderName::from_static(name), Secret::new(value)?));
    let signature = webhook.secrets.sign(&item.id, time_s, item.body.as_bytes());
    Some(Call {
        content_type: "application/json",
        headers: vec![
            header("webhook-id", &item.id)?,
            header("webhook-timestamp", &time_s.to_string())?,
            header("webhook-signature", &signature)?,
        ],
        body: Bytes::from(item.body.clone()),
        deadline: webhook.deadline,
    })
}

/// Before the next try: half of it for sure, the rest by chance, so that what failed at once does not come again at once.
fn wait_ms(tries: u32, random: u32) -> i64 {
    let doubled = WAIT_MS.saturating_mul(1_i64.checked_shl(tries.min(20)).unwrap_or(i64::MAX));
    let half = doubled.min(WAIT_MS_MAX) / 2;
    half + half * i64::from(random) / i64::from(u32::MAX)
}

impl Outcome {
    pub(super) fn count(&self, meters: &WebhookMeters) {
        match self.ended {
            Ended::Told => meters.delivered.increment(1),
            Ended::Again { .. } => meters.failed.increment(1),
            Ended::GivenUp => {
                meters.failed.increment(1);
                meters.given_up.increment(1);
            }
        }
    }

    /// When it is tried again, if it is.
    pub(super) fn next_ms(&self) -> Option<i64> {
        match self.ended {
            Ended::Again { next_ms } => Some(next_ms),
            Ended::Told | Ended::GivenUp => None,
        }
    }

    /// Notes it in a lane.
    pub(super) fn note(&self, items: &mut [Item]) {
        let Some(item) = items.iter_mut().find(|item| item.id == self.id) else { return };
        match self.ended {
            Ended::Told | Ended::GivenUp => item.to.retain(|due| due.tag != self.tag),
            Ended::Again { next_ms } => {
                for due in item.to.iter_mut().filter(|due| due.tag == self.tag) {
                    due.tries = due.tries.saturating_add(1);
                    due.next_ms = next_ms;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_spread_over_their_half() {
        for (tries, least, most) in
            [(0, 2_500, 5_000), (1, 5_000, 10_000), (5, 80_000, 160_000), (9, 1_280_000, 2_560_000)]
        {
            assert_eq!((wait_ms(tries, 0), wait_ms(tries, u32::MAX)), (least, most), "{tries}");
        }
        for tries in [10, 20, 31, 64, u32::MAX] {
            assert_eq!((wait_ms(tries, 0), wait_ms(tries, u32::MAX)), (1_800_000, 3_600_000), "{tries}");
        }
    }
}
