//! What gets nobody in: a page that is forwarded, framed or forged, a way back that was used.

use super::browser::Browser;
use super::site::{Site, move_to};
use super::steps::{answer, choose, is_let_in, meets};
use crate::hooks::support::{ELSEWHERE, HOME};
use crate::support::eventually;

#[test]
fn a_page_is_of_its_browser_and_network_and_in_no_frame() {
    let Some(site) = Site::start(|settings| settings) else { return };
    let browser = site.browser(ELSEWHERE);
    site.enter(&browser, "alice", "/");
    meets(&browser, "Confirm your email address");
    let page = browser.url();

    move_to(&browser, HOME);
    browser.open(&page);
    meets(&browser, "Please go on where you began");
    move_to(&browser, ELSEWHERE);
    let (before, behind) = page.split_at(page.find("rd=").unwrap() + 20);
    let other = if behind.starts_with('A') { "B" } else { "A" };
    for forged in [format!("{before}{other}{}", &behind[1..]), site.url("/askance/challenge")] {
        browser.open(&forged);
        meets(&browser, "This link does not work");
    }
    browser.open(&page);
    meets(&browser, "Confirm your email address");

    // A frame around it stays empty, and nobody clicks through it.
    browser.open(&site.url(&format!("/framing?page={}", site.path_of(&page))));
    is_blocked(&browser);

    // To whom the link was forwarded.
    browser.leave_frame();
    browser.forget_cookies();
    browser.open(&page);
    meets(&browser, "Please go on where you began");
    assert_eq!(site.provider.count(), 0);
}

fn is_blocked(browser: &Browser) {
    eventually("the frame is refused", || {
        browser.enter_frame();
        let url = browser.script("return document.URL", &serde_json::json!([]));
        let is_refused = url.as_str().is_some_and(|url| url.starts_with("chrome-error:"));
        if !is_refused {
            browser.leave_frame();
        }
        is_refused.then_some(())
    });
}

#[test]
fn a_way_back_to_another_host_is_good_once() {
    let Some(site) = Site::start(|settings| settings) else { return };
    let app = site.with_app("alice");
    let browser = site.browser(ELSEWHERE);
    site.enter_by("127.0.0.1", &browser, "alice", "/files?of=me");
    choose(&browser, "totp");
    answer(&browser, &app.code(1));
    is_let_in(&browser, "alice", "/files?of=me");
    assert!(browser.url().starts_with("http://127.0.0.1:"), "{}", browser.url());
    let way_back = site.last_asked("/askance/return?ticket=");
    browser.forget_cookies();
    browser.open(&site.url_by("127.0.0.1", &way_back));
    browser.sees("h1", "This link is no longer good");
    assert!(browser.cookies().is_empty(), "{:?}", browser.cookies());
}
