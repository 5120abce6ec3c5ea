//! `POST /v1/import`.

mod encoding;
mod lines;

use super::{Service, TIME_OFF_MS_MAX, has_type, json, reception};
use crate::clock::Timestamp;
use crate::memory::decisions::LoginResult;
use crate::memory::{Memory, MemoryError, Unvisited};
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::import::Summary;
use crate::server::wire::login::LoginBody;
use crate::server::wire::{self, Object};
use crate::server::{Answer, body};
use encoding::Encoding;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use lines::{Line, Lines};

const NDJSON: &str = "application/x-ndjson";
/// Lines, some 0.1 ms, after which logins on the same core have their turn.
const LINES_PER_TURN: u64 = 32;

impl<M: Memory> Service<M> {
    /// Takes lines as they come. What was recorded before a connection broke stays; sending the file again changes
    /// nothing of it.
    pub(super) async fn import(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::History)?;
        has_type(headers, NDJSON)?;
        let mut encoding = Encoding::of(headers)?;
        let lines = Lines::new(self.body_bytes_max);
        let mut import = Import { service: self, caller, lines, summary: Summary::default(), now: self.clock.now() };
        while let Some(bytes) = body::next(body, self.request_timeout).await? {
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                import.take(encoding.decode(&mut bytes)?).await;
            }
            import.yield_turn().await;
        }
        import.take(encoding.finish()?).await;
        Ok(json(&import.finish().await))
    }
}

/// One import under way.
struct Import<'a, M> {
    service: &'a Service<M>,
    caller: Caller<'a>,
    lines: Lines,
    summary: Summary,
    /// When this turn began: near enough for times that may be minutes off.
    now: Timestamp,
}

impl<M: Memory> Import<'_, M> {
    async fn take(&mut self, mut text: &[u8]) {
        while let Some(line) = self.lines.next(&mut text) {
            self.summary.lines += 1;
            let imported = match line {
                Line::Whole(line) if line.trim_ascii().is_empty() => None,
                Line::Whole(line) => Some(self.service.import_login(self.caller, line, self.now).await),
                Line::TooLong => Some(Err(Failure::TooLarge { bytes_max: self.service.body_bytes_max })),
            };
            if let Some(imported) = imported {
                self.service.meters.imported(imported.is_ok());
                self.summary.count(imported);
            }
            if self.summary.lines.is_multiple_of(LINES_PER_TURN) {
                self.yield_turn().await;
            }
        }
    }

    /// The end of the stream ends its last line, too.
    async fn finish(mut self) -> Summary {
        if self.lines.has_rest() {
            self.take(b"\n").await;
        }
        self.summary
    }

    async fn yield_turn(&mut self) {
        tokio::task::yield_now().await;
        self.now = self.service.clock.now();
    }
}

impl<M: Memory> Service<M> {
    async fn import_login(&self, caller: Caller<'_>, line: &[u8], now: Timestamp) -> Result<(), Failure> {
        let Object(login): Object<LoginBody<'_>> = wire::parse(line)?;
        caller.may_act_for(login.tenant())?;
        let (result, mfa_passed) = login.of_the_past()?;
        let event = login.into_event(reception(caller, now))?;
        if event.time.ms_since(now) > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        if result != LoginResult::Success {
            // A login that failed teaches nothing, and is no mistake in the file.
            return Ok(());
        }
        loop {
            match self.pipeline.import(&event, mfa_passed, now) {
                Ok(()) => return Ok(()),
                Err(Unvisited::Elsewhere(fetch)) => fetch.await.map_err(|error| self.unavailable(&error))?,
                Err(Unvisited::Failed(error)) => return Err(self.unavailable(&error)),
            }
        }
    }

    fn unavailable(&self, error: &MemoryError) -> Failure {
        self.pipeline.failed(error);
        Failure::MemoryUnavailable
    }
}
