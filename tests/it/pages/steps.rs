//! What a user does on each page, and what they see there. Every page that is met is looked at by axe-core.

use super::browser::Browser;
use super::site::Site;
use crate::factors::lab::App;
use crate::support::secrets;

/// What somebody without anything proves first, and what the site knows of alice.
pub(super) const ADDRESS: &str = "alice@example.org";

/// Sees a page of ours.
pub(super) fn meets(browser: &Browser, title: &str) {
    browser.sees("h1", title);
    browser.assert_accessible(title);
}

/// Sees the application, on the page where they wanted to go.
pub(super) fn is_let_in(browser: &Browser, user: &str, path: &str) {
    browser.sees("h1", &format!("The app of {user}"));
    browser.sees("p", path);
}

/// Presses the button of the form that is for this.
pub(super) fn choose(browser: &Browser, factor: &str) {
    browser.click(&format!("form:has([name=factor][value={factor}]) button"));
}

/// Types a code and sends it.
pub(super) fn answer(browser: &Browser, code: &str) {
    browser.write("input[name=code]", code);
    browser.click("form:has(input[name=code]) button");
}

/// Proves the address of the account: a wrong code first, then the one that came.
pub(super) fn prove_email(site: &Site, browser: &Browser, titles: [&str; 2]) {
    meets(browser, titles[0]);
    browser.sees("main", "alic****@example.org");
    choose(browser, "email");
    meets(browser, titles[1]);
    let code = site.provider.code(ADDRESS);
    answer(browser, if code == "000000" { "111111" } else { "000000" });
    browser.sees("[role=alert]", "");
    assert_eq!(browser.attribute("input[name=code]", "aria-invalid").as_deref(), Some("true"));
    browser.assert_accessible("a wrong code");
    answer(browser, &code);
}

/// Sets up an app by what stands below the picture.
pub(super) fn set_up_app(browser: &Browser) -> App {
    let secret = browser.awaits(".secret");
    let app = App::new(&secret.replace(char::is_whitespace, ""));
    answer(browser, &app.code(0));
    app
}

/// Takes the backup codes, and goes on.
pub(super) fn keep_codes(browser: &Browser) -> Vec<String> {
    let codes = browser.awaits(".codes");
    let codes: Vec<String> = codes.split_whitespace().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    codes.iter().for_each(|code| secrets::note("a backup code", code));
    browser.click("form:has([name=do][value=leave]) button");
    codes
}
