//! A request of somebody who logged in before: judged as a login is, and teaches nothing by itself.

use super::gather::Browser;
use super::teach::{decision, is_copied, login, pending, visit};
use super::{Loaded, Pipeline, rules};
use crate::clock::Timestamp;
use crate::context::LoginContext;
use crate::device_token::DeviceToken;
use crate::event::{Factor, FactorSet, LoginEvent};
use crate::history::{Lesson, Stamp, UserHistory};
use crate::keyed_hash::{NetworkTag, UserKey};
use crate::memory::decisions::{ClientTag, Decision, DecisionId, Given, LoginResult, Name, Pending, Settled};
use crate::memory::{Memory, Share, Sharing, Unvisited};
use crate::signals::{Assessments, Code, Recall, Signal};
use crate::units::Confidence;
use crate::verdict::{self, Action, Mode, Policy, Verdict};
use std::borrow::Cow;

/// Who tells the outcomes of what requests were asked: the hooks alone, which hear of it from whoever asked the factor.
/// **Source:** any number that no client's name comes to but by chance.
pub const HOOKS: ClientTag = ClientTag(0x6b73_616e_6365_686b);

/// A request to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r, 'e> {
    /// Who asks, and may tell the outcome.
    pub client: ClientTag,
    /// Of whom, and from where.
    pub event: &'r LoginEvent<'e>,
    /// Somebody said who the user is. Who is nobody has no history, and none begins.
    pub is_named: bool,
    /// Whether the factors of the event are those that the user has. Otherwise they are all that there are, since nobody here knows.
    pub knows_factors: bool,
    /// Whether a request that is let in teaches a network or a device that is new to a known user.
    pub learns: bool,
    /// Whether what is let in is a login, whose outcome somebody will tell.
    pub awaits_outcome: bool,
    /// Whether a proof is wanted whatever the verdict: then one is asked for, and that it is not given tells nothing of the user.
    pub demands: bool,
    /// What was said on the same a while ago, under a decision that stands as long as that is said.
    pub before: Option<Standing>,
}

impl<'r, 'e> Request<'r, 'e> {
    /// One of the hooks' own, of a user who is named, that teaches nothing.
    #[must_use]
    pub fn of(event: &'r LoginEvent<'e>) -> Self {
        Self {
            client: HOOKS,
            event,
            is_named: true,
            knows_factors: false,
            learns: false,
            awaits_outcome: false,
            demands: false,
            before: None,
        }
    }
}

/// A decision that may stand.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Which.
    pub id: DecisionId,
    /// What it said.
    pub action: Action,
    /// The device that it is about.
    pub device: Device,
}

/// The device of a request, by our cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// 64 bits that nobody can foretell.
    pub number: u64,
    /// The browser has no cookie of it yet.
    pub is_fresh: bool,
    /// The user logged in with it.
    pub is_known: bool,
}

/// What a verdict on a request depends on, but for the state of lists and histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Circumstances {
    /// The user.
    pub user: UserKey,
    /// The token of the device, by device and generation.
    pub device: Option<(u64, u32)>,
    /// The /24 or /48.
    pub network: Option<NetworkTag>,
    /// Browser, system and form.
    pub family: Option<u32>,
}

/// A judged request.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Names the decision.
    pub id: DecisionId,
    /// What is to be done: `Allow`, `Challenge`, `VerifyEmail` or `Deny`.
    pub action: Action,
    /// The factors that answer a demand.
    pub offered: FactorSet,
    /// The overall confidence.
    pub confidence: Confidence,
    /// Log-odds that this is not the user, where the aggregator gives one.
    pub score: Option<f64>,
    /// Codes of the reasons, but for those that tell who is new.
    pub reasons: Vec<Cow<'static, str>>,
    /// Which signals gave evidence that stands by itself.
    pub hard: HardEvidence,
    /// Something of this was labelled fraud.
    pub is_reported: bool,
    /// The history that it was judged by.
    pub stamp: Stamp,
    /// The device that the decision is about.
    pub device: Device,
    /// The cookie that a browser without one is to keep, where requests teach.
    pub cookie: Option<String>,
}

/// Signals whose evidence stands by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardEvidence(u8);

impl HardEvidence {
    fn of(assessments: &Assessments) -> Self {
        let is_hard = |signal: &Signal| assessments.of(*signal).hard;
        let bits = Signal::ALL.iter().enumerate().filter(|(_, signal)| is_hard(signal)).map(|(at, _)| 1 << at);
        Self(bits.fold(0, |all, bit: u8| all | bit))
    }

    /// From how it was kept.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// As it is kept.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether there is some that was not there before.
    #[must_use]
    pub fn exceeds(self, before: Self) -> bool {
        self.0 & !before.0 != 0
    }
}

impl<M: Memory> Pipeline<M> {
    /// What a verdict on this would depend on. A few hashes, and no lookup of the place.
    pub fn circumstances(&self, event: &LoginEvent<'_>) -> Circumstances {
        let anchor = self.key.anchor(&event.tenant, &event.user.id);
        let token = Browser::new(&self.loaded.load().tokens, event).token;
        let agent = self.agents.look_up(event.user_agent.as_deref(), event.client_hints.as_ref());
        Circumstances {
            user: self.key.user_of(anchor),
            device: token.map(|token| (token.device, token.generation)),
            network: event.ip.ip().map(|ip| self.key.network(anchor, ip)),
            family: agent.map(|agent| agent.family.to_bits()),
        }
    }

    /// Whether the browser has our cookie of a device that the user logged in with.
    ///
    /// # Errors
    ///
    /// The history is elsewhere, or cannot be had.
    pub fn knows_device(&self, event: &LoginEvent<'_>) -> Result<bool, Unvisited> {
        let anchor = self.key.anchor(&event.tenant, &event.user.id);
        let token = Browser::new(&self.loaded.load().tokens, event).token;
        let Some(device) = token.map(|token| self.key.token_device(anchor, token.device)) else { return Ok(false) };
        self.memory.visit(self.key.user_of(anchor), |history| {
            (history.is_some_and(|history| history.has_device(device)), None)
        })
    }

    /// In which state the user's history is.
    ///
    /// # Errors
    ///
    /// It is elsewhere, or cannot be had.
    pub fn stamp(&self, event: &LoginEvent<'_>) -> Result<Stamp, Unvisited> {
        let anchor = self.key.anchor(&event.tenant, &event.user.id);
        let user = self.key.user_of(anchor);
        self.adopt(anchor, user)?;
        self.memory.visit(user, |history| (Stamp::of(history), None))
    }

    /// Judges a request at `now`. Gives also what tells other replicas of it, where there are some.
    ///
    /// # Errors
    ///
    /// The user's history is elsewhere, or cannot be had; nothing was learnt or kept.
    pub fn judge(&self, request: Request<'_, '_>, now: Timestamp) -> Result<(Judged, Option<Share>), Unvisited> {
        let Request { client, event, is_named, learns, awaits_outcome, demands, before, .. } = request;
        let started = self.clock.start();
        let loaded = self.loaded.load();
        let (context, browser) = self.gather(&loaded, event, now);
        let id = self.memory.name(self.ids.decision(now), context.user);
        self.adopt(context.anchor, context.user)?;
        let judge = |history: Option<&UserHistory>| {
            let recall = Recall::from(history);
            let (assessments, verdict) = verdict::assess(&context, recall, &loaded.signals, &loaded.verdict);
            let verdict = as_asked(verdict, recall, &loaded, request);
            let is_new = learns && is_named && history.is_some_and(|history| is_new(&context, history));
            let lesson =
                (is_new && is_let_in(&assessments, &verdict)).then(|| Lesson::Completed(login(&context, None, false)));
            let seen = Seen {
                stamp: Stamp::of(history),
                has_history: history.is_some(),
                has_taught: lesson.is_some(),
                awaits_outcome,
                demands,
            };
            ((assessments, verdict, seen), lesson)
        };
        let (assessments, verdict, seen) = if learns {
            self.memory.visit_at_login(id, Sharing::Merged, context.user, judge)?
        } else {
            self.memory.visit(context.user, judge)?
        };
        self.meters.scored(&assessments, &verdict, started.elapsed());
        rules::audit(&loaded, id, &verdict.rules);
        if seen.has_taught {
            self.count_success(visit(&context, &assessments), now);
        }
        let told_before = before.filter(|before| before.action == verdict.action && !seen.has_taught);
        let fresh = DeviceToken::first(self.ids.device());
        if told_before.is_none() {
            let login = login(&context, self.token_use(&context, fresh), is_copied(&assessments));
            let who = (context.user, Name::new(&event.tenant, &event.user.id));
            let given = Given::new(who, client, (login, context.address.ip), &assessments, &verdict);
            let decision = kept(&loaded, &context, given, (&assessments, &verdict, seen), now);
            self.memory.keep(id, decision, seen.has_history).unwrap_or_else(|error| self.failed(&error));
            self.tell(self.tidings_of(event, (id, verdict.action), &context, &assessments).filter(|_| is_named));
        }
        let is_shared = told_before.is_none() || learns;
        let share = is_shared.then(|| self.memory.share(id, context.user, Sharing::Merged)).flatten();
        let needs_cookie = learns && is_named && browser.token.is_none();
        let cookie = || loaded.tokens.write(browser.cookie.as_ref(), &event.tenant, &event.user.id, fresh);
        let cookie = needs_cookie.then(|| cookie().as_str().to_owned());
        let device = device(browser.token.filter(|_| !is_copied(&assessments)), &assessments, fresh);
        let judged = Judged {
            id: told_before.map_or(id, |before| before.id),
            device: told_before.map_or(device, |before| before.device),
            action: verdict.action,
            offered: verdict.offered,
            confidence: verdict.confidence,
            score: verdict.evidence.as_ref().map(|evidence| evidence.score),
            reasons: reasons(&verdict),
            hard: HardEvidence::of(&assessments),
            is_reported: assessments.reported.code == Code::Reported,
            stamp: seen.stamp,
            cookie,
        };
        Ok((judged, share))
    }
}

/// What was seen of the history, and what becomes of it.
#[derive(Clone, Copy)]
struct Seen {
    stamp: Stamp,
    has_history: bool,
    has_taught: bool,
    awaits_outcome: bool,
    demands: bool,
}

/// What is kept of a verdict. A request that is let in completes no login: nobody tells its outcome, and only a label can teach.
fn kept(
    loaded: &Loaded,
    context: &LoginContext<'_>,
    given: Given,
    (assessments, verdict, seen): (&Assessments, &Verdict, Seen),
    now: Timestamp,
) -> Decision {
    match verdict.action {
        Action::Allow if seen.awaits_outcome => pending(loaded, context, given, assessments, verdict, now),
        Action::Allow => {
            let result = seen.has_taught.then_some(LoginResult::Success);
            Decision::Settled(Settled { given, result, factor: None })
        }
        Action::Challenge | Action::VerifyEmail | Action::Deny => {
            match decision(loaded, context, given, assessments, verdict, now) {
                Decision::Pending(pending) => {
                    Decision::Pending(Box::new(Pending { demanded: pending.demanded && !seen.demands, ..*pending }))
                }
                settled @ Decision::Settled(_) => settled,
            }
        }
    }
}

/// The device that is judged: by its cookie, or the one that the browser is to be from now on.
fn device(token: Option<DeviceToken>, assessments: &Assessments, fresh: DeviceToken) -> Device {
    match token {
        Some(token) => {
            let is_known = assessments.new_device.knows_device();
            Device { number: token.device, is_fresh: false, is_known }
        }
        None => Device { number: fresh.device, is_fresh: true, is_known: false },
    }
}

/// The verdict as a request is answered: who is a stranger is asked, and so is everybody where a proof is wanted whatever the verdict.
fn as_asked(verdict: Verdict, recall: Recall<'_>, loaded: &Loaded, request: Request<'_, '_>) -> Verdict {
    let Request { event, is_named, knows_factors, demands, .. } = request;
    let factors = if knows_factors { event.user.enrolled } else { FactorSet::ALL };
    let verdict = if is_named { asking_strangers(verdict, recall, loaded, factors) } else { verdict };
    if demands && verdict.action == Action::Allow && verdict.mode == Mode::Enforce {
        asking(verdict, factors)
    } else if !knows_factors && verdict.action.demands_mfa() {
        // Of a phishing-resistant factor, too, nobody knows whether there is one: what another one teaches is as little as ever.
        Verdict { offered: FactorSet::ALL, ..verdict }
    } else {
        verdict
    }
}

/// Who has no history is asked, unless nobody is: passing it begins the history.
fn asking_strangers(verdict: Verdict, recall: Recall<'_>, loaded: &Loaded, factors: FactorSet) -> Verdict {
    let is_stranger = match recall {
        Recall::Stranger | Recall::Labelled(_) => true,
        Recall::History(_) | Recall::Failed => false,
    };
    let is_asked = loaded.verdict.mode == Mode::Enforce && loaded.verdict.policy != Policy::Never;
    let is_let_in = verdict.action == Action::Allow;
    if is_stranger && is_asked && is_let_in { asking(verdict, factors) } else { verdict }
}

/// The same verdict, with a demand for one of the user's factors; of who has none, for their address.
fn asking(verdict: Verdict, factors: FactorSet) -> Verdict {
    let offered = if factors.is_empty() { FactorSet::EMPTY.with(Factor::Email) } else { factors };
    Verdict {
        action: Action::Challenge,
        would_be: Action::Challenge,
        offered,
        next: Some(verdict::Next::Challenge),
        ..verdict
    }
}

fn is_let_in(assessments: &Assessments, verdict: &Verdict) -> bool {
    verdict.action == Action::Allow && verdict.confidence != Confidence::Low && !is_copied(assessments)
}

/// The network, or the device by a cookie that came back, is new to a user who has a history.
fn is_new(context: &LoginContext<'_>, history: &UserHistory) -> bool {
    let is_new_network = context.address.network.is_some_and(|tag| history.knows_network(tag) != Some(true));
    let is_new_device = context.token.is_some_and(|token| !history.has_device(token.device));
    history.last_login().is_some() && (is_new_network || is_new_device)
}

/// **Source:** signals.md: what tells of a user that they are new stands in no header.
fn reasons(verdict: &Verdict) -> Vec<Cow<'static, str>> {
    let untold = [Code::InitialLogin, Code::HistoryMissing].map(Code::as_str);
    let codes = verdict.reasons.iter().map(|reason| &reason.code);
    codes.filter(|code| !untold.contains(&&***code)).cloned().collect()
}
