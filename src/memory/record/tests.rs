use super::numbers::{Numbered, decider_of_number};
use super::*;
use crate::clock::Timestamp;
use crate::context::agent::{Agent, AgentFamily};
use crate::context::{Grain, Place};
use crate::device_token::{Origin, TokenUse};
use crate::event::{Factor, FactorSet};
use crate::history::Login;
use crate::keyed_hash::{AddressTag, DeviceTag, HashKey, NetworkTag, SourceKey, Sources, UserKey};
use crate::memory::decisions::{ClientTag, Given, IdSource, Name, Pending, Settled};
use crate::signals::Code;
use crate::units::{Coordinates, CountryCode, Kilometres};
use crate::velocity::Visit;
use crate::verdict::DecidedBy;
use crate::verdict::rules::RuleName;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

fn any_of<T: Numbered + std::fmt::Debug + 'static>() -> impl Strategy<Value = T> {
    let all: Vec<T> = (0..=u8::MAX).filter_map(T::of_number).collect();
    prop::sample::select(all)
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..=u32::MAX, 0..1000_i64).prop_filter_map("in range", |(seconds, ms)| {
        Timestamp::from_unix_ms(Timestamp::from_unix_s(seconds).unix_ms() + ms)
    })
}

fn any_place() -> impl Strategy<Value = Place> {
    let letters = option::of("[A-Z]{2}").prop_map(|text| text.and_then(|text| CountryCode::new(&text)));
    (-90.0..=90.0_f64, -180.0..=180.0_f64, 0.0..1e5_f64, any_of(), letters).prop_filter_map(
        "in range",
        |(latitude, longitude, radius, grain, country)| {
            let (at, radius) = (Coordinates::new(latitude, longitude)?, Kilometres::new(radius)?);
            Some(Place { at, radius, grain, country })
        },
    )
}

fn any_login() -> impl Strategy<Value = Login> {
    let origin = option::of(any::<u16>().prop_map(Origin));
    let token = (any::<u64>(), any::<u32>(), origin).prop_map(|(device, generation, origin)| TokenUse {
        device: DeviceTag(device),
        generation,
        origin,
    });
    let agent =
        (any::<u32>(), any::<u16>()).prop_map(|(bits, major)| Agent { family: AgentFamily::from_bits(bits), major });
    let letters = option::of("[A-Z]{2}").prop_map(|text| text.and_then(|text| CountryCode::new(&text)));
    let tags = (option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u32>()), option::of(any::<u32>()));
    let rest = (letters, option::of(any_place()), any::<bool>(), any_of());
    (any_time(), option::of(token), option::of(agent), tags, rest).prop_map(
        |(time, token, agent, (device, address, network, asn), (country, place, is_anonymous, proof))| Login {
            time,
            device: device.map(DeviceTag),
            token,
            agent,
            address: address.map(AddressTag),
            network: network.map(NetworkTag),
            asn,
            country,
            place,
            is_anonymous,
            proof,
        },
    )
}

fn any_decider() -> impl Strategy<Value = DecidedBy> {
    let ours: Vec<DecidedBy> = (0..=u8::MAX).filter_map(decider_of_number).collect();
    let rules = "[A-Za-z0-9_-]{1,64}".prop_filter_map("a name", |name| RuleName::new(&name).ok());
    prop_oneof![prop::sample::select(ours), rules.prop_map(DecidedBy::Rule)]
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn any_given() -> impl Strategy<Value = Given> {
    let name = prop_oneof![
        ".{0,40}".prop_map(|user| Name::new("default", &user)),
        (".{1,40}", ".{0,256}").prop_map(|(tenant, user)| Name::new(&tenant, &user)),
    ];
    let who = (any::<u128>(), name, any::<u64>());
    let codes = [any_of(), any_of(), any_of(), any_of(), any_of(), any_of(), any_of(), any_of()];
    let said = (any_of(), any_of(), any_of(), any_of(), any_decider());
    (who, any_login(), option::of(any_ip()), codes, said).prop_map(
        |((user, name, client), login, ip, codes, (action, would_be, mode, confidence, decided_by))| Given {
            user: UserKey(user),
            name,
            client: ClientTag(client),
            login,
            ip,
            codes,
            action,
            would_be,
            mode,
            confidence,
            decided_by,
        },
    )
}

fn any_visit() -> impl Strategy<Value = Visit> {
    let key = || any::<NonZeroU64>().prop_map(SourceKey);
    let sources = (key(), key(), option::of(key()));
    (any::<u128>(), sources, any::<bool>()).prop_map(|(user, (address, prefix, system), device_known)| Visit {
        user: UserKey(user),
        sources: Sources { address, prefix, system },
        device_known,
    })
}

fn any_decision() -> impl Strategy<Value = Decision> {
    let offered = prop::collection::vec(any_of::<Factor>(), 0..6).prop_map(FactorSet::from_iter);
    let asked = (any_of(), offered, any::<bool>(), any_of());
    let pending = (any_given(), asked, option::of(any_visit()), any_time(), any::<bool>()).prop_map(
        |(given, (first_factor, offered, demanded, teaches), visit, expires, forgets_device)| {
            Decision::Pending(Box::new(Pending {
                given,
                first_factor,
                offered,
                demanded,
                teaches,
                visit,
                expires,
                forgets_device,
            }))
        },
    );
    let settled = (any_given(), option::of(any_of()), option::of(any_of()))
        .prop_map(|(given, result, factor)| Decision::Settled(Settled { given, result, factor }));
    prop_oneof![pending, settled]
}

fn ids() -> IdSource {
    IdSource::new(HashKey::fixed([1; 16]))
}

fn id(seconds: u32) -> DecisionId {
    ids().decision(Timestamp::from_unix_s(seconds))
}

/// The same decision every time.
fn one() -> Decision {
    let at = Timestamp::from_unix_s(1_790_000_000);
    let codes = [Numbered::of_number(5).unwrap(); 8];
    let given = Given {
        user: UserKey(7),
        name: Name::new("acme", "alice@example.test"),
        client: ClientTag(3),
        login: Login { place: london(), ..Login::bare(1_790_000_000) },
        ip: Some(Ipv4Addr::new(89, 160, 20, 112).into()),
        codes,
        action: Numbered::of_number(1).unwrap(),
        would_be: Numbered::of_number(1).unwrap(),
        mode: Numbered::of_number(0).unwrap(),
        confidence: Numbered::of_number(0).unwrap(),
        decided_by: decider_of_number(0).unwrap(),
    };
    Decision::Pending(Box::new(Pending {
        given,
        first_factor: Numbered::of_number(0).unwrap(),
        offered: FactorSet::EMPTY.with(Factor::Totp).with(Factor::BackupCode),
        demanded: true,
        teaches: Numbered::of_number(1).unwrap(),
        visit: None,
        expires: at,
        forgets_device: false,
    }))
}

fn london() -> Option<Place> {
    let (at, radius) = (Coordinates::new(51.5, -0.12)?, Kilometres::new(7.25)?);
    Some(Place { at, radius, grain: Grain::City, country: CountryCode::new("GB") })
}

/// What stands in a store today must be readable tomorrow: whoever changes these bytes makes another version.
#[test]
fn the_format_is_what_it_was() {
    let mut bytes = Vec::new();
    one().put(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = "000700000000000000000000000000000004001600000061636d65616c696365406578616d706c652e74657374\
        0300000000000000006c50c4a001000000000000000000010000000000c04940b81e85eb51b8bebf0000000000001d4001014742000001\
        0459a01470050505050505050501010000000012010100006c50c4a001000000";
    assert_eq!(hex, expected);
}

#[test]
fn nothing_of_a_decision_is_readable_and_no_record_is_like_another() {
    let cipher = RecordCipher::new(&[1; 32]);
    let (first, second) = (cipher.seal(id(1), &one()).unwrap(), cipher.seal(id(1), &one()).unwrap());
    assert_ne!(first, second, "a nonce of its own each time");
    for text in ["acme", "alice", "example"] {
        let is_in = |record: &[u8]| record.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!is_in(&first), "{text}");
    }
    assert_eq!(format!("{cipher:?}"), "RecordCipher(…)");
}

#[test]
fn what_was_altered_cut_moved_or_sealed_elsewhere_does_not_open() {
    let cipher = RecordCipher::new(&[1; 32]);
    let record = cipher.seal(id(1), &one()).unwrap();
    for bit in 0..8 * record.len() {
        let mut altered = record.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { RecordError::Version(altered[0]) } else { RecordError::NotOurs };
        assert_eq!(cipher.open(id(1), &altered), Err(expected), "bit {bit}");
    }
    for length in 0..record.len() {
        assert_eq!(cipher.open(id(1), &record[..length]), Err(RecordError::NotOurs), "{length} bytes");
    }
    let longer = [&record[..], &[0]].concat();
    assert_eq!(cipher.open(id(1), &longer), Err(RecordError::NotOurs));
    assert_eq!(cipher.open(id(2), &record), Err(RecordError::NotOurs), "another decision's");
    assert_eq!(RecordCipher::new(&[2; 32]).open(id(1), &record), Err(RecordError::NotOurs), "another key's");
    assert_eq!(cipher.open(id(1), &record), Ok(one()));
}

#[test]
fn a_replaced_key_opens_and_no_longer_seals() {
    let (before, after) = (RecordCipher::new(&[1; 32]), RecordCipher::new(&[2; 32]));
    let while_replacing = after.clone().replacing(&[1; 32]);
    let old = before.seal(id(1), &one()).unwrap();
    assert_eq!(while_replacing.open(id(1), &old), Ok(one()));
    let new = while_replacing.seal(id(1), &one()).unwrap();
    assert_eq!((after.open(id(1), &new), before.open(id(1), &new)), (Ok(one()), Err(RecordError::NotOurs)));
}

#[test]
fn coordinates_are_sealed_as_exactly_as_is_allowed() {
    let cipher = RecordCipher::of(&Secrets::new([1; 32], None)).rounding_to(1);
    let rounded = cipher.open(id(1), &cipher.seal(id(1), &one()).unwrap()).unwrap();
    assert_eq!(rounded, one().rounded(1));
    assert_eq!(rounded.given().login.place.map(|place| place.at), Coordinates::new(51.5, -0.1));
}

/// A key that leaked with the store is no reason to believe what stands in it.
#[test]
fn what_is_sealed_and_is_no_decision_is_refused() {
    let mut bytes = Vec::new();
    one().put(&mut bytes);
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length], VERSION), None, "{length} bytes");
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat(), VERSION), None);
    assert_eq!(read(&bytes, VERSION), Some(one()));
    // Version 1 has no code of Familiarity, which stands behind the others.
    let tell = |decision: &Decision| decision.given().codes;
    let codes = [Code::InitialLogin.number(); 8];
    let at = bytes.windows(8).position(|window| window == codes).expect("they stand one behind the other");
    let before = [&bytes[..at + 7], &bytes[at + 8..]].concat();
    let old = read(&before, VERSION_BEFORE).expect("it is read still");
    assert_eq!((tell(&old)[..7].to_vec(), tell(&old)[7]), (tell(&one())[..7].to_vec(), Code::NotEnoughHistory));
    assert_eq!(read(&before, VERSION), None);
}

proptest! {
    #[test]
    fn a_decision_comes_back_as_it_was(decision in any_decision(), second in any::<u32>()) {
        let cipher = RecordCipher::new(&[1; 32]);
        let record = cipher.seal(id(second), &decision).unwrap();
        prop_assert_eq!(cipher.open(id(second), &record), Ok(decision));
    }

    #[test]
    fn foreign_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(RecordCipher::new(&[1; 32]).open(id(1), &bytes).is_err());
        let ours = [&[VERSION], &bytes[..]].concat();
        prop_assert_eq!(RecordCipher::new(&[1; 32]).open(id(1), &ours), Err(RecordError::NotOurs));
        let _read = read(&bytes, VERSION);
    }

    #[test]
    fn a_spoilt_decision_is_read_or_refused(
        decision in any_decision(), spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = Vec::new();
        decision.put(&mut bytes);
        for (at, value) in spoilt {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(read) = read(&bytes, VERSION) {
            let _shown = format!("{read:?} {} {}", read.given().name.tenant(), read.given().name.user());
        }
    }
}
