//! Client hints beside user agents.

use super::{AGENTS, CHROME, look_up};
use crate::context::agent::Agent;
use crate::event::ClientHints;

const GREASE: &str = r#""Not?A_Brand";v="99""#;

fn hints(brands: &str, platform: &str, mobile: &str) -> ClientHints<'static> {
    let part = |text: &str| Some(text.to_owned().into());
    ClientHints { brands: part(brands), platform: part(platform), mobile: part(mobile) }
}

fn with(text: &str, hints: &ClientHints<'_>) -> Option<Agent> {
    AGENTS.look_up(Some(text), Some(hints))
}

/// Systems as user agent and hints name them, what each says behind, brands.
const SAME: &[(&str, &str, &str, &str, &str)] = &[
    ("Windows NT 10.0; Win64; x64", "Windows", "?0", "Chrome/131.0.0.0 Safari/537.36", r#""Google Chrome";v="131""#),
    (
        "Macintosh; Intel Mac OS X 10_15_7",
        "macOS",
        "?0",
        "Chrome/131.0.0.0 Safari/537.36",
        r#""Google Chrome";v="131""#,
    ),
    ("X11; Linux x86_64", "Linux", "?0", "Chrome/131.0.0.0 Safari/537.36", r#""Chromium";v="131""#),
    ("X11; CrOS x86_64 14541.0.0", "Chrome OS", "?0", "Chrome/131.0.0.0 Safari/537.36", r#""Google Chrome";v="131""#),
    ("Linux; Android 10; K", "Android", "?1", "Chrome/131.0.0.0 Mobile Safari/537.36", r#""Google Chrome";v="131""#),
    ("Linux; Android 10; K", "Android", "?0", "Chrome/131.0.0.0 Safari/537.36", r#""Google Chrome";v="131""#),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        r#""Microsoft Edge";v="131""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        r#""Microsoft Edge";v="131", "Microsoft Edge WebView2";v="131""#,
    ),
    (
        "Linux; Android 10; K",
        "Android",
        "?1",
        "Chrome/131.0.0.0 Mobile Safari/537.36 EdgA/131.0.0.0",
        r#""Microsoft Edge";v="131""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0",
        r#""Opera";v="115""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/130.0.0.0 Safari/537.36 OPR/114.0.0.0",
        r#""Opera GX";v="114""#,
    ),
    (
        "Linux; Android 10; K",
        "Android",
        "?1",
        "Chrome/130.0.0.0 Mobile Safari/537.36 OPR/86.0.0.0",
        r#""Opera";v="115", "OperaMobile";v="86""#,
    ),
    (
        "Linux; U; Android 13; Pixel 8; wv",
        "Android",
        "?1",
        "Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36 OPR/97.0.0.0",
        r#""Opera Mini Android";v="97", "Android WebView";v="130""#,
    ),
    (
        "Linux; Android 10; K",
        "Android",
        "?1",
        "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
        r#""Samsung Internet";v="27.0""#,
    ),
    (
        "Linux; Android 10; K",
        "Android",
        "?0",
        "SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36",
        r#""Samsung Internet";v="27.0""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/130.0.0.0 Safari/537.36 Vivaldi/7.1.3570.58",
        r#""Chromium";v="130""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/130.0.0.0 YaBrowser/24.12.0.0 Safari/537.36",
        r#""Yowser";v="2.5", "YaBrowser";v="24.12""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/131.0.0.0 Safari/537.36 Avast/131.0.0.0",
        r#""Avast Secure Browser";v="131""#,
    ),
    (
        "Windows NT 10.0; Win64; x64",
        "Windows",
        "?0",
        "Chrome/130.0.0.0 Whale/4.32.315.22 Safari/537.36",
        r#""Whale";v="4""#,
    ),
    (
        "Linux; Android 10; K",
        "Android",
        "?1",
        "Version/4.0 Chrome/131.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
        r#""DuckDuckGo";v="131""#,
    ),
    (
        "Linux; Android 10; HarmonyOS; HLK-AL00",
        "Android",
        "?1",
        "Chrome/114.0.5735.196 HuaweiBrowser/14.0.5.301 Mobile Safari/537.36",
        r#""HuaweiBrowser";v="114""#,
    ),
    (
        "Linux; Android 14; Pixel 8; wv",
        "Android",
        "?1",
        "Version/4.0 Chrome/141.0.7390.43 Mobile Safari/537.36",
        r#""Android WebView";v="141""#,
    ),
    (
        "Linux; Android 14; Pixel 8; wv",
        "Android",
        "?1",
        "Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36 Instagram 399.0.0.48.119 Android",
        r#""Android WebView";v="140""#,
    ),
    (
        "Linux; Android 14; Pixel 8; wv",
        "Android",
        "?1",
        "Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36 ExampleBank/7.4",
        r#""Android WebView";v="140""#,
    ),
    (
        "Macintosh; Intel Mac OS X 10_15_7",
        "macOS",
        "?0",
        "ExampleChat/4.36 Chrome/120.0.6099.56 Electron/28.0.0 Safari/537.36",
        r#""Chromium";v="120""#,
    ),
    ("X11; Linux x86_64", "Linux", "?0", "HeadlessChrome/131.0.0.0 Safari/537.36", r#""HeadlessChrome";v="131""#),
    ("SMART-TV; Linux; Tizen 8.0", "Linux", "?0", "Chrome/108.0.5359.1 TV Safari/537.36", r#""Chromium";v="108""#),
];

/// A caller who passes hints on for some logins and not for others sees one browser.
#[test]
fn families_and_majors_are_the_same_with_and_without_hints() {
    for (system, platform, mobile, suffix, brands) in SAME {
        let text = format!("Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) {suffix}");
        let plain = look_up(&text);
        assert!(plain.is_some_and(|agent| agent.major != 0), "{text}");
        let engine = r#""Chromium";v="130""#;
        for list in
            [format!("{GREASE}, {brands}, {engine}"), format!("{engine}, {brands}, {GREASE}"), (*brands).to_owned()]
        {
            // The engine's version is that of a browser which is nothing but the engine.
            let list = if brands.contains("Chromium") { format!("{GREASE}, {brands}") } else { list };
            let hinted = with(&text, &hints(&list, &format!("\"{platform}\""), mobile));
            assert_eq!(hinted, plain, "{text}: {list}");
        }
    }
}

#[test]
fn hints_win_where_they_say_more() {
    let windows = hints(r#""Google Chrome";v="131""#, "\"Windows\"", "?0");
    let plain = look_up(CHROME);
    assert_eq!(with(CHROME, &windows), plain);
    for (case, hints, expected) in [
        ("system", hints(r#""Google Chrome";v="131""#, "\"macOS\"", "?0"), "Chrome on macOS (pc) 131"),
        ("form", hints(r#""Google Chrome";v="131""#, "\"Android\"", "?1"), "Chrome on Android (smartphone) 131"),
        ("form by system", hints(r#""Google Chrome";v="131""#, "\"Android\"", "?0"), "Chrome on Android (tablet) 131"),
        ("brand", hints(r#""Brave";v="131", "Chromium";v="131""#, "\"Windows\"", "?0"), "Brave on Windows (pc) 131"),
        ("unknown brand", hints(r#""Odd";v="7", "Chromium";v="131""#, "\"Windows\"", "?0"), "other on Windows (pc) 7"),
        ("version", hints(r#""Google Chrome";v="140""#, "\"Windows\"", "?0"), "Chrome on Windows (pc) 140"),
    ] {
        let agent = with(CHROME, &hints).map(|agent| format!("{} {}", agent.family, agent.major));
        assert_eq!(agent.as_deref(), Some(expected), "{case}");
    }
    assert_eq!(AGENTS.look_up(None, Some(&windows)), plain, "hints alone");
    assert_eq!(with("Mozilla/5.0 (Windows NT 10.0)", &windows), plain, "a text that names no browser");
}

/// What cannot be read is as if it had not been sent.
#[test]
fn junk_is_no_hint() {
    let plain = look_up(CHROME);
    for (brands, platform, mobile) in [
        ("Chrome 131", "\"macOS\"", "?1"),
        ("", "", ""),
        (r#""Not A;Brand";v="99""#, "\"Windows\"", "?0"),
        (r#""";v="131""#, "\"Windows\"", "?0"),
        (r#""Google Chrome";v="131""#, "Windows", "0"),
        (r#""Google Chrome";v="131""#, "\"\"", "?2"),
        (r#""Google Chrome";v="131""#, "\"Unknown\"", "yes"),
        (r#""Google Chrome""#, "\"Windows\"", "?0"),
        (r#""Google Chrome";v="x""#, "\"Windows\"", "?0"),
    ] {
        assert_eq!(with(CHROME, &hints(brands, platform, mobile)), plain, "{brands} {platform} {mobile}");
    }
    assert_eq!(AGENTS.look_up(None, Some(&hints("Chrome 131", "\"Windows\"", "?0"))), None);
}

#[test]
fn a_crawler_stays_one_whatever_its_hints() {
    let text = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    assert_eq!(with(text, &hints(r#""Google Chrome";v="131""#, "\"Windows\"", "?0")), look_up(text));
}
