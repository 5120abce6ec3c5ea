//! Texts within requests.

use askance::clock::Timestamp;
use askance::context::agent::Agents;
use askance::context::phone::{Phone, Phones};
use askance::device_token::{DeviceToken, TokenKeys};
use askance::event::ClientHints;
use askance::units::CountryCode;
use std::sync::LazyLock;

/// A byte that says how many users share the browser, a byte that names their tokens, and then what is done to the text of
/// their cookie, byte by byte: it is added. What lies beyond the text is appended.
///
/// A cookie that anything was done to is none; one that nothing was done to holds the last four of its users, and theirs go
/// on. Bytes that were not made here never read as a cookie.
pub fn device_cookie(bytes: &[u8]) {
    static KEYS: LazyLock<Option<TokenKeys>> = LazyLock::new(|| TokenKeys::new(&[[1; 32], [2; 32]]));
    let Some(keys) = &*KEYS else { panic!("there are secrets") };
    assert_eq!(keys.read(&String::from_utf8_lossy(bytes)), None, "these bytes were made elsewhere");
    let [users, first, change @ ..] = bytes else { return };
    let users = usize::from(*users) % 7;
    let tokens: Vec<_> =
        (0..users).map(|user| DeviceToken { device: 7 << user, generation: (*first).into() }).collect();
    let mut cookie = None;
    let mut text = Vec::new();
    for (user, token) in tokens.iter().enumerate() {
        let written = keys.write(cookie.as_ref(), "default", &user.to_string(), *token);
        text = written.as_str().into();
        cookie = keys.read(written.as_str());
        assert!(cookie.is_some(), "a cookie of ours is none");
    }
    let is_changed = change.iter().any(|added| *added != 0) || change.len() > text.len();
    for (at, added) in change.iter().enumerate() {
        match text.get_mut(at) {
            Some(byte) => *byte = byte.wrapping_add(*added),
            None => text.push(*added),
        }
    }
    let read = std::str::from_utf8(&text).ok().and_then(|text| keys.read(text));
    if is_changed || users == 0 {
        return assert_eq!(read, None, "a cookie that was changed is one");
    }
    assert_eq!(read, cookie);
    for (user, token) in tokens.iter().enumerate() {
        let find = |tenant: &str| read.as_ref().and_then(|read| keys.find(read, tenant, &user.to_string()));
        assert_eq!(find("default"), Some(*token).filter(|_| user + 4 >= users), "user {user} of {users}");
        assert_eq!(find("other"), None, "a token of another tenant");
    }
}

/// A time: what is read prints as a time that reads the same, in the one form that is ours; and it is a time of its own.
pub fn time(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(time) = Timestamp::parse(text) else { return };
    assert!(text.len() >= 20, "{text:?} is a time");
    let printed = time.to_string();
    assert!(printed.ends_with('Z') && matches!(printed.len(), 20 | 24), "{printed}");
    assert_eq!(Timestamp::parse(&printed), Some(time), "{printed} is another time");
    assert_eq!(Timestamp::from_unix_ms(time.unix_ms()), Some(time));
    for around in [format!(" {text}"), format!("{text} "), format!("{text}0"), text[1..].to_owned()] {
        assert_ne!(Timestamp::parse(&around), Some(time), "{around:?} is the same time");
    }
}

/// Lines: a number, and the region of a national one.
///
/// It is the same from the cache; what it is in E.164 is that number, if it is valid, wherever it is read.
pub fn phone_number(bytes: &[u8]) {
    static PHONES: LazyLock<Phones> = LazyLock::new(Phones::new);
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let number = lines.next();
    let region = lines.next().and_then(CountryCode::new);
    let found = PHONES.look_up(number, region);
    assert_eq!(PHONES.look_up(number, region), found);
    let Phone::Number(found) = found else { return };
    let digits = found.e164.strip_prefix('+').unwrap_or_default();
    assert!(digits.len() <= 24 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{:?}", found.e164);
    assert!(digits.starts_with(&found.country_code.to_string()), "{found:?}");
    if found.is_valid {
        assert_eq!(PHONES.look_up(Some(&found.e164), None), Phone::Number(found), "it is another number in E.164");
    }
}

/// Lines: brands, platform and mobile as hints, without a user agent.
///
/// What browsers put among the brands lest anybody rely on them changes nothing, wherever it stands; nor do blanks around.
pub fn client_hints(bytes: &[u8]) {
    static AGENTS: LazyLock<Agents> = LazyLock::new(Agents::new);
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let brands = lines.next().unwrap_or_default();
    let [platform, mobile] = [lines.next(), lines.next()].map(|line| line.map(Into::into));
    let look_up = |brands: &str| {
        let hints = ClientHints { brands: Some(brands.into()), platform: platform.clone(), mobile: mobile.clone() };
        AGENTS.look_up(None, Some(&hints))
    };
    let found = look_up(brands);
    assert_eq!(look_up(brands), found);
    assert_eq!(look_up(&format!(r#""Not A;Brand";v="99", {brands}"#)), found, "GREASE in front matters");
    assert_eq!(look_up(&format!("  {brands}")), found, "blanks in front matter");
}
