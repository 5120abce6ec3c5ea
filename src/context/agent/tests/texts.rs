//! User agents and the families they are.

use super::named;

/// AppleWebKit as Chromium has it.
const KIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
/// AppleWebKit as Apple has it.
const APPLE: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64)";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K)";
const VIEW: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP2A.240805.005; wv)";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X)";
const IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X)";

/// Each line: a user agent, the family it is. `$NAME` stands for a constant.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let names = [("$WINDOWS", WINDOWS), ("$MAC", MAC), ("$LINUX", LINUX), ("$ANDROID", ANDROID), ("$VIEW", VIEW)];
        let names = names.into_iter().chain([("$IPHONE", IPHONE), ("$IPAD", IPAD), ("$KIT", KIT), ("$APPLE", APPLE)]);
        let text = names.fold((*text).to_owned(), |text, (name, long)| text.replace(name, long));
        let expected = Some(*expected).filter(|name| !name.is_empty());
        assert_eq!(named(&text).as_deref(), expected, "{text}");
    }
}

#[test]
fn desktop_browsers() {
    check(&[
        ("$WINDOWS $KIT Chrome/131.0.0.0 Safari/537.36", "Chrome on Windows (pc) 131"),
        ("$MAC $KIT Chrome/141.0.0.0 Safari/537.36", "Chrome on macOS (pc) 141"),
        ("$LINUX $KIT Chrome/141.0.0.0 Safari/537.36", "Chrome on Linux (pc) 141"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) $KIT Chrome/141.0.0.0 Safari/537.36", "Chrome on ChromeOS (pc) 141"),
        ("Mozilla/5.0 (X11; OpenBSD amd64) $KIT Chrome/120.0.0.0 Safari/537.36", "Chrome on BSD (pc) 120"),
        ("$WINDOWS $KIT Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge on Windows (pc) 141"),
        ("$MAC $KIT Chrome/141.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on macOS (pc) 140"),
        ("$WINDOWS $KIT Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763", "Edge on Windows (pc) 18"),
        ("$WINDOWS $KIT Chrome/139.0.0.0 Safari/537.36 OPR/124.0.0.0", "Opera on Windows (pc) 124"),
        ("$WINDOWS $KIT Chrome/138.0.0.0 Safari/537.36 Vivaldi/7.6.3797.58", "Vivaldi on Windows (pc) 7"),
        ("$WINDOWS $KIT Chrome/138.0.0.0 YaBrowser/25.8.0.0 Safari/537.36", "Yandex Browser on Windows (pc) 25"),
        ("$WINDOWS $KIT Chrome/126.0.0.0 Whale/4.32.315.22 Safari/537.36", "Whale on Windows (pc) 4"),
        ("$WINDOWS $KIT Chrome/131.0.0.0 Safari/537.36 Avast/131.0.0.0", "Avast Secure Browser on Windows (pc) 131"),
        ("$WINDOWS $KIT Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0 Ddg/120.0", "DuckDuckGo on Windows (pc) 120"),
        ("$MAC $APPLE Version/17.4.1 Safari/605.1.15 Ddg/17.4", "DuckDuckGo on macOS (pc) 17"),
        ("$MAC $APPLE Version/26.0 Safari/605.1.15", "Safari on macOS (pc) 26"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
            "Firefox on Windows (pc) 143",
        ),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux (pc) 132"),
        ("$LINUX Goanna/20240101 PaleMoon/33.0.0", "Pale Moon on Linux (pc) 33"),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko",
            "Internet Explorer on Windows (pc) 11",
        ),
        ("Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.16", "Opera on Windows (pc) 12"),
    ]);
}

#[test]
fn browsers_of_android() {
    check(&[
        ("$ANDROID $KIT Chrome/141.0.0.0 Mobile Safari/537.36", "Chrome on Android (smartphone) 141"),
        ("$ANDROID $KIT Chrome/141.0.0.0 Safari/537.36", "Chrome on Android (tablet) 141"),
        (
            "$ANDROID $KIT SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            "Samsung Internet on Android (smartphone) 28",
        ),
        ("$ANDROID $KIT SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36", "Samsung Internet on Android (tablet) 28"),
        ("$ANDROID $KIT Chrome/141.0.0.0 Mobile Safari/537.36 EdgA/141.0.0.0", "Edge on Android (smartphone) 141"),
        ("$ANDROID $KIT Chrome/139.0.0.0 Mobile Safari/537.36 OPR/91.0.0.0", "Opera on Android (smartphone) 91"),
        (
            "Mozilla/5.0 (Linux; arm_64; Android 13; 2201117TG) $KIT Chrome/138.0.0.0 YaBrowser/25.8.4.104 Mobile Safari/537.36",
            "Yandex Browser on Android (smartphone) 25",
        ),
        ("Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox on Android (smartphone) 143"),
        ("Mozilla/5.0 (Android 15; Tablet; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox on Android (tablet) 143"),
        (
            "$ANDROID $KIT Version/4.0 Focus/8.0 Chrome/120.0.0.0 Mobile Safari/537.36",
            "Firefox Focus on Android (smartphone) 8",
        ),
        (
            "$ANDROID $KIT Version/4.0 Chrome/131.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
            "DuckDuckGo on Android (smartphone) 131",
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 12; en-US; RMX3363 Build/SP1A.210812.016) $KIT Version/4.0 Chrome/123.0.6312.80 UCBrowser/13.7.8.1319 Mobile Safari/537.36",
            "UC Browser on Android (smartphone) 13",
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 13; zh-cn; 22081212C) $KIT Version/4.0 Chrome/100.0.4896.127 Mobile Safari/537.36 XiaoMi/MiuiBrowser/17.3.1",
            "MIUI Browser on Android (smartphone) 100",
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 13; zh-cn; V2183A) $KIT Version/4.0 Chrome/109.0.5414.86 MQQBrowser/14.6 Mobile Safari/537.36",
            "QQ Browser on Android (smartphone) 14",
        ),
        (
            "Mozilla/5.0 (Linux; Android 11; KFTRWI) $KIT Silk/120.3.1 like Chrome/120.0.6099.145 Safari/537.36",
            "Silk on Android (tablet) 120",
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; AFTS Build/PS7233; CrKey) $KIT Chrome/120.0.0.0 Safari/537.36",
            "Chrome on Android (appliance) 120",
        ),
        (
            "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
            "Opera Mini on Android (smartphone) 36",
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; Silk 5) $KIT Chrome/120.0.0.0 Mobile Safari/537.36",
            "Chrome on Android (smartphone) 120",
        ),
    ]);
}

#[test]
fn browsers_of_other_phones_and_tablets() {
    check(&[
        ("$IPHONE $APPLE Version/26.0 Mobile/15E148 Safari/604.1", "Safari on iOS (smartphone) 26"),
        ("$IPAD $APPLE Version/17.1 Mobile/15E148 Safari/604.1", "Safari on iOS (tablet) 17"),
        ("$IPHONE $APPLE CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1", "Chrome on iOS (smartphone) 141"),
        ("$MAC $APPLE CriOS/141 Version/11.1.1 Safari/605.1.15", "Chrome on iOS (tablet) 141"),
        ("$IPHONE $APPLE FxiOS/143.0 Mobile/15E148 Safari/605.1.15", "Firefox on iOS (smartphone) 143"),
        ("$IPHONE $APPLE Version/18.0 EdgiOS/141.0.3537.56 Mobile/15E148 Safari/604.1", "Edge on iOS (smartphone) 141"),
        ("$IPHONE $APPLE Version/18.6 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15", "DuckDuckGo on iOS (smartphone) 18"),
        ("$IPHONE $APPLE Version/17.6 Mobile/15E148 Safari/604.1 Ddg/17.6", "DuckDuckGo on iOS (smartphone) 17"),
        (
            "$IPHONE $APPLE Version/17.5.1 Mobile/15E148 Safari/605.1.15 (Ecosia ios@11.5.2.2615)",
            "Ecosia on iOS (smartphone) 17",
        ),
        ("$IPHONE $APPLE Version/18.6 Mobile/15E148 Safari/604.1 OPT/5.0.2", "Opera Touch on iOS (smartphone) 5"),
        (
            "Mozilla/5.0 (Phone; OpenHarmony 5.0) $KIT Chrome/114.0.0.0 Safari/537.36  ArkWeb/4.1.6.1 Mobile",
            "ArkWeb on HarmonyOS (smartphone) 4",
        ),
        (
            "Mozilla/5.0 (Tablet; OpenHarmony 5.0) $KIT Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1",
            "ArkWeb on HarmonyOS (tablet) 4",
        ),
        (
            "Mozilla/5.0 (PC; OpenHarmony 5.0; HarmonyOS 5.0) $KIT Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1",
            "ArkWeb on HarmonyOS (pc) 4",
        ),
        (
            "Mozilla/5.0 (Phone; OpenHarmony 5.0) $KIT Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300",
            "Huawei Browser on HarmonyOS (smartphone) 114",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; HarmonyOS; HLK-AL00; HMSCore 6.10.0.312) $KIT Chrome/88.0.4324.93 HuaweiBrowser/11.1.2.332 Mobile Safari/537.36",
            "Huawei Browser on HarmonyOS (smartphone) 88",
        ),
        (
            "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) $KIT Chrome/52.0.2743.116 Mobile Safari/537.36 Edge/15.15254",
            "Edge on Windows Phone (smartphone) 15",
        ),
        (
            "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) $KIT 76.0.3809.146/6.0 TV Safari/537.36",
            "Safari on Tizen (appliance) 0",
        ),
    ]);
}

#[test]
fn pages_inside_apps() {
    check(&[
        ("$VIEW $KIT Version/4.0 Chrome/141.0.7390.43 Mobile Safari/537.36", "Webview on Android (smartphone) 141"),
        (
            "$VIEW $KIT Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36 Instagram 399.0.0.48.119 Android",
            "Instagram on Android (smartphone) 399",
        ),
        (
            "$VIEW $KIT Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.40.78;]",
            "Facebook on Android (smartphone) 470",
        ),
        (
            "$IPHONE $APPLE Mobile/15E148 [FBAN/FBIOS;FBAV/530.0.0.40.78;FBDV/iPhone15,3;FBSN/iOS]",
            "Facebook on iOS (smartphone) 530",
        ),
        (
            "$IPHONE $APPLE Mobile/15E148 [FBAN/MessengerForiOS;FBAV/480.0.0.1;FBDV/iPhone15,3]",
            "Messenger on iOS (smartphone) 480",
        ),
        (
            "$IPHONE $APPLE Mobile/15E148 MicroMessenger/8.0.47(0x18002f2f) NetType/WIFI Language/zh_CN",
            "WeChat on iOS (smartphone) 8",
        ),
        ("$IPHONE $APPLE GSA/289.0.550 Mobile/15E148 Safari/604.1", "Google Search App on iOS (smartphone) 289"),
        ("$IPHONE $APPLE Mobile/15E148", "Webview on iOS (smartphone) 18"),
        ("$IPHONE $APPLE Mobile/15E148 ExampleBank/7.4", "other on iOS (smartphone) 7"),
        ("$MAC $APPLE Mobile/15E148", "Webview on iOS (tablet) 0"),
        ("$MAC $KIT ExampleChat/4.36.140 Chrome/120.0.6099.56 Electron/28.0.0 Safari/537.36", "other on macOS (pc) 4"),
        ("$MAC $KIT Chrome/120.0.6099.56 Electron/28.0.0 Safari/537.36", "Electron on macOS (pc) 28"),
    ]);
    let pairs = [
        ("$IPHONE $APPLE Mobile/15E148 ExampleBank/7.4", "$IPHONE $APPLE Mobile/15E148 ExampleChat/7.4"),
        ("ExampleBank/7 CFNetwork/1494 Darwin/23.4.0", "ExampleChat/7 CFNetwork/1494 Darwin/23.4.0"),
        ("com.example.bank/42 okhttp/4.12.0", "com.example.chat/42 okhttp/4.12.0"),
        ("com.example.bank/42 okhttp/4.12.0", "okhttp/4.12.0"),
    ];
    for (one, other) in pairs {
        let family =
            |text: &str| super::look_up(&text.replace("$IPHONE", IPHONE).replace("$APPLE", APPLE)).map(|a| a.family);
        assert_ne!(family(one), family(other), "{one}: {other}");
    }
}

#[test]
fn apps_by_their_own_requests() {
    check(&[
        ("ExampleBank/741 CFNetwork/3826.600.41 Darwin/24.6.0", "other on iOS (other) 741"),
        ("Example%20Bank/741 CFNetwork/1120 Darwin/19.6.0 (x86_64)", "other on macOS (pc) 741"),
        ("ExampleBank/7.4.1 (com.example.bank; build:741; iOS 18.6.0) Alamofire/5.10.2", "other on iOS (other) 7"),
        ("Example Bank/1.0 (iPhone; iOS 17.1; Scale/3.00)", "other on iOS (smartphone) 1"),
        ("Example Bank (iPhone14,5; iOS 17.1)", "other on iOS (smartphone) 0"),
        ("ExampleBank/1.0 (iPad; CPU OS 17_1 like Mac OS X)", "other on iOS (tablet) 1"),
        ("com.example.app/42 okhttp/4.12.0", "other on other (other) 42"),
        ("com.example.app/42 (Linux; U; Android 14; de_DE; Pixel 8) Dalvik/2.1.0", "other on Android (other) 42"),
        ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 8 Build/TQ3A.230901.001)", "Dalvik on Android (other) 2"),
        ("ExampleBank/20251101", "other on other (other) 0"),
        ("acme-cli/v3.1", "other on other (other) 3"),
    ]);
}

#[test]
fn libraries_and_tools() {
    check(&[
        ("python-requests/2.32.5", "python-requests on other (other) 2"),
        ("Python-urllib/3.11", "Python-urllib on other (other) 3"),
        ("Python/3.11 aiohttp/3.9.1", "aiohttp on other (other) 3"),
        ("python-httpx/0.27.0", "httpx on other (other) 0"),
        ("Go-http-client/2.0", "Go-http-client on other (other) 2"),
        ("okhttp/4.12.0", "okhttp on other (other) 4"),
        ("curl/8.16.0", "curl on other (other) 8"),
        ("Wget/1.21.4", "Wget on other (other) 1"),
        ("libwww-perl/6.67", "libwww-perl on other (other) 6"),
        ("Java/17.0.1", "Java on other (other) 17"),
        ("Apache-HttpClient/4.5.14 (Java/17.0.9)", "Apache-HttpClient on other (other) 4"),
        ("axios/1.6.0", "axios on other (other) 1"),
        ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "node-fetch on other (other) 1"),
        ("undici", "undici on other (other) 0"),
        ("got (https://github.com/sindresorhus/got)", "got on other (other) 0"),
        ("Dart/3.9 (dart:io)", "Dart on other (other) 3"),
        ("GuzzleHttp/7", "Guzzle on other (other) 7"),
        ("Ruby", "Ruby on other (other) 0"),
        ("Faraday v2.7.10", "Faraday on other (other) 2"),
        (
            "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
            "PowerShell on Windows (pc) 5",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.22631; en-US) PowerShell/7.4.0",
            "PowerShell on Windows (pc) 7",
        ),
        ("PostmanRuntime/7.46.1", "Postman on other (other) 7"),
        ("insomnia/2023.5.8", "Insomnia on other (other) 2023"),
        ("$LINUX $KIT HeadlessChrome/141.0.0.0 Safari/537.36", "HeadlessChrome on Linux (pc) 141"),
        ("$LINUX AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1", "PhantomJS on Linux (pc) 2"),
        ("Playwright/1.40.0 (x64; ubuntu 22.04) node/18.19", "Playwright on other (other) 1"),
        ("selenium/4.16.0 (python linux)", "Selenium on Linux (pc) 4"),
    ]);
}

#[test]
fn crawlers() {
    check(&[
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "other on other (crawler) 2"),
        (
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) $KIT Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "other on other (crawler) 2",
        ),
        (
            "$MAC $APPLE Version/17.4 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
            "other on other (crawler) 0",
        ),
        ("Mozilla/5.0 $KIT; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "other on other (crawler) 1"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "other on other (crawler) 2"),
        ("Mozilla/5.0 (compatible; Bytespider; spider-feedback@example.com)", "other on other (crawler) 0"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "other on other (crawler) 1"),
        (
            "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
            "other on other (crawler) 0",
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; CUBOT; CUBOT_X18) $KIT Chrome/120.0.0.0 Mobile Safari/537.36",
            "Chrome on Android (smartphone) 120",
        ),
    ]);
}

/// **Source:** the classes that the BuffaLogs tests expect.
#[test]
fn fingerprints_of_others() {
    check(&[
        ("", ""),
        ("-", ""),
        ("x", ""),
        ("qwertyuiop asdfghjkl", ""),
        ("/", ""),
        ("1/2", ""),
        ("Mozilla/5.0", ""),
        (
            "Mozilla/5.0 (X11; Linux x86_64) $KIT Ubuntu Chromium/78.0.3904.108 Chrome/78.0.3904.108 Safari/537.36",
            "Chrome on Linux (pc) 78",
        ),
        ("$WINDOWS $KIT Chrome/122.0.0.0 Safari/537.36", "Chrome on Windows (pc) 122"),
        (
            "Mozilla/5.0 (Linux; Android 13; Pixel 8) $KIT Chrome/118.0.5993.65 Mobile Safari/537.36",
            "Chrome on Android (smartphone) 118",
        ),
        ("$IPAD $APPLE Version/17.1 Mobile/15E148 Safari/604.1", "Safari on iOS (tablet) 17"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) $APPLE Version/17.1 Mobile/15E148 Safari/604.1",
            "Safari on iOS (smartphone) 17",
        ),
    ]);
}
