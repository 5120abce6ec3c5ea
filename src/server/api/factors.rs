//! `/v1/users/{id}/factors` and `/v1/users/{id}/backup-codes`: the management of factors, by an operator, or within a step-up for it.

use super::mfa::{TOKEN, token_of};
use super::users::{private, tenant};
use super::{Service, no_content};
use crate::memory::Memory;
use crate::mfa::user::FactorId;
use crate::mfa::{Mfa, MfaError, Required};
use crate::pipeline::UserName;
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::mfa::{BoundAnswer, HeldFactors};
use crate::server::{Answer, uri};
use hyper::http::request::Parts;

impl<M: Memory> Service<M> {
    /// Lists the factors of a user.
    pub(super) async fn user_factors(&self, caller: Caller<'_>, id: &str, head: &Parts) -> Result<Answer, Failure> {
        let managed = self.managed(caller, id, head).await?;
        let shown = managed.mfa.factors_of(managed.user(), self.clock.now()).await?;
        Ok(private(&HeldFactors::new(shown)))
    }

    /// Removes one of them.
    pub(super) async fn user_factor(
        &self,
        caller: Caller<'_>,
        (id, factor): (&str, &str),
        head: &Parts,
    ) -> Result<Answer, Failure> {
        let managed = self.managed(caller, id, head).await?;
        let factor = FactorId::parse(factor).ok_or(MfaError::NoSuchFactor)?;
        managed.mfa.remove_factor(managed.user(), factor, self.clock.now()).await?;
        Ok(no_content())
    }

    /// Makes a new set of backup codes; the old one is good no longer.
    pub(super) async fn user_backup_codes(
        &self,
        caller: Caller<'_>,
        id: &str,
        head: &Parts,
    ) -> Result<Answer, Failure> {
        let managed = self.managed(caller, id, head).await?;
        let (id, codes) = managed.mfa.backup_codes_for(managed.user(), self.clock.now()).await?;
        Ok(private(&BoundAnswer { id: id.to_string(), backup_codes: Some(codes) }))
    }

    /// Whose factors are managed, by who may: an operator, or the user, with the token of a verified step-up for it. What the token
    /// shows counts before the scope, so that a client with both is held to what it shows.
    async fn managed<'a>(&'a self, caller: Caller<'_>, id: &str, head: &'a Parts) -> Result<Managed<'a, M>, Failure> {
        let by_operator = caller.needs(Scope::Admin).is_ok();
        if !by_operator {
            caller.needs(Scope::Mfa)?;
        }
        let mfa = self.mfa.as_deref().ok_or(Failure::Mfa(MfaError::Off))?;
        let tenant = tenant(caller, &head.headers)?;
        let [] = uri::parameters(head.uri.query(), [])?;
        let id = uri::decode(id).filter(|id| (1..=256).contains(&id.len()));
        let id =
            id.ok_or_else(|| Failure::invalid("id", "must be 1 to 256 bytes of percent-encoded UTF-8"))?.into_owned();
        let managed = Managed { mfa, tenant, id };
        if head.headers.contains_key(TOKEN) {
            let token = self.token(mfa, caller, token_of(&head.headers)?)?;
            mfa.may_manage(&token, managed.user(), self.clock.now()).await?;
        } else if !by_operator {
            return Err(MfaError::VerificationRequired(Required::StepUp).into());
        }
        Ok(managed)
    }
}

/// Whose factors are managed.
struct Managed<'a, M> {
    mfa: &'a Mfa<M>,
    tenant: &'a str,
    id: String,
}

impl<M> Managed<'_, M> {
    fn user(&self) -> UserName<'_> {
        UserName { tenant: self.tenant, id: &self.id }
    }
}
