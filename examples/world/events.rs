//! What happens in the world, and how it stands in a log.

use serde_json::json;
use std::net::Ipv4Addr;
use std::rc::Rc;

/// A login, or a try that failed.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) time_ms: i64,
    pub(crate) user: u32,
    pub(crate) ip: Ipv4Addr,
    pub(crate) agent: Rc<str>,
    /// The cookie of the browser: another one for each, and after each loss.
    pub(crate) cookie: u64,
    pub(crate) truth: Truth,
}

/// What only the world knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// A wrong password, whoever typed it.
    Failure,
    Honest(Circumstances),
    Attack(Cohort),
}

/// What is special about an honest login, for figures by group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    pub(crate) abroad: bool,
    pub(crate) vpn: bool,
    /// Of somebody who uses a VPN now and then.
    pub(crate) vpn_user: bool,
    pub(crate) cleaner: bool,
    pub(crate) mobile: bool,
    /// The browser is another version than at its last login.
    pub(crate) updated: bool,
}

/// Attackers, all of whom have the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cohort {
    /// Knows nothing else: any address, any browser.
    Naive,
    /// One source, hundreds of accounts, nearly all of them tried in vain.
    Stuffing,
    /// In the victim's country, with a browser that is common there.
    Vpn,
    /// A phisher's proxy: the victim's browser, from a hosting network, without the cookie.
    Aitm,
    /// The victim's browser; often the city, sometimes the ISP.
    Targeted,
    /// The victim's browser, city and ISP.
    Mimic,
    /// The victim's browser and cookie, from anywhere.
    StolenElsewhere,
    /// The same, from the victim's country.
    StolenInCountry,
}

impl Cohort {
    pub(crate) const ALL: [Self; 8] = [
        Self::Naive,
        Self::Stuffing,
        Self::Vpn,
        Self::Aitm,
        Self::Targeted,
        Self::Mimic,
        Self::StolenElsewhere,
        Self::StolenInCountry,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Stuffing => "stuffing",
            Self::Vpn => "VPN",
            Self::Aitm => "AiTM",
            Self::Targeted => "targeted",
            Self::Mimic => "mimic",
            Self::StolenElsewhere => "stolen, elsewhere",
            Self::StolenInCountry => "stolen, in country",
        }
    }

    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|cohort| *cohort == self).unwrap_or(0)
    }
}

/// When the world begins: 2026-01-05T00:00:00Z, a Monday.
pub(crate) const BEGINS_MS: i64 = 1_767_571_200_000;
pub(crate) const DAY_MS: f64 = 86_400_000.0;

impl Event {
    pub(crate) fn is_attack(&self) -> bool {
        matches!(self.truth, Truth::Attack(_))
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.truth == Truth::Failure
    }

    /// The same with a cookie of askance's own, or none yet, in place of the browser's name.
    pub(crate) fn line_with_token(&self, token: Option<&str>) -> String {
        let named = format!("\"device_id\":\"{:016x}\"", self.cookie);
        let token = token.map_or("\"device_token\":null".to_owned(), |token| format!("\"device_token\":\"{token}\""));
        self.line().replace(&named, &token)
    }

    /// A line for `askance replay`.
    pub(crate) fn line(&self) -> String {
        let time = askance::clock::Timestamp::from_unix_ms(self.time_ms).map(|time| time.to_string());
        let mut line = json!({
            "time": time, "ip": self.ip, "user_agent": &*self.agent, "device_id": format!("{:016x}", self.cookie),
            "user": {"id": format!("user-{}", self.user), "email": format!("user-{}@example.org", self.user),
                     "enrolled_factors": ["totp"]},
        });
        match self.truth {
            Truth::Failure => line["result"] = "failure".into(),
            Truth::Attack(_) => line["label"] = "attack".into(),
            Truth::Honest(_) => {}
        }
        line.to_string()
    }
}
