//! What the verdict asks of the history beside the assessments.

use crate::context::LoginContext;
use crate::history::{DeviceHabit, UserHistory};
use crate::signals::Recall;

/// How the user, the device and the network stand to each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// A fraud was labelled, and no factor passed since.
    pub(super) distrusts_remembered_browsers: bool,
    /// The user never logged in from this autonomous system.
    pub(super) is_new_asn: bool,
    /// How new the network is; `None` where nobody can tell.
    pub(super) network: Option<Novelty>,
    /// What the user's devices are like, where they tell.
    pub(super) habit: Option<DeviceHabit>,
    /// The device was used, however long ago.
    pub(super) is_device_aged: bool,
    /// The user has no device that could be told: a mail program, say.
    pub(super) has_no_device: bool,
    /// The user comes through anonymisers or data centres, too.
    pub(super) hides: bool,
}

/// How new a network is to its user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Novelty {
    /// The /24 or /48 was used.
    pub(super) knows_network: bool,
    /// Its autonomous system was not; `None` where it is not known, or none of the user's is.
    pub(super) is_new_asn: Option<bool>,
}

/// Who came through an anonymiser at most so many days ago is somebody who uses one. As long as a country counts.
const HIDES_DAYS: u32 = 180;

impl Standing {
    pub(super) fn new(context: &LoginContext<'_>, recall: Recall<'_>) -> Self {
        let none = Self {
            distrusts_remembered_browsers: false,
            is_new_asn: false,
            network: None,
            habit: None,
            is_device_aged: false,
            has_no_device: false,
            hides: false,
        };
        match recall {
            Recall::History(history) => {
                let is_familiar = context.address.is_familiar;
                let is_new_asn = !is_familiar && context.address.asn.is_some_and(|asn| history.is_new_asn(asn));
                let devices = [context.device, context.token.map(|token| token.device)];
                let is_device_aged = devices.into_iter().flatten().any(|tag| history.has_device(tag));
                let family = context.agent.map(|agent| agent.family);
                let (network, habit) = (novelty(context, history), history.device_habit(family));
                let has_no_device = !history.has_devices();
                let hides = history.hides(context.time, HIDES_DAYS);
                Self { is_new_asn, network, habit, is_device_aged, has_no_device, hides, ..none }.trusting(history)
            }
            Recall::Labelled(history) => none.trusting(history),
            Recall::Stranger => none,
            // Nobody can tell, so nothing is remembered.
            Recall::Failed => Self { distrusts_remembered_browsers: true, ..none },
        }
    }

    fn trusting(self, history: &UserHistory) -> Self {
        Self { distrusts_remembered_browsers: history.distrusts_remembered_browsers(), ..self }
    }
}

fn novelty(context: &LoginContext<'_>, history: &UserHistory) -> Option<Novelty> {
    if context.address.is_familiar {
        return None;
    }
    let knows_network = history.knows_network(context.address.network?)?;
    Some(Novelty { knows_network, is_new_asn: context.address.asn.and_then(|asn| history.novelty_of_asn(asn)) })
}
