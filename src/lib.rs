//! askance judges logins: is this the user, or somebody with the user's password?
//!
//! # The flow
//!
//! ```text
//! LoginEvent ─ pipeline ─► LoginContext ─ signals ─► Assessments ─ verdict ─► Verdict ─► answer
//!   event        context: agent, place,     new_device             aggregate      action, confidence, reasons
//!                lists, phone               impossible_travel      policy
//!                                           untrusted_ip …         reasons
//!                    ▲                                                │
//!                    └────────── memory: UserHistory, decisions ◄─────┘ a completed login teaches
//! ```
//!
//! # The assessment as a library call
//!
//! [`assess`] is what the service does between parsing and answering: facts and history in, assessments and verdict out.
//! It is pure: no clock, no lookup, no lock.
//!
//! ```
//! use askance::clock::Timestamp;
//! use askance::context::{Account, Address, Claims, Location, LoginContext};
//! use askance::context::{ip_lists::ListFinding, network::NetworkKinds, phone::Phone};
//! use askance::event::{Factor, FactorSet, FirstFactor, Flow};
//! use askance::keyed_hash::HashKey;
//! use askance::signals::Recall;
//! use askance::verdict::Action;
//!
//! let key = HashKey::fixed([0; 16]);
//! let anchor = key.anchor("default", "alice");
//! let context = LoginContext {
//!     anchor,
//!     user: key.user_of(anchor),
//!     time: Timestamp::parse("2026-11-21T10:00:00Z").ok_or("no time")?,
//!     device: Some(key.device(anchor, "an id that nobody can guess")),
//!     token: None,
//!     agent: None,
//!     // An address that is none is hard evidence.
//!     address: Address {
//!         text: "999.1.1.1", ip: None, tag: None, network: None, asn: None, as_organization: None,
//!         lists: ListFinding::Clean, sources: None, velocity: None, database: None, kinds: NetworkKinds::NONE,
//!         bot_score: None, verified_bot: false, is_familiar: false, edge_ignored: false,
//!     },
//!     location: Location::Missing,
//!     country: None,
//!     phone: Phone::Absent,
//!     account: Account {
//!         enrolled: FactorSet::EMPTY.with(Factor::Totp), has_email: false, email_verified: None,
//!         created_at: None, phone_changed_at: None, email_changed_at: None,
//!     },
//!     flow: Flow::AuthorizationCode,
//!     first_factor: FirstFactor::Pwd,
//!     remembered_browser: true,
//!     claims: Claims::default(),
//! };
//! let (assessments, verdict) = askance::assess(&context, Recall::Stranger, &Default::default(), &Default::default());
//! assert_eq!(verdict.action, Action::Challenge);
//! assert_eq!(assessments.untrusted_ip.code.as_str(), "invalid_ip_address");
//! # Ok::<(), &str>(())
//! ```
//!
//! # Invariants
//!
//! Modules stand below in the order of the flow, and may use only those of a lower level; a test holds the table.
//! `signals` and `verdict` are pure. A missing fact is a value with its reason. Wire types stay in `server`. Only
//! `clock` reads time, only `config` reads settings.

pub mod bounded;
pub mod clock;
pub mod device_token;
pub mod geodesy;
pub mod keyed_hash;
mod prefetch;
pub mod privacy;
pub mod signing;
pub mod units;

pub mod event;

pub mod context;
pub mod familiar;
pub mod history;
pub mod velocity;

pub mod signals;
pub mod verdict;

pub mod memory;
pub mod mfa;
pub mod outbound;
pub mod pages;
pub mod telemetry;
pub mod webhooks;

pub mod pipeline;

pub mod server;

pub mod app;
pub mod config;
pub mod replay;

pub mod cli;

pub use verdict::assess;
