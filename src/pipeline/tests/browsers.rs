//! Browsers that several users share while the keys of cookies change: whose token counts, who is pushed out, and that what is
//! no cookie of ours is as good as none.

use super::*;
use std::collections::HashSet;

/// Two tenants have an alice, and one boundary between tenant and user is elsewhere.
const PEOPLE: [(&str, &str); 7] = [
    ("default", "alice"),
    ("default", "bob"),
    ("default", "carol"),
    ("default", "dave"),
    ("default", "erin"),
    ("other", "alice"),
    ("defaulta", "lice"),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Somebody logs in with this browser.
    Login { person: usize, browser: usize },
    /// A new key takes the place of the first, which is kept behind it.
    NewKey,
    /// Only the first key is left.
    DropOldKeys,
    /// The same keys are read again.
    Restart,
}

/// What a browser should hold.
#[derive(Debug, Clone, Default)]
struct Jar {
    cookie: Option<String>,
    /// The key under which the whole was made.
    key: u8,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    person: usize,
    /// The key under which this one was made: others are carried on as they are.
    key: u8,
    token: DeviceToken,
}

struct Stand {
    pipeline: Pipeline<Volatile>,
    /// Each names its secret; the newest first.
    keys: Vec<u8>,
    now_s: u32,
}

impl Stand {
    fn new() -> Self {
        let pipeline = over(Volatile::new(&Settings::default()), loaded().expect("the fixture is in the repository"));
        let mut stand =
            Self { pipeline: pipeline.expect("metrics can be set up"), keys: vec![1], now_s: 1_790_000_000 };
        stand.load_keys();
        stand
    }

    fn load_keys(&mut self) {
        let secrets: Vec<[u8; 32]> = self.keys.iter().map(|key| [*key; 32]).collect();
        let tokens = TokenKeys::new(&secrets).expect("there is always a key");
        self.pipeline.replace(Loaded { tokens, ..Loaded::clone(&self.pipeline.loaded()) });
    }

    /// A login, what became of its cookie, and the cookie of the answer.
    fn login(&mut self, person: usize, cookie: Option<&str>) -> (Presented, Code, String) {
        self.now_s += 1;
        let time = Timestamp::from_unix_s(self.now_s);
        let (tenant, user) = PEOPLE[person];
        let mut login = LoginEvent { device_token: cookie.map(Into::into), device_id: None, ..event(time) };
        (login.tenant, login.user.id) = (tenant.into(), user.into());
        let scored = score(&self.pipeline, &login, time);
        (scored.presented, scored.assessments.new_device.code, scored.cookie.as_str().to_owned())
    }

    /// The token of a person in a cookie, by the keys of now.
    fn find(&self, cookie: &str, person: usize) -> Option<DeviceToken> {
        let tokens = &self.pipeline.loaded().tokens;
        tokens.find(&tokens.read(cookie)?, PEOPLE[person].0, PEOPLE[person].1)
    }

    /// A login with what a browser holds, held against what should come of it.
    fn come(&mut self, person: usize, jar: &mut Jar) {
        let is_ours = jar.cookie.is_some() && self.keys.contains(&jar.key);
        let mut entries = if is_ours { std::mem::take(&mut jar.entries) } else { Vec::new() };
        let is_own = |entry: &Entry| entry.person == person && self.keys.contains(&entry.key);
        let own = entries.iter().position(is_own).map(|at| entries.remove(at));
        let expected = match own {
            Some(_) => Presented::Good,
            None if jar.cookie.is_some() && !is_ours => Presented::Bad,
            None => Presented::Absent,
        };
        let (presented, _, cookie) = self.login(person, jar.cookie.as_deref());
        assert_eq!(presented, expected, "{:?} with {jar:?}", PEOPLE[person]);
        let token = self.find(&cookie, person).expect("the answer carries the user's token");
        match own {
            Some(own) => assert_eq!(token, own.token.successor()),
            None => assert_eq!(token.generation, 1, "a token for a device that is new"),
        }
        if entries.len() == 4 {
            entries.remove(0);
        }
        entries.push(Entry { person, key: self.keys[0], token });
        *jar = Jar { cookie: Some(cookie), key: self.keys[0], entries };
        self.assert_holds(jar);
    }

    /// Everybody finds what is theirs, and nobody what is another's.
    fn assert_holds(&self, jar: &Jar) {
        let cookie = jar.cookie.as_deref().expect("every answer carries one");
        for (person, named) in PEOPLE.iter().enumerate() {
            let own = jar.entries.iter().find(|entry| entry.person == person && self.keys.contains(&entry.key));
            assert_eq!(self.find(cookie, person), own.map(|entry| entry.token), "{named:?} in {jar:?}");
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..PEOPLE.len(), 0..2_usize).prop_map(|(person, browser)| Step::Login { person, browser }),
        1 => Just(Step::NewKey),
        1 => Just(Step::DropOldKeys),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_token_is_its_users_whoever_shares_the_browser_and_whatever_becomes_of_the_keys(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut stand = Stand::new();
        let mut jars = [Jar::default(), Jar::default()];
        let mut keys_made = 1;
        for step in steps {
            match step {
                Step::Login { person, browser } => stand.come(person, &mut jars[browser]),
                Step::NewKey => {
                    keys_made += 1;
                    stand.keys = vec![keys_made, stand.keys[0]];
                }
                Step::DropOldKeys => stand.keys.truncate(1),
                Step::Restart => {}
            }
            stand.load_keys();
        }
    }
}

/// What is cut, changed, another's or of another key is as good as none, and said to be bad.
#[test]
fn what_is_no_cookie_of_ours_is_as_good_as_none_and_is_said_to_be_bad() {
    let mut stand = Stand::new();
    let (_, _, cookie) = stand.login(0, None);
    assert_eq!(stand.login(0, Some(&cookie)).0, Presented::Good);
    let absent = stand.login(0, None);
    let foreign = TokenKeys::new(&[[99; 32]]).expect("there is a key");
    let other_key = foreign.write(None, "default", "alice", DeviceToken::first(7)).as_str().to_owned();
    let flipped = |at: usize| {
        let digit = if cookie.as_bytes()[at] == b'0' { "1" } else { "0" };
        format!("{}{digit}{}", &cookie[..at], &cookie[at + 1..])
    };
    let mut bad = vec![String::new(), "0".into(), "zz".repeat(40), other_key, cookie.repeat(2), format!(" {cookie}")];
    bad.extend([cookie.to_uppercase(), format!("{cookie}00"), format!("{cookie}\0"), "é".repeat(100)]);
    bad.extend((0..cookie.len()).map(|cut| cookie[..cut].to_owned()));
    bad.extend((0..cookie.len()).map(flipped));
    let mut answers = HashSet::new();
    for text in &bad {
        let (presented, code, answer) = stand.login(0, Some(text));
        assert_eq!(presented, Presented::Bad, "{text:?}");
        assert_eq!(code, absent.1, "{text:?} is worth something");
        assert_eq!(stand.find(&answer, 0).map(|token| token.generation), Some(1), "{text:?} goes on");
        assert!(answers.insert(answer), "{text:?} gives a cookie that was given before");
    }
}
