use super::super::Doors;
use super::super::door::Door;
use super::*;
use hyper::Request;
use hyper::header::HeaderValue;
use std::net::{IpAddr, Ipv4Addr};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

/// The user and the address, or what is wrong.
fn found(lines: &[(&str, &[u8])], peer: IpAddr, settings: &Settings) -> Result<(Option<String>, String), Fault> {
    let mut request = Request::get("/v1/hook/forward");
    for (name, value) in lines {
        request = request.header(*name, HeaderValue::from_bytes(value).expect("a value that can be sent"));
    }
    let (head, ()) = request.body(()).expect("a request that can be made").into_parts();
    let doors = Doors::new(settings);
    let request = doors.read(Door::Forward, &head, peer);
    let Subject { event, is_named, .. } = Subject::of(&request, (settings, None), Timestamp::from_unix_s(1))?;
    Ok((is_named.then(|| event.user.id.clone().into_owned()), event.ip.text().to_owned()))
}

const FROM: (&str, &[u8]) = ("x-forwarded-for", b"81.2.69.142");

#[test]
fn a_user_is_who_a_trusted_proxy_names_once() {
    let strict = Settings::default();
    let lenient = Settings { require_user: false, ..Settings::default() };
    let long = [b'a'; USER_BYTES_MAX + 1];
    for (lines, expected) in [
        (&[FROM, ("remote-user", b"Alice ")][..], Ok("alice")),
        // A composed and a decomposed name are one.
        (&[FROM, ("remote-user", "Jose\u{301}".as_bytes())], Ok("jos\u{e9}")),
        (&[FROM, ("remote-user", "J\u{f6}rg".as_bytes())], Ok("j\u{f6}rg")),
        (&[FROM], Err(Fault::UserMissing)),
        (&[FROM, ("remote-user", b"")], Err(Fault::UserMissing)),
        (&[FROM, ("remote_user", b"alice")], Err(Fault::UserMissing)),
        (&[FROM, ("x-remote-user", b"alice")], Err(Fault::UserMissing)),
        (&[FROM, ("remote-user", b"alice"), ("remote-user", b"alice")], Err(Fault::UserAmbiguous)),
        (&[FROM, ("remote-user", b"\xff")], Err(Fault::UserUnreadable)),
        (&[FROM, ("remote-user", b"al\tice")], Err(Fault::UserUnreadable)),
        (&[FROM, ("remote-user", &long)], Err(Fault::UserUnreadable)),
    ] {
        let named = found(lines, PROXY, &strict).map(|(user, _)| user);
        assert_eq!(named, expected.map(|user| Some(user.to_owned())), "{lines:?}");
        let named = found(lines, PROXY, &lenient).map(|(user, _)| user);
        assert_eq!(named, Ok(expected.ok().map(str::to_owned)), "nobody, where that is allowed: {lines:?}");
        assert_eq!(found(lines, STRANGER, &strict), Err(Fault::UserMissing), "from a stranger: {lines:?}");
    }
    let exact = Settings { user_lowercase: false, ..Settings::default() };
    assert_eq!(
        found(&[FROM, ("remote-user", b"Alice")], PROXY, &exact).map(|(user, _)| user),
        Ok(Some("Alice".to_owned()))
    );
}

#[test]
fn an_address_is_found_or_an_error_and_never_that_of_the_proxy() {
    let settings = Settings { require_user: false, ..Settings::default() };
    for (lines, peer, expected) in [
        (&[FROM][..], PROXY, Ok("81.2.69.142")),
        (&[("x-forwarded-for", b"6.6.6.6, 81.2.69.142".as_slice())], PROXY, Ok("81.2.69.142")),
        (&[("x-forwarded-for", b"nonsense")], PROXY, Ok("unknown")),
        (&[], PROXY, Err(Fault::AddressMissing)),
        (&[("x_forwarded_for", b"6.6.6.6")], PROXY, Err(Fault::AddressMissing)),
        (&[FROM], STRANGER, Ok("203.0.113.5")),
    ] {
        assert_eq!(found(lines, peer, &settings).map(|(_, ip)| ip), expected.map(str::to_owned), "{lines:?}");
    }
}
