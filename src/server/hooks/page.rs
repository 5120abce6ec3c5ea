//! `/askance/challenge`: where somebody who is asked proves who they are, in the browser in which that began.
//!
//! A request is who came, and for what (`visit`), and then what they sent, done (`act`), or what is next, shown (`show`). A page that
//! is looked at changes nothing but whose it is; what is posted comes from a page of ours in the same browser, or is refused. What was
//! proved counts when the browser leaves (`leave`).

mod act;
mod form;
mod leave;
mod show;
mod visit;

use super::Origin;
use super::answer::cookie;
use super::request::HookRequest;
use crate::clock::Timestamp;
use crate::memory::Memory;
use crate::mfa::{Mfa, MfaError};
use crate::pages::{Dead, Language, Screen, View};
use crate::server::Answer;
use crate::server::api::Service;
use crate::server::body;
use form::Form;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use hyper::header::{RETRY_AFTER, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use std::time::Duration;
use visit::{Browser, Refused, Visit};

pub(super) const PATH: &str = "/askance/challenge";
/// What pages are made of, behind this.
pub(super) const ASSETS: &str = "/askance/assets/";
/// What binds a page to a browser.
const COOKIE: &str = "__Host-askance_challenge";
/// Seconds: longer than any page is good.
const COOKIE_AGE_S: u32 = 3_600;
/// A passkey's answer has some 2 KB, and nothing else comes near.
const FORM_BYTES_MAX: usize = 65_536;
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// What a page is made with, while a request is answered.
struct Page<'a, M> {
    service: &'a Service<M>,
    mfa: &'a Mfa<M>,
    visit: Visit,
    language: Language,
    now: Timestamp,
}

impl<M: Memory> Service<M> {
    /// Answers a request for a page, or one of its forms.
    pub(super) async fn page(&self, head: &Parts, body: &mut Incoming, origin: Origin) -> Answer {
        let language = self.language(&head.headers);
        let Ok(_permit) = self.hooks.of_pages.enter(0) else {
            return self.dead(&Refused::from(Dead::Unavailable), language);
        };
        let Some(mfa) = self.mfa.as_deref() else { return self.dead(&Dead::Off.into(), language) };
        let request = self.hooks.doors.read_plain(head, origin.peer);
        let answered = match head.method {
            Method::POST => self.posted(mfa, head, body, &request, language).await,
            _ => self.looked_at(mfa, head, &request, language).await,
        };
        answered.unwrap_or_else(|refused| self.dead(&refused, language))
    }

    async fn looked_at(
        &self,
        mfa: &Mfa<M>,
        head: &Parts,
        request: &HookRequest<'_>,
        language: Language,
    ) -> Result<Answer, Refused> {
        let now = self.clock.now();
        let browser = Browser::of(request).or_else(Browser::random).ok_or(Dead::Unavailable)?;
        let visit = self.visit(mfa, head.uri.query(), (request, browser, true), now).await?;
        let page = Page { service: self, mfa, visit, language, now };
        let mut answer = page.first(None).await.map_err(Refused::from)?;
        if browser.is_new {
            set_cookie(&mut answer, COOKIE, &browser.text(), COOKIE_AGE_S);
        }
        Ok(answer)
    }

    async fn posted(
        &self,
        mfa: &Mfa<M>,
        head: &Parts,
        body: &mut Incoming,
        request: &HookRequest<'_>,
        language: Language,
    ) -> Result<Answer, Refused> {
        let now = self.clock.now();
        let is_ours = |origin: &str| self.hooks.settings.challenge_url.as_ref().is_some_and(|url| url.is_of(origin));
        let is_form = super::request::text(&head.headers, "content-type").is_some_and(form::is_form);
        if !super::request::text(&head.headers, "origin").is_some_and(is_ours) || !is_form {
            return Err(Dead::FormRefused.into());
        }
        let browser = Browser::of(request).ok_or(Dead::OtherBrowser)?;
        let visit = self.visit(mfa, head.uri.query(), (request, browser, false), now).await?;
        let sent = body::read(body, FORM_BYTES_MAX, FORM_TIMEOUT).await.map_err(|_| Dead::FormRefused)?;
        let form = Form::parse(&sent).filter(|form| visit.is_own(&form.token)).ok_or(Dead::FormRefused)?;
        let page = Page { service: self, mfa, visit, language, now };
        page.act(&form).await
    }

    /// A file of a page.
    pub(super) fn asset(&self, name: &str, head: &Parts) -> Answer {
        let Some(asset) = self.hooks.pages.asset(name) else {
            return self.dead(&Dead::NotFound.into(), self.language(&head.headers));
        };
        let mut answer = Response::new(asset.bytes.clone().into());
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        // Its name in a page holds its hash.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        headers.insert(
            ETAG,
            HeaderValue::try_from(format!("\"{}\"", asset.hash)).unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
        );
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
        headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        answer
    }

    fn language(&self, headers: &HeaderMap) -> Language {
        self.hooks.pages.language(super::request::text(headers, ACCEPT_LANGUAGE.as_str()))
    }

    /// The way back is no longer good, said to a person.
    pub(super) fn way_back_gone(&self, request: &HookRequest<'_>) -> Answer {
        let mut answer = self.dead(&Dead::LinkGone.into(), self.language(request.headers));
        *answer.status_mut() = StatusCode::FORBIDDEN;
        answer
    }

    /// The way ends here.
    fn dead(&self, refused: &Refused, language: Language) -> Answer {
        let view = View {
            screen: Screen::Dead(refused.dead),
            notice: None,
            user: None,
            action: None,
            form_token: "",
            leave: refused.leave.as_deref(),
        };
        let mut answer = self.html(&view, status_of(refused.dead), None, language);
        if let Dead::Asleep(wait_s) = refused.dead {
            answer.headers_mut().insert(RETRY_AFTER, wait_s.into());
        }
        answer
    }

    /// A page, with what keeps it to itself; forms of it may lead to `origin`, too.
    fn html(&self, view: &View<'_>, status: StatusCode, origin: Option<&str>, language: Language) -> Answer {
        let mut answer = Response::new(self.hooks.pages.render(view, language).into());
        *answer.status_mut() = status;
        let policy = format!(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'{}{}; \
             frame-ancestors 'none'; base-uri 'none'",
            if origin.is_some() { " " } else { "" },
            origin.unwrap_or_default(),
        );
        let headers = answer.headers_mut();
        let policy = HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            // What the page itself says lets its forms, and nothing else, tell where they come from.
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)"),
            ("vary", "accept-language, cookie"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        answer
    }
}

fn status_of(dead: Dead) -> StatusCode {
    match dead {
        Dead::LinkGone => StatusCode::GONE,
        Dead::LinkWrong | Dead::OtherBrowser | Dead::FormRefused | Dead::NoWay => StatusCode::FORBIDDEN,
        Dead::Asleep(_) => StatusCode::TOO_MANY_REQUESTS,
        Dead::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Dead::Off | Dead::NotFound => StatusCode::NOT_FOUND,
    }
}

impl From<MfaError> for Refused {
    /// What no page can do anything about.
    fn from(error: MfaError) -> Self {
        let is_over = matches!(error, MfaError::DecisionSettled | MfaError::DecisionNotFound | MfaError::TokenExpired);
        if is_over { Dead::LinkGone.into() } else { Dead::Unavailable.into() }
    }
}

/// Sends the browser on; what it was told here is nobody else's business.
pub(super) fn to(url: &str) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let headers = answer.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(url).unwrap_or_else(|_| HeaderValue::from_static("/")));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    answer
}

pub(super) fn set_cookie(answer: &mut Answer, name: &str, value: &str, age_s: u32) {
    if let Ok(value) = HeaderValue::try_from(cookie(name, value, age_s)) {
        answer.headers_mut().append(SET_COOKIE, value);
    }
}
