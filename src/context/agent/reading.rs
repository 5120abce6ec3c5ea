//! What the words of a user agent say, read in one pass: no regular expressions, nothing that grows but the text.

use super::super::client_hints::major;
use super::rules::{Kind, RULES, Rule, SIGNS, SYSTEM_WORDS, Sign, VersionOf};
use std::collections::HashMap;

/// The words that mean something. Some 150 entries, built once.
#[derive(Debug)]
pub(super) struct Words(HashMap<&'static str, Meaning>);

/// Places in the tables; a word may be in several.
#[derive(Debug, Clone, Copy, Default)]
struct Meaning {
    rule: Option<usize>,
    system: Option<usize>,
    sign: Option<Sign>,
}

/// A product by its name and major version.
pub(super) type Product<'a> = (&'a str, u16);

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    /// Place of the first rule that fits, and its own version.
    rule: Option<(usize, u16)>,
    /// The rule of the first word: a library is the client only where it, or another library, comes first.
    starts_with_library: bool,
    system: Option<usize>,
    is_windows_phone: bool,
    signs: u32,
    crawler: Option<Product<'a>>,
    /// The first product outside of parentheses that is in no table.
    stranger: Option<Product<'a>>,
    chrome: u16,
    safari_version: u16,
    facebook_version: u16,
    system_version: u16,
    electron_version: u16,
    is_browser: bool,
}

#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    before: &'a str,
    behind: &'a str,
    is_first: bool,
    is_inside: bool,
}

impl Words {
    pub(super) fn new() -> Self {
        let mut words: HashMap<&'static str, Meaning> = HashMap::new();
        for (at, rule) in RULES.iter().enumerate() {
            words.entry(rule.word).or_default().rule = Some(at);
        }
        for (at, (word, _)) in SYSTEM_WORDS.iter().enumerate() {
            words.entry(word).or_default().system = Some(at);
        }
        for (word, sign) in SIGNS {
            words.entry(word).or_default().sign = Some(*sign);
        }
        Self(words)
    }

    /// Reads a text. Cost: linear in its length.
    pub(super) fn read<'a>(&self, text: &'a str) -> Reading<'a> {
        let is_browser = text.starts_with("Mozilla/") || text.starts_with("Opera/");
        let mut reading = Reading { is_browser, ..Reading::default() };
        let (mut rest, mut depth, mut before) = (text, 0_u32, "");
        while !rest.is_empty() {
            let (word, behind) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
            if !word.is_empty() {
                let word = Word { text: word, before, behind, is_first: before.is_empty(), is_inside: depth > 0 };
                reading.take(word, self.meaning(word.text));
                before = word.text;
            }
            match behind.bytes().next() {
                Some(b'(' | b'[') => depth += 1,
                Some(b')' | b']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Separators are ASCII.
            rest = behind.get(1..).unwrap_or_default();
        }
        reading
    }

    /// Models of devices carry a number: `iPhone14,5`.
    fn meaning(&self, word: &str) -> Meaning {
        let model = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let known = self.0.get(word).or_else(|| if model.len() < word.len() { self.0.get(model) } else { None });
        known.copied().unwrap_or_default()
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '/' | ';' | ',' | '(' | ')' | '[' | ']' | '"')
}

impl<'a> Word<'a> {
    /// The leading number of the next word, 0 where there is none.
    fn version(&self) -> u16 {
        let next = self.behind.trim_start_matches([' ', '/']);
        major(next.strip_prefix('v').unwrap_or(next))
    }

    fn is_followed_by(&self, separator: char) -> bool {
        self.behind.starts_with(separator)
    }

    /// `word/1`, or `word/v1`.
    fn is_versioned(&self) -> bool {
        self.behind.strip_prefix('/').is_some_and(starts_with_number)
    }

    /// `word/1`, `word 1` outside of parentheses (inside stand models of devices), or the first word.
    fn is_product(&self) -> bool {
        let is_spaced = || self.behind.strip_prefix(' ').is_some_and(starts_with_number);
        self.is_first || self.is_followed_by('/') || (!self.is_inside && is_spaced())
    }

    /// `Googlebot/2.1`, `Bytespider;`; but not the phones of that name.
    fn is_crawler(&self) -> bool {
        let ends = |end: &str| {
            let start = self.text.len().checked_sub(end.len());
            start.and_then(|start| self.text.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        };
        (ends("bot") || ends("crawler") || ends("spider"))
            && (self.is_followed_by('/') || self.is_followed_by(';'))
            && !self.text.eq_ignore_ascii_case("cubot")
    }

    fn product(&self) -> Product<'a> {
        (self.text, self.version())
    }
}

fn starts_with_number(text: &str) -> bool {
    text.strip_prefix('v').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}

impl<'a> Reading<'a> {
    fn take(&mut self, word: Word<'a>, meaning: Meaning) {
        if self.crawler.is_none() && word.is_crawler() {
            self.crawler = Some(word.product());
        }
        if let Some(sign) = meaning.sign {
            self.take_sign(sign, word);
        }
        if let Some(system) = meaning.system {
            self.system = Some(self.system.map_or(system, |known| known.min(system)));
        }
        if let Some(at) = meaning.rule {
            self.take_rule(at, word);
        }
        let is_strange = meaning.rule.or(meaning.system).is_none() && meaning.sign.is_none();
        if is_strange && self.stranger.is_none() && !word.is_inside && word.is_versioned() && is_name(word.text) {
            self.stranger = Some(word.product());
        }
    }

    fn take_rule(&mut self, at: usize, word: Word<'_>) {
        let Some(rule) = RULES.get(at) else { return };
        if rule.word == "Mini" {
            if word.before != "Opera" {
                return;
            }
            // It is made for phones, and does not say so.
            self.signs |= 1 << Sign::Mobile as u32;
        }
        if word.is_product() || rule.kind == Kind::BrowserBare {
            self.starts_with_library |= word.is_first && rule.kind == Kind::Library;
            if self.rule.is_none_or(|(known, _)| at < known) {
                self.rule = Some((at, word.version()));
            }
        }
    }

    fn take_sign(&mut self, sign: Sign, word: Word<'_>) {
        self.signs |= 1 << sign as u32;
        let place = match sign {
            Sign::Chrome => &mut self.chrome,
            Sign::Version => &mut self.safari_version,
            Sign::FacebookVersion => &mut self.facebook_version,
            Sign::SystemVersion => &mut self.system_version,
            Sign::Electron => &mut self.electron_version,
            Sign::Phone => {
                self.is_windows_phone |= word.before == "Windows";
                return;
            }
            Sign::Mobile
            | Sign::Tablet
            | Sign::Desktop
            | Sign::Television
            | Sign::IPad
            | Sign::IPhone
            | Sign::Intel
            | Sign::CfNetwork
            | Sign::WebView
            | Sign::AppleWebKit
            | Sign::Safari
            | Sign::Plain => return,
        };
        if *place == 0 {
            *place = word.version();
        }
    }

    fn has(&self, sign: Sign) -> bool {
        self.signs & (1 << sign as u32) != 0
    }

    /// Whether the text has the shape that browsers agreed on.
    pub(super) fn is_browser(&self) -> bool {
        self.is_browser
    }

    pub(super) fn crawler(&self) -> Option<Product<'a>> {
        let rule = self.rule().filter(|(rule, _)| rule.kind == Kind::Crawler);
        self.crawler.or(rule.map(|(rule, own)| (rule.browser, own)))
    }

    /// The client as it names itself, as far as its words are known.
    pub(super) fn client(&self) -> Option<Product<'a>> {
        let by_rule = self.rule().map(|(rule, own)| (rule.browser, self.version(rule, own)));
        match by_rule {
            Some(("ArkWeb", version)) => Some(self.stranger.unwrap_or(("ArkWeb", version))),
            Some(known) => Some(known),
            None if self.has(Sign::Electron) => Some(self.stranger.unwrap_or(("Electron", self.electron_version))),
            None if self.is_view() => Some(self.stranger.unwrap_or(("Webview", self.view_version()))),
            None => None,
        }
    }

    fn rule(&self) -> Option<(&'static Rule, u16)> {
        let (at, own) = self.rule?;
        let rule = RULES.get(at)?;
        let fits = rule.kind != Kind::Library || self.starts_with_library;
        fits.then_some((rule, own))
    }

    fn version(&self, rule: &Rule, own: u16) -> u16 {
        match rule.version {
            VersionOf::Itself => own,
            VersionOf::Engine if self.chrome != 0 => self.chrome,
            VersionOf::Engine => self.safari_version,
            VersionOf::FacebookApp => self.facebook_version,
        }
    }

    /// A page inside an app: Android says so, iOS leaves `Safari/` out.
    fn is_view(&self) -> bool {
        let on_ios = self.has(Sign::IPhone) || self.has(Sign::IPad) || self.is_ipad_as_desktop();
        self.is_browser
            && (self.has(Sign::WebView) || (on_ios && self.has(Sign::AppleWebKit) && !self.has(Sign::Safari)))
    }

    /// On iOS the view is the system's.
    fn view_version(&self) -> u16 {
        if self.chrome != 0 { self.chrome } else { self.system_version }
    }

    /// An iPad asks for desktop pages as a Mac; only `Mobile/` gives it away. Safari leaves that out too, and is a Mac's
    /// then: always, so that it is a family as good as another.
    fn is_ipad_as_desktop(&self) -> bool {
        let is_of_ios = || self.rule().is_some_and(|(rule, _)| rule.kind == Kind::BrowserOfIos);
        self.system_word() == Some("macOS") && (self.has(Sign::Mobile) || is_of_ios())
    }

    fn system_word(&self) -> Option<&'static str> {
        self.system.and_then(|at| SYSTEM_WORDS.get(at)).map(|(_, system)| *system)
    }

    pub(super) fn system(&self) -> Option<&'static str> {
        let word = self.system_word()?;
        let by_network = self.has(Sign::CfNetwork) && !self.has(Sign::IPhone) && !self.has(Sign::IPad);
        Some(match word {
            _ if self.is_windows_phone => "Windows Phone",
            "macOS" if self.is_ipad_as_desktop() => "iOS",
            "iOS" if by_network && self.has(Sign::Intel) => "macOS",
            _ => word,
        })
    }

    /// Where an app or a library does not tell, the system alone does only where it runs on nothing else.
    pub(super) fn form(&self) -> Option<&'static str> {
        let is_mobile = self.has(Sign::Mobile);
        match self.system()? {
            "PlayStation" | "Nintendo" | "Xbox" | "webOS" => Some("appliance"),
            _ if self.has(Sign::Television) => Some("appliance"),
            // Browsers of phones say `Mobile`, those of tablets do not.
            "Android" => self.is_browser.then_some(if is_mobile { "smartphone" } else { "tablet" }),
            "HarmonyOS" if self.has(Sign::Desktop) => Some("pc"),
            "HarmonyOS" if self.has(Sign::Tablet) => Some("tablet"),
            "HarmonyOS" if is_mobile || self.has(Sign::Phone) => Some("smartphone"),
            "HarmonyOS" => self.is_browser.then_some("tablet"),
            "iOS" if self.has(Sign::IPhone) => Some("smartphone"),
            "iOS" if self.has(Sign::IPad) || self.is_ipad_as_desktop() => Some("tablet"),
            "Tizen" if !is_mobile => Some("appliance"),
            "Tizen" | "KaiOS" | "Windows Phone" => Some("smartphone"),
            "Linux" if is_mobile => Some("smartphone"),
            "Windows" | "macOS" | "BSD" | "ChromeOS" | "Linux" => Some("pc"),
            _ => None,
        }
    }
}

/// The app that a text begins with: `Name/1.2 …`, or `Name (…)` where a system is told. Names of several words are
/// usual.
pub(super) fn app<'a>(text: &'a str, reading: &Reading<'_>) -> Option<Product<'a>> {
    let at = text.find(['/', '('])?;
    let (name, behind) = text.split_at(at);
    let name = name.trim();
    let version = behind.strip_prefix('/').unwrap_or_default();
    let is_told = starts_with_number(version) || reading.system().is_some();
    (is_told && is_name(name)).then(|| (name, major(version.strip_prefix('v').unwrap_or(version))))
}

fn is_name(text: &str) -> bool {
    const NAME_BYTES_MAX: usize = 64;
    let is_of_name = |c: char| c.is_alphanumeric() || " ._-%&+'!".contains(c);
    text.len() <= NAME_BYTES_MAX && text.contains(char::is_alphabetic) && text.chars().all(is_of_name)
}
