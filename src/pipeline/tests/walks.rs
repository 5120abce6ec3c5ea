//! A user, a second tab of theirs, and a thief who copied their device cookie, in every order of logins up to a depth, and in
//! random orders beyond it: each login goes through the pipeline, and a small model says what it must be told.
//!
//! A copy is told by the first login that brings an older token than somebody brought before. That fails, and can only
//! fail, where no such login was made yet:
//!
//! - only one of the two has come since the copy was made: the thief came, and the user never does again, or the reverse;
//! - they are in step: each brings what the other brought last. A lost answer looks the same;
//! - the one behind is one token behind, comes within 60 s of the one ahead, from the same network and browser family: the
//!   user's second tab looks the same.
//!
//! None of them lasts: who comes three times in a row leaves the other behind, and one of the two is told when the other
//! comes a minute later. That is checked from every state that is reached. A tab whose request was under way for over a
//! minute, or while the other tab came with two newer tokens, counts as a copy; nothing else that a user does alone is.

mod model;

use super::*;
use crate::history::DEVICES_MAX;
use crate::signals::{Details, Leg};
use crate::verdict::Policy;
use model::{Model, Texts, Token, Whence};
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;

/// Steps of a walk that is taken in every order; some ten thousand states. Seven hold, too, and take five times as long.
const DEPTH: usize = 6;
/// Steps that are taken after somebody was caught; the random walks go on for longer.
const AFTERMATH: usize = 2;
/// Where the walks begin; no wall clock is that late, so that decisions do not expire by it.
const START_S: u32 = 4_000_000_000;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/131.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The user logs in with what the browser holds; where the answer is lost, it holds the same after.
    User { keeps: bool },
    /// The second tab sends its request with what the browser holds.
    TabSends,
    /// That request arrives.
    Tab,
    /// The thief copies what the browser holds.
    Copy,
    /// The thief logs in.
    Thief { whence: Whence, keeps: bool },
    /// Seconds pass.
    Wait(u32),
}

const STEPS: [Step; 11] = [
    Step::User { keeps: true },
    Step::User { keeps: false },
    Step::TabSends,
    Step::Tab,
    Step::Copy,
    Step::Thief { whence: Whence::Home, keeps: true },
    Step::Thief { whence: Whence::OtherNetwork, keeps: true },
    Step::Thief { whence: Whence::OtherFamily, keeps: true },
    Step::Wait(10),
    Step::Wait(61),
    Step::Wait(86_400),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    User,
    Thief,
}

/// What memory holds, and what it should.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    row: Option<Box<[u8]>>,
    model: Model,
}

struct World {
    pipeline: Pipeline<Volatile>,
    user: UserKey,
    texts: Texts,
    /// Logins that were told to be copies, by who made them.
    caught: [u32; 2],
}

impl World {
    /// One in which every login that is not caught is let in; or one in which each is challenged, and the thief fails.
    fn new(policy: Policy) -> (Self, State) {
        let mut loaded = loaded().expect("the fixture is in the repository");
        loaded.verdict.policy = policy;
        let pipeline = over(Volatile::new(&Settings::default()), loaded).expect("metrics can be set up");
        let user = pipeline.key.user("default", "alice");
        let mut world = Self { pipeline, user, texts: Texts::default(), caught: [0; 2] };
        let text = world.come(Who::User, Whence::Home, None, START_S).0.cookie;
        let jar = world.texts.fresh(&text);
        let state = State { row: world.pipeline.memory().row(user), model: Model::new(START_S, jar) };
        (world, state)
    }

    /// A login through the pipeline, and whether it is complete.
    fn come(&self, who: Who, whence: Whence, cookie: Option<&str>, now_s: u32) -> (Told, bool) {
        let time = Timestamp::from_unix_s(now_s);
        let (ip, user_agent) = match whence {
            Whence::Home => ("192.0.2.1", CHROME),
            Whence::OtherNetwork => ("198.51.100.1", CHROME),
            Whence::OtherFamily => ("192.0.2.1", FIREFOX),
        };
        let login = LoginEvent {
            ip: ClientIp::parse(ip.into()),
            user_agent: Some(user_agent.into()),
            device_token: cookie.map(Into::into),
            device_id: None,
            remembered_browser: false,
            ..event(time)
        };
        let scored = score(&self.pipeline, &login, time);
        let told = Told::of(&scored);
        let (at_once, id) =
            (scored.verdict.action == Action::Allow && scored.verdict.confidence != Confidence::Low, scored.id);
        if at_once || who == Who::Thief {
            return (told, at_once);
        }
        let report = Report {
            client: ClientTag(0),
            result: LoginResult::Success,
            factor: Some(Factor::Totp),
            verified_here: FactorSet::EMPTY,
        };
        let settled = now(self.pipeline.memory().settle(id, time, report));
        assert!(matches!(settled, Ok(Settlement::Taken | Settlement::Counted(_))), "{settled:?}");
        (told, true)
    }

    /// A login with a cookie, held against the model; the token that the answer carries.
    fn login(&mut self, who: Who, whence: Whence, token: Token, model: &mut Model) -> Token {
        let (told, completed) = self.come(who, whence, Some(self.texts.of(token)), model.now_s);
        assert_eq!(told.is_copied, model.is_copy(token, whence), "{who:?} brings {token:?} from {whence:?}");
        if told.is_copied {
            self.caught[who as usize] += 1;
            model.forget(token);
            let fresh = self.texts.fresh(&told.cookie);
            model.learn(fresh, whence, completed);
            return fresh;
        }
        if let Some(leg) = told.device {
            assert_eq!(leg == Leg::Known, model.knows(token), "{who:?}'s device");
        }
        model.learn(token, whence, completed);
        self.texts.successor(token, &told.cookie)
    }

    /// Takes a step; `None` where it changes nothing.
    fn step(&mut self, step: Step, before: &State) -> Option<State> {
        let State { row, mut model } = before.clone();
        self.pipeline.memory().put_back(self.user, row);
        match step {
            Step::User { keeps } => {
                let clean_and_alone = model.is_clean && model.stolen.is_none();
                let next = self.login(Who::User, Whence::Home, model.jar, &mut model);
                assert!(model.is_clean || !clean_and_alone, "a user whom nobody copied is caught");
                model.jar = if keeps { next } else { model.jar };
            }
            Step::TabSends if model.tab != model.jar => model.tab = model.jar,
            // With what the browser holds now it is a login like any other.
            Step::Tab if model.tab != model.jar => {
                model.jar = self.login(Who::User, Whence::Home, model.tab, &mut model);
                model.tab = model.jar;
            }
            Step::Copy if model.stolen != Some(model.jar) => model.stolen = Some(model.jar),
            Step::Thief { whence, keeps } => {
                let stolen = model.stolen?;
                let next = self.login(Who::Thief, whence, stolen, &mut model);
                model.stolen = Some(if keeps { next } else { stolen });
            }
            Step::Wait(seconds) => model.now_s += seconds,
            Step::TabSends | Step::Tab | Step::Copy => return None,
        }
        Some(State { row: self.pipeline.memory().row(self.user), model })
    }

    /// Whoever comes three times in a row leaves the other behind.
    fn assert_a_copy_is_told_in_the_end(&mut self, state: &State) {
        let user = Step::User { keeps: true };
        let thief = Step::Thief { whence: Whence::Home, keeps: true };
        for steps in [[user, user, user, thief], [thief, thief, thief, user]] {
            let mut state = state.clone();
            state.model.now_s += 61;
            for (count, step) in steps.into_iter().enumerate() {
                state.model.now_s += if count == 3 { 61 } else { 0 };
                state = self.step(step, &state).expect("both have a cookie");
            }
            assert!(!state.model.is_clean, "{steps:?}, and nobody is caught");
        }
    }
}

/// What an answer says of the cookie.
struct Told {
    is_copied: bool,
    device: Option<Leg>,
    cookie: String,
}

impl Told {
    fn of(scored: &Scored<'_>) -> Self {
        let new_device = &scored.assessments.new_device;
        let is_copied = scored.presented == Presented::Copied;
        assert_eq!(is_copied, new_device.code == Code::DeviceReused);
        assert!(!is_copied || scored.verdict.action == Action::Challenge, "a copy is let in");
        let device = if let Details::Legs { device, .. } = new_device.details { Some(device) } else { None };
        Self { is_copied, device, cookie: scored.cookie.as_str().to_owned() }
    }
}

/// Every order of steps, each state that several lead to being gone on from once. The last step of a walk is a login.
fn walk_all(policy: Policy) {
    let (mut world, start) = World::new(policy);
    let mut seen = HashSet::from([start.clone()]);
    let mut level = vec![(start, Vec::new(), 0)];
    for depth in 1..=DEPTH {
        let mut next = Vec::new();
        for (state, walk, after_catch) in level {
            for step in steps(walk.last(), depth) {
                let walk: Vec<Step> = walk.iter().copied().chain([step]).collect();
                let after = named(&walk, || world.step(step, &state));
                let Some(after) = after.filter(|after| seen.insert(after.clone())) else { continue };
                if depth < DEPTH && after.model.is_clean && after.model.is_shared() {
                    named(&walk, || world.assert_a_copy_is_told_in_the_end(&after));
                }
                let after_catch = after_catch + usize::from(!state.model.is_clean);
                if after_catch < AFTERMATH {
                    next.push((after, walk, after_catch));
                }
            }
        }
        level = next;
    }
    let [users, thieves] = world.caught;
    assert!(users > 1000 && thieves > 1000, "a copy is told by whoever comes second: {users}, {thieves}");
}

/// Two waits are one, and one at the end tells nothing.
fn steps(last: Option<&Step>, depth: usize) -> impl Iterator<Item = Step> + use<> {
    let waits = |step: &Step| matches!(step, Step::Wait(_));
    let may_wait = depth < DEPTH && !last.is_some_and(waits);
    STEPS.into_iter().filter(move |step| may_wait || !waits(step))
}

/// Says which walk a failure belongs to.
fn named<T>(walk: &[Step], step: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| panic!("on the walk {walk:?}"))
}

#[test]
fn in_every_order_of_logins_that_are_let_in_a_copy_is_told_and_a_second_tab_is_not() {
    walk_all(Policy::Adaptive);
}

#[test]
fn in_every_order_of_logins_that_only_the_user_completes_a_copy_is_told_and_a_second_tab_is_not() {
    walk_all(Policy::Always);
}

fn any_step() -> impl Strategy<Value = Step> {
    let whence = prop::sample::select(vec![Whence::Home, Whence::OtherNetwork, Whence::OtherFamily]);
    prop_oneof![
        4 => any::<bool>().prop_map(|keeps| Step::User { keeps }),
        2 => Just(Step::TabSends),
        2 => Just(Step::Tab),
        1 => Just(Step::Copy),
        4 => (whence, any::<bool>()).prop_map(|(whence, keeps)| Step::Thief { whence, keeps }),
        3 => (1..=70_u32).prop_map(Step::Wait),
        1 => (1..=20 * 86_400_u32).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// As above, with more logins, more copies, lost answers of the thief's, and any time between.
    #[test]
    fn on_long_walks_too_a_copy_is_told_and_a_second_tab_is_not(
        walk in prop::collection::vec(any_step(), 8..80), is_let_in: bool,
    ) {
        let (mut world, mut state) = World::new(if is_let_in { Policy::Adaptive } else { Policy::Always });
        for step in walk {
            // Further ones push out others, of which memory then knows nothing.
            if state.model.devices() == DEVICES_MAX {
                break;
            }
            state = world.step(step, &state).unwrap_or(state);
            if state.model.is_clean && state.model.is_shared() {
                world.assert_a_copy_is_told_in_the_end(&state);
            }
        }
    }
}
