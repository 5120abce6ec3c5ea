//! The words by which clients name themselves, in order: of several in one text the first rule counts.
//!
//! **Source:** the texts that the projects' releases send, and that their documentation gives. What is not here, woothee
//! names: Chrome, Firefox and Safari themselves, old browsers, feature phones.

/// A word and what it says.
#[derive(Debug)]
pub(super) struct Rule {
    /// A product: `word/1.2`, `word 1.2`, or the first word of the text.
    pub(super) word: &'static str,
    /// A name of the table of browsers.
    pub(super) browser: &'static str,
    pub(super) version: VersionOf,
    pub(super) kind: Kind,
}

/// Which product's version is the client's. Not always its own: where brands in client hints carry the engine's, so must
/// this, since a version would else go back and forth between the two sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionOf {
    Itself,
    /// `Chrome/`, else `Version/` (Safari's).
    Engine,
    /// `FBAV/`.
    FacebookApp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Wherever it stands.
    Browser,
    /// The same, and its word may stand alone.
    BrowserBare,
    /// Runs on iOS only, whatever system it tells when it asks for desktop pages.
    BrowserOfIos,
    Crawler,
    /// Named only if it stands first: behind an app's name it is a part of the app.
    Library,
}

const fn rule(word: &'static str, browser: &'static str, version: VersionOf, kind: Kind) -> Rule {
    Rule { word, browser, version, kind }
}

const fn browser(word: &'static str, browser: &'static str) -> Rule {
    rule(word, browser, VersionOf::Itself, Kind::Browser)
}

const fn library(word: &'static str, browser: &'static str) -> Rule {
    rule(word, browser, VersionOf::Itself, Kind::Library)
}

pub(super) const RULES: &[Rule] = &[
    // Tools that look like browsers.
    rule("Chrome-Lighthouse", "Lighthouse", VersionOf::Engine, Kind::BrowserBare),
    rule("BingPreview", "BingPreview", VersionOf::Itself, Kind::Crawler),
    rule("facebookexternalhit", "facebookexternalhit", VersionOf::Itself, Kind::Crawler),
    rule("Google-InspectionTool", "Google-InspectionTool", VersionOf::Itself, Kind::Crawler),
    browser("HeadlessChrome", "HeadlessChrome"),
    browser("PhantomJS", "PhantomJS"),
    browser("Puppeteer", "Puppeteer"),
    browser("Playwright", "Playwright"),
    browser("selenium", "Selenium"),
    browser("Selenium", "Selenium"),
    browser("Cypress", "Cypress"),
    browser("jsdom", "jsdom"),
    browser("PowerShell", "PowerShell"),
    browser("WindowsPowerShell", "PowerShell"),
    // Pages inside apps, before the browsers they are made of.
    rule("Instagram", "Instagram", VersionOf::Itself, Kind::BrowserBare),
    rule("MessengerForiOS", "Messenger", VersionOf::FacebookApp, Kind::BrowserBare),
    rule("MessengerLiteForiOS", "Messenger", VersionOf::FacebookApp, Kind::BrowserBare),
    rule("Orca-Android", "Messenger", VersionOf::FacebookApp, Kind::BrowserBare),
    rule("FBAN", "Facebook", VersionOf::FacebookApp, Kind::BrowserBare),
    rule("FB_IAB", "Facebook", VersionOf::FacebookApp, Kind::BrowserBare),
    rule("FBAV", "Facebook", VersionOf::FacebookApp, Kind::BrowserBare),
    browser("MicroMessenger", "WeChat"),
    browser("WindowsWechat", "WeChat"),
    browser("MQQBrowser", "QQ Browser"),
    browser("QQBrowser", "QQ Browser"),
    browser("QQ", "QQ"),
    browser("baiduboxapp", "Baidu"),
    browser("Line", "LINE"),
    browser("KAKAOTALK", "KakaoTalk"),
    rule("NAVER", "Naver", VersionOf::Engine, Kind::BrowserBare),
    browser("Snapchat", "Snapchat"),
    browser("GSA", "Google Search App"),
    // Browsers, before those they pretend to be.
    rule("DuckDuckGo", "DuckDuckGo", VersionOf::Engine, Kind::Browser),
    rule("Ddg", "DuckDuckGo", VersionOf::Engine, Kind::Browser),
    rule("Ecosia", "Ecosia", VersionOf::Engine, Kind::BrowserBare),
    rule("Brave", "Brave", VersionOf::Engine, Kind::BrowserBare),
    browser("Whale", "Whale"),
    browser("YaBrowser", "Yandex Browser"),
    browser("SamsungBrowser", "Samsung Internet"),
    rule("HuaweiBrowser", "Huawei Browser", VersionOf::Engine, Kind::Browser),
    rule("MiuiBrowser", "MIUI Browser", VersionOf::Engine, Kind::Browser),
    browser("UCBrowser", "UC Browser"),
    browser("UBrowser", "UC Browser"),
    browser("HeyTapBrowser", "HeyTap Browser"),
    browser("VivoBrowser", "Vivo Browser"),
    browser("OculusBrowser", "Oculus Browser"),
    browser("coc_coc_browser", "Coc Coc"),
    browser("Avast", "Avast Secure Browser"),
    browser("AVG", "AVG Secure Browser"),
    browser("Norton", "Norton Private Browser"),
    browser("Puffin", "Puffin"),
    browser("Silk", "Silk"),
    browser("Vivaldi", "Vivaldi"),
    browser("PaleMoon", "Pale Moon"),
    browser("SeaMonkey", "SeaMonkey"),
    rule("OPiOS", "Opera Mini", VersionOf::Itself, Kind::BrowserOfIos),
    // The second word of "Opera Mini/".
    browser("Mini", "Opera Mini"),
    rule("OPT", "Opera Touch", VersionOf::Itself, Kind::BrowserOfIos),
    rule("OPX", "Opera GX iOS", VersionOf::Itself, Kind::BrowserOfIos),
    browser("OPR", "Opera"),
    rule("EdgiOS", "Edge", VersionOf::Itself, Kind::BrowserOfIos),
    browser("Edg", "Edge"),
    browser("EdgA", "Edge"),
    browser("EdgW", "Edge"),
    browser("Edge", "Edge"),
    browser("Focus", "Firefox Focus"),
    browser("Klar", "Firefox Focus"),
    rule("FxiOS", "Firefox", VersionOf::Itself, Kind::BrowserOfIos),
    rule("CriOS", "Chrome", VersionOf::Itself, Kind::BrowserOfIos),
    browser("ArkWeb", "ArkWeb"),
    // Libraries; the more telling one of two first.
    library("python-requests", "python-requests"),
    library("aiohttp", "aiohttp"),
    library("python-httpx", "httpx"),
    library("python-urllib3", "python-urllib3"),
    library("Python-urllib", "Python-urllib"),
    library("Scrapy", "Scrapy"),
    library("Go-http-client", "Go-http-client"),
    library("okhttp", "okhttp"),
    library("Dalvik", "Dalvik"),
    library("HTTPie", "HTTPie"),
    library("Wget", "Wget"),
    library("curl", "curl"),
    library("libwww-perl", "libwww-perl"),
    library("Apache-HttpClient", "Apache-HttpClient"),
    library("Apache-HttpAsyncClient", "Apache-HttpClient"),
    library("Java-http-client", "Java"),
    library("Java", "Java"),
    library("axios", "axios"),
    library("node-fetch", "node-fetch"),
    library("undici", "undici"),
    library("got", "got"),
    library("Dart", "Dart"),
    library("GuzzleHttp", "Guzzle"),
    library("Guzzle", "Guzzle"),
    library("Faraday", "Faraday"),
    library("PostmanRuntime", "Postman"),
    library("insomnia", "Insomnia"),
    library("reqwest", "reqwest"),
    library("hyper", "hyper"),
    library("Deno", "Deno"),
    library("Bun", "Bun"),
    library("RestSharp", "RestSharp"),
    library("Ruby", "Ruby"),
    library("Python", "Python"),
    library("node", "Node.js"),
];

/// Words that tell the system, in order: of several in one text the first counts, since systems name what they imitate
/// ("like Mac OS X", "Linux; Android 13") behind themselves.
pub(super) const SYSTEM_WORDS: &[(&str, &str)] = &[
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("KAIOS", "KaiOS"),
    ("Tizen", "Tizen"),
    ("Web0S", "webOS"),
    ("WebOS", "webOS"),
    ("webOS", "webOS"),
    ("PlayStation", "PlayStation"),
    ("PLAYSTATION", "PlayStation"),
    ("Nintendo", "Nintendo"),
    ("Xbox", "Xbox"),
    ("CrOS", "ChromeOS"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("iPod", "iOS"),
    ("iOS", "iOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("macOS", "macOS"),
    ("Mac", "macOS"),
    ("FreeBSD", "BSD"),
    ("OpenBSD", "BSD"),
    ("NetBSD", "BSD"),
    ("Linux", "Linux"),
    ("linux", "Linux"),
    ("X11", "Linux"),
    // An app's own requests. Those of a Mac with an Intel processor say so; those of a newer one look like a phone's.
    ("CFNetwork", "iOS"),
    ("Darwin", "macOS"),
];

/// Other words that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Mobile,
    Phone,
    Tablet,
    Desktop,
    Television,
    IPad,
    IPhone,
    Intel,
    CfNetwork,
    WebView,
    AppleWebKit,
    Safari,
    Electron,
    Chrome,
    Version,
    FacebookVersion,
    SystemVersion,
    /// Says nothing of the client.
    Plain,
}

pub(super) const SIGNS: &[(&str, Sign)] = &[
    ("Mobile", Sign::Mobile),
    ("Phone", Sign::Phone),
    ("Tablet", Sign::Tablet),
    ("PC", Sign::Desktop),
    ("2in1", Sign::Desktop),
    ("TV", Sign::Television),
    ("SMART-TV", Sign::Television),
    ("SmartTV", Sign::Television),
    ("GoogleTV", Sign::Television),
    ("HbbTV", Sign::Television),
    ("CrKey", Sign::Television),
    ("iPad", Sign::IPad),
    ("iPhone", Sign::IPhone),
    ("iPod", Sign::IPhone),
    ("x86_64", Sign::Intel),
    ("CFNetwork", Sign::CfNetwork),
    ("wv", Sign::WebView),
    ("AppleWebKit", Sign::AppleWebKit),
    ("Safari", Sign::Safari),
    ("Electron", Sign::Electron),
    ("Chrome", Sign::Chrome),
    ("Version", Sign::Version),
    ("FBAV", Sign::FacebookVersion),
    ("OS", Sign::SystemVersion),
    ("Mozilla", Sign::Plain),
    ("Gecko", Sign::Plain),
    ("Build", Sign::Plain),
    ("NetType", Sign::Plain),
    ("Language", Sign::Plain),
    ("Darwin", Sign::Plain),
];
