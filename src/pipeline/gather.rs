//! The facts of one login, from every source that has some.

use super::{Loaded, Pipeline, Presented};
use crate::clock::Timestamp;
use crate::context::agent::Agent;
use crate::context::geoip::{self, Found};
use crate::context::ip_lists::{Category, Entry, Hit, ListFinding};
use crate::context::network::{NetworkKind, NetworkKinds};
use crate::context::{Account, Address, Claims, Location, LoginContext, Organization};
use crate::device_token::{Cookie, DeviceToken, Origin, TokenKeys, TokenUse};
use crate::event::{ClientIp, GivenLocation, LoginEvent, User};
use crate::keyed_hash::{AddressTag, DeviceTag, NetworkTag};
use crate::memory::Memory;
use crate::units::CountryCode;
use std::net::IpAddr;
use std::sync::Arc;

impl<M: Memory> Pipeline<M> {
    /// Every lookup of one login, none of which waits, and what its browser sent.
    pub(super) fn gather<'a>(
        &self,
        loaded: &Loaded,
        event: &'a LoginEvent<'_>,
        now: Timestamp,
    ) -> (LoginContext<'a>, Browser) {
        let ip = event.ip.ip();
        // Memory is slower than all that is computed here: what is far away comes meanwhile, step by step.
        loaded.prefetch_indexes(ip);
        let anchor = self.key.anchor(&event.tenant, &event.user.id);
        let user = self.key.user_of(anchor);
        self.memory.prefetch_place(user);
        loaded.prefetch_networks(ip);
        let network = ip.map(|ip| self.key.network(anchor, ip));
        let browser = Browser::new(&loaded.tokens, event);
        let agent = self.agents.look_up(event.user_agent.as_deref(), event.client_hints.as_ref());
        let hits = loaded.geoip.search(ip);
        self.memory.prefetch_row(user);
        let origin = network.map(|network| origin(network, agent));
        let device = event.device_id.as_deref().map(|id| self.key.device(anchor, id));
        let phone = self.phones.look_up(event.user.phone_number.as_deref(), event.user.phone_region);
        let token = browser.token.map(|token| token_use(self.key.token_device(anchor, token.device), token, origin));
        let mut found = loaded.geoip.read(&hits);
        let (asn, as_organization) = system(event, &mut found);
        let (lists, listed_kinds) = lists(loaded, ip, asn, &found, now);
        let given_kinds = event.edge.asn.map_or(NetworkKinds::NONE, |asn| loaded.geoip.kinds_of_asn(asn));
        let sources = ip.map(|ip| self.key.sources(&event.tenant, ip, asn));
        sources.iter().for_each(|sources| self.velocity.prefetch_keys(sources));
        let kinds = found.kinds.union(listed_kinds).union(given_kinds);
        let velocity = &loaded.signals.untrusted_ip.velocity;
        let location = locate(&found, event.location);
        let context = LoginContext {
            anchor,
            user,
            time: event.time,
            device,
            token,
            agent,
            address: Address {
                text: ClientIp::text(&event.ip),
                ip,
                tag: network.zip(ip).map(|(network, ip)| AddressTag::new(network, ip)),
                network,
                asn,
                as_organization,
                lists,
                is_familiar: self.is_familiar(loaded, &event.tenant, ip, sources, kinds),
                sources,
                velocity: sources.and_then(|sources| self.velocity.look_up(&sources, now, velocity)),
                database: database_hit(&found),
                kinds,
                bot_score: event.edge.bot_score,
                verified_bot: event.edge.verified_bot,
                edge_ignored: event.edge_ignored,
            },
            location,
            country: country(&found, event.location),
            phone,
            account: account(&event.user),
            flow: event.flow,
            first_factor: event.first_factor,
            remembered_browser: event.remembered_browser,
            claims: Claims {
                tenant: &event.tenant,
                user_id: &event.user.id,
                client_id: event.client_id.as_deref(),
                user_agent: event.user_agent.as_deref(),
                groups: &event.user.groups,
                attributes: &event.attributes,
            },
        };
        (context, browser)
    }

    /// How a new device is learnt: not at all where the caller names devices itself and may never send the token back.
    pub(super) fn token_use(&self, context: &LoginContext<'_>, fresh: DeviceToken) -> Option<TokenUse> {
        let origin = context.address.network.map(|network| origin(network, context.agent));
        context.device.is_none().then(|| token_use(self.key.token_device(context.anchor, fresh.device), fresh, origin))
    }
}

/// What a browser sent as its device cookie.
pub(super) struct Browser {
    pub(super) cookie: Option<Cookie>,
    pub(super) token: Option<DeviceToken>,
    pub(super) presented: Presented,
}

impl Browser {
    pub(super) fn new(tokens: &TokenKeys, event: &LoginEvent<'_>) -> Self {
        let cookie = event.device_token.as_deref().and_then(|text| tokens.read(text));
        let token = cookie.as_ref().and_then(|cookie| tokens.find(cookie, &event.tenant, &event.user.id));
        let presented = match (&event.device_token, &cookie, token) {
            (_, _, Some(_)) => Presented::Good,
            (Some(_), None, None) => Presented::Bad,
            (None, _, None) | (Some(_), Some(_), None) => Presented::Absent,
        };
        Self { cookie, token, presented }
    }
}

fn account(user: &User<'_>) -> Account {
    Account {
        enrolled: user.enrolled,
        has_email: user.has_email,
        email_verified: user.email_verified,
        created_at: user.created_at,
        phone_changed_at: user.phone_changed_at,
        email_changed_at: user.email_changed_at,
    }
}

fn origin(network: NetworkTag, agent: Option<Agent>) -> Origin {
    Origin::new(network, agent.map(|agent| agent.family.to_bits()))
}

fn token_use(device: DeviceTag, token: DeviceToken, origin: Option<Origin>) -> TokenUse {
    TokenUse { device, generation: token.generation, origin }
}

/// The autonomous system as an edge gives it, else as the databases have it.
fn system<'a>(event: &'a LoginEvent<'_>, found: &mut Found) -> (Option<u32>, Option<Organization<'a>>) {
    let given = event.edge.as_organization.as_deref().map(Organization::Given);
    match event.edge.asn {
        Some(asn) => (Some(asn), given),
        None => (found.asn, given.or_else(|| found.as_organization.take().map(Organization::Known))),
    }
}

/// What the lists say; a system that the operator vouches for lifts what databases say, too.
fn lists(
    loaded: &Loaded,
    ip: Option<IpAddr>,
    asn: Option<u32>,
    found: &Found,
    now: Timestamp,
) -> (ListFinding, NetworkKinds) {
    let Some(ip) = ip else { return (ListFinding::Clean, NetworkKinds::NONE) };
    let (finding, kinds) = loaded.lists.look_up(ip, asn, now);
    match finding {
        ListFinding::Clean | ListFinding::Stale(_) if found.kinds_from.is_some() => {
            (asn.and_then(|asn| loaded.lists.vouched_for(asn)).unwrap_or(finding), kinds)
        }
        ListFinding::Allowed { .. } | ListFinding::Listed(_) | ListFinding::Clean | ListFinding::Stale(_) => {
            (finding, kinds)
        }
    }
}

/// What a database tells of an address that amounts to being on a list. Never evidence that stands by itself.
fn database_hit(found: &Found) -> Option<Hit> {
    let category = if found.kinds.is_anonymizer() {
        Category::Anonymizer
    } else if found.kinds.has(NetworkKind::Hosting) {
        Category::Datacenter
    } else {
        return None;
    };
    let from = found.kinds_from.as_ref()?;
    Some(Hit { matches: Entry::Network(from.matches), source: Arc::clone(&from.source), category, hard: false })
}

/// As an edge gives it together with a usable place, else as the databases have it.
fn country(found: &Found, given: GivenLocation) -> Option<CountryCode> {
    match given {
        GivenLocation::Valid { country: Some(country), .. } => Some(country),
        GivenLocation::Valid { country: None, .. } | GivenLocation::Invalid | GivenLocation::Absent => found.country,
    }
}

/// What an edge saw wins where it is usable; else the databases are asked.
fn locate(found: &Found, given: GivenLocation) -> Location {
    let given = match given {
        GivenLocation::Absent => return found.location,
        GivenLocation::Invalid => None,
        GivenLocation::Valid { at, radius, country } => geoip::given_place(at, radius, country),
    };
    match given.map_or(found.location, Location::Known) {
        Location::Missing => Location::Unusable,
        location @ (Location::Known(_) | Location::Unusable | Location::Failed) => location,
    }
}
