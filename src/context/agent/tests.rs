use super::family::{BROWSERS, FORMS, SYSTEMS};
use super::rules::{Kind, RULES, SIGNS, SYSTEM_WORDS};
use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::LazyLock;

mod hints;
mod texts;

/// The parser's tables take a while to build.
static AGENTS: LazyLock<Agents> = LazyLock::new(Agents::new);

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

fn look_up(text: &str) -> Option<Agent> {
    AGENTS.look_up(Some(text), None)
}

fn named(text: &str) -> Option<String> {
    look_up(text).map(|agent| format!("{} {}", agent.family, agent.major))
}

#[test]
fn long_texts_are_cut_between_characters() {
    assert_eq!(named(&format!("{CHROME}{}", "ü".repeat(4000))), named(CHROME));
    assert_eq!(named(&"ü".repeat(2000)), None);
    assert_eq!(named(&format!("{CHROME}{} HeadlessChrome/1", " ".repeat(4000))), named(CHROME));
}

#[test]
fn the_cache_is_bounded_whatever_is_sent() {
    let agents = Agents::new();
    for serial in 0..3 * CACHED_AGENTS_MAX {
        let _agent = agents.look_up(Some(&format!("{CHROME} {serial}")), None);
    }
    assert!(agents.texts.len() <= CACHED_AGENTS_MAX, "{agents:?}");
    assert!(agents.texts.len() > CACHED_AGENTS_MAX / 2, "{agents:?}");
    for serial in 0..3 * CACHED_BRANDS_MAX {
        let brands = Some(format!("\"Chromium\";v=\"131\", \"{serial}\"").into());
        let _agent = agents.look_up(None, Some(&ClientHints { brands, ..ClientHints::default() }));
    }
    assert!(agents.brands.len() <= CACHED_BRANDS_MAX, "{agents:?}");
    let before = agents.texts.len();
    let _agent = agents.look_up(Some(&"x".repeat(CACHED_BYTES_MAX + 1)), None);
    assert_eq!(agents.texts.len(), before, "a long text is not kept");
}

#[test]
fn what_is_cached_is_what_was_parsed() {
    let agents = Agents::new();
    for text in [CHROME, "curl/8.16.0", "x", ""] {
        assert_eq!(agents.look_up(Some(text), None), agents.look_up(Some(text), None), "{text}");
    }
}

#[test]
fn tables_hold_what_rules_say() {
    for rule in RULES {
        assert!(rule.kind == Kind::Crawler || BROWSERS.contains(&rule.browser), "{rule:?}");
    }
    for (word, system) in SYSTEM_WORDS {
        assert!(SYSTEMS.contains(system), "{word}");
    }
    for names in [BROWSERS, SYSTEMS, FORMS] {
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }
    let words = RULES.iter().map(|rule| rule.word);
    assert_eq!(words.collect::<HashSet<_>>().len(), RULES.len(), "a word has one rule");
    assert_eq!(SIGNS.iter().map(|(word, _)| word).collect::<HashSet<_>>().len(), SIGNS.len());
}

/// A family that was stored must mean the same for ever.
#[test]
fn stored_names_stay_where_they_are() {
    let first = ["Chrome", "Edge", "Firefox", "Safari", "Opera", "Samsung Internet", "Vivaldi", "Yandex Browser"];
    assert_eq!(BROWSERS[..8], first);
    assert_eq!(BROWSERS[14], "DuckDuckGo");
    assert_eq!(SYSTEMS[..5], ["Windows", "macOS", "Linux", "Android", "iOS"]);
    assert_eq!(FORMS, ["pc", "smartphone", "tablet", "appliance", "crawler", "other"]);
    assert_eq!(look_up(CHROME).map(|agent| agent.family.to_bits()), Some(0));
    // FNV-1a of "ExampleBank", folded to 15 bits.
    let app = look_up("ExampleBank/741 CFNetwork/3826.600.41 Darwin/24.6.0").map(|agent| agent.family.to_bits());
    assert_eq!(app, Some(0xff04_d134), "{app:x?}");
}

#[test]
fn families_survive_storage() {
    for bits in [0, 0x0204_8001, u32::MAX] {
        assert_eq!(AgentFamily::from_bits(bits).to_bits(), bits);
    }
}

/// Words of the tables between junk reach deeper than any junk alone.
fn texts() -> impl Strategy<Value = String> {
    let words = RULES.iter().map(|rule| rule.word).chain(SIGNS.iter().map(|(word, _)| *word));
    let words: Vec<&str> = words.chain(SYSTEM_WORDS.iter().map(|(word, _)| *word)).collect();
    let piece = prop_oneof![
        prop::sample::select(words).prop_map(str::to_owned),
        "[ /;,()\\[\\]\"=v0-9.]{1,4}",
        "\\PC{0,8}",
        Just("Mozilla/5.0 (".to_owned()),
        Just("AppleWebKit/537.36 (KHTML, like Gecko) ".to_owned()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_not(text in texts(), junk in ".{0,300}") {
        for text in [text, junk] {
            prop_assert_eq!(AGENTS.parse(&text), look_up(&text));
        }
    }

    #[test]
    fn any_hints_are_read_or_not(
        text in prop::option::of(texts()),
        brands in prop::option::of("(\"?(Chromium|Google Chrome|Not A;Brand|Opera|.{0,8})\"?(;v=)?\"?[0-9.]{0,9}\"?,?){0,5}"),
        platform in prop::option::of("\"?(Windows|Android|.{0,8})\"?"),
        mobile in prop::option::of("[?]?[0-9]{0,2}|.{0,8}"),
    ) {
        let is_readable = brands.as_deref().is_some_and(|list| client_hints::brand(list).is_some());
        let hints = ClientHints {
            brands: brands.map(Into::into), platform: platform.map(Into::into), mobile: mobile.map(Into::into),
        };
        let plain = AGENTS.look_up(text.as_deref(), None);
        let hinted = AGENTS.look_up(text.as_deref(), Some(&hints));
        if !is_readable {
            prop_assert_eq!(hinted, plain);
        } else {
            prop_assert!(hinted.is_some());
        }
    }
}
