//! Families in 32 bits, and the tables their names are stored by.

use std::fmt;

/// Browser, system and form factor in 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AgentFamily {
    pub(super) browser: u16,
    pub(super) system: u8,
    pub(super) form: u8,
}

/// How exactly a name tells the browser. A browser goes by several names at once; the most exact one is its family, so
/// that it does not matter which of them a caller passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::context) enum Exactness {
    /// Not at all: only the system is told.
    Unnamed,
    /// Chrome, or what is built on it and does not say so.
    Engine,
    /// A view of the system inside an app that is not named.
    View,
    /// A name of its own that is in no table.
    Stranger,
    /// A name of the table.
    Known,
}

/// Names that every source is reduced to. A family is stored by the place of its name: append only. A name that is new
/// here was a hash before, so those who use it are asked once.
pub(super) const BROWSERS: &[&str] = &[
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
    // Browsers.
    "Opera Mini",
    "Opera Touch",
    "Opera GX iOS",
    "Firefox Focus",
    "ArkWeb",
    "Huawei Browser",
    "MIUI Browser",
    "UC Browser",
    "QQ Browser",
    "Whale",
    "Silk",
    "Ecosia",
    "Avast Secure Browser",
    "AVG Secure Browser",
    "Norton Private Browser",
    "Oculus Browser",
    "HeyTap Browser",
    "Vivo Browser",
    "Coc Coc",
    "Puffin",
    "Pale Moon",
    "SeaMonkey",
    // Pages inside apps.
    "Instagram",
    "Facebook",
    "Messenger",
    "WeChat",
    "QQ",
    "Baidu",
    "LINE",
    "KakaoTalk",
    "Naver",
    "Snapchat",
    "Electron",
    // Automation.
    "PhantomJS",
    "Puppeteer",
    "Playwright",
    "Selenium",
    "Cypress",
    "jsdom",
    "Lighthouse",
    // Libraries and tools.
    "Dalvik",
    "python-requests",
    "Python-urllib",
    "python-urllib3",
    "aiohttp",
    "httpx",
    "Go-http-client",
    "okhttp",
    "curl",
    "Wget",
    "libwww-perl",
    "Java",
    "Apache-HttpClient",
    "axios",
    "node-fetch",
    "undici",
    "got",
    "Dart",
    "Guzzle",
    "Ruby",
    "Faraday",
    "PowerShell",
    "Postman",
    "Insomnia",
    "reqwest",
    "hyper",
    "HTTPie",
    "Scrapy",
    "Deno",
    "Bun",
    "RestSharp",
    "Python",
    "Node.js",
];

/// Systems. Append only.
pub(super) const SYSTEMS: &[&str] = &[
    "Windows",
    "macOS",
    "Linux",
    "Android",
    "iOS",
    "ChromeOS",
    "BSD",
    "Windows Phone",
    "HarmonyOS",
    "BlackBerry",
    "KaiOS",
    "Tizen",
    "webOS",
    "PlayStation",
    "Nintendo",
    "Xbox",
];

/// Form factors. Append only.
pub(super) const FORMS: &[&str] = &["pc", "smartphone", "tablet", "appliance", "crawler", "other"];

/// A browser that is not named, on a system that is.
pub(super) const UNNAMED: &str = "UNKNOWN";
/// Longer names are told apart by their beginning.
const NAME_BYTES_MAX: usize = 64;

impl AgentFamily {
    pub(super) fn new(browser: &str, system: Option<&str>, form: Option<&str>) -> Self {
        Self { browser: code(browser), system: u8::MAX, form: u8::MAX }.on(system, form)
    }

    /// The same browser on another system.
    pub(super) fn on(self, system: Option<&str>, form: Option<&str>) -> Self {
        let index = |names: &[&str], name: Option<&str>| place(names, name?).and_then(|at| u8::try_from(at).ok());
        Self {
            browser: self.browser,
            system: index(SYSTEMS, system).unwrap_or(u8::MAX),
            form: index(FORMS, form).unwrap_or(u8::MAX),
        }
    }

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

    pub(super) fn exactness(self) -> Exactness {
        match BROWSERS.get(usize::from(self.browser)) {
            None if self.browser == code(UNNAMED) => Exactness::Unnamed,
            Some(&"Chrome") => Exactness::Engine,
            Some(&"Webview" | &"ArkWeb") => Exactness::View,
            Some(_) => Exactness::Known,
            None => Exactness::Stranger,
        }
    }

    pub(super) fn system(self) -> Option<&'static str> {
        SYSTEMS.get(usize::from(self.system)).copied()
    }

    pub(super) fn form(self) -> Option<&'static str> {
        FORMS.get(usize::from(self.form)).copied()
    }
}

impl fmt::Display for AgentFamily {
    /// For people: "Chrome on Windows (pc)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let browser = BROWSERS.get(usize::from(self.browser)).copied().unwrap_or("other");
        let (system, form) = (self.system().unwrap_or("other"), self.form().unwrap_or("other"));
        write!(f, "{browser} on {system} ({form})")
    }
}

impl fmt::Debug for AgentFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {:08x}", self.to_bits())
    }
}

/// The name of the table for a brand, or for what the parser calls a browser.
pub(in crate::context) fn canonical_browser(name: &str) -> &str {
    BRANDS.iter().find(|(brand, _)| *brand == name).map_or(name, |(_, browser)| browser)
}

/// For a brand: how exactly it names the browser, and its place among equals. Opera on phones names itself twice, with
/// two versions.
pub(in crate::context) fn brand_rank(name: &str) -> (Exactness, usize) {
    let exactness = AgentFamily::new(canonical_browser(name), None, None).exactness();
    let at = BRANDS.iter().position(|(brand, _)| *brand == name).unwrap_or(BRANDS.len());
    (exactness, BRANDS.len() - at)
}

/// **Source:** the `Sec-CH-UA` of the browsers' current releases; woothee's names. Of two in one list the first counts.
const BRANDS: &[(&str, &str)] = &[
    ("OperaMobile", "Opera"),
    ("Opera Mini Android", "Opera"),
    ("Opera GX", "Opera"),
    ("Microsoft Edge", "Edge"),
    ("SamsungBrowser", "Samsung Internet"),
    ("YaBrowser", "Yandex Browser"),
    ("Yandex", "Yandex Browser"),
    ("HuaweiBrowser", "Huawei Browser"),
    ("Miui Browser", "MIUI Browser"),
    ("UCBrowser", "UC Browser"),
    ("QQBrowser", "QQ Browser"),
    ("CocCoc", "Coc Coc"),
    ("DuckDuckGo Browser", "DuckDuckGo"),
    ("Android WebView", "Webview"),
    ("Google Chrome", "Chrome"),
    ("Chromium", "Chrome"),
];

pub(in crate::context) fn canonical_system(name: &str) -> Option<&'static str> {
    let name = match name {
        "Mac OSX" | "Mac OS Classic" | "Mac OS X" => "macOS",
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Chrome OS" | "Chromium OS" => "ChromeOS",
        "Windows Phone OS" => "Windows Phone",
        "BlackBerry 10" => "BlackBerry",
        "FreeBSD" | "OpenBSD" | "NetBSD" => "BSD",
        "OpenHarmony" => "HarmonyOS",
        other => other,
    };
    let starts = |start: &&&str| name.starts_with(**start);
    // "Windows 10", "PlayStation 4", "Nintendo WiiU", "Xbox One".
    SYSTEMS.iter().find(|known| **known == name).or_else(|| SYSTEMS.iter().find(starts)).copied()
}

/// A name of the table by its place; any other by 15 bits of its FNV-1a hash, which tell it apart from most others.
/// Anybody can find a name with the hash of another. It gains nothing: the whole header can be copied as easily.
fn code(name: &str) -> u16 {
    let at = place(BROWSERS, name).and_then(|at| u16::try_from(at).ok());
    at.unwrap_or_else(|| {
        // **Source:** Fowler, Noll, Vo, 32-bit offset basis and prime.
        let hash = name
            .bytes()
            .take(NAME_BYTES_MAX)
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [a, b, c, d] = hash.to_le_bytes();
        u16::from_le_bytes([a ^ c, b ^ d]) | 0x8000
    })
}

fn place(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| *known == name)
}
