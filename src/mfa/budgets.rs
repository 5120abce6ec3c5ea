//! How many messages may be sent: to one recipient, from one source address, into one number prefix, into one country.
//!
//! Each budget is a record of the vault of its own, compared and put, so that all replicas share it and a crash refills none. A message is
//! counted in all of its budgets before the provider is called, and given back where no provider took it. Fail-closed: where memory does not
//! answer, or a record is damaged, nothing is sent, since nobody could say how much was.
//!
//! What a record is about is a keyed hash, and what it says are times and numbers. A new secret of `mfa.key_files` begins all budgets anew,
//! and while replicas do not agree on the newest one, each side of them counts by itself.

mod record;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::{EmailBudget, EmailSettings, SmsBudget, SmsSettings};

use super::codes;
use super::recipient::{Channel, Recipient};
use super::window::{Span, seconds_up};
use crate::clock::Timestamp;
use crate::context::phone;
use crate::memory::{Memory, MemoryError};
use record::Counted;
use std::fmt;
use std::net::IpAddr;
use tokio::sync::{Mutex, MutexGuard};

/// Why a code is sent. Each has a budget of its own with a recipient: whoever spends the one on binding does not spend the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To bind a number or an address.
    Binding,
    /// To prove one that is bound, or that is verified.
    Verification,
}

/// A message that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// To whom.
    pub recipient: &'a Recipient,
    /// Why.
    pub purpose: Purpose,
    /// Where the login comes from. All of which it is not known share one budget.
    pub source: Option<IpAddr>,
}

/// Which budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Of the recipient.
    Recipient,
    /// Of the address that the login comes from.
    Source,
    /// Of the number's first six digits.
    Prefix,
    /// Of the number's country.
    Country,
}

impl Budget {
    /// What logs call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Source => "source",
            Self::Prefix => "prefix",
            Self::Country => "country",
        }
    }
}

/// Why nothing may be sent.
#[derive(Debug)]
pub enum BudgetError {
    /// A budget is spent.
    Spent {
        /// Which.
        budget: Budget,
        /// Seconds until there is something in it again.
        wait_s: u32,
    },
    /// It is not known.
    Unknown(MemoryError),
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spent { budget, wait_s } => {
                write!(f, "the budget of messages of this {} is spent for {wait_s} s", budget.as_str())
            }
            Self::Unknown(_) => f.write_str("budgets of messages cannot be had"),
        }
    }
}

impl std::error::Error for BudgetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Spent { .. } => None,
            Self::Unknown(error) => Some(error),
        }
    }
}

/// A message that is counted. To be given back where no provider took it; dropped, it stays counted.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    taken: Vec<Account>,
    at: Timestamp,
}

/// One budget of one message.
#[derive(Debug, Clone, Copy)]
struct Account {
    budget: Budget,
    place: [u8; 16],
    limits: Limits,
}

/// What may be sent within ten minutes, and within a day, and how finely it is counted.
#[derive(Debug, Clone, Copy)]
struct Limits {
    ten_minutes: (u32, Span),
    day: (u32, Span),
}

impl Limits {
    /// To the millisecond: what is kept is as long as the limit is high.
    fn exact(ten_minutes_max: u32, day_max: u32) -> Self {
        Self { ten_minutes: (ten_minutes_max, Span::TEN_MINUTES), day: (day_max, Span::DAY) }
    }

    /// By 15 seconds, and by 10 minutes: at most 42 and 146 numbers, however many are counted. What is let in is never more than the limit.
    fn coarse(ten_minutes_max: u32, day_max: u32) -> Self {
        Self { ten_minutes: (ten_minutes_max, Span::seconds(600, 15)), day: (day_max, Span::seconds(86_400, 600)) }
    }
}

/// All budgets. One for the process: of what is sent here at a time, each waits for the others of the same budget, and only replicas are met
/// in memory.
pub struct Budgets {
    key: [u8; 32],
    codes: codes::Settings,
    sms: SmsBudget,
    email: EmailBudget,
    turns: Vec<Mutex<()>>,
}

/// Queues; budgets that share one wait for each other.
const TURNS: usize = 64;
/// So often another replica may be faster. Each of them got further meanwhile.
const ATTEMPTS_MAX: usize = 32;
/// Digits of a number that make its prefix. **Source:** mfa.md.
const PREFIX_DIGITS: usize = 6;

impl Budgets {
    /// Budgets whose records are found by a key that follows from a secret.
    #[must_use]
    pub fn new(secret: &[u8; 32], codes: codes::Settings, sms: SmsBudget, email: EmailBudget) -> Self {
        let key = blake3::derive_key("askance 2026-11-22 budgets of messages", secret);
        Self { key, codes, sms, email, turns: (0..TURNS).map(|_| Mutex::new(())).collect() }
    }

    /// Counts a message that is about to be sent, durably.
    ///
    /// # Errors
    ///
    /// A budget is spent, or is not known: the message must not be sent, and is counted nowhere (but where memory fails halfway, or the
    /// caller goes away: then it may stay counted).
    pub async fn admit<M: Memory>(
        &self,
        memory: &M,
        sending: &Sending<'_>,
        now: Timestamp,
    ) -> Result<Admitted, BudgetError> {
        let accounts = self.accounts(sending);
        // What is refused costs reading only: a flood must not become one of writes.
        for account in &accounts {
            let (_, counted) = record::read(memory, account.place, now).await.map_err(BudgetError::Unknown)?;
            account.refuse_if_spent(&counted, now)?;
        }
        let mut admitted = Admitted { taken: Vec::with_capacity(accounts.len()), at: now };
        for account in accounts {
            match self.take(memory, &account, now).await {
                Ok(()) => admitted.taken.push(account),
                Err(refused) => {
                    self.give_back(memory, admitted, now).await;
                    return Err(refused);
                }
            }
        }
        Ok(admitted)
    }

    /// Counts a message no more, which no provider took. Where memory fails, it stays counted: less is sent then, never more.
    pub async fn give_back<M: Memory>(&self, memory: &M, admitted: Admitted, now: Timestamp) {
        for account in &admitted.taken {
            let back = self.change(memory, account, now, |counted| {
                counted.take_back(admitted.at, &account.limits);
                Ok(())
            });
            if let Err(error) = back.await {
                let budget = account.budget.as_str();
                tracing::warn!(budget, %error, "a message that was not sent stays counted");
            }
        }
    }

    async fn take<M: Memory>(&self, memory: &M, account: &Account, now: Timestamp) -> Result<(), BudgetError> {
        self.change(memory, account, now, |counted| {
            account.refuse_if_spent(counted, now)?;
            counted.add(now, &account.limits);
            Ok(())
        })
        .await
    }

    /// Changes one record, on top of whatever others made of it meanwhile.
    async fn change<M: Memory>(
        &self,
        memory: &M,
        account: &Account,
        now: Timestamp,
        mut change: impl FnMut(&mut Counted) -> Result<(), BudgetError>,
    ) -> Result<(), BudgetError> {
        let _turn = self.turn(account.place).await;
        for _ in 0..ATTEMPTS_MAX {
            let (version, mut counted) =
                record::read(memory, account.place, now).await.map_err(BudgetError::Unknown)?;
            change(&mut counted)?;
            if record::put(memory, account.place, version, &counted, now).await.map_err(BudgetError::Unknown)? {
                return Ok(());
            }
        }
        let why = format!("a budget of messages changed {ATTEMPTS_MAX} times while it was counted");
        Err(BudgetError::Unknown(MemoryError::Unavailable(why)))
    }

    async fn turn(&self, place: [u8; 16]) -> MutexGuard<'_, ()> {
        self.turns[usize::from(place[0]) % TURNS].lock().await
    }

    /// What a message is counted in: what is spent soonest comes first.
    fn accounts(&self, sending: &Sending<'_>) -> Vec<Account> {
        let Sending { recipient, purpose, source } = sending;
        let channel = recipient.channel();
        let purpose: &[u8] = match purpose {
            Purpose::Binding => b"binding",
            Purpose::Verification => b"verification",
        };
        let to = recipient.normalised();
        let of_recipient = [b"recipient", channel.as_str().as_bytes(), purpose, to.as_bytes()];
        let exact = Limits::exact(self.codes.sends_10min_max.get(), self.codes.sends_day_max.get());
        let mut accounts = vec![self.account(Budget::Recipient, &of_recipient, exact)];
        let (source_10min_max, source_day_max) = match channel {
            Channel::Sms => (self.sms.source_10min_max.get(), self.sms.source_day_max.get()),
            Channel::Email => (self.email.source_10min_max.get(), self.email.source_day_max.get()),
        };
        let of_source = [b"source", channel.as_str().as_bytes(), &line_of(*source)];
        accounts.push(self.account(Budget::Source, &of_source, Limits::coarse(source_10min_max, source_day_max)));
        if channel == Channel::Sms {
            accounts.extend(self.accounts_of_number(recipient.address()));
        }
        accounts
    }

    fn accounts_of_number(&self, e164: &str) -> [Account; 2] {
        let digits = e164.trim_start_matches('+');
        let prefix = digits.get(..PREFIX_DIGITS).unwrap_or(digits);
        let country = phone::country_of(e164);
        let country = country.as_ref().map_or("none", |country| country.as_str());
        let sms = &self.sms;
        let of_prefix = Limits::coarse(sms.prefix_10min_max.get(), sms.prefix_day_max.get());
        let of_country = Limits::coarse(sms.country_10min_max.get(), sms.country_day_max.get());
        [
            self.account(Budget::Prefix, &[b"prefix", prefix.as_bytes()], of_prefix),
            self.account(Budget::Country, &[b"country", country.as_bytes()], of_country),
        ]
    }

    fn account(&self, budget: Budget, about: &[&[u8]], limits: Limits) -> Account {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in about {
            // Lengths keep ("ab", "c") apart from ("a", "bc").
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize();
        Account { budget, place: std::array::from_fn(|at| hash.as_bytes()[at]), limits }
    }
}

impl Account {
    fn refuse_if_spent(&self, counted: &Counted, now: Timestamp) -> Result<(), BudgetError> {
        match counted.wait_ms(now, &self.limits) {
            Some(wait_ms) => Err(BudgetError::Spent { budget: self.budget, wait_s: seconds_up(wait_ms) }),
            None => Ok(()),
        }
    }
}

/// The address; an IPv6 one by its /64, which is one line's.
fn line_of(source: Option<IpAddr>) -> Vec<u8> {
    match source.map(|address| address.to_canonical()) {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
    }
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budgets")
    }
}
