//! Familiar networks: whose logins count for one, whether a login comes from one, and how what is counted is kept and shared.

use super::Pipeline;
use crate::clock::Timestamp;
use crate::context::LoginContext;
use crate::context::network::{NetworkKind, NetworkKinds};
use crate::familiar::{FamiliarNetworks, LANES, Proposal, Seen, network_of};
use crate::history::Proof;
use crate::keyed_hash::Sources;
use crate::memory::decisions::Given;
use crate::memory::vault::{Place, Put, Record, Version};
use crate::memory::{Memory, MemoryError};
use crate::pipeline::Loaded;
use crate::signals::{Assessments, Code, Signal};
use crate::velocity::Visit;
use std::net::IpAddr;

/// A lane that nobody puts goes after the time for which a user counts, and a day.
const KEPT_MS: i64 = 31 * 86_400_000;
/// How often a lane that others change is looked at again before its turn comes anew.
const LOOKS_MAX: usize = 8;

/// What counts for or against a network, wherever it was kept.
struct Proved<'a> {
    tenant: &'a str,
    address: Option<IpAddr>,
    kinds: NetworkKinds,
    codes: [Code; Signal::ALL.len()],
}

impl Proved<'_> {
    /// Nothing is known against the login, and the user had logged in on some days before.
    fn is_clean(&self) -> bool {
        let hides = self.kinds.is_anonymizer() || self.kinds.has(NetworkKind::Hosting);
        let is_good = |(signal, code): (Signal, Code)| match signal {
            Signal::NewDevice => code != Code::DeviceReused && code != Code::HistoryMissing,
            Signal::UntrustedIp => code == Code::NotFoundOnDenyList,
            Signal::Reported => code == Code::NotReported,
            Signal::Familiarity => matches!(code, Code::Familiar | Code::Unusual | Code::Unfamiliar),
            Signal::ImpossibleTravel | Signal::PhoneNumber | Signal::NewCountry | Signal::Inactivity => true,
        };
        !hides && Signal::ALL.into_iter().zip(self.codes).all(is_good)
    }
}

impl<M> Pipeline<M> {
    /// Whether that a network is new is not counted for this login. Where nothing was confirmed, and nothing is to be without, it
    /// costs two comparisons.
    pub(super) fn is_familiar(
        &self,
        loaded: &Loaded,
        tenant: &str,
        ip: Option<IpAddr>,
        sources: Option<Sources>,
        kinds: NetworkKinds,
    ) -> bool {
        let (how, confirmed) = (loaded.signals.familiar_networks, &loaded.signals.confirmed_networks);
        if how == FamiliarNetworks::Confirm && confirmed.is_empty() {
            return false;
        }
        let is_proposed = || sources.is_some_and(|sources| self.familiar.is_familiar(sources.prefix, how));
        let hides = kinds.is_anonymizer() || kinds.has(NetworkKind::Hosting);
        !hides && (ip.is_some_and(|ip| confirmed.has(tenant, ip)) || is_proposed())
    }

    /// A login that is complete at once counts if its first factor was a strong one.
    pub(super) fn count_familiar(&self, context: &LoginContext<'_>, assessments: &Assessments, now: Timestamp) {
        if !Proof::of(context.first_factor, None).is_factor() {
            return;
        }
        let proved = Proved {
            tenant: context.claims.tenant,
            address: context.address.ip,
            kinds: context.address.kinds,
            codes: Signal::ALL.map(|signal| assessments.of(signal).code),
        };
        if let Some(sources) = context.address.sources {
            self.count_seen(&proved, Visit { user: context.user, sources, device_known: false }, now);
        }
    }

    /// One that waited counts by what it was decided of, and by what is known of its address now.
    pub(super) fn count_proved(&self, given: &Given, visit: Visit, now: Timestamp) {
        let loaded = self.loaded.load();
        let found = given.ip.map(|ip| loaded.geoip.look_up(ip));
        let asn = given.login.asn;
        let (_, listed) = given.ip.map_or((None, NetworkKinds::NONE), |ip| {
            let (finding, kinds) = loaded.lists.look_up(ip, asn, now);
            (Some(finding), kinds)
        });
        let kinds = found.map_or(NetworkKinds::NONE, |found| found.kinds).union(listed);
        let kinds = kinds.union(asn.map_or(NetworkKinds::NONE, |asn| loaded.geoip.kinds_of_asn(asn)));
        self.count_seen(
            &Proved { tenant: given.name.tenant(), address: given.ip, kinds, codes: given.codes },
            visit,
            now,
        );
    }

    fn count_seen(&self, proved: &Proved<'_>, visit: Visit, now: Timestamp) {
        let Some(address) = proved.address.filter(|_| proved.is_clean()) else { return };
        let (network, tenant) = (network_of(address), proved.tenant);
        let seen = Seen { user: visit.user, prefix: visit.sources.prefix, network, tenant };
        if self.familiar.note(&seen, now) {
            tracing::info!(%network, tenant, "many users log in from a network: it is proposed as familiar");
        }
    }

    /// Networks that many users of a tenant log in from; whether each was confirmed.
    pub fn familiar_networks(&self) -> Vec<(Proposal, bool)> {
        let loaded = self.loaded.load();
        let confirmed = |found: &Proposal| loaded.signals.confirmed_networks.has_network(&found.tenant, found.network);
        let proposals = self.familiar.proposals(self.clock.now());
        proposals.into_iter().map(|found| (found.clone(), confirmed(&found))).collect()
    }
}

impl<M: Memory> Pipeline<M> {
    /// Keeps what was counted since the last time, and takes what others kept: of every lane, or of those that changed here.
    ///
    /// # Errors
    ///
    /// Memory failed; it is to be tried again.
    pub async fn share_familiar(&self, of_all: bool) -> Result<(), MemoryError> {
        for lane in 0..LANES {
            let is_changed = self.familiar.take_changed(lane);
            if (is_changed || of_all)
                && let Err(error) = self.share_lane(lane, is_changed).await
            {
                if is_changed {
                    self.familiar.note_changed(lane);
                }
                return Err(error);
            }
        }
        self.familiar.age(self.clock.now());
        Ok(())
    }

    async fn share_lane(&self, lane: usize, is_changed: bool) -> Result<(), MemoryError> {
        let (place, now) = (Place::Other(place(lane)), self.clock.now());
        for _ in 0..LOOKS_MAX {
            let kept = self.memory.kept(place, now).await?;
            let over: Option<Version> = kept.as_ref().map(|kept| kept.version);
            if let Some(kept) = &kept
                && self.familiar.absorb(lane, &kept.content, now).is_err()
            {
                tracing::error!(lane, "what was counted of familiar networks cannot be read, and is counted anew");
            }
            let content = self.familiar.write(lane);
            if !is_changed || content.is_empty() || kept.is_some_and(|kept| *kept.content == *content) {
                return Ok(());
            }
            let until = Timestamp::from_unix_ms(now.unix_ms() + KEPT_MS);
            let record = Record { content: content.into_boxed_slice(), until };
            if self.memory.put(place, over, Some(record), now).await? == Put::Done {
                return Ok(());
            }
        }
        self.familiar.note_changed(lane);
        Ok(())
    }
}

/// Where a lane is: nothing in it is anybody's name, so that its hash needs no key.
pub(super) fn place(lane: usize) -> [u8; 16] {
    let [place @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        blake3::derive_key("askance 2026-11-22 familiar networks", format!("lane {lane}").as_bytes());
    place
}
