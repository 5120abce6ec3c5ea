//! Which browser family on which system: the user-agent leg of a device.
//!
//! Versions are no part of the family, since an update is not a new device; the major version stands beside it.

use super::client_hints::{self, major};
use crate::event::ClientHints;
use quick_cache::sync::Cache;
use std::fmt;
use woothee::parser::Parser;
use woothee::woothee::VALUE_UNKNOWN;

/// A family and the major version seen (0 where none is told).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Browser, system and form factor.
    pub family: AgentFamily,
    /// Major version of the browser.
    pub major: u16,
}

/// Browser, system and form factor in 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AgentFamily {
    browser: u16,
    system: u8,
    form: u8,
}

/// Names that both sources are reduced to, so that a browser is the same family with and without client hints. Order
/// is part of the stored format: append only.
const BROWSERS: [&str; 15] = [
    "Chrome",
    "Edge",
    "Firefox",
    "Safari",
    "Opera",
    "Samsung Internet",
    "Vivaldi",
    "Yandex Browser",
    "Brave",
    "Internet Explorer",
    "Webview",
    "Google Search App",
    "HTTP Library",
    "HeadlessChrome",
    "DuckDuckGo",
];
const SYSTEMS: [&str; 10] =
    ["Windows", "macOS", "Linux", "Android", "iOS", "ChromeOS", "BSD", "Windows Phone", "HarmonyOS", "BlackBerry"];
const FORMS: [&str; 6] = ["pc", "smartphone", "tablet", "appliance", "crawler", "other"];

/// A user agent longer than this is parsed up to here: what tells browsers apart stands in front, and the parser's cost
/// grows with the length.
const PARSED_BYTES_MAX: usize = 1024;
/// Texts up to this length are cached, so that the cache takes at most 4 MB.
const CACHED_BYTES_MAX: usize = 512;
const CACHED_AGENTS_MAX: usize = 8192;

/// Parses user agents, remembering the usual ones (1.3 µs against 0.03). One for the process, shared by all cores.
pub struct Agents {
    parser: Parser,
    cache: Cache<Box<str>, Option<Agent>>,
}

impl Agents {
    /// Builds the parser's tables (some 30 ms), so that no login waits for them.
    #[must_use]
    pub fn new() -> Self {
        let agents = Self { parser: Parser::new(), cache: Cache::new(CACHED_AGENTS_MAX) };
        let _warm = agents.parse("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0");
        agents
    }

    /// The agent by its client hints where they name one, else by its user agent; `None` when neither can be read.
    #[must_use]
    pub fn look_up(&self, user_agent: Option<&str>, hints: Option<&ClientHints<'_>>) -> Option<Agent> {
        let parsed = user_agent.and_then(|text| self.cached(text));
        let Some((brand, major)) = hints.and_then(|hints| client_hints::brand(hints.brands.as_deref()?)) else {
            return parsed;
        };
        let hints = hints?;
        let platform = hints.platform.as_deref().and_then(client_hints::string);
        let system = platform.map(|name| index(&SYSTEMS, canonical_system(&name)));
        let form = hints.mobile.as_deref().map(|mobile| u8::from(mobile.trim() == "?1"));
        let fallback = parsed.map(|agent| agent.family);
        let family = AgentFamily {
            browser: browser(canonical_browser(&brand)),
            system: system.or(fallback.map(|family| family.system)).unwrap_or(u8::MAX),
            form: form.or(fallback.map(|family| family.form)).unwrap_or(u8::MAX),
        };
        Some(Agent { family, major })
    }

    fn cached(&self, text: &str) -> Option<Agent> {
        if text.len() > CACHED_BYTES_MAX {
            return self.parse(text);
        }
        if let Some(known) = self.cache.get(text) {
            return known;
        }
        let agent = self.parse(text);
        self.cache.insert(text.into(), agent);
        agent
    }

    fn parse(&self, text: &str) -> Option<Agent> {
        let text = &text[..text.floor_char_boundary(PARSED_BYTES_MAX)];
        let parsed = self.parser.parse(text)?;
        if parsed.name == VALUE_UNKNOWN && parsed.os == VALUE_UNKNOWN {
            return None;
        }
        let form = match (parsed.os, parsed.category) {
            ("iPad", _) => "tablet",
            (_, "mobilephone") => "smartphone",
            (_, category) => category,
        };
        let family = AgentFamily {
            browser: browser(canonical_browser(parsed.name)),
            system: index(&SYSTEMS, canonical_system(parsed.os)),
            form: index(&FORMS, form),
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
        f.debug_struct("Agents").field("cached", &self.cache.len()).finish_non_exhaustive()
    }
}

impl AgentFamily {
    /// The family as it is stored.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        u32::from(self.browser) | u32::from(self.system) << 16 | u32::from(self.form) << 24
    }

    /// The family as it was stored.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        let [low, high, system, form] = bits.to_le_bytes();
        Self { browser: u16::from_le_bytes([low, high]), system, form }
    }
}

impl fmt::Display for AgentFamily {
    /// For people: "Chrome on Windows (pc)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |names: &[&'static str], at: usize| names.get(at).copied().unwrap_or("other");
        let browser = name(&BROWSERS, usize::from(self.browser));
        let system = name(&SYSTEMS, usize::from(self.system));
        write!(f, "{browser} on {system} ({})", name(&FORMS, usize::from(self.form)))
    }
}

impl fmt::Debug for AgentFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {:08x}", self.to_bits())
    }
}

fn canonical_browser(name: &str) -> &str {
    match name {
        "Google Chrome" | "Chromium" => "Chrome",
        "Microsoft Edge" => "Edge",
        "SamsungBrowser" => "Samsung Internet",
        "YaBrowser" | "Yandex" => "Yandex Browser",
        "Android WebView" => "Webview",
        other => other,
    }
}

fn canonical_system(name: &str) -> &str {
    match name {
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Chrome OS" | "Chromium OS" => "ChromeOS",
        "Windows Phone OS" => "Windows Phone",
        "BlackBerry 10" => "BlackBerry",
        windows if windows.starts_with("Windows") => "Windows",
        other => other,
    }
}

/// A name of the table by its place; any other by 15 bits of its FNV-1a hash, which tell it apart from most others.
fn browser(name: &str) -> u16 {
    let at = BROWSERS.iter().position(|known| *known == name).and_then(|at| u16::try_from(at).ok());
    at.unwrap_or_else(|| {
        // **Source:** Fowler, Noll, Vo, 32-bit offset basis and prime.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [a, b, c, d] = hash.to_le_bytes();
        u16::from_le_bytes([a ^ c, b ^ d]) | 0x8000
    })
}

fn index(names: &[&str], name: &str) -> u8 {
    names.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    fn named(user_agent: &str) -> Option<String> {
        let agent = Agents::new().look_up(Some(user_agent), None)?;
        Some(format!("{} {}", agent.family, agent.major))
    }

    #[test]
    fn families() {
        for (user_agent, expected) in [
            (CHROME, Some("Chrome on Windows (pc) 131")),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
                Some("Firefox on Linux (pc) 132"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
                Some("Safari on iOS (smartphone) 17"),
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
                Some("Safari on iOS (tablet) 17"),
            ),
            ("", None),
            ("-", None),
            ("x", None),
        ] {
            assert_eq!(named(user_agent).as_deref(), expected, "{user_agent}");
        }
    }

    #[test]
    fn client_hints_win_and_name_the_same_family() {
        let agents = Agents::new();
        let hints = |platform: &'static str| ClientHints {
            brands: Some(r#""Chromium";v="131", "Google Chrome";v="131", "Not_A Brand";v="24""#.into()),
            platform: Some(platform.into()),
            mobile: Some("?0".into()),
        };
        let plain = agents.look_up(Some(CHROME), None);
        assert_eq!(agents.look_up(Some(CHROME), Some(&hints("\"Windows\""))), plain);
        assert_ne!(agents.look_up(Some(CHROME), Some(&hints("\"macOS\""))), plain);
        assert!(agents.look_up(None, Some(&hints("\"macOS\""))).is_some());
        let unreadable = ClientHints { brands: Some("Chrome 131".into()), ..ClientHints::default() };
        assert_eq!(agents.look_up(Some(CHROME), Some(&unreadable)), plain);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(named(&format!("{CHROME}{}", "ü".repeat(4000))), named(CHROME));
        assert_eq!(named(&"ü".repeat(2000)), None);
    }
}
