//! Who comes to a page, and for what: as its address says, and only in the browser in which it was opened first.

use crate::clock::Timestamp;
use crate::event::FactorSet;
use crate::memory::Memory;
use crate::mfa::token::TokenKind;
use crate::mfa::visitor::{Asking, Hosted, Visitor};
use crate::mfa::{Mfa, MfaToken, UserRecord};
use crate::pages::Dead;
use crate::pipeline::UserName;
use crate::server::api::Service;
use crate::server::client_ip::Client;
use crate::server::hooks::assurance::{Facts, OpenErrand};
use crate::server::hooks::request::HookRequest;
use crate::server::hooks::subject;
use crate::server::uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Who came, and for what.
#[derive(Debug)]
pub(super) struct Visit {
    /// What their browser keeps of it, under which forms are theirs.
    form_token: String,
    pub(super) task: Task,
}

/// What a page is for.
#[derive(Debug)]
pub(super) enum Task {
    /// The hooks demand a proof.
    Demand(Box<Demand>),
    /// A server has its user proved, or set up, here.
    Hosted(Box<Hosted>),
}

/// A demand of the hooks.
#[derive(Debug)]
pub(super) struct Demand {
    visitor: Visitor,
    tenant: String,
    pub(super) errand: OpenErrand,
    /// What a proof is good for.
    pub(super) facts: Facts,
    /// The device cookie of the browser.
    pub(super) device_cookie: Option<String>,
}

/// Why there is no page, and where to go instead.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) dead: Dead,
    pub(super) leave: Option<String>,
}

impl From<Dead> for Refused {
    fn from(dead: Dead) -> Self {
        Self { dead, leave: None }
    }
}

/// What is asked of the user: by what they have, or that they get something that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To prove who they are.
    Prove,
    /// To set up one of these, since they have none; that is proved when they come back.
    SetUp(FactorSet),
}

/// A browser, by a cookie that only pages see.
#[derive(Clone, Copy)]
pub(super) struct Browser {
    number: [u8; 16],
    pub(super) is_new: bool,
}

impl Browser {
    pub(super) fn of(request: &HookRequest<'_>) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(request.cookie(super::COOKIE)?).ok()?;
        Some(Self { number: bytes.try_into().ok()?, is_new: false })
    }

    pub(super) fn random() -> Option<Self> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).ok()?;
        Some(Self { number, is_new: true })
    }

    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.number)
    }

    /// Nobody makes it up who does not know the cookie.
    fn form_token(&self, page: &str) -> String {
        let key = blake3::derive_key("askance 2026-11-22 forms of a page", &self.number);
        URL_SAFE_NO_PAD.encode(blake3::keyed_hash(&key, page.as_bytes()).as_bytes())
    }
}

impl Visit {
    pub(super) fn form_token(&self) -> &str {
        &self.form_token
    }

    /// Whether a form comes from this page in this browser.
    pub(super) fn is_own(&self, form_token: &str) -> bool {
        self.form_token.as_bytes().ct_eq(form_token.as_bytes()).into()
    }

    /// Who is asked.
    pub(super) fn user(&self) -> UserName<'_> {
        match &self.task {
            Task::Demand(demand) => demand.visitor.name(&demand.tenant),
            Task::Hosted(hosted) => hosted.token.user(),
        }
    }

    /// Where to go back to, where that is known.
    pub(super) fn url(&self) -> Option<&str> {
        let url = match &self.task {
            Task::Demand(demand) => &demand.errand.errand.url,
            Task::Hosted(hosted) => &hosted.return_to,
        };
        Some(url.as_str()).filter(|url| !url.is_empty())
    }

    /// What is to be done, in words.
    pub(super) fn action(&self) -> Option<&str> {
        match &self.task {
            Task::Demand(_) => None,
            Task::Hosted(hosted) => hosted.text.as_deref(),
        }
    }

    /// What is asked, by what the user has now, and the token that stands for it.
    pub(super) fn token<M>(&self, mfa: &Mfa<M>, record: &UserRecord) -> (MfaToken, Purpose) {
        match &self.task {
            Task::Demand(demand) => demand.token(mfa, record),
            Task::Hosted(hosted) => (hosted.token.clone(), Purpose::Prove),
        }
    }

    /// Whether backup codes are offered: to who proves something on the way elsewhere, until they put it off.
    pub(super) fn offers_codes(&self, record: &UserRecord) -> bool {
        match &self.task {
            Task::Demand(_) => record.skipped.is_none(),
            Task::Hosted(_) => true,
        }
    }

    /// Whether another factor is offered, beside what was bound by itself.
    pub(super) fn suggests(&self, record: &UserRecord) -> bool {
        match &self.task {
            Task::Demand(_) => false,
            Task::Hosted(hosted) => {
                let is_first = hosted.more_than.is_some_and(|count| record.factors.len() <= count);
                is_first && record.skipped.is_none()
            }
        }
    }
}

impl Demand {
    fn token<M>(&self, mfa: &Mfa<M>, record: &UserRecord) -> (MfaToken, Purpose) {
        let errand = &self.errand.errand;
        let on = mfa.on();
        // The address of the account proves something of who has no factor of before.
        let is_bare = record.factors.iter().all(|bound| bound.bound_in == errand.decision);
        let email = self.visitor.email.clone().filter(|_| is_bare);
        let visitor = Visitor { user: self.visitor.user.clone(), email };
        let asking = |kind, offered| {
            visitor.token(Asking {
                kind,
                decision: errand.decision,
                made: self.errand.made(),
                tenant: &self.tenant,
                offered,
                is_device_known: errand.device.is_known,
                ip: Some(self.facts.address),
            })
        };
        let login = asking(TokenKind::Login, errand.factors);
        let can_prove = !record.usable(&login, on).is_empty() || mfa.may_prove_email(&login);
        if !errand.factors.is_empty() && (record.is_proved(&login) || can_prove) {
            return (login, Purpose::Prove);
        }
        (asking(TokenKind::SignIn, record.enrolled().both(on)), Purpose::SetUp(errand.factors.both(on)))
    }
}

impl<M: Memory> Service<M> {
    /// Finds out who comes, by the address of the page and by the browser; one that `opens` it is the one from then on.
    pub(super) async fn visit(
        &self,
        mfa: &Mfa<M>,
        query: Option<&str>,
        (request, browser, opens): (&HookRequest<'_>, Browser, bool),
        now: Timestamp,
    ) -> Result<Visit, Refused> {
        let (page, task, until) = match uri::parameters(query, ["rd", "page"]) {
            Ok([Some(rd), None]) => {
                let demand = self.demanded(mfa, &rd, request, now)?;
                let until = demand.errand.expires;
                (rd, Task::Demand(demand), until)
            }
            Ok([None, Some(page)]) => {
                let hosted = Box::new(mfa.open_hosted(&page).ok_or(Dead::LinkWrong)?);
                let until = hosted.token.expires();
                if now > until {
                    return Err(Refused { dead: Dead::LinkGone, leave: Some(hosted.return_to) });
                }
                (page, Task::Hosted(hosted), until)
            }
            _ => return Err(Dead::LinkWrong.into()),
        };
        let visit = Visit { form_token: browser.form_token(&page), task };
        let refused = |dead| Refused { dead, leave: visit.url().map(str::to_owned) };
        let opened = mfa.is_opened_in(&page, browser.number, (opens, until), now).await;
        if opened.map_err(|_| refused(Dead::Unavailable))? { Ok(visit) } else { Err(refused(Dead::OtherBrowser)) }
    }

    /// What the hooks demand, in the browser of which they demand it.
    fn demanded(
        &self,
        mfa: &Mfa<M>,
        rd: &str,
        request: &HookRequest<'_>,
        now: Timestamp,
    ) -> Result<Box<Demand>, Refused> {
        let loaded = self.pipeline.loaded();
        let keys = loaded.tokens.signing();
        let errand = OpenErrand::read(keys, rd).ok_or(Dead::LinkWrong)?;
        let leave = Some(errand.errand.url.clone()).filter(|url| !url.is_empty());
        let refused = |dead| Refused { dead, leave: leave.clone() };
        if errand.is_over(now) {
            return Err(refused(Dead::LinkGone));
        }
        let Client::Known(address) = request.client else { return Err(refused(Dead::OtherBrowser)) };
        let agent = subject::readable(request.headers, "user-agent");
        let family = self.pipeline.family(agent.as_deref(), subject::hints(request.headers).as_ref());
        if !errand.is_of(keys, address, family) {
            return Err(refused(Dead::OtherBrowser));
        }
        let visitor = mfa.open_visitor(&errand.errand.who, errand.errand.decision);
        Ok(Box::new(Demand {
            visitor: visitor.ok_or_else(|| refused(Dead::LinkGone))?,
            tenant: self.hooks.settings.tenant().to_owned(),
            facts: errand.errand.facts(address, family),
            device_cookie: request.cookie(crate::device_token::COOKIE_NAME).map(str::to_owned),
            errand,
        }))
    }
}
