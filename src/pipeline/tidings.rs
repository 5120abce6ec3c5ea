//! What others are told of what is decided here. Where nobody wants to know, a login pays for a look at that, and nothing else.

use super::teach::is_copied;
use super::{Pipeline, Scored};
use crate::clock::Timestamp;
use crate::context::LoginContext;
use crate::event::LoginEvent;
use crate::memory::decisions::{DecisionId, Name};
use crate::signals::{Assessments, Code, Details, Leg};
use crate::verdict::Action;
use crate::webhooks::{Event, EventKind, Events};
use arrayvec::ArrayVec;

/// What is to be told of a login, once its answer stands.
#[derive(Debug)]
pub struct Tidings {
    kinds: ArrayVec<EventKind, 2>,
    name: Name,
    decision: DecisionId,
}

impl<M> Pipeline<M> {
    /// The same pipeline, which tells others of what it decides.
    #[must_use]
    pub fn telling(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// Where others are told.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// What is to be told of a login that was judged. It may be judged again yet: it is told with [`Self::tell`].
    pub fn tidings(&self, event: &LoginEvent<'_>, scored: &Scored<'_>) -> Option<Box<Tidings>> {
        self.tidings_of(event, (scored.id, scored.verdict.action), &scored.context, &scored.assessments)
    }

    /// The same of a request.
    pub(super) fn tidings_of(
        &self,
        event: &LoginEvent<'_>,
        (decision, action): (DecisionId, Action),
        context: &LoginContext<'_>,
        assessments: &Assessments,
    ) -> Option<Box<Tidings>> {
        if self.events.is_none() {
            return None;
        }
        let of_action = match action {
            Action::Allow => None,
            Action::Challenge | Action::VerifyEmail => Some(EventKind::DecisionChallenged),
            Action::Deny => Some(EventKind::DecisionDenied),
        };
        let of_device = if is_copied(assessments) {
            Some(EventKind::DeviceCopied)
        } else {
            is_new_device(context, assessments).then_some(EventKind::DeviceNew)
        };
        let wanted = |kind: &EventKind| self.events.wants(*kind);
        let kinds: ArrayVec<_, 2> = [of_action, of_device].into_iter().flatten().filter(wanted).collect();
        let name = || Name::new(&event.tenant, &event.user.id);
        (!kinds.is_empty()).then(|| Box::new(Tidings { kinds, name: name(), decision }))
    }

    /// Tells others, without waiting for it.
    pub fn tell(&self, tidings: Option<Box<Tidings>>) {
        let Some(tidings) = tidings else { return };
        let Tidings { kinds, name, decision } = *tidings;
        for kind in kinds {
            self.tell_of(kind, &name, decision, decision.time());
        }
    }

    pub(super) fn tell_of(&self, kind: EventKind, name: &Name, decision: DecisionId, time: Timestamp) {
        let (tenant, user) = (name.tenant(), Some(name.user()));
        self.events.emit(Event { kind, time, tenant, user, decision: Some(decision), factor: None });
    }
}

/// A device that names itself and is not known; or nothing of what came is. Browsers that never name their device are no news each time.
fn is_new_device(context: &LoginContext<'_>, assessments: &Assessments) -> bool {
    let assessment = &assessments.new_device;
    let is_unknown = matches!(assessment.details, Details::Legs { device: Leg::Unknown, .. });
    let names_itself = context.device.is_some() || context.token.is_some();
    is_unknown && (names_itself || assessment.code == Code::NoMatch)
}
