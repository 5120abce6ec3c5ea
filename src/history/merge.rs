//! Two histories of one user become one, as if the logins of both had been learnt by either.

use super::{KnownDevice, Usage, UserHistory, insert};
use crate::context::agent::AgentFamily;

impl UserHistory {
    /// Learns all that another history of the same user holds.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.last_login_s, other.last_login_s),
            (&mut self.place_confirmed_s, other.place_confirmed_s),
            (&mut self.factor_passed_s, other.factor_passed_s),
            (&mut self.unfinished_s, other.unfinished_s),
            (&mut self.fraud_labelled_s, other.fraud_labelled_s),
        ] {
            *mine = theirs.max(*mine);
        }
        if let Some(theirs) = other.hidden {
            self.hidden.get_or_insert(theirs).merge(theirs);
        }
        for theirs in &other.devices {
            match self.devices.iter_mut().find(|known| known.tag == theirs.tag) {
                Some(known) => known.merge(theirs),
                None => drop(insert(&mut self.devices, theirs.clone())),
            }
        }
        for theirs in &other.agents {
            match self.line_of(theirs.agent, theirs.usage.last_s) {
                Some(line) => {
                    let known = &mut self.agents[line];
                    known.agent.major = known.agent.major.max(theirs.agent.major);
                    known.usage.merge(theirs.usage);
                }
                None => drop(insert(&mut self.agents, theirs.clone())),
            }
        }
        for theirs in &other.networks {
            match self.networks.iter_mut().find(|known| known.tag == theirs.tag && known.asn == theirs.asn) {
                Some(known) => known.usage.merge(theirs.usage),
                None => drop(insert(&mut self.networks, theirs.clone())),
            }
        }
        for theirs in &other.countries {
            match self.countries.iter_mut().find(|known| known.code == theirs.code) {
                Some(known) => known.usage.merge(theirs.usage),
                None => drop(insert(&mut self.countries, theirs.clone())),
            }
        }
        other.places.iter().for_each(|visit| self.record_place(visit.clone()));
        other.marks.iter().for_each(|mark| self.mark(mark.subject, mark.marked_s));
        self.fit();
        self.untie();
    }
}

impl KnownDevice {
    fn merge(&mut self, other: &Self) {
        let rank = |known: &Self| (known.usage.last_s, known.family.map(AgentFamily::to_bits));
        if rank(other) > rank(self) {
            self.family = other.family;
        }
        self.first_s = self.first_s.min(other.first_s);
        self.usage.merge(other.usage);
        if other.accepted.generation > self.accepted.generation {
            self.accepted = other.accepted;
        }
    }
}

impl Usage {
    fn merge(&mut self, other: Self) {
        let (day, other_day) = (self.last_s / Self::DAY_S, other.last_s / Self::DAY_S);
        let aligned = |days: u16, behind: u32| days.checked_shl(behind).unwrap_or(0);
        let last_day = day.max(other_day);
        self.days = aligned(self.days, last_day - day) | aligned(other.days, last_day - other_day);
        self.last_s = self.last_s.max(other.last_s);
    }
}
