//! The challenge page, as a browser without scripts goes through it; what is refused of it; and who hands people over to it.

use super::support::{ELSEWHERE, HOME};
use crate::factors::lab::{App, Lab};
use crate::support::client::Endpoint;
use crate::support::contract::Listener;
use crate::support::{Askance, CHROME, Client, Request, Response, import, json_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SITE: &str = "https://app.example.org";
const PAGE: &str = "https://app.example.org/askance/challenge";
const ADDRESS: &str = "alice.doe@example.org";

/// A server that asks by itself, on a page of its own; alice was at home an hour ago.
fn lab(change: impl FnOnce(crate::support::Settings) -> crate::support::Settings) -> Lab {
    let lab = Lab::with(|settings| {
        change(
            settings
                .set("hooks.listen", "127.0.0.1:0")
                .set("hooks.challenge_url", PAGE)
                .set("hooks.email_header", "remote-email"),
        )
    });
    import(&lab.server, "alice", json!({"ip": HOME, "device_id": null}));
    lab
}

/// A browser at an address, with its cookies.
pub(super) struct Browser<'s> {
    client: Client,
    /// Where it comes from, as the proxy says; where there is a real one, that says it.
    address: Option<&'s str>,
    agent: &'s str,
    origin: Option<String>,
    /// As Basic has it.
    pub(super) password: Option<&'s str>,
    jar: BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    fn at(server: &Askance, address: &'s str) -> Self {
        let origin = Some(SITE.to_owned());
        Self {
            client: server.hooks(),
            address: Some(address),
            agent: CHROME,
            origin,
            password: None,
            jar: BTreeMap::new(),
        }
    }

    /// Of a site behind a real proxy.
    pub(super) fn of(site: &str) -> Self {
        let client = Client::to(Listener::Hooks, Endpoint::parse(site));
        let origin = Some(format!("http://{site}"));
        Self { client, address: None, agent: CHROME, origin, password: None, jar: BTreeMap::new() }
    }

    fn send(&mut self, request: Request) -> Response {
        let mut request = request.header("user-agent", self.agent);
        if let Some(address) = self.address {
            request = request.header("x-forwarded-for", address);
        }
        if let Some(password) = self.password {
            request = request.header("authorization", &format!("Basic {password}"));
        }
        let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", &cookies.join("; ")) };
        let answer = self.client.send(request);
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            assert!(cookie.starts_with("__Host-askance_"), "{cookie}");
            for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                assert!(attributes.contains(attribute), "{cookie}");
            }
            let (name, value) = pair.split_once('=').unwrap();
            self.jar.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Opens the site, as a proxy asks about it.
    fn open_site(&mut self, path: &str) -> Response {
        self.send(
            Request::new("GET", "/v1/hook/forward")
                .header("remote-user", "alice")
                .header("remote-email", ADDRESS)
                .header("sec-fetch-mode", "navigate")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-host", "app.example.org")
                .header("x-forwarded-method", "GET")
                .header("x-forwarded-uri", path),
        )
    }

    /// Opens the site, and goes to the page that it is sent to.
    fn sent_to_page(&mut self, path: &str) -> (String, Response) {
        let answer = self.open_site(path);
        let to = answer.header("location").and_then(|to| to.strip_prefix(SITE)).unwrap_or_else(|| panic!("{answer:?}"));
        let to = to.to_owned();
        assert_eq!((answer.status, to.starts_with("/askance/challenge?rd=")), (302, true), "{answer:?}");
        let page = self.get(&to);
        (to, page)
    }

    pub(super) fn get(&mut self, path: &str) -> Response {
        self.send(Request::new("GET", path).header("accept-language", "en"))
    }

    /// Posts a form of `page`, which is at `path`.
    pub(super) fn post(&mut self, path: &str, page: &Response, fields: &[(&str, &str)]) -> Response {
        let mut all = vec![("token".to_owned(), field(page, "token"))];
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = all.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let request = Request::post(path).content("application/x-www-form-urlencoded", body);
        let request = match &self.origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        self.send(request)
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The value of the first hidden field of this name.
pub(super) fn field(page: &Response, name: &str) -> String {
    let html = page.text();
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = html.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {} {html}", page.status));
    rest.split('"').next().unwrap().to_owned()
}

#[track_caller]
fn assert_page(page: &Response, status: u16, holds: &str) {
    assert_eq!(page.status, status, "{}", page.text());
    assert!(page.text().contains(holds), "no {holds:?} in {}", page.text());
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let policy = page.header("content-security-policy").unwrap_or_default();
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.body.len() < 40_000, "{} bytes", page.body.len());
}

/// Where a browser is sent with what it proved.
#[track_caller]
fn assert_back(answer: &Response, url: &str) {
    assert_eq!((answer.status, answer.header("location")), (303, Some(url)), "{}", answer.text());
}

/// The app that scans what a page shows.
pub(super) fn app_of(page: &Response) -> App {
    let html = page.text();
    let (_, rest) = html.split_once("secret=").unwrap_or_else(|| panic!("no app in {html}"));
    App::new(&rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
}

/// Sets up an app on the page that offers it, and gives the page with the codes.
fn set_up_app(browser: &mut Browser<'_>, path: &str, page: &Response) -> (App, Response) {
    let page = browser.post(path, page, &[("do", "enroll"), ("factor", "totp")]);
    assert_page(&page, 200, "<svg");
    let app = app_of(&page);
    let enrolment = field(&page, "enrolment");
    let wrong = browser.post(path, &page, &[("do", "bind"), ("enrolment", &enrolment), ("code", "000000")]);
    assert_page(&wrong, 400, "<svg");
    let code = app.code(0);
    let codes = browser.post(path, &wrong, &[("do", "bind"), ("enrolment", &enrolment), ("code", &code)]);
    (app, codes)
}

#[test]
fn somebody_without_a_factor_proves_the_address_sets_up_an_app_and_comes_back() {
    let lab = lab(|settings| settings);
    let mut home = Browser::at(&lab.server, HOME);
    assert_eq!(home.open_site("/").status, 200, "nobody is asked at home");
    let mut browser = Browser::at(&lab.server, ELSEWHERE);
    let (path, page) = browser.sent_to_page("/inbox?folder=2");
    assert_page(&page, 200, "alic****@example.org");
    assert_eq!(lab.provider.count(), 0, "who only looks sends nothing");
    let page = browser.post(&path, &page, &[("do", "ask"), ("factor", "email")]);
    let challenge = field(&page, "challenge");
    let answer = |code: &str| {
        [("do", "answer"), ("factor", "email"), ("challenge", &challenge), ("code", code)]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    let fields = answer("12345");
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let page = browser.post(&path, &page, &fields);
    assert_page(&page, 400, "alic****@example.org");
    let fields = answer(&lab.provider.code(ADDRESS));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let page = browser.post(&path, &page, &fields);
    assert_page(&page, 200, "value=\"totp\"");
    let (app, page) = set_up_app(&mut browser, &path, &page);
    assert_page(&page, 200, "<li");
    assert!(!browser.jar.contains_key("__Host-askance_assurance"), "not before they leave");
    let back = browser.post(&path, &page, &[("do", "leave")]);
    assert_back(&back, &format!("{SITE}/inbox?folder=2"));
    let passed = browser.open_site("/inbox?folder=2");
    assert_eq!((passed.status, passed.header("x-askance-action")), (200, Some("allow")), "{passed:?}");
    // The same page again is of no more use than the way back.
    let again = browser.get(&path);
    let again = browser.post(&path, &again, &[("do", "leave")]);
    assert_back(&again, &format!("{SITE}/inbox?folder=2"));

    // From a third place, the app does, and the address no longer.
    let mut third = Browser::at(&lab.server, "89.160.20.112");
    let (path, page) = third.sent_to_page("/");
    assert!(!page.text().contains("alic****"), "{}", page.text());
    let code = app.code(1);
    let back = third.post(&path, &page, &[("do", "answer"), ("factor", "totp"), ("code", &code)]);
    assert_back(&back, &format!("{SITE}/"));
    assert_eq!(third.open_site("/").status, 200);
}

#[test]
fn a_page_is_of_one_browser_one_network_and_an_hour_of_need() {
    let lab = lab(|settings| settings);
    let mut browser = Browser::at(&lab.server, ELSEWHERE);
    let (path, page) = browser.sent_to_page("/");
    let mut forwarded = Browser::at(&lab.server, ELSEWHERE);
    assert_page(&forwarded.get(&path), 403, SITE);
    let mut far = Browser::at(&lab.server, HOME);
    assert_page(&far.get(&path), 403, SITE);
    let mut other = Browser {
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ..Browser::at(&lab.server, ELSEWHERE)
    };
    assert_page(&other.get(&path), 403, SITE);
    for forged in [
        path.replace("rd=A", "rd=B"),
        format!("{path}A"),
        "/askance/challenge".to_owned(),
        format!("{path}&rd=x"),
        format!("{path}&next=https://evil.example"),
        "/askance/challenge?page=AAAA".to_owned(),
    ] {
        if forged != path {
            assert_page(&browser.get(&forged), 403, "</html>");
        }
    }
    // A form of somebody else, of another page, or from another site.
    let ask = [("do", "ask"), ("factor", "email")];
    for origin in [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("http://app.example.org"),
        Some("https://app.example.org.evil.example"),
    ] {
        browser.origin = origin.map(str::to_owned);
        assert_page(&browser.post(&path, &page, &ask), 403, "</html>");
    }
    browser.origin = Some(SITE.to_owned());
    let mut own = Browser::at(&lab.server, ELSEWHERE);
    let (second, other_page) = own.sent_to_page("/other");
    if second != path {
        assert_page(&browser.post(&path, &other_page, &ask), 403, "</html>");
    }
    let mut thief = Browser::at(&lab.server, ELSEWHERE);
    assert_page(&thief.post(&path, &page, &ask), 403, "</html>");
    for body in ["", "do=ask", "do=ask&do=ask", "x=1"] {
        let request = Request::post(&path).content("application/x-www-form-urlencoded", body).header("origin", SITE);
        assert_page(&browser.send(request), 403, "</html>");
    }
    let json = Request::post(&path).json(&json!({})).header("origin", SITE);
    assert_page(&browser.send(json), 403, "</html>");
    assert_eq!(lab.provider.count(), 0);
    assert_eq!(browser.post(&path, &page, &ask).status, 200, "and the right one does");
}

#[test]
fn another_host_is_handed_a_ticket() {
    let lab = lab(|settings| {
        settings
            .set("hooks.challenge_url", "https://login.example.org/askance/challenge")
            .set("hooks.return_hosts", vec!["app.example.org".to_owned()])
    });
    let (app, _) = lab.with_app("alice");
    let mut site = Browser::at(&lab.server, ELSEWHERE);
    let answer = site.open_site("/files");
    let to = answer.header("location").and_then(|to| to.strip_prefix("https://login.example.org")).unwrap().to_owned();
    let mut page_host =
        Browser { origin: Some("https://login.example.org".to_owned()), ..Browser::at(&lab.server, ELSEWHERE) };
    let page = page_host.get(&to);
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("form-action 'self' https://app.example.org;"), "{policy}");
    let code = app.code(1);
    let back = page_host.post(&to, &page, &[("do", "answer"), ("factor", "totp"), ("code", &code)]);
    let ticket = back.header("location").and_then(|to| to.strip_prefix(SITE)).unwrap_or_else(|| panic!("{back:?}"));
    assert!(ticket.starts_with("/askance/return?ticket="), "{ticket}");
    let mut thief = Browser::at(&lab.server, HOME);
    assert_eq!(thief.get(ticket).status, 403, "in another network");
    assert_back(&site.get(ticket), "https://app.example.org/files");
    assert_eq!(site.get(ticket).status, 403, "once");
    assert_eq!(site.open_site("/files").status, 200);
    // The cookie, stolen.
    let mut stolen = Browser { jar: site.jar.clone(), ..Browser::at(&lab.server, "89.160.20.112") };
    assert_eq!(stolen.open_site("/files").status, 302);
}

#[test]
fn a_part_of_the_site_wants_a_factor_that_is_set_up_first() {
    let mut rule = toml::Table::new();
    rule.insert("path_prefix".to_owned(), "/admin".into());
    rule.insert("max_age_s".to_owned(), 300.into());
    rule.insert("factors".to_owned(), vec!["totp".to_owned()].into());
    let lab = lab(|settings| settings.push("hooks.step_up", rule));
    let mut browser = Browser::at(&lab.server, HOME);
    assert_eq!(browser.open_site("/").status, 200);
    let (path, page) = browser.sent_to_page("/admin");
    assert_page(&page, 200, "alic****@example.org");
    let page = browser.post(&path, &page, &[("do", "ask"), ("factor", "email")]);
    let (challenge, code) = (field(&page, "challenge"), lab.provider.code(ADDRESS));
    let answer = [("do", "answer"), ("factor", "email"), ("challenge", &challenge), ("code", &code)];
    let page = browser.post(&path, &page, &answer);
    let (app, codes) = set_up_app(&mut browser, &path, &page);
    let back = browser.post(&path, &codes, &[("do", "leave")]);
    assert_back(&back, &format!("{SITE}/admin"));
    assert!(!browser.jar.contains_key("__Host-askance_assurance"), "what was set up proves nothing yet");
    let (path, page) = browser.sent_to_page("/admin");
    let code = app.code(1);
    let back = browser.post(&path, &page, &[("do", "answer"), ("factor", "totp"), ("code", &code)]);
    assert_back(&back, &format!("{SITE}/admin"));
    assert_eq!(browser.open_site("/admin").status, 200);
    assert_eq!(browser.open_site("/").status, 200);
}

/// The page that a server is told, as path and query.
fn page_of(told: &Value) -> String {
    let page = told["page"].as_str().unwrap_or_else(|| panic!("{told}"));
    page.strip_prefix(SITE).unwrap_or_else(|| panic!("{page}")).to_owned()
}

/// **Source:** mfa.md, scenarios 1a to 3.
#[test]
fn a_new_account_is_led_through_what_its_scenario_shows() {
    let (email, phone) = (json!({"email": ADDRESS}), json!({"phone": "+819012345678"}));
    for (scenario, factors, verified) in [
        ("1a", vec!["sms", "backup_code"], &email),
        ("1b", vec!["sms", "totp", "backup_code"], &email),
        ("2", vec!["sms", "backup_code"], &phone),
        ("3", vec!["sms", "totp", "backup_code"], &phone),
    ] {
        let factors: Vec<String> = factors.into_iter().map(str::to_owned).collect();
        let lab = lab(|settings| settings.set("mfa.factors", factors).set("mfa.bind_verified", vec!["sms".to_owned()]));
        let arrival = json!({"user": {"id": "bob"}, "event": "sign_up", "verified": verified, "return_to": format!("{SITE}/welcome")});
        let told = lab.good("/v1/mfa/onboard", &arrival);
        assert!(told.get("backup_codes").is_none(), "{scenario}: {told}");
        let mut browser = Browser::at(&lab.server, ELSEWHERE);
        let path = page_of(&told);
        let page = browser.get(&path);
        let codes = match scenario {
            "1a" | "1b" => {
                assert_page(&page, 200, "value=\"sms\"");
                assert_eq!(page.text().contains("value=\"totp\""), scenario == "1b", "{scenario}");
                let page = browser.post(&path, &page, &[("do", "enroll"), ("factor", "sms")]);
                let number = ("phone_number", "+819012345678");
                let page = browser.post(&path, &page, &[("do", "enroll"), ("factor", "sms"), number]);
                assert_page(&page, 200, "****5678");
                let (enrolment, code) = (field(&page, "enrolment"), lab.provider.code("+819012345678"));
                browser.post(
                    &path,
                    &page,
                    &[("do", "bind"), ("factor", "sms"), ("enrolment", &enrolment), ("code", &code)],
                )
            }
            "2" => browser.post(&path, &page, &[("do", "codes")]),
            _ => {
                assert_page(&page, 200, "value=\"skip\"");
                let page = browser.post(&path, &page, &[("do", "skip")]);
                assert_eq!(lab.provider.count(), 0, "no second message");
                page
            }
        };
        let codes = if codes.text().contains("value=\"codes\"") {
            browser.post(&path, &codes, &[("do", "codes")])
        } else {
            codes
        };
        assert_eq!(codes.status, 200, "{scenario}: {}", codes.text());
        assert_eq!(codes.text().matches("<li>").count(), 10, "{scenario}: {}", codes.text());
        assert_back(&browser.post(&path, &codes, &[("do", "leave")]), &format!("{SITE}/welcome"));
        let known = json_of(&lab.server.main().get("/v1/users/bob/factors"));
        assert_eq!(known["factors"].as_array().map(Vec::len), Some(2), "{scenario}: {known}");
    }
}

#[test]
fn a_step_up_shows_its_action_and_leads_back_with_the_proof() {
    let mut action = toml::Table::new();
    action.insert("name".to_owned(), "transfer".into());
    action.insert("text".to_owned(), "Pay {{amount}} to {{payee}}".into());
    let lab = lab(|settings| settings.push("step_up.actions", action));
    let (app, _) = lab.with_app("alice");
    let transfer = json!({"name": "transfer", "params": {"amount": 12, "payee": "<b>Bob</b>"}});
    let asked = json!({
        "user_id": "alice", "session_id": "s1", "ip": HOME, "user_agent": CHROME, "action": transfer,
        "return_to": format!("{SITE}/pay?id=7"),
    });
    for refused in [
        "https://evil.example/",
        "http://app.example.org/",
        "https://app.example.org@evil.example/",
        "https://app.example.org/#x",
        "javascript:alert(1)",
        "/pay",
    ] {
        let mut asked = asked.clone();
        asked["return_to"] = refused.into();
        assert_eq!(lab.post("/v1/step-up", &asked).status, 422, "{refused}");
    }
    let told = lab.good("/v1/step-up", &asked);
    let path = page_of(&told);
    let mut browser = Browser::at(&lab.server, HOME);
    let page = browser.get(&path);
    assert_page(&page, 200, "Pay 12 to &lt;b&gt;Bob&lt;/b&gt;");
    assert_page(&Browser::at(&lab.server, HOME).get(&path), 403, "</html>");
    let code = app.code(1);
    let back = browser.post(&path, &page, &[("do", "answer"), ("factor", "totp"), ("code", &code)]);
    let location = back.header("location").unwrap_or_else(|| panic!("{}", back.text()));
    let assertion =
        location.strip_prefix(&format!("{SITE}/pay?id=7&assertion=")).unwrap_or_else(|| panic!("{location}"));
    let spend = json!({"assertion": assertion, "session_id": "s1", "action": transfer});
    assert_eq!(lab.post("/v1/step-up/consume", &spend).status, 200);
    assert_eq!(lab.post("/v1/step-up/consume", &spend).status, 409);
    let again = browser.get(&path);
    let again = browser.post(&path, &again, &[("do", "leave")]);
    assert_back(&again, &format!("{SITE}/pay?id=7"));
}

#[test]
fn where_nothing_is_asked_there_is_no_page_and_its_files_are_there_to_be_kept() {
    let off = Askance::start(&super::support::settings().set("hooks.challenge_url", PAGE));
    assert!(off.log().contains("mfa.enabled is off"), "{}", off.log());
    assert_eq!(
        off.hooks().send(Request::new("GET", "/askance/challenge?rd=x").header("x-forwarded-for", HOME)).status,
        404
    );
    let style = off.hooks().get("/askance/assets/style.css");
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(style.header("cache-control").is_some_and(|how| how.contains("immutable")), "{style:?}");
    assert_eq!(
        off.hooks().get("/askance/assets/passkey.js").header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    for none in ["/askance/assets/", "/askance/assets/../challenge", "/askance/assets/none.css"] {
        assert_eq!(off.hooks().get(none).status, 404, "{none}");
    }
    assert_eq!(off.hooks().send(Request::new("PUT", "/askance/challenge")).status, 405);
}
