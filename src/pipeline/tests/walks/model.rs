//! What the contract says of a device cookie, by the order of logins alone: no cookie is read here, and no history.

use std::collections::{BTreeMap, HashSet};

/// From where somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whence {
    /// The user's network, with a browser of the user's family.
    Home,
    /// Another network, with a browser of the user's family.
    OtherNetwork,
    /// The user's network, with a browser of another family.
    OtherFamily,
}

/// A cookie as it was handed out: the how-manieth of which device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Token {
    pub(super) device: usize,
    pub(super) number: usize,
}

/// What is known of a device: the last of its tokens that anybody brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Brought {
    number: usize,
    first_at_s: u32,
    first_from: Whence,
    used_s: u32,
}

/// What should be known, and who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Model {
    pub(super) now_s: u32,
    /// What the user's browser holds.
    pub(super) jar: Token,
    /// What the second tab took from it before its request went out.
    pub(super) tab: Token,
    /// What the thief holds.
    pub(super) stolen: Option<Token>,
    /// Nobody was caught so far.
    pub(super) is_clean: bool,
    devices: BTreeMap<usize, Brought>,
}

const GRACE_S: u32 = 60;
const WINDOW_S: u32 = 30 * 86_400;

impl Model {
    /// A browser that was just given the first cookie of a device, by a login that was completed.
    pub(super) fn new(now_s: u32, jar: Token) -> Self {
        let mut new = Self { now_s, jar, tab: jar, stolen: None, is_clean: true, devices: BTreeMap::new() };
        new.learn(jar, Whence::Home, true);
        new
    }

    /// Whether this token, brought now, is a copy for certain: a later one of the device was brought before, and this is not
    /// the other tab of that browser.
    pub(super) fn is_copy(&self, token: Token, whence: Whence) -> bool {
        self.devices.get(&token.device).is_some_and(|last| {
            let is_second_tab =
                token.number + 1 == last.number && self.now_s <= last.first_at_s + GRACE_S && whence == last.first_from;
            token.number < last.number && !is_second_tab
        })
    }

    /// Whether the device of this token is one of the user's.
    pub(super) fn knows(&self, token: Token) -> bool {
        self.devices.get(&token.device).is_some_and(|last| self.now_s <= last.used_s + WINDOW_S)
    }

    /// What a login with this token leaves behind.
    pub(super) fn learn(&mut self, token: Token, whence: Whence, completed: bool) {
        let brought = Brought { number: token.number, first_at_s: self.now_s, first_from: whence, used_s: self.now_s };
        if completed {
            self.devices.entry(token.device).or_insert(brought);
        }
        let Some(last) = self.devices.get_mut(&token.device) else { return };
        if token.number > last.number {
            *last = Brought { used_s: last.used_s, ..brought };
        }
        if completed {
            last.used_s = self.now_s;
        }
    }

    /// A device of which there are two.
    pub(super) fn forget(&mut self, token: Token) {
        self.devices.remove(&token.device);
        self.is_clean = false;
    }

    pub(super) fn devices(&self) -> usize {
        self.devices.len()
    }

    /// The thief and the user hold cookies of one device, which both may use.
    pub(super) fn is_shared(&self) -> bool {
        self.stolen.is_some_and(|stolen| stolen.device == self.jar.device && self.knows(stolen))
    }
}

/// The texts of all cookies: each is made once, and of one token always the same.
#[derive(Debug, Default)]
pub(super) struct Texts {
    devices: Vec<Vec<String>>,
    all: HashSet<String>,
}

impl Texts {
    pub(super) fn of(&self, token: Token) -> &str {
        &self.devices[token.device][token.number - 1]
    }

    /// The first cookie of a device that was not there before.
    pub(super) fn fresh(&mut self, text: &str) -> Token {
        assert!(self.all.insert(text.to_owned()), "a new device has a cookie that was there before");
        self.devices.push(vec![text.to_owned()]);
        Token { device: self.devices.len() - 1, number: 1 }
    }

    /// The cookie that follows a token: the same, however often and by whomever the token was brought.
    pub(super) fn successor(&mut self, token: Token, text: &str) -> Token {
        let of_device = &mut self.devices[token.device];
        match of_device.get(token.number) {
            Some(known) => assert_eq!(known, text, "two tabs get different cookies"),
            None => {
                assert!(self.all.insert(text.to_owned()), "a cookie is followed by one that was there before");
                of_device.push(text.to_owned());
            }
        }
        Token { number: token.number + 1, ..token }
    }
}
