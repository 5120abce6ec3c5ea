//! Expressions of rules.

use askance::assess;
use askance::clock::Timestamp;
use askance::context::ip_lists::ListFinding;
use askance::context::network::NetworkKinds;
use askance::context::phone::Phone;
use askance::context::{Account, Address, Claims, Location, LoginContext};
use askance::event::{FactorSet, FirstFactor, Flow, Scalar};
use askance::keyed_hash::HashKey;
use askance::signals::Recall;
use askance::verdict::rules::{Condition, Effect, Rule, RuleName, Rules, SOURCE_BYTES_MAX};
use askance::verdict::{Settings, Verdict};

/// An expression.
///
/// It is refused for a short reason, or is evaluated for any login, to the same end each time and with a comment behind it.
pub fn rule_source(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes);
    let condition = match Condition::new(&source) {
        Ok(condition) => condition,
        Err(refusal) => {
            let reason = refusal.to_string();
            return assert!(!reason.is_empty() && reason.len() < 4 * SOURCE_BYTES_MAX, "{reason}");
        }
    };
    assert!(source.len() <= SOURCE_BYTES_MAX && condition.source() == source);
    let commented = format!("{source} // ((( '");
    let same = if commented.len() <= SOURCE_BYTES_MAX {
        Condition::new(&commented).expect("a comment is nothing")
    } else {
        condition.clone()
    };
    for recall in [Recall::Stranger, Recall::Failed] {
        let found = judge(condition.clone(), recall);
        assert_eq!(judge(same.clone(), recall), found);
    }
}

/// Whether it holds, or fails.
fn judge(when: Condition, recall: Recall<'_>) -> Option<bool> {
    let name = RuleName::new("r").expect("a name");
    let rule = Rule { name, when, effect: Effect::Tag, reason: None, until: None, shadow: false };
    let settings = Settings { rules: Rules::try_from(vec![rule]).expect("one rule"), ..Settings::default() };
    let attributes = [("plan".into(), Scalar::Integer(3)), ("a".into(), Scalar::Text("b".into()))];
    let claims = Claims { user_id: "alice", client_id: Some("app-1"), attributes: &attributes, ..Claims::default() };
    let (_, Verdict { rules, .. }) = assess(&login(claims), recall, &Default::default(), &settings);
    rules.first().map(|hit| hit.has_failed)
}

fn login(claims: Claims<'_>) -> LoginContext<'_> {
    let key = HashKey::fixed([0; 16]);
    let anchor = key.anchor("default", "alice");
    LoginContext {
        anchor,
        user: key.user_of(anchor),
        time: Timestamp::from_unix_s(1_790_000_000),
        device: None,
        token: None,
        agent: None,
        address: Address {
            text: "192.0.2.7",
            ip: "192.0.2.7".parse().ok(),
            tag: None,
            network: None,
            asn: None,
            as_organization: None,
            lists: ListFinding::Clean,
            sources: None,
            velocity: None,
            database: None,
            kinds: NetworkKinds::NONE,
            bot_score: Some(7),
            verified_bot: false,
            is_familiar: false,
            edge_ignored: false,
        },
        location: Location::Missing,
        country: None,
        phone: Phone::Absent,
        account: Account {
            enrolled: FactorSet::EMPTY,
            has_email: true,
            email_verified: None,
            created_at: None,
            phone_changed_at: None,
            email_changed_at: None,
        },
        flow: Flow::Pkce,
        first_factor: FirstFactor::Pwd,
        remembered_browser: false,
        claims,
    }
}
