//! `/v1/users/{id}` and what stands below it: what is remembered of a user, and the end of it.

use super::{Service, json, no_content};
use crate::event::DEFAULT_TENANT;
use crate::keyed_hash::DeviceTag;
use crate::memory::Memory;
use crate::pipeline::{Extent, UserName};
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::export::ExportBody;
use crate::server::wire::mfa::HeldFactor;
use crate::server::wire::users::UserBody;
use crate::server::{Answer, uri};
use hyper::Method;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use serde::Serialize;
use std::borrow::Cow;

const TENANT: HeaderName = HeaderName::from_static("x-askance-tenant");

impl<M: Memory> Service<M> {
    /// Shows what is remembered, or erases it.
    pub(super) async fn user(&self, caller: Caller<'_>, id: &str, head: &Parts) -> Result<Answer, Failure> {
        let (tenant, id) = user(caller, id, head)?;
        let user = UserName { tenant, id: &id };
        if head.method == Method::DELETE {
            self.pipeline.erase(user).await.map_err(|_| Failure::MemoryUnavailable)?;
            // Last, so that nothing of before comes in behind it.
            self.retries.forget_all();
            return Ok(no_content());
        }
        let remembered = self.pipeline.remembered(user, Extent::Open).await;
        remembered.map(|it| private(&UserBody::new(&it))).map_err(|_| Failure::MemoryUnavailable)
    }

    pub(super) async fn export(&self, caller: Caller<'_>, id: &str, head: &Parts) -> Result<Answer, Failure> {
        let (tenant, id) = user(caller, id, head)?;
        let user = UserName { tenant, id: &id };
        let remembered = self.pipeline.remembered(user, Extent::Everything).await;
        let remembered = remembered.map_err(|_| Failure::MemoryUnavailable)?;
        let factors = match &self.mfa {
            None => None,
            Some(mfa) => {
                Some(mfa.factors_of(user, self.clock.now()).await?.into_iter().map(HeldFactor::from).collect())
            }
        };
        Ok(private(&ExportBody::new(user, &remembered, factors)))
    }

    pub(super) async fn device(
        &self,
        caller: Caller<'_>,
        (id, device): (&str, &str),
        head: &Parts,
    ) -> Result<Answer, Failure> {
        let (tenant, id) = user(caller, id, head)?;
        let device = DeviceTag::parse(device).ok_or(Failure::NotFound)?;
        let forgotten = self.pipeline.forget_device(UserName { tenant, id: &id }, device).await;
        forgotten.map(|()| no_content()).map_err(|_| Failure::MemoryUnavailable)
    }
}

/// Tenant and id. An id that is none is 422 and not 404: whoever forgot to encode it must not take it for a user of whom
/// nothing is known. Nor may a parameter be taken for something that it does not do.
fn user<'a>(caller: Caller<'_>, id: &'a str, head: &'a Parts) -> Result<(&'a str, Cow<'a, str>), Failure> {
    caller.needs(Scope::History)?;
    let tenant = tenant(caller, &head.headers)?;
    let [] = uri::parameters(head.uri.query(), [])?;
    let id = uri::decode(id).filter(|id| (1..=256).contains(&id.len()));
    Ok((tenant, id.ok_or_else(|| Failure::invalid("id", "must be 1 to 256 bytes of percent-encoded UTF-8"))?))
}

/// Whose memory a call without a body is about.
pub(super) fn tenant<'a>(caller: Caller<'_>, headers: &'a HeaderMap) -> Result<&'a str, Failure> {
    let mut given = headers.get_all(TENANT).iter();
    let tenant = match (given.next(), given.next()) {
        (None, _) => DEFAULT_TENANT,
        (Some(value), None) => {
            let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| (1..=256).contains(&text.len()));
            text.ok_or_else(|| Failure::invalid(TENANT.as_str(), "must be 1 to 256 bytes of UTF-8"))?
        }
        (Some(_), Some(_)) => return Err(Failure::invalid(TENANT.as_str(), "stands there twice")),
    };
    caller.may_act_for(tenant).map(|()| tenant)
}

/// What nobody on the way is to keep.
pub(super) fn private(body: &impl Serialize) -> Answer {
    let mut answer = json(body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::pages::Pages;
    use crate::pipeline::tests::{now, pipeline};
    use crate::server::auth::Access;
    use crate::server::hooks::Hooks;
    use crate::telemetry::Meters;
    use hyper::{Request, StatusCode};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    #[test]
    fn without_memory_every_call_is_503() {
        let (Some(pipeline), meters) = (pipeline(), Meters::new()) else { unreachable!("fixtures are there") };
        pipeline.memory().broken.store(true, Ordering::Relaxed);
        let settings = crate::server::Settings::default();
        let Ok(pages) = Pages::load(&Default::default()) else { unreachable!("they name no file") };
        let Ok(hooks) = Hooks::load(&Default::default(), pages, 1, Clock) else { unreachable!("they name no file") };
        let service = Service::new(Arc::new(pipeline), None, &settings, hooks, None, Arc::new(meters), Clock);
        let access = Access::new(&[]);
        let Ok(caller) = access.authenticate(&HeaderMap::new(), None, None) else {
            unreachable!("it is a local caller")
        };
        let head = |method: Method| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            request.into_parts().0
        };
        let (get, delete) = (head(Method::GET), head(Method::DELETE));
        let device = ("alice", "0123456789abcdef");
        for failed in [
            now(service.user(caller, "alice", &get)),
            now(service.user(caller, "alice", &delete)),
            now(service.export(caller, "alice", &get)),
            now(service.device(caller, device, &delete)),
            now(service.decisions(caller, &get)),
        ] {
            let failure = failed.err();
            assert_eq!(failure, Some(Failure::MemoryUnavailable));
            let status = failure.map(|failure| failure.answer().status());
            assert_eq!(status, Some(StatusCode::SERVICE_UNAVAILABLE));
        }
    }
}
