//! Who is let in unseen, who is asked, and how they come back to where they wanted to go.

use super::browser::Browser;
use super::site::{Site, move_to};
use super::steps::{answer, choose, is_let_in, keep_codes, meets, prove_email, set_up_app};
use crate::hooks::support::{ELSEWHERE, HOME};
use crate::support::CHROME;
use serde_json::json;
use toml::Table;

/// Half-way round the world again.
const THIRD: &str = "89.160.20.112";
const FOURTH: &str = "216.160.83.56";

#[test]
fn who_comes_as_usual_passes_and_who_does_not_proves_it_sets_up_an_app_and_comes_back() {
    let Some(site) = Site::start(|settings| settings) else { return };
    let browser = site.browser(HOME);
    site.enter(&browser, "alice", "/inbox?folder=2");
    is_let_in(&browser, "alice", "/inbox?folder=2");

    move_to(&browser, ELSEWHERE);
    browser.open(&site.url("/inbox?folder=2"));
    prove_email(&site, &browser, ["Confirm your email address", "Type the code that we sent"]);
    meets(&browser, "Protect your account");
    choose(&browser, "totp");
    meets(&browser, "Set up your authenticator app");
    let app = set_up_app(&browser);
    meets(&browser, "Save your backup codes");
    let codes = keep_codes(&browser);
    is_let_in(&browser, "alice", "/inbox?folder=2");
    browser.open(&site.url("/other"));
    is_let_in(&browser, "alice", "/other");

    // What was proved there says nothing of another network, in whose hands the cookie may be.
    assert!(browser.cookies().iter().any(|cookie| cookie["name"] == "__Host-askance_assurance"));
    move_to(&browser, THIRD);
    browser.open(&site.url("/"));
    meets(&browser, "Confirm that it’s you");
    choose(&browser, "backup_code");
    meets(&browser, "Type a backup code");
    browser.click("main a[href='']");
    choose(&browser, "totp");
    meets(&browser, "Type the code from your app");
    // As some type it.
    let code = app.code(1);
    answer(&browser, &format!("{} {}", &code[..3], &code[3..]));
    is_let_in(&browser, "alice", "/");

    // And by a code on paper, at a fourth one.
    move_to(&browser, FOURTH);
    browser.open(&site.url("/"));
    choose(&browser, "backup_code");
    answer(&browser, &codes[0].to_ascii_uppercase());
    is_let_in(&browser, "alice", "/");
}

/// And in the language of the browser.
#[test]
fn without_scripts_all_of_it_works_but_passkeys() {
    let Some(site) = Site::start(|settings| settings) else { return };
    let browser = Browser::without_scripts(CHROME, "de-AT");
    move_to(&browser, ELSEWHERE);
    site.enter(&browser, "alice", "/");
    prove_email(&site, &browser, ["E-Mail", "Gesendeten Code eingeben"]);
    meets(&browser, "Ihr Konto");
    choose(&browser, "webauthn");
    browser.sees("noscript .notice", "JavaScript");
    browser.click("main a[href='']");
    choose(&browser, "totp");
    set_up_app(&browser);
    keep_codes(&browser);
    is_let_in(&browser, "alice", "/");
}

#[test]
fn a_passkey_is_made_in_the_browser_and_proves_its_user_from_then_on() {
    // In the dark, and in a colour that white cannot be read on.
    let Some(site) = Site::start(|settings| settings.set("pages.accent_color", "#ffd400")) else { return };
    let mut browser = site.browser(ELSEWHERE);
    browser.prefer("dark");
    browser.plug_in_authenticator();
    site.enter(&browser, "alice", "/shelf");
    prove_email(&site, &browser, ["Confirm your email address", "Type the code that we sent"]);
    choose(&browser, "webauthn");
    meets(&browser, "Create a passkey");
    browser.click("form[data-passkey] button");
    meets(&browser, "Save your backup codes");
    keep_codes(&browser);
    is_let_in(&browser, "alice", "/shelf");

    move_to(&browser, THIRD);
    browser.open(&site.url("/shelf"));
    choose(&browser, "webauthn");
    meets(&browser, "Use your passkey");
    // Whose user is not there to say who they are.
    browser.let_user_be_verified(false);
    browser.click("form[data-passkey] button");
    browser.sees("form[data-passkey] [role=alert]", "did not work");
    browser.assert_accessible("a passkey that failed");
    browser.let_user_be_verified(true);
    browser.click("form[data-passkey] button");
    is_let_in(&browser, "alice", "/shelf");
}

#[test]
fn a_part_of_the_site_wants_a_proof_of_late_whatever_the_risk() {
    let mut part = Table::new();
    part.insert("path_prefix".to_owned(), "/admin".into());
    part.insert("max_age_s".to_owned(), 300.into());
    let Some(site) = Site::start(|settings| settings.push("hooks.step_up", part.clone())) else { return };
    let app = site.with_app("alice");
    let browser = site.browser(HOME);
    site.enter(&browser, "alice", "/");
    is_let_in(&browser, "alice", "/");
    browser.open(&site.url("/admin/users"));
    meets(&browser, "Confirm that it’s you");
    choose(&browser, "totp");
    answer(&browser, &app.code(1));
    is_let_in(&browser, "alice", "/admin/users");
    browser.open(&site.url("/admin/"));
    is_let_in(&browser, "alice", "/admin/");
    browser.forget_cookies();
    browser.open(&site.url("/admin/"));
    meets(&browser, "Confirm that it’s you");
}

/// **Source:** mfa.md, scenarios 1a to 3.
#[test]
fn a_new_account_is_led_through_what_its_scenario_shows() {
    let (email, phone) = (json!({"email": "bob@example.org"}), json!({"phone": "+819012345678"}));
    let mut browser = None;
    for (scenario, factors, verified) in [
        ("1a", vec!["sms", "backup_code"], &email),
        ("1b", vec!["sms", "webauthn", "totp", "backup_code"], &email),
        ("2", vec!["sms", "backup_code"], &phone),
        ("3", vec!["sms", "webauthn", "totp", "backup_code"], &phone),
    ] {
        let factors: Vec<String> = factors.into_iter().map(str::to_owned).collect();
        let bound = vec!["sms".to_owned()];
        let site = Site::start(|settings| {
            settings.set("mfa.factors", factors.clone()).set("mfa.bind_verified", bound.clone())
        });
        let Some(site) = site else { return };
        let browser = browser.get_or_insert_with(|| Browser::start(CHROME));
        move_to(browser, HOME);
        let arrival = json!({
            "user": {"id": "bob"}, "event": "sign_up", "verified": verified, "return_to": site.url("/welcome"),
        });
        let told = crate::support::json_of(&site.askance.main().post("/v1/mfa/onboard", &arrival));
        browser.open(told["page"].as_str().unwrap_or_else(|| panic!("{scenario}: {told}")));
        match scenario {
            "1a" | "1b" => {
                meets(browser, "Protect your account");
                choose(browser, "sms");
                meets(browser, "Add your phone number");
                browser.write("input[name=phone_number]", "+81 90-1234-5678");
                browser.click("form:has(input[name=phone_number]) button");
                meets(browser, "Type the code that we sent");
                answer(browser, &site.provider.code("+819012345678"));
            }
            "2" => {
                meets(browser, "Get backup codes");
                browser.click("form:has([name=do][value=codes]) button");
            }
            _ => {
                meets(browser, "Add another way?");
                browser.click("form:has([name=do][value=skip]) button");
                meets(browser, "Get backup codes");
                browser.click("form:has([name=do][value=codes]) button");
            }
        }
        meets(browser, "Save your backup codes");
        keep_codes(browser);
        browser.sees("h1", "Welcome");
        assert_eq!(browser.url(), site.url("/welcome"), "{scenario}");
        browser.forget_cookies();
    }
}
