//! One connector: its limits, and whoever is behind it.

use super::breaker::Breaker;
use super::provider::{Provider, Refused};
use super::settings::ConnectorSettings;
use super::templates::Written;
use super::{Message, SendError, Sources};
use crate::clock::{Clock, Started};
use crate::mfa::counted;
use crate::mfa::recipient::Channel;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A connector. Shared by all cores.
#[derive(Debug)]
pub(super) struct Connector {
    name: String,
    channel: Channel,
    provider: Provider,
    deadline: Duration,
    calls: Semaphore,
    breaker: Mutex<Breaker>,
    started: Started,
    counts: [AtomicU64; Fate::ALL.len()],
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The provider took it.
    Taken,
    /// It wants to be asked later.
    Later,
    /// It does not take this one.
    Rejected,
    /// Nobody knows what it did.
    Failed,
    /// It was not asked: it has enough calls, or is left alone.
    PassedBy,
}

impl Fate {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Taken, "taken"),
        (Self::Later, "later"),
        (Self::Rejected, "rejected"),
        (Self::Failed, "failed"),
        (Self::PassedBy, "passed_by"),
    ];
}

impl Connector {
    pub(super) fn new(settings: &ConnectorSettings, sources: &dyn Sources, clock: Clock) -> Result<Self, String> {
        let limits = settings.limits();
        Ok(Self {
            name: settings.name().to_owned(),
            channel: settings.kind(),
            provider: Provider::new(settings, sources, clock)?,
            deadline: limits.deadline,
            calls: Semaphore::new(limits.in_flight_max),
            breaker: Mutex::new(Breaker::new(limits.failures_max, limits.rest)),
            started: clock.start(),
            counts: Default::default(),
        })
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel
    }

    /// Sends a message, if it may call and is taken.
    pub(super) async fn send(&self, message: &Message<'_>, written: &Written) -> Result<(), SendError> {
        // Whoever waited here would wait for as long as the provider is slow, and then for the provider.
        let Ok(_call) = self.calls.try_acquire() else {
            self.count(Fate::PassedBy);
            return Err(self.refuse("too many calls at a time"));
        };
        if !self.breaker().may_call(self.started.elapsed()) {
            self.count(Fate::PassedBy);
            return Err(SendError::General);
        }
        match self.provider.send(message, written, self.deadline).await {
            Ok(()) => {
                self.count(Fate::Taken);
                self.breaker().succeeded();
                Ok(())
            }
            Err(refused) => Err(self.refused(refused)),
        }
    }

    fn refused(&self, refused: Refused) -> SendError {
        match refused {
            Refused::Later { wait_s } => {
                self.count(Fate::Later);
                self.breaker().succeeded();
                tracing::warn!(connector = self.name, wait_s, "the provider wants to be asked later");
                SendError::RateLimited { wait_s }
            }
            Refused::Rejected(why) => {
                self.count(Fate::Rejected);
                // It is there. What one message is refused for says nothing about the next one.
                self.breaker().succeeded();
                self.refuse(&why)
            }
            Refused::Failed(why) => {
                self.count(Fate::Failed);
                if self.breaker().failed(self.started.elapsed()) {
                    tracing::error!(connector = self.name, "failures in a row: it is left alone for a while");
                }
                self.refuse(&why)
            }
        }
    }

    fn refuse(&self, why: &str) -> SendError {
        tracing::warn!(connector = self.name, why, "a message was not sent");
        SendError::General
    }

    fn count(&self, fate: Fate) {
        if let Some((_, count)) = Fate::ALL.iter().zip(&self.counts).find(|((known, _), _)| *known == fate) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Appends its lines of the metric of this name.
    pub(super) fn render(&self, metric: &str, text: &mut String) {
        for ((_, result), count) in Fate::ALL.iter().zip(&self.counts) {
            counted::sample(text, metric, &[("connector", &self.name), ("result", result)], count);
        }
    }

    /// No step between two states of it can panic.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
