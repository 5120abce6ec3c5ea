//! `POST /v1/import`.

use super::{Service, TIME_OFF_MS_MAX, has_type, json, reception};
use crate::memory::Memory;
use crate::memory::decisions::LoginResult;
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::import::Summary;
use crate::server::wire::login::LoginBody;
use crate::server::wire::{self, Object};
use crate::server::{Answer, body};
use bytes::{Buf, BytesMut};
use hyper::body::Incoming;
use hyper::header::HeaderMap;

const NDJSON: &str = "application/x-ndjson";

impl<M: Memory> Service<M> {
    /// Takes lines as they come. What was recorded before a connection broke stays; sending the file again changes
    /// nothing of it.
    pub(super) async fn import(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        mut body: Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::History)?;
        has_type(headers, NDJSON)?;
        let mut summary = Summary::default();
        let mut rest = BytesMut::new();
        let mut skipping = false;
        while let Some(bytes) = body::next(&mut body, self.request_timeout).await? {
            rest.extend_from_slice(&bytes);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end);
                rest.advance(1);
                if !std::mem::take(&mut skipping) {
                    self.import_line(caller, &line, &mut summary).await;
                }
            }
            if rest.len() > self.body_bytes_max {
                if !std::mem::replace(&mut skipping, true) {
                    summary.lines += 1;
                    summary.read += 1;
                    summary.reject(&Failure::TooLarge { bytes_max: self.body_bytes_max });
                }
                rest.clear();
            }
            // A long import leaves room for logins on the same core.
            tokio::task::yield_now().await;
        }
        if !skipping {
            self.import_line(caller, &rest, &mut summary).await;
        }
        Ok(json(&summary))
    }

    async fn import_line(&self, caller: Caller<'_>, line: &[u8], summary: &mut Summary) {
        summary.lines += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        summary.read += 1;
        let imported = self.import_login(caller, line).await;
        self.meters.imported(imported.is_ok());
        match imported {
            Ok(()) => summary.recorded += 1,
            Err(failure) => summary.reject(&failure),
        }
    }

    async fn import_login(&self, caller: Caller<'_>, line: &[u8]) -> Result<(), Failure> {
        let Object(login): Object<LoginBody<'_>> = wire::parse(line)?;
        caller.may_act_for(login.tenant())?;
        let (result, mfa_passed) = login.of_the_past()?;
        let now = self.clock.now();
        let event = login.into_event(reception(caller, now))?;
        if event.time.ms_since(now) > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        if result != LoginResult::Success {
            // A login that failed teaches nothing, and is no mistake in the file.
            return Ok(());
        }
        self.pipeline.import(&event, mfa_passed, now).await.map_err(|_| Failure::MemoryUnavailable)
    }
}
