//! A browser as a test uses it: what is seen on a page, and what is done there. Nothing is slept for: what has to be there is looked for
//! until it is.

use super::driver::{Refused, Session};
use crate::support::eventually;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

/// **Source:** W3C WebDriver, section 12.1: the name of the member that holds an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser.
#[derive(Debug)]
pub(crate) struct Browser {
    session: Session,
    /// Whether pages may run theirs.
    pub(crate) has_scripts: bool,
    authenticator: Option<String>,
    /// Titles of pages that axe-core has looked at: half a second each.
    looked_at: RefCell<HashSet<String>>,
}

impl Browser {
    pub(crate) fn start(agent: &str) -> Self {
        let session = Session::start(&json!({}), &[format!("--user-agent={agent}"), "--accept-lang=en".to_owned()]);
        Self { session, has_scripts: true, authenticator: None, looked_at: RefCell::default() }
    }

    /// One whose user has switched scripts off, and reads this language.
    pub(crate) fn without_scripts(agent: &str, language: &str) -> Self {
        let preferences = json!({"profile.managed_default_content_settings.javascript": 2});
        let arguments = [format!("--user-agent={agent}"), format!("--accept-lang={language}")];
        Self {
            session: Session::start(&preferences, &arguments),
            has_scripts: false,
            authenticator: None,
            looked_at: RefCell::default(),
        }
    }

    /// What is sent with every request from now on, as a network or a proxy adds it.
    pub(crate) fn send_headers(&self, headers: &Value) {
        self.devtools("Network.enable", &json!({}));
        self.devtools("Network.setExtraHTTPHeaders", &json!({"headers": headers}));
    }

    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.session.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    pub(crate) fn open(&self, url: &str) {
        self.session.post("/url", &json!({"url": url}));
    }

    pub(crate) fn url(&self) -> String {
        self.session.get("/url").as_str().expect("a page has an address").to_owned()
    }

    /// The text of the first element; none while there is none.
    pub(crate) fn text(&self, selector: &str) -> Option<String> {
        let element = self.element(selector)?;
        let text = passing(self.session.try_get(&format!("/element/{element}/text")))?;
        Some(text.as_str().expect("an element has a text").to_owned())
    }

    /// An attribute of the first element that there is sooner or later.
    pub(crate) fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let told = eventually(&format!("{selector} with {name}"), || {
            let element = self.element(selector)?;
            passing(self.session.try_get(&format!("/element/{element}/attribute/{name}")))
        });
        told.as_str().map(str::to_owned)
    }

    /// The text of the first such element that has one, as soon as there is one.
    pub(crate) fn awaits(&self, selector: &str) -> String {
        eventually(&format!("{selector} with a text"), || self.text(selector).filter(|text| !text.trim().is_empty()))
    }

    /// Waits until the first such element says this.
    pub(crate) fn sees(&self, selector: &str, said: &str) {
        eventually(&format!("{selector} says {said:?}"), || self.text(selector)?.contains(said).then_some(()));
    }

    pub(crate) fn click(&self, selector: &str) {
        self.act(selector, "click", &json!({}));
    }

    pub(crate) fn write(&self, selector: &str, text: &str) {
        self.act(selector, "value", &json!({"text": text}));
    }

    /// Does something with an element, as soon as it is there and can be done with.
    fn act(&self, selector: &str, action: &str, body: &Value) {
        eventually(&format!("{selector} to {action}"), || {
            let element = self.element(selector)?;
            passing(self.session.try_post(&format!("/element/{element}/{action}"), body))
        });
    }

    /// What a script gives back; it runs with arguments, whatever the page allows of its own.
    pub(crate) fn script(&self, script: &str, arguments: &Value) -> Value {
        self.session.post("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    pub(crate) fn cookies(&self) -> Vec<Value> {
        self.session.get("/cookie").as_array().expect("a list").clone()
    }

    pub(crate) fn forget_cookies(&self) {
        self.session.delete("/cookie");
    }

    /// What the user's system prefers: `light` or `dark`.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// An authenticator in the browser's own machine. Its user always agrees, and may be known by a finger.
    pub(crate) fn plug_in_authenticator(&mut self) {
        let authenticator = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "isUserConsenting": true,
        });
        let id = self.session.post("/webauthn/authenticator", &authenticator);
        self.authenticator = id.as_str().map(str::to_owned);
    }

    pub(crate) fn let_user_be_verified(&self, is_verified: bool) {
        let id = self.authenticator.as_deref().expect("an authenticator is plugged in");
        self.session.post(&format!("/webauthn/authenticator/{id}/uv"), &json!({"isUserVerified": is_verified}));
    }

    /// Looks at what is in the first frame.
    pub(crate) fn enter_frame(&self) {
        self.session.post("/frame", &json!({"id": 0}));
    }

    pub(crate) fn leave_frame(&self) {
        self.session.post("/frame", &json!({"id": null}));
    }

    /// Fails where axe-core finds something of weight on the page, unless it has looked at one of this name.
    pub(crate) fn assert_accessible(&self, name: &str) {
        if !self.has_scripts || !self.looked_at.borrow_mut().insert(name.to_owned()) {
            return;
        }
        let Some(axe) = axe() else { return };
        eventually("the page is there with its style", || {
            (self.script("return document.readyState", &json!([])) == "complete").then_some(())
        });
        let run = "const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ['violations']}).then((found) => done(found.violations
                .filter((one) => ['serious', 'critical'].includes(one.impact))
                .map((one) => `${one.id} (${one.impact}): ${one.nodes.map((node) => node.html).join(' ')}`)), (error) => done([`${error}`]));";
        let script = format!("{axe}\n{run}");
        let found = self.session.post("/execute/async", &json!({"script": script, "args": []}));
        assert_eq!(found, json!([]), "{}", self.url());
    }

    fn element(&self, selector: &str) -> Option<String> {
        let found = passing(self.session.try_post("/element", &json!({"using": "css selector", "value": selector})))?;
        Some(found[ELEMENT].as_str().expect("an element has an id").to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the browser is at {} ---", self.session.try_get("/url").unwrap_or_default());
            eprintln!("{}\n---", self.session.try_get("/source").unwrap_or_default());
        }
    }
}

/// None for what passes by itself: an element that is not there yet, or not any more, or not ready.
fn passing(told: Result<Value, Refused>) -> Option<Value> {
    const PASSING: [&str; 6] = [
        "no such element",
        "stale element reference",
        "element not interactable",
        "element click intercepted",
        "detached shadow root",
        // A page on a busy machine is not drawn yet.
        "timeout",
    ];
    /// What the driver says of an element that goes away between its look for it and its question about it.
    const GONE: &str = "does not belong to the document";
    match told {
        Ok(value) => Some(value),
        Err(refused) if PASSING.contains(&&*refused.error) || refused.message.contains(GONE) => None,
        Err(refused) => panic!("{refused}"),
    }
}

/// The source of axe-core, where `scripts/test` has put it. None on a machine without it, whose owner said so.
fn axe() -> Option<String> {
    let packages = std::env::var_os("ASKANCE_EXAMPLE_PACKAGES");
    let path = packages.map(|packages| Path::new(&packages).join("axe-core/node_modules/axe-core/axe.min.js"));
    let source = path.and_then(|path| std::fs::read_to_string(path).ok());
    let is_skipped = std::env::var_os("ASKANCE_SKIP_PEERS").is_some();
    assert!(
        source.is_some() || is_skipped,
        "ASKANCE_EXAMPLE_PACKAGES has no axe-core, and ASKANCE_SKIP_PEERS is not set"
    );
    source
}
