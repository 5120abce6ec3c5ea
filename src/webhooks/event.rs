//! What is told of an event.

use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::decisions::DecisionId;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A login was asked for more than its first factor.
    #[serde(rename = "decision.challenged")]
    DecisionChallenged,
    /// A login was refused.
    #[serde(rename = "decision.denied")]
    DecisionDenied,
    /// A factor was proved.
    #[serde(rename = "mfa.succeeded")]
    MfaSucceeded,
    /// A proof was wrong.
    #[serde(rename = "mfa.failed")]
    MfaFailed,
    /// A factor sleeps, after too many wrong proofs.
    #[serde(rename = "mfa.locked")]
    MfaLocked,
    /// A user has a factor that they had not.
    #[serde(rename = "factor.bound")]
    FactorBound,
    /// A user has a factor no more.
    #[serde(rename = "factor.removed")]
    FactorRemoved,
    /// A user who is known came with a device that is not.
    #[serde(rename = "device.new")]
    DeviceNew,
    /// A device's cookie is at two places.
    #[serde(rename = "device.copied")]
    DeviceCopied,
    /// A message was not sent, since too many were.
    #[serde(rename = "message.rate_limited")]
    MessageRateLimited,
    /// A login was labelled fraud.
    #[serde(rename = "feedback.fraud")]
    FeedbackFraud,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::DecisionChallenged,
        Self::DecisionDenied,
        Self::MfaSucceeded,
        Self::MfaFailed,
        Self::MfaLocked,
        Self::FactorBound,
        Self::FactorRemoved,
        Self::DeviceNew,
        Self::DeviceCopied,
        Self::MessageRateLimited,
        Self::FeedbackFraud,
    ];

    pub(super) fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whether it comes to pass once with a decision, however often somebody says so.
    fn is_once_a_decision(self) -> bool {
        match self {
            Self::DecisionChallenged
            | Self::DecisionDenied
            | Self::DeviceNew
            | Self::DeviceCopied
            | Self::FeedbackFraud => true,
            Self::MfaSucceeded
            | Self::MfaFailed
            | Self::MfaLocked
            | Self::FactorBound
            | Self::FactorRemoved
            | Self::MessageRateLimited => false,
        }
    }
}

/// An event, as whoever has it tells it.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub time: Timestamp,
    /// Whose user.
    pub tenant: &'a str,
    /// The user's id, where it is known.
    pub user: Option<&'a str>,
    /// The decision that it belongs to.
    pub decision: Option<DecisionId>,
    /// The factor that it is about.
    pub factor: Option<Factor>,
}

/// An event as it is sent, each time the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// Whoever is told twice can see it by this.
    pub(super) id: u128,
    pub(super) kind: EventKind,
    pub(super) time: Timestamp,
    pub(super) body: Vec<u8>,
}

/// The body, as the specification recommends it. **Source:** Standard Webhooks 1.0.0, "Payload structure".
#[derive(Serialize)]
struct Body<'a> {
    r#type: EventKind,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<Factor>,
}

impl Told {
    /// `None` where the operating system gives no randomness.
    pub(super) fn new(event: Event<'_>) -> Option<Self> {
        let Event { kind, time, tenant, user, decision, factor } = event;
        let id = match decision.filter(|_| kind.is_once_a_decision()) {
            Some(decision) => once(kind, decision),
            None => random()?,
        };
        let data = Data { tenant, user_id: user, decision_id: decision.map(|id| id.to_string()), factor };
        let body = serde_json::to_vec(&Body { r#type: kind, timestamp: time.to_string(), data }).ok()?;
        Some(Self { id, kind, time, body })
    }

    /// The identifier of the message, the same however often it is sent.
    pub(super) fn message_id(&self) -> String {
        format!("msg_{:032x}", self.id)
    }
}

/// The same each time that it is said of this decision.
fn once(kind: EventKind, decision: DecisionId) -> u128 {
    let named = [&kind.bit().to_le_bytes()[..], &decision.to_bytes()].concat();
    let hash = blake3::derive_key("askance 2026-11-22 event of a decision", &named);
    hash.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

fn random() -> Option<u128> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).ok()?;
    Some(u128::from_le_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        let bits: Vec<u16> = EventKind::ALL.iter().map(|kind| kind.bit()).collect();
        assert!(bits.iter().enumerate().all(|(at, bit)| *bit == 1 << at));
    }

    #[test]
    fn a_body_holds_ids_and_nothing_else() -> Result<(), serde_json::Error> {
        let event = Event {
            kind: EventKind::FactorBound,
            time: Timestamp::from_unix_s(1_790_000_000),
            tenant: "acme",
            user: Some("alice \"a\""),
            decision: Some(DecisionId::from_bytes([7; 16])),
            factor: Some(Factor::BackupCode),
        };
        let body = |event: Event<'_>| {
            serde_json::from_slice::<serde_json::Value>(
                &Told::new(event).unwrap_or_else(|| unreachable!("there is randomness")).body,
            )
        };
        assert_eq!(
            body(event)?,
            serde_json::json!({
                "type": "factor.bound",
                "timestamp": "2026-09-21T14:13:20Z",
                "data": {
                    "tenant": "acme",
                    "user_id": "alice \"a\"",
                    "decision_id": DecisionId::from_bytes([7; 16]).to_string(),
                    "factor": "backup_code",
                },
            })
        );
        let id = |event| Told::new(event).map(|told| told.message_id());
        assert_ne!(id(event), id(event), "a factor may be bound twice in a flow");
        let fraud = Event { kind: EventKind::FeedbackFraud, ..event };
        assert_eq!(id(fraud), id(Event { time: Timestamp::from_unix_s(0), ..fraud }), "said again");
        assert_ne!(id(fraud), id(Event { kind: EventKind::DecisionDenied, ..event }));
        assert_ne!(id(fraud), id(Event { decision: Some(DecisionId::from_bytes([8; 16])), ..fraud }));
        let bare = Event { user: None, decision: None, factor: None, ..event };
        assert_eq!(body(bare)?["data"], serde_json::json!({"tenant": "acme"}));
        Ok(())
    }
}
