//! `POST /v1/score`: the request; and a line of `POST /v1/import`, which has two members more.

use super::super::error::Failure;
use super::claims::{Attributes, Groups};
use super::members::{Into, Members, names, text, text_or_null};
use super::{Object, Text, Whole, Word};
use crate::clock::Timestamp;
use crate::event::{ClientHints, ClientIp, Edge, FactorSet, FirstFactor, Flow, GivenLocation, LoginEvent, User};
use crate::memory::decisions::LoginResult;
use crate::units::{Coordinates, CountryCode, Kilometres};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The body. Members that are not known are refused, so that a typo never weakens a decision. In a box, so that what is read stays
/// where it is.
#[derive(Debug)]
pub(in crate::server) struct LoginBody<'a>(Box<Login<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for LoginBody<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut login = Box::<Login<'a>>::default();
        Into(&mut *login).deserialize(deserializer)?;
        Ok(Self(login))
    }
}

#[derive(Debug, Default)]
struct Login<'a> {
    user: Option<UserBody<'a>>,
    ip: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
    client_hints: Option<Object<HintsBody<'a>>>,
    device_token: Option<Cow<'a, str>>,
    device_id: Option<Cow<'a, str>>,
    location: Option<&'a RawValue>,
    edge: Option<Object<EdgeBody<'a>>>,
    flow: Flow,
    first_factor: FirstFactor,
    remembered_browser: bool,
    session_id: Option<Cow<'a, str>>,
    client_id: Option<Cow<'a, str>>,
    tenant: Option<Cow<'a, str>>,
    attributes: Option<Attributes<'a>>,
    time: Option<Cow<'a, str>>,
    result: Option<LoginResult>,
    mfa_passed: Option<bool>,
}

names!(LoginName {
    User = "user",
    Ip = "ip",
    UserAgent = "user_agent",
    ClientHints = "client_hints",
    DeviceToken = "device_token",
    DeviceId = "device_id",
    Location = "location",
    Edge = "edge",
    Flow = "flow",
    FirstFactor = "first_factor",
    RememberedBrowser = "remembered_browser",
    SessionId = "session_id",
    ClientId = "client_id",
    Tenant = "tenant",
    Time = "time",
    Attributes = "attributes",
    Result = "result",
    MfaPassed = "mfa_passed",
});

impl<'de: 'a, 'a> Members<'de> for Login<'a> {
    type Name = LoginName;

    fn take<A: MapAccess<'de>>(&mut self, name: LoginName, map: &mut A) -> Result<(), A::Error> {
        match name {
            LoginName::User => map.next_value_seed(Into(self.user.insert(UserBody::default())))?,
            LoginName::Ip => self.ip = text(map, 0..=usize::MAX)?,
            LoginName::UserAgent => self.user_agent = text_or_null(map, 0..=4096)?,
            LoginName::ClientHints => self.client_hints = map.next_value()?,
            LoginName::DeviceToken => self.device_token = text_or_null(map, 0..=1024)?,
            LoginName::DeviceId => self.device_id = text_or_null(map, 1..=256)?,
            LoginName::Location => self.location = map.next_value()?,
            LoginName::Edge => self.edge = map.next_value()?,
            LoginName::Flow => self.flow = map.next_value::<Word<Flow>>()?.0,
            LoginName::FirstFactor => self.first_factor = map.next_value::<Word<FirstFactor>>()?.0,
            LoginName::RememberedBrowser => self.remembered_browser = map.next_value()?,
            LoginName::SessionId => self.session_id = text_or_null(map, 0..=256)?,
            LoginName::ClientId => self.client_id = text_or_null(map, 0..=256)?,
            LoginName::Tenant => self.tenant = text_or_null(map, 1..=256)?,
            LoginName::Time => self.time = text_or_null(map, 0..=64)?,
            LoginName::Attributes => self.attributes = map.next_value()?,
            LoginName::Result => self.result = map.next_value::<Option<Word<LoginResult>>>()?.map(|word| word.0),
            LoginName::MfaPassed => self.mfa_passed = map.next_value()?,
        }
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        match (&self.user, &self.ip) {
            (None, _) => Some("user"),
            (_, None) => Some("ip"),
            (Some(_), Some(_)) => None,
        }
    }
}

#[derive(Debug, Default)]
struct UserBody<'a> {
    id: Option<Cow<'a, str>>,
    email: Option<Cow<'a, str>>,
    email_verified: Option<bool>,
    phone_number: Option<Cow<'a, str>>,
    phone_region: Option<Cow<'a, str>>,
    enrolled: Option<FactorSet>,
    groups: Option<Groups<'a>>,
    created_at: Option<Cow<'a, str>>,
    phone_changed_at: Option<Cow<'a, str>>,
    email_changed_at: Option<Cow<'a, str>>,
}

names!(UserName {
    Id = "id",
    Email = "email",
    EmailVerified = "email_verified",
    PhoneNumber = "phone_number",
    PhoneRegion = "phone_region",
    EnrolledFactors = "enrolled_factors",
    CreatedAt = "created_at",
    PhoneChangedAt = "phone_changed_at",
    EmailChangedAt = "email_changed_at",
    Groups = "groups",
});

impl<'de: 'a, 'a> Members<'de> for UserBody<'a> {
    type Name = UserName;

    fn take<A: MapAccess<'de>>(&mut self, name: UserName, map: &mut A) -> Result<(), A::Error> {
        match name {
            UserName::Id => self.id = text(map, 1..=256)?,
            UserName::Email => self.email = text_or_null(map, 0..=1024)?.filter(|email| !email.is_empty()),
            UserName::EmailVerified => self.email_verified = map.next_value()?,
            UserName::PhoneNumber => self.phone_number = text_or_null(map, 0..=usize::MAX)?,
            UserName::PhoneRegion => self.phone_region = text_or_null(map, 0..=usize::MAX)?,
            UserName::EnrolledFactors => {
                self.enrolled = map.next_value::<Option<Factors>>()?.map(|factors| factors.0);
            }
            UserName::CreatedAt => self.created_at = text_or_null(map, 0..=usize::MAX)?,
            UserName::PhoneChangedAt => self.phone_changed_at = text_or_null(map, 0..=usize::MAX)?,
            UserName::EmailChangedAt => self.email_changed_at = text_or_null(map, 0..=usize::MAX)?,
            UserName::Groups => self.groups = map.next_value()?,
        }
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        self.id.is_none().then_some("id")
    }
}

/// Model and version of the platform are taken so that a caller can pass on what it has, and not read: browsers send them
/// when asked to, from the second request on, and a family made of them would differ between two logins on one device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HintsBody<'a> {
    #[serde(borrow, rename = "sec-ch-ua")]
    brands: Option<Text<'a, 0, 1024>>,
    #[serde(rename = "sec-ch-ua-platform")]
    platform: Option<Text<'a, 0, 256>>,
    #[serde(rename = "sec-ch-ua-platform-version")]
    _platform_version: Option<Text<'a, 0, 256>>,
    #[serde(rename = "sec-ch-ua-mobile")]
    mobile: Option<Text<'a, 0, 256>>,
    #[serde(rename = "sec-ch-ua-model")]
    _model: Option<Text<'a, 0, 256>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeBody<'a> {
    bot_score: Option<Whole<99>>,
    #[serde(default)]
    verified_bot: bool,
    asn: Option<Whole<{ u32::MAX }>>,
    #[serde(borrow)]
    as_organization: Option<Text<'a, 0, 256>>,
}

/// The members are of any type: what is not valid is dropped, not refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocationBody<'a> {
    #[serde(borrow)]
    latitude: Option<&'a RawValue>,
    longitude: Option<&'a RawValue>,
    accuracy_radius_km: Option<&'a RawValue>,
    country: Option<&'a RawValue>,
}

/// A set that is written as an array.
#[derive(Debug)]
struct Factors(FactorSet);

impl<'de> Deserialize<'de> for Factors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Factors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of factors")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Factors, A::Error> {
                let mut set = FactorSet::EMPTY;
                while let Some(Word(factor)) = entries.next_element()? {
                    set = set.with(factor);
                }
                Ok(Factors(set))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

/// What judging a login does not need, and asking for a factor does.
#[derive(Debug)]
pub(in crate::server) struct Aside {
    pub(in crate::server) email: Option<String>,
    pub(in crate::server) session: Option<String>,
    /// The caller says what factors the user has.
    pub(in crate::server) names_factors: bool,
}

/// What the caller of a request is trusted with, and when it came.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Reception {
    pub(in crate::server) now: Timestamp,
    pub(in crate::server) is_edge_trusted: bool,
}

impl<'a> LoginBody<'a> {
    /// The tenant, for which the caller may not be allowed to act.
    pub(in crate::server) fn tenant(&self) -> &str {
        self.0.tenant.as_deref().unwrap_or("default")
    }

    /// The user, as far as is needed to find out what factors they have.
    pub(in crate::server) fn user_id(&self) -> &str {
        self.0.user.as_ref().and_then(|user| user.id.as_deref()).unwrap_or_default()
    }

    /// What only asking for a factor needs to know.
    pub(in crate::server) fn aside(&self) -> Aside {
        let user = self.0.user.as_ref();
        let session = self.0.session_id.as_deref().filter(|id| !id.is_empty());
        Aside {
            email: user.and_then(|user| user.email.as_deref()).map(str::to_owned),
            session: session.map(str::to_owned),
            names_factors: user.is_some_and(|user| user.enrolled.is_some()),
        }
    }

    /// The two ends of `body`, which this was parsed from, around the value of `time`: what a retry repeats byte by byte.
    /// `None` without a `session_id`; an empty one names no session.
    pub(in crate::server) fn retry_parts<'b>(&self, body: &'b [u8]) -> Option<[&'b [u8]; 2]> {
        self.0.session_id.as_ref().filter(|id| !id.is_empty())?;
        let time = match &self.0.time {
            None => None,
            Some(Cow::Borrowed(text)) => position(body, text),
            // With escapes in it, which some libraries write for a plus sign, it was copied out.
            Some(Cow::Owned(_)) => serde_json::from_slice::<OnlyTime<'_>>(body).ok()?.position(body),
        };
        let time = time.unwrap_or(0..0);
        Some([&body[..time.start], &body[time.end..]])
    }

    /// For a login that is to be judged: what only the past has is not known here.
    pub(in crate::server) fn of_the_present(self) -> Result<Self, Failure> {
        let past = [("result", self.0.result.is_some()), ("mfa_passed", self.0.mfa_passed.is_some())];
        match past.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Failure::invalid(field, format!("unknown field `{field}`"))),
            None => Ok(self),
        }
    }

    /// For a login of the past: how it ended, and whether a factor was passed.
    pub(in crate::server) fn of_the_past(&self) -> Result<(LoginResult, bool), Failure> {
        let missing = |field: &str| Failure::invalid(field, format!("missing field `{field}`"));
        let result = self.0.result.ok_or_else(|| missing("result"))?;
        if self.0.time.is_none() {
            return Err(missing("time"));
        }
        Ok((result, self.0.mfa_passed.unwrap_or(false)))
    }

    /// For a line of a log: how the first factor ended. What a replay decides anew is not known here.
    pub(in crate::server) fn of_a_log(&self) -> Result<LoginResult, Failure> {
        if self.0.time.is_none() {
            return Err(Failure::invalid("time", "missing field `time`"));
        }
        if self.0.mfa_passed.is_some() {
            return Err(Failure::invalid("mfa_passed", "unknown field `mfa_passed`"));
        }
        match self.0.result {
            None => Ok(LoginResult::Success),
            Some(LoginResult::Abandoned) => Err(Failure::invalid("result", "must be `success` or `failure`")),
            Some(result) => Ok(result),
        }
    }

    /// The login, valid from here on.
    pub(in crate::server) fn into_event(self, reception: Reception) -> Result<LoginEvent<'a>, Failure> {
        let login = *self.0;
        if login.flow == Flow::ClientCredentials {
            return Err(Failure::NoEndUser);
        }
        let time = timestamp("time", login.time.as_deref())?.unwrap_or(reception.now);
        let location = login.location.map_or(Ok(GivenLocation::Absent), given_location)?;
        let edge = login.edge.map(|edge| edge.0.into_edge());
        let edge_ignored = !reception.is_edge_trusted && (edge.is_some() || location != GivenLocation::Absent);
        Ok(LoginEvent {
            tenant: login.tenant.unwrap_or("default".into()),
            user: login.user.unwrap_or_default().into_user()?,
            ip: ClientIp::parse(login.ip.unwrap_or_default()),
            user_agent: login.user_agent,
            client_hints: login.client_hints.map(|Object(hints)| ClientHints {
                brands: hints.brands.map(|text| text.0),
                platform: hints.platform.map(|text| text.0),
                mobile: hints.mobile.map(|text| text.0),
            }),
            device_token: login.device_token,
            device_id: login.device_id,
            client_id: login.client_id,
            attributes: login.attributes.unwrap_or_default().0,
            location: if edge_ignored { GivenLocation::Absent } else { location },
            edge: edge.filter(|_| !edge_ignored).unwrap_or_default(),
            edge_ignored,
            flow: login.flow,
            first_factor: login.first_factor,
            remembered_browser: login.remembered_browser,
            time,
        })
    }
}

/// Looks for `time` alone, in a body that is known to be good.
#[derive(Deserialize)]
struct OnlyTime<'a> {
    #[serde(borrow)]
    time: Option<&'a RawValue>,
}

impl OnlyTime<'_> {
    fn position(&self, body: &[u8]) -> Option<Range<usize>> {
        position(body, self.time?.get())
    }
}

/// Where `part`, which was borrowed from `body`, stands in it.
fn position(body: &[u8], part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some(start..start + part.len()).filter(|range| range.end <= body.len())
}

impl<'a> UserBody<'a> {
    fn into_user(self) -> Result<User<'a>, Failure> {
        let time = |field, text: Option<Cow<'_, str>>| timestamp(field, text.as_deref());
        let region = |text: Cow<'_, str>| {
            CountryCode::new(&text)
                .ok_or_else(|| Failure::invalid("user.phone_region", "must be two letters of ISO 3166-1"))
        };
        Ok(User {
            id: self.id.unwrap_or_default(),
            has_email: self.email.is_some(),
            email_verified: self.email_verified,
            phone_number: self.phone_number,
            phone_region: self.phone_region.map(region).transpose()?,
            enrolled: self.enrolled.unwrap_or_default(),
            groups: self.groups.unwrap_or_default().0,
            created_at: time("user.created_at", self.created_at)?,
            phone_changed_at: time("user.phone_changed_at", self.phone_changed_at)?,
            email_changed_at: time("user.email_changed_at", self.email_changed_at)?,
        })
    }
}

impl<'a> EdgeBody<'a> {
    fn into_edge(self) -> Edge<'a> {
        Edge {
            bot_score: self.bot_score.and_then(|score| u8::try_from(score.0).ok()),
            verified_bot: self.verified_bot,
            // 0 is no autonomous system (RFC 7607).
            asn: self.asn.map(|asn| asn.0).filter(|asn| *asn != 0),
            as_organization: self.as_organization.map(|text| text.0),
        }
    }
}

fn timestamp(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    text.map(|text| {
        Timestamp::parse(text).ok_or_else(|| Failure::invalid(field, "must be an RFC 3339 time from 1970 to 2105"))
    })
    .transpose()
}

/// A typo in a name is refused like everywhere; a value that is none is dropped, and GeoIP asked instead.
fn given_location(raw: &RawValue) -> Result<GivenLocation, Failure> {
    let text = raw.get();
    if text == "null" {
        return Ok(GivenLocation::Absent);
    }
    if !text.starts_with('{') {
        return Ok(GivenLocation::Invalid);
    }
    let Object(body): Object<LocationBody<'_>> =
        super::parse(text.as_bytes()).map_err(|failure| failure.under("location"))?;
    Ok(valid_location(&body).unwrap_or(GivenLocation::Invalid))
}

fn valid_location(body: &LocationBody<'_>) -> Option<GivenLocation> {
    // Only a JSON number parses as one here: texts have their quotes, and `NaN` is no JSON.
    let number = |raw: &RawValue| raw.get().parse::<f64>().ok();
    let at = Coordinates::new(number(body.latitude?)?, number(body.longitude?)?)?;
    let radius = match body.accuracy_radius_km {
        None => None,
        Some(raw) if raw.get() == "null" => None,
        Some(raw) => Some(Kilometres::new(number(raw)?)?),
    };
    let country = body.country.and_then(|raw| serde_json::from_str::<&str>(raw.get()).ok()).and_then(CountryCode::new);
    Some(GivenLocation::Valid { at, radius, country })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Scalar;
    use proptest::prelude::*;

    const BODY: &str = r#"{"user":{"id":"a","email":"a@example.org","phone_number":"+819012345678","enrolled_factors":["totp"],
        "created_at":"2026-01-01T00:00:00Z","groups":["x"]},"ip":"81.2.69.142","user_agent":"Mozilla/5.0 \u00e9",
        "client_hints":{"sec-ch-ua":"\"Chromium\";v=\"131\""},"device_id":"d","edge":{"bot_score":29,"asn":64500},
        "location":{"latitude":51.5,"longitude":-0.1,"accuracy_radius_km":1e999,"country":"GB"},"flow":"pkce",
        "attributes":{"a":1,"b":null},"time":"2026-01-01T00:00:00+02:00","tenant":"default"}"#;

    fn event(body: &[u8]) -> Result<bool, Failure> {
        let Object(login): Object<LoginBody<'_>> = crate::server::wire::parse(body)?;
        let reception = Reception { now: Timestamp::from_unix_s(1_790_000_000), is_edge_trusted: true };
        login.into_event(reception).map(|event| event.location == GivenLocation::Invalid)
    }

    #[test]
    fn a_number_too_large_for_a_coordinate_is_dropped_not_refused() {
        assert_eq!(event(BODY.as_bytes()), Ok(true));
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        let body = BODY.replace("29", "29.0").replace("64500", "6.45e4");
        assert_eq!(event(body.as_bytes()), Ok(true));
    }

    #[test]
    fn what_only_rules_read_comes_through() -> Result<(), Failure> {
        let body = BODY
            .replace(r#""a":1,"b":null"#, r#""a":1,"b":null,"c":true,"d":-1.5,"e":"\u00e9","f":18446744073709551615"#);
        let Object(login): Object<LoginBody<'_>> = crate::server::wire::parse(body.as_bytes())?;
        let reception = Reception { now: Timestamp::from_unix_s(0), is_edge_trusted: false };
        let event = login.into_event(reception)?;
        assert_eq!(event.user.groups, ["x"]);
        let attributes = [
            ("a".into(), Scalar::Integer(1)),
            ("c".into(), Scalar::Bool(true)),
            ("d".into(), Scalar::Number(-1.5)),
            ("e".into(), Scalar::Text("é".into())),
            ("f".into(), Scalar::Number(18_446_744_073_709_551_615.0)),
        ];
        assert_eq!(event.attributes, attributes);
        Ok(())
    }

    #[test]
    fn a_wrong_member_is_named_by_its_path() {
        for (good, bad, field) in [
            (r#""id":"a""#, r#""id":"""#, "user.id"),
            (r#""id":"a","#, "", "user.id"),
            (r#""totp""#, r#""totp","otp""#, "user.enrolled_factors[1]"),
            (r#""groups":["x"]"#, r#""groups":[1]"#, "user.groups[0]"),
            (r#""bot_score":29"#, r#""bot_score":100"#, "edge.bot_score"),
            (r#""bot_score":29"#, r#""bot_score":29.5"#, "edge.bot_score"),
            (r#""asn":64500"#, r#""asn":4294967296.0"#, "edge.asn"),
            (r#""latitude""#, r#""lattitude""#, "location.lattitude"),
            (r#""flow":"pkce""#, r#""flow":"pkec""#, "flow"),
            (r#""b":null"#, r#""b":[]"#, "attributes.b"),
            (r#""b":null"#, r#""a":2"#, "attributes.a"),
            (r#""tenant":"default""#, r#""tenant":"default","colour":1"#, "colour"),
            (r#""tenant":"default""#, r#""tenant":"default","co`lo`ur":1"#, "co`lo`ur"),
            (r#""id":"a""#, r#""id":"a","co`lour":1"#, "user.co`lour"),
        ] {
            let failed = event(BODY.replace(good, bad).as_bytes());
            let named = matches!(&failed, Err(Failure::Invalid { field: Some(named), .. }) if named == field);
            assert!(named, "{field}: {failed:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _event = event(&bytes);
        }

        #[test]
        fn any_damage_is_parsed_or_refused(
            at in 0..BODY.len(), length in 0..40_usize, with in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,20}",
        ) {
            let end = (at + length).min(BODY.len());
            let damaged = [&BODY.as_bytes()[..at], with.as_bytes(), &BODY.as_bytes()[end..]].concat();
            let _event = event(&damaged);
        }
    }
}
