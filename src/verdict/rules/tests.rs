use super::*;
use crate::context::ip_lists::ListFinding;
use crate::context::network::{NetworkKind, NetworkKinds};
use crate::context::phone::Phone;
use crate::context::{Account, Address, Claims, Location, LoginContext};
use crate::event::{Factor, FactorSet, FirstFactor, Flow, Scalar};
use crate::keyed_hash::HashKey;
use crate::signals::{Code, Recall};
use crate::units::CountryCode;
use crate::verdict::{self, DecidedBy, Mode, Policy, RememberedBrowser, Settings, Strength, Verdict};
use std::borrow::Cow;

/// `operands` joined by an operator: so many literals and one operator fewer.
fn chain(operands: usize, operator: &str) -> String {
    vec!["1"; operands].join(operator)
}

fn nested(brackets: usize) -> String {
    format!("{}true{}", "(".repeat(brackets), ")".repeat(brackets))
}

/// What is wrong, if it is not as expected.
fn check(source: &str, expected: Result<(), &str>) -> Option<String> {
    let found = Condition::new(source).map(|_| ()).map_err(|refusal| refusal.to_string());
    let is_so = match (&found, expected) {
        (Ok(()), Ok(())) => true,
        (Err(problem), Err(part)) => problem.contains(part),
        (Ok(()), Err(_)) | (Err(_), Ok(())) => false,
    };
    (!is_so).then(|| format!("{source}\n  found {found:?}, not {expected:?}"))
}

#[test]
fn names_and_types_are_held_to_the_schema() {
    let rows = [
        ("true", Ok(())),
        ("event.user.id == 'alice' // a comment with \"an odd quote", Ok(())),
        ("'admin' in event.user.groups && !(event.flow in ['pkce', \"ldap\"])", Ok(())),
        ("assessments.NewDevice.confidence == 'low'", Ok(())),
        ("assessments.ImpossibleTravel.code == 'impossible_travel_from_last_login'", Ok(())),
        ("has(evidence.score) && evidence.score > -4.5 && evidence.score < 3", Ok(())),
        ("has(evidence.travel.speed_kmph) ? evidence.travel.distance_km > 500 : false", Ok(())),
        ("!has(event.client_id) || event.client_id.startsWith('app-')", Ok(())),
        ("has(event.attributes.plan) && event.attributes.plan == 'gold'", Ok(())),
        ("has(event.attributes.plan) && event.attributes[\"plan\"] == 3", Ok(())),
        ("'a-b' in event.attributes && event.attributes['a-b'] == true", Ok(())),
        ("event.ip.inCidr('10.0.0.0/8') || inCidr(event.ip, ['192.0.2.1', '2001:db8::/32'])", Ok(())),
        ("now < timestamp('2027-01-01T00:00:00Z') && now.getHours('Europe/Berlin') < 6", Ok(())),
        ("has(event.user.created_at) && now - event.user.created_at < duration('24h')", Ok(())),
        ("size(event.user.groups) == 0 && history.devices + history.networks > 2", Ok(())),
        ("", Err("0 bytes are out of range, allowed is 1..=2048")),
        ("1 +", Err("no CEL")),
        ("event.usr.id == 'x'", Err("unknown name `event.usr.id`, the nearest known is `event.user.id`")),
        ("asessments.NewDevice.code == 'match'", Err("`assessments.NewDevice.code`")),
        ("event.zzzzzzzzzz == 'x'", Err("unknown name `event.zzzzzzzzzz`")),
        ("has(event.clientid)", Err("the nearest known is `event.client_id`")),
        ("event.user == 'x'", Err("`event.user` is no value; it has fields, such as `event.user.id`")),
        ("has(1)", Err("`has` asks for a field")),
        ("assessments.NewDevice.code == 'no_mach'", Err("the nearest is \"no_match\"")),
        ("event.flow in ['pkce', 'pcke']", Err("\"pcke\" is none of")),
        ("'totpp' in event.user.enrolled_factors", Err("the nearest is \"totp\"")),
        ("event.user.id == 'x' && 1 + 'a' == 2", Err("`+` cannot be applied to int and string")),
        ("event.user.id", Err("string stands where a bool belongs")),
        ("event.user.id == 3", Err("string is never equal to int")),
        ("evidence.confidence < 'low'", Err("have no order")),
        ("event.user.id in 'alice'", Err("`in` looks for string in a string")),
        ("event.client_id == 'a'", Err("`event.client_id` may be absent: write `has(event.client_id) && …`")),
        ("has(event.client_id) || event.client_id == 'a'", Err("may be absent")),
        ("event.client_id == 'a' && has(event.client_id)", Err("may be absent")),
        ("(has(event.client_id) && true) == event.client_id.contains('a')", Err("may be absent")),
        ("event.attributes.plan == 'gold'", Err("may be absent")),
        ("event.attributes[event.user.id] == 1", Err("written out")),
        ("event.user.groups[0] == 'a'", Err("only attributes are asked so")),
        ("event.ip.inCidr('10.0.0.0/33')", Err("\"10.0.0.0/33\" is neither a CIDR nor an address")),
        ("event.ip.inCidr(event.ip)", Err("a CIDR that is written out")),
        ("now < timestamp('yesterday')", Err("yesterday")),
        ("now.getHours('Europe/Berln') < 6", Err("Berln")),
        ("now - duration('1 day') < now", Err("1 day")),
        ("event.user.groups.exists(g, g == 'a')", Err("rules have no `exists`")),
        ("[1].map(x, [1].map(y, [1].map(z, x + y + z))) == []", Err("rules have no `map`")),
        ("event.user.id.matches('(a+)+$')", Err("rules have no `matches`")),
        ("event.user.id.startWith('a')", Err("the nearest known is `startsWith(…)`")),
        ("event.user.id.startsWith()", Err("`startsWith` takes other arguments")),
        ("{'a': 1}.a == 1", Err("a field of what has none")),
        ("size({'a': 1}) == 1", Err("no maps")),
        ("null == null", Err("nothing is null here")),
        ("b'x' == b'x'", Err("nothing before its quotes")),
        ("'''x''' == 'x'", Err("not three")),
        ("'\\z' == 'x'", Err("are escapes")),
        ("'x\n' == 'x'", Err("does not end on its line")),
        ("event.user.id == 'x' # a comment", Err("'#' stands for nothing")),
        ("event.?user.id == 'x'", Err("no CEL")),
    ];
    let wrong: Vec<String> = rows.into_iter().filter_map(|(source, expected)| check(source, expected)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn limits_hold_on_both_sides() {
    let large = Err("allowed is 200 nodes");
    let deep = Err("allowed is 16 levels");
    let texts = |count: usize| format!("event.user.id in [{}]", vec!["'x'"; count].join(","));
    let rows = [
        // Three segments, `in` and the list are five nodes.
        (texts(195), Ok(())),
        (texts(196), large),
        (texts(600), Err("bytes are out of range")),
        (format!("{} == 5 // {}", chain(5, "+"), "x".repeat(2048 - 18)), Ok(())),
        (
            format!("{} == 5 // {}", chain(5, "+"), "x".repeat(2048 - 17)),
            Err("2049 bytes are out of range, allowed is 1..=2048"),
        ),
        // The comparison, the chain of operators, and its last literal.
        (format!("{} == 15", chain(15, "+")), Ok(())),
        (format!("{} == 16", chain(16, "+")), deep),
        (chain(1000, "+"), large),
        (chain(600, "&&"), large),
        (chain(600, "-"), large),
        (vec!["1"; 400].join(" in "), large),
        ("!".repeat(2000), large),
        (format!("{}true", "!".repeat(400)), large),
        (format!("{}true", "!".repeat(398)), Ok(())),
        (format!("{}1 == 1", "-".repeat(2000)), large),
        (format!("event{}", ".a".repeat(1000)), large),
        ("true ? ".repeat(250), large),
        (nested(16), Ok(())),
        (nested(17), deep),
        ("(".repeat(2000), deep),
        ("[".repeat(2000), deep),
        (format!("{}1{}", "[".repeat(15), "]".repeat(15)), Err("a list stands where a single value belongs")),
        (format!("{}1{}", "[".repeat(16), "]".repeat(16)), deep),
        (format!("'{}", "(".repeat(2000)), Err("does not end")),
        (format!("\"\n{}", chain(900, "+")), Err("does not end")),
        (format!("\"\\z{}\" == 'x'", chain(900, "+")), Err("are escapes")),
        (format!("r\"\\\" + \"{}\"", chain(900, "+")), Err("nothing before its quotes")),
        (format!("'{}' == 'x'", "(+".repeat(900)), Ok(())),
        (format!("{}'x' == ''", "event.user.id + ".repeat(40)), deep),
    ];
    let wrong: Vec<String> = rows.iter().filter_map(|(source, expected)| check(source, *expected)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A stack that is too small ends the process, so that nothing need be asserted of these.
#[test]
fn nothing_that_the_scan_admits_is_too_much_for_the_parser() {
    for text in [
        chain(200, "+"),
        chain(200, " in "),
        vec!["true"; 200].join("||"),
        format!("{}true", "!".repeat(399)),
        format!("a{}", ".a".repeat(399)),
        format!("a{}", ".a()".repeat(300)),
        format!("a{}", "[1]".repeat(190)),
        "a ? a : ".repeat(130) + "a",
        "a ? ".repeat(190) + "a",
        format!("{}{}", "(".repeat(16), chain(200, "+")),
        format!("{}a{}", "[-(".repeat(8), ")]".repeat(8)),
        format!("{}a{}", "!(a ? a : ".repeat(16), ")".repeat(16)),
        format!("{}a ? {}{}", "[".repeat(16), "a ? a : ".repeat(100), "]".repeat(16)),
    ] {
        assert_eq!(scan::scan(&text), Ok(()), "{text}");
        let _refused = Condition::new(&text);
    }
}

fn login<'a>(claims: Claims<'a>) -> LoginContext<'a> {
    let key = HashKey::fixed([0; 16]);
    let anchor = key.anchor("default", "alice");
    LoginContext {
        anchor,
        user: key.user_of(anchor),
        // A Sunday, 23:30 UTC.
        time: Timestamp::from_unix_s(1_795_390_200),
        device: Some(key.device(anchor, "d")),
        token: None,
        agent: None,
        address: Address {
            text: "192.0.2.7",
            ip: "192.0.2.7".parse().ok(),
            tag: None,
            network: None,
            asn: Some(64_500),
            as_organization: None,
            lists: ListFinding::Clean,
            sources: None,
            velocity: None,
            database: None,
            kinds: NetworkKinds::NONE,
            bot_score: None,
            verified_bot: false,
            edge_ignored: false,
            is_familiar: false,
        },
        location: Location::Missing,
        country: CountryCode::new("DE"),
        phone: Phone::Absent,
        account: Account {
            enrolled: FactorSet::EMPTY.with(Factor::Totp),
            has_email: true,
            email_verified: Some(true),
            created_at: Some(Timestamp::from_unix_s(1_795_380_000)),
            phone_changed_at: None,
            email_changed_at: None,
        },
        flow: Flow::Pkce,
        first_factor: FirstFactor::Pwd,
        remembered_browser: true,
        claims,
    }
}

fn claims<'a>(groups: &'a [Cow<'a, str>], attributes: &'a [(Cow<'a, str>, Scalar<'a>)]) -> Claims<'a> {
    let (tenant, user_id, user_agent) = ("default", "alice", Some("Mozilla/5.0"));
    Claims { tenant, user_id, client_id: Some("app-7"), user_agent, groups, attributes }
}

fn rule(name: &str, effect: Effect, when: &str) -> Rule {
    let name = RuleName::new(name).unwrap_or_else(|problem| unreachable!("{problem}"));
    let when = Condition::new(when).unwrap_or_else(|refusal| unreachable!("{when}: {refusal}"));
    let until = Some(Until(Timestamp::from_unix_s(1_795_390_201))).filter(|_| effect == Effect::Bypass);
    Rule { name, when, effect, reason: None, until, shadow: false }
}

fn judge(context: &LoginContext<'_>, rules: Vec<Rule>, settings: Settings) -> Verdict {
    let rules = Rules::try_from(rules).unwrap_or_default();
    let settings = Settings { rules, ..settings };
    verdict::assess(context, Recall::Stranger, &Default::default(), &settings).1
}

/// `Some(true)` where it holds, `None` where it fails.
fn holds(when: &str) -> Option<bool> {
    let groups = ["staff".into(), "admin".into()];
    let attributes = [
        ("level".into(), Scalar::Integer(3)),
        ("share".into(), Scalar::Number(0.5)),
        ("plan".into(), Scalar::Text("gold".into())),
        ("a-b".into(), Scalar::Bool(true)),
    ];
    let context = login(claims(&groups, &attributes));
    let verdict = judge(&context, vec![rule("r", Effect::Tag, when)], Settings::default());
    match verdict.rules.as_slice() {
        [] => Some(false),
        [hit] if hit.has_failed => None,
        _ => Some(true),
    }
}

#[test]
fn what_is_asked_of_a_login_is_answered() {
    for (when, expected) in [
        ("event.ip == '192.0.2.7' && event.ip.inCidr('192.0.2.0/24')", Some(true)),
        ("inCidr(event.ip, ['10.0.0.0/8', '192.0.2.6'])", Some(false)),
        ("event.tenant == 'default' && event.user.id == 'alice'", Some(true)),
        ("event.flow == 'pkce' && event.first_factor == 'pwd' && event.remembered_browser", Some(true)),
        ("has(event.client_id) && event.client_id.startsWith('app-') && event.client_id.endsWith('7')", Some(true)),
        ("has(event.user_agent) && event.user_agent.contains('Mozilla')", Some(true)),
        ("has(event.edge.bot_score) || event.edge.verified_bot", Some(false)),
        ("'admin' in event.user.groups && !('root' in event.user.groups)", Some(true)),
        ("size(event.user.groups) == 2 && event.user.groups.size() < 3", Some(true)),
        ("'totp' in event.user.enrolled_factors && size(event.user.enrolled_factors) == 1", Some(true)),
        ("event.user.has_email && has(event.user.email_verified) && event.user.email_verified", Some(true)),
        ("has(event.user.phone_changed_at) || has(event.user.email_changed_at)", Some(false)),
        ("has(event.user.created_at) && now - event.user.created_at < duration('3h')", Some(true)),
        ("event.time == now && now == timestamp('2026-11-22T23:30:00Z')", Some(true)),
        // It is Monday there.
        ("now.getDayOfWeek() == 0 && now.getDayOfWeek('Europe/Berlin') == 1", Some(true)),
        ("now.getHours() == 23 && now.getHours('Europe/Berlin') == 0", Some(true)),
        ("has(event.attributes.level) && event.attributes.level > 2", Some(true)),
        ("has(event.attributes.share) && event.attributes.share * 2.0 == 1.0", Some(true)),
        ("'a-b' in event.attributes && event.attributes['a-b']", Some(true)),
        ("'b' in event.attributes", Some(false)),
        ("has(event.attributes.plan) && event.attributes.plan == 'gold'", Some(true)),
        ("has(event.attributes.other) && event.attributes.other == 'gold'", Some(false)),
        // A text has no order beside a number, and is no bool.
        ("has(event.attributes.plan) && event.attributes.plan > 2", None),
        ("has(event.attributes.plan) && event.attributes.plan", None),
        ("1 / history.devices == 1", None),
        ("evidence.address.hosting || evidence.address.anonymizer", Some(false)),
        ("has(evidence.address.asn) && evidence.address.asn == 64500", Some(true)),
        ("has(evidence.address.network)", Some(false)),
        ("has(evidence.location.country) && evidence.location.country in ['AT', 'DE']", Some(true)),
        ("has(evidence.travel.speed_kmph)", Some(false)),
        ("has(evidence.score) && has(evidence.contributions.prior)", Some(true)),
        ("assessments.NewDevice.code == 'initial_login' && !assessments.NewDevice.hard", Some(true)),
        ("assessments.UntrustedIP.confidence == 'high' && evidence.confidence == 'high'", Some(true)),
        ("has(assessments.NewDevice.details.device)", Some(false)),
        ("history.devices + history.agents + history.networks + history.countries + history.places == 0", Some(true)),
    ] {
        assert_eq!(holds(when), expected, "{when}");
    }
}

#[test]
fn every_field_can_be_read() {
    for name in field_names() {
        let asked = format!("has({name})");
        assert!(holds(&asked).is_some(), "{asked}");
        // A field that is always there is there for a user of whom nothing is known.
        if schema::find(&name).is_some_and(|field| field.presence == schema::Presence::Always) {
            assert_eq!(holds(&asked), Some(true), "{asked}");
        }
    }
}

/// What a rule, the policy and confidence come to.
struct Row {
    rules: &'static [(&'static str, Effect, &'static str)],
    policy: Policy,
    /// An address that is none is hard evidence, so confidence is low.
    is_low: bool,
    enrolled: bool,
    expected: (Action, &'static str),
}

const ALWAYS: &str = "true";
/// Divides by zero for a stranger.
const FAILS: &str = "1 / history.devices == 1";

#[test]
fn the_stricter_of_rules_and_policy_wins() {
    use Effect::{Bypass, Challenge, Deny, Enroll, Tag};
    let row = |rules, policy, is_low, enrolled, expected| Row { rules, policy, is_low, enrolled, expected };
    let (adaptive, never, always) = (Policy::Adaptive, Policy::Never, Policy::Always);
    for Row { rules, policy, is_low, enrolled, expected } in [
        row(&[("d", Deny, ALWAYS)], adaptive, false, true, (Action::Deny, "rule.d")),
        row(&[("d", Deny, ALWAYS)], adaptive, true, true, (Action::Deny, "rule.d")),
        row(&[("d", Deny, "false")], adaptive, true, true, (Action::Challenge, "aggregator.evidence")),
        row(&[("c", Challenge, ALWAYS)], adaptive, false, true, (Action::Challenge, "rule.c")),
        row(&[("c", Challenge, ALWAYS)], never, false, true, (Action::Challenge, "rule.c")),
        row(&[("c", Challenge, ALWAYS)], adaptive, true, true, (Action::Challenge, "aggregator.evidence")),
        row(&[("c", Challenge, ALWAYS)], adaptive, false, false, (Action::Challenge, "rule.c")),
        row(&[("c", Challenge, ALWAYS)], never, true, false, (Action::VerifyEmail, "rule.c")),
        row(&[("e", Enroll, ALWAYS)], adaptive, false, false, (Action::Challenge, "rule.e")),
        row(&[("e", Enroll, ALWAYS)], adaptive, false, true, (Action::Allow, "aggregator.evidence")),
        row(&[("t", Tag, ALWAYS)], adaptive, false, true, (Action::Allow, "aggregator.evidence")),
        row(&[("b", Bypass, ALWAYS)], adaptive, true, true, (Action::Allow, "rule.b")),
        row(&[("b", Bypass, ALWAYS)], adaptive, true, false, (Action::Allow, "rule.b")),
        row(&[("b", Bypass, ALWAYS)], always, false, true, (Action::Allow, "policy.always")),
        row(&[("b", Bypass, ALWAYS)], adaptive, false, true, (Action::Allow, "aggregator.evidence")),
        row(&[("b", Bypass, ALWAYS), ("c", Challenge, ALWAYS)], adaptive, false, true, (Action::Allow, "rule.b")),
        row(&[("b", Bypass, ALWAYS), ("d", Deny, ALWAYS)], adaptive, true, true, (Action::Deny, "rule.d")),
        row(&[("x", Tag, FAILS)], adaptive, false, true, (Action::Challenge, "rule.x")),
        row(&[("x", Deny, FAILS)], adaptive, false, true, (Action::Challenge, "rule.x")),
        row(&[("x", Bypass, FAILS)], adaptive, false, true, (Action::Challenge, "rule.x")),
    ] {
        let mut context = login(claims(&[], &[]));
        if is_low {
            (context.address.text, context.address.ip) = ("999.1.1.1", None);
        }
        if !enrolled {
            context.account.enrolled = FactorSet::EMPTY;
        }
        // Under `always`, the browser is remembered, which lifts the demand before any rule does.
        context.remembered_browser = policy == Policy::Always;
        let settings = Settings { policy, ..Settings::default() };
        let verdict =
            judge(&context, rules.iter().map(|(name, effect, when)| rule(name, *effect, when)).collect(), settings);
        let found = (verdict.action, verdict.decided_by.as_str());
        assert_eq!(found, expected, "{rules:?} {policy:?} low: {is_low} enrolled: {enrolled}");
        let is_by_rule = expected.1.starts_with("rule.");
        assert_eq!(verdict.reasons[0].code == expected.1, is_by_rule, "the rule that decides is the first reason");
        let lifted = verdict.rules.iter().any(|hit| hit.lifted.is_some());
        assert_eq!(lifted, expected == (Action::Allow, "rule.b"));
    }
}

#[test]
fn a_rule_asks_in_a_remembered_browser_and_not_after_a_passkey() {
    let mut context = login(claims(&[], &[]));
    let settings = || Settings { policy: Policy::Adaptive, ..Settings::default() };
    let asked = judge(&context, vec![rule("c", Effect::Challenge, ALWAYS)], settings());
    assert_eq!((asked.action, asked.remembered_browser), (Action::Challenge, RememberedBrowser::Ignored));
    context.first_factor = FirstFactor::Passkey;
    let exempt = judge(&context, vec![rule("c", Effect::Challenge, ALWAYS)], settings());
    assert_eq!((exempt.action, exempt.decided_by), (Action::Allow, DecidedBy::FirstFactorPasskey));
    let refused = judge(&context, vec![rule("d", Effect::Deny, ALWAYS)], settings());
    assert_eq!(refused.action, Action::Deny);
    let observed =
        judge(&context, vec![rule("d", Effect::Deny, ALWAYS)], Settings { mode: Mode::Observe, ..settings() });
    assert_eq!((observed.action, observed.would_be), (Action::Allow, Action::Deny));
}

#[test]
fn what_a_rule_demands_resists_phishing_where_the_login_looks_phished() {
    let mut context = login(claims(&[], &[]));
    context.account.enrolled = FactorSet::EMPTY.with(Factor::Totp).with(Factor::Webauthn);
    let all = [Factor::Webauthn, Factor::Totp];
    for (kinds, strength, offered) in [
        (NetworkKinds::NONE, Strength::Any, &all[..]),
        (NetworkKinds::NONE.with(NetworkKind::Hosting), Strength::PhishingResistant, &all[..1]),
    ] {
        context.address.kinds = kinds;
        let asked = judge(&context, vec![rule("c", Effect::Challenge, ALWAYS)], Settings::default());
        assert_eq!((asked.strength, asked.offered.iter().collect::<Vec<_>>()), (strength, offered.to_vec()));
    }
}

#[test]
fn a_shadow_is_counted_and_changes_nothing_and_a_life_ends() {
    let context = login(claims(&[], &[]));
    for (when, has_failed) in [(ALWAYS, false), (FAILS, true)] {
        let shadow = Rule { shadow: true, ..rule("s", Effect::Deny, when) };
        let verdict = judge(&context, vec![shadow], Settings::default());
        assert_eq!((verdict.action, verdict.decided_by.as_str()), (Action::Allow, "aggregator.evidence"));
        assert_eq!(
            verdict.rules.iter().map(|hit| (hit.is_shadow, hit.has_failed)).collect::<Vec<_>>(),
            [(true, has_failed)]
        );
    }
    for (end_s, is_in_force) in [(1_795_390_200, false), (1_795_390_201, true)] {
        let until = Some(Until(Timestamp::from_unix_s(end_s)));
        let ending = Rule { until, ..rule("d", Effect::Deny, ALWAYS) };
        let verdict = judge(&context, vec![ending], Settings::default());
        assert_eq!(verdict.action == Action::Deny, is_in_force, "{end_s}");
    }
}

#[test]
fn a_rule_waits_for_memory_in_no_other_way_than_the_rest() {
    let context = login(claims(&[], &[]));
    let rules = Rules::try_from(vec![rule("few", Effect::Tag, "history.devices < 2")]).unwrap_or_default();
    let settings = Settings { rules, policy: Policy::Never, ..Settings::default() };
    let (assessments, verdict) = verdict::assess(&context, Recall::Failed, &Default::default(), &settings);
    assert_eq!(assessments.new_device.code, Code::AssessmentNotAvailable);
    assert_eq!((verdict.action, verdict.decided_by.as_str()), (Action::Challenge, "rule.few"), "nobody can tell");
}

#[test]
fn rules_are_few_and_each_has_its_name() {
    let many =
        |count: usize| (0..count).map(|number| rule(&format!("r{number}"), Effect::Tag, ALWAYS)).collect::<Vec<_>>();
    assert_eq!(Rules::try_from(many(100)).map(|rules| rules.all().len()), Ok(100));
    assert_eq!(Rules::try_from(many(101)).err().as_deref(), Some("101 rules are out of range, allowed is 0..=100"));
    let twice = vec![rule("r", Effect::Tag, ALWAYS), rule("r", Effect::Deny, ALWAYS)];
    assert_eq!(Rules::try_from(twice).err().as_deref(), Some("the name `r` stands twice"));
    assert!(RuleName::new(&"n".repeat(64)).is_ok() && RuleName::new(&"n".repeat(65)).is_err());
    assert!(RuleName::new("").is_err() && RuleName::new("a b").is_err());
}
