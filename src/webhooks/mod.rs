//! Events that others are told: signed, from a queue that lasts.
//!
//! Whoever has something to tell calls [`Events::emit`], which waits for nothing. A thread of its own seals what was told, puts it into the
//! store (`queue.rs`), and posts it from there until it is taken or its time is over (`run.rs`). So an event is told at least once from the
//! moment that it is in the queue, some milliseconds behind its cause; where the process is killed before that, it is not told.
//!
//! What is told are ids, and no secret, code, number or address of anybody.

mod event;
mod queue;
mod run;
mod settings;
mod signature;

pub use event::{Event, EventKind};
pub use queue::Sealer;
pub use run::{Ready, Running, Setup, Webhook};
pub use settings::{Kinds, Settings};
pub use signature::{Secret, SecretError, Secrets};

use event::Told;
use metrics::Counter;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Events that wait for the thread that queues them, some 400 bytes each. What is more is not told, and counted.
const WAITING_MAX: usize = 4_096;

/// Where events are told. A clone shares the way to the one thread that queues them; without webhooks it leads nowhere, and emitting
/// costs a look at that.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<Outlet>>);

struct Outlet {
    /// A bit for each kind that somebody wants.
    wanted: u16,
    sender: mpsc::Sender<Told>,
    lost: Counter,
}

impl Events {
    /// The way for events of these kinds, and its other end.
    fn of(wanted: impl Iterator<Item = EventKind>, lost: Counter) -> (Self, mpsc::Receiver<Told>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let wanted = wanted.fold(0, |all, kind| all | kind.bit());
        (Self(Some(Arc::new(Outlet { wanted, sender, lost }))), receiver)
    }

    /// Whether nobody is told of anything.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether anybody is told of events of this kind.
    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        self.0.as_ref().is_some_and(|outlet| outlet.wanted & kind.bit() != 0)
    }

    /// Tells of an event, if anybody wants to know. It waits for nothing, and nobody hears whether it is told. Once a flow is the
    /// caller's to see to.
    pub fn emit(&self, event: Event<'_>) {
        let Some(outlet) = self.0.as_ref().filter(|outlet| outlet.wanted & event.kind.bit() != 0) else { return };
        let is_queued = Told::new(event).is_some_and(|told| outlet.sender.try_send(told).is_ok());
        if !is_queued {
            outlet.lost.increment(1);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({})", if self.0.is_some() { "told" } else { "none" })
    }
}
