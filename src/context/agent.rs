//! Which browser family on which system: the user-agent leg of a device.
//!
//! Versions are no part of the family, since an update is not a new device; the major version stands beside it. Windows
//! 11 is no family of its own, nor is a model of phone: both are told in some requests and not in others.
//!
//! Whatever a client says of itself it could have copied. So a family may only ever make a login *known*, beside a device
//! or a network that is; and what cannot be read is no family, which is the strictest answer there is.

mod family;
mod reading;
mod rules;
mod text_hash;

pub use family::AgentFamily;
pub(super) use family::{Exactness, brand_rank, canonical_browser};

use super::client_hints::{self, major};
use crate::event::ClientHints;
use family::{UNNAMED, canonical_system};
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use reading::{Words, app};
use std::fmt;
use text_hash::TextHash;
use woothee::parser::{Parser, WootheeResult};

/// A family and the major version seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Browser, system and form factor.
    pub family: AgentFamily,
    /// Major version of the browser; 0 where none is told, or none that can be.
    pub major: u16,
}

/// A user agent longer than this is parsed up to here: what tells browsers apart stands in front, and the parser's cost
/// grows with the length.
const PARSED_BYTES_MAX: usize = 1024;
/// Texts up to this length are cached, so that the cache takes at most 4 MB.
const CACHED_BYTES_MAX: usize = 512;
const CACHED_AGENTS_MAX: usize = 8192;
/// There are some hundred lists of brands, those of today's browsers; at most 0.5 MB.
const CACHED_BRANDS_MAX: usize = 1024;

/// Parses user agents, remembering the usual ones. One for the process, shared by all cores.
pub struct Agents {
    words: Words,
    parser: Parser,
    texts: Remembered,
    brands: Remembered,
}

/// What was parsed of a text before.
type Remembered = Cache<Box<str>, Option<Agent>, UnitWeighter, TextHash>;

impl Agents {
    /// Builds the parser's tables (some 30 ms), so that no login waits for them.
    #[must_use]
    pub fn new() -> Self {
        let [texts, brands] = [CACHED_AGENTS_MAX, CACHED_BRANDS_MAX]
            .map(|max| Cache::with(max, max as u64, UnitWeighter, TextHash::new(), DefaultLifecycle::default()));
        let agents = Self { words: Words::new(), parser: Parser::new(), texts, brands };
        let _warm = agents.parse("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0");
        agents
    }

    /// The agent by its client hints and its user agent; `None` when neither can be read.
    ///
    /// The source that names the browser more exactly says which it is, client hints where both do: so that Edge is Edge
    /// with and without hints, and an app is itself though its hints say "Android WebView". Brave names itself in hints
    /// only, by intent; it is known as Brave to a caller who passes them on, as Chrome to others.
    #[must_use]
    pub fn look_up(&self, user_agent: Option<&str>, hints: Option<&ClientHints<'_>>) -> Option<Agent> {
        let parsed = user_agent.and_then(|text| remembered(&self.texts, text, |text| self.parse(text)));
        let brands = hints.and_then(|hints| hints.brands.as_deref());
        match (brands.and_then(|list| remembered(&self.brands, list, brand)), hints) {
            (Some(brand), Some(hints)) => Some(combine(brand, hints, parsed)),
            _ => parsed,
        }
    }

    fn parse(&self, text: &str) -> Option<Agent> {
        let text = &text[..text.floor_char_boundary(PARSED_BYTES_MAX)];
        let reading = self.words.read(text);
        if let Some((name, major)) = reading.crawler() {
            return Some(Agent { family: crawler(name), major });
        }
        if let Some((name, major)) = reading.client() {
            return Some(Agent { family: AgentFamily::new(name, reading.system(), reading.form()), major });
        }
        let parsed = self.parser.parse(text);
        if !reading.is_browser()
            && parsed.as_ref().is_none_or(is_vague)
            && let Some((name, major)) = app(text, &reading)
        {
            return Some(Agent { family: AgentFamily::new(name, reading.system(), reading.form()), major });
        }
        let parsed = parsed?;
        let system = reading.system().or_else(|| canonical_system(parsed.os));
        if parsed.name == UNNAMED && system.is_none() {
            return None;
        }
        let family = match (parsed.category, reading.form()) {
            ("crawler", _) => crawler(parsed.name),
            ("mobilephone", None) => AgentFamily::new(parsed.name, system, Some("smartphone")),
            (category, form) => AgentFamily::new(canonical_browser(parsed.name), system, form.or(Some(category))),
        };
        Some(Agent { family, major: major(parsed.version) })
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents")
            .field("texts", &self.texts.len())
            .field("brands", &self.brands.len())
            .finish_non_exhaustive()
    }
}

fn remembered(cache: &Remembered, text: &str, parse: impl Fn(&str) -> Option<Agent>) -> Option<Agent> {
    if text.len() > CACHED_BYTES_MAX {
        return parse(text);
    }
    if let Some(known) = cache.get(text) {
        return known;
    }
    let agent = parse(text);
    cache.insert(text.into(), agent);
    agent
}

/// The browser that a list of brands names; system and form stand in other hints.
fn brand(list: &str) -> Option<Agent> {
    let brand = client_hints::brand(list)?;
    Some(Agent { family: AgentFamily::new(canonical_browser(&brand.name), None, None), major: brand.major })
}

fn crawler(name: &str) -> AgentFamily {
    AgentFamily::new(name, None, Some("crawler"))
}

/// What the parser says of an app that it does not know.
fn is_vague(parsed: &WootheeResult<'_>) -> bool {
    [UNNAMED, "HTTP Library", "Webview"].contains(&parsed.name)
}

fn combine(brand: Agent, hints: &ClientHints<'_>, parsed: Option<Agent>) -> Agent {
    let Some(agent) = parsed else {
        let system = hinted_system(hints);
        let family = brand.family.on(system, hinted_form(hints, system, None));
        return Agent { family, major: brand.major };
    };
    if agent.family.form() == Some("crawler") {
        return agent;
    }
    let system = match hinted_system(hints) {
        // Systems made of others say in hints what they are made of.
        Some("Android" | "Linux" | "Windows") if is_derived(agent.family.system()) => agent.family.system(),
        hinted => hinted.or(agent.family.system()),
    };
    let form = hinted_form(hints, system, Some(agent.family));
    let named = if brand.family.exactness() >= agent.family.exactness() { brand } else { agent };
    // A version that the hints keep back is taken from the user agent, if that names the same browser.
    let is_kept_back = named.major == 0 && named.family.browser == agent.family.browser;
    let major = if is_kept_back { agent.major } else { named.major };
    Agent { family: named.family.on(system, form), major }
}

fn is_derived(system: Option<&str>) -> bool {
    matches!(system, Some("HarmonyOS" | "KaiOS" | "Tizen" | "webOS" | "PlayStation" | "Nintendo" | "Xbox"))
}

fn hinted_system(hints: &ClientHints<'_>) -> Option<&'static str> {
    let platform = hints.platform.as_deref().and_then(client_hints::string)?;
    canonical_system(&platform)
}

/// `?0` is said by tablets, televisions and computers alike: the user agent tells which, else the system.
fn hinted_form(hints: &ClientHints<'_>, system: Option<&str>, parsed: Option<AgentFamily>) -> Option<&'static str> {
    let told = parsed.and_then(AgentFamily::form);
    match hints.mobile.as_deref().map(str::trim) {
        Some("?1") => Some("smartphone"),
        Some("?0") => match (told, system) {
            (Some("pc" | "tablet" | "appliance"), _) if parsed.and_then(AgentFamily::system) == system => told,
            (_, Some("Android" | "HarmonyOS")) => Some("tablet"),
            _ => Some("pc"),
        },
        _ => told,
    }
}

#[cfg(test)]
mod tests;
