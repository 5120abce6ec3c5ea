//! Browsers: what they call themselves, how they update, and how they lose cookies.

use crate::parameters::Parameters;
use crate::random::Random;
use std::rc::Rc;

/// A browser on a device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    browser: usize,
    /// Days by which it takes a new version later than others.
    lag_days: f64,
    pub(crate) is_mobile: bool,
    pub(crate) cookie: u64,
    pub(crate) loss: Loss,
    pub(crate) last_day: Option<f64>,
    pub(crate) last_agent: Option<Rc<str>>,
}

/// How a cookie gets lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loss {
    /// Between nearly all logins.
    Always,
    /// With this rate, a day.
    Daily(f64),
}

/// Name with the version left out, its share among mobile or desktop browsers, and whether versions show: some systems froze theirs.
const MOBILE: [(&str, f64, Versions); 4] = [
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
        0.5,
        Versions::Monthly(143),
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Mobile/15E148 Safari/604.1",
        0.37,
        Versions::Quarterly(2),
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{}.0 Chrome/136.0.0.0 Mobile Safari/537.36",
        0.08,
        Versions::Quarterly(28),
    ),
    ("Mozilla/5.0 (Android 15; Mobile; rv:{}.0) Gecko/{}.0 Firefox/{}.0", 0.05, Versions::Monthly(146)),
];
const DESKTOP: [(&str, f64, Versions); 6] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
        0.48,
        Versions::Monthly(143),
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36 Edg/{}.0.0.0",
        0.17,
        Versions::Monthly(143),
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
        0.12,
        Versions::Monthly(143),
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Safari/605.1.15",
        0.11,
        Versions::Quarterly(2),
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{}.0) Gecko/20100101 Firefox/{}.0", 0.08, Versions::Monthly(146)),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0", 0.04, Versions::Monthly(146)),
];

/// How often there is a new one, and which one the world begins with.
#[derive(Debug, Clone, Copy)]
enum Versions {
    Monthly(u32),
    Quarterly(u32),
}

impl Device {
    pub(crate) fn new(parameters: &Parameters, random: &mut Random) -> Self {
        let is_mobile = random.chance(parameters.mobile_devices);
        let table = if is_mobile { &MOBILE[..] } else { &DESKTOP[..] };
        let weights: Vec<f64> = table.iter().map(|(_, weight, _)| *weight).collect();
        let kind = random.unit();
        let loss = if kind < parameters.cleaners {
            Loss::Always
        } else if kind < parameters.cleaners + parameters.monthly_cleaners {
            Loss::Daily(parameters.monthly_loss)
        } else {
            Loss::Daily(parameters.rare_loss)
        };
        Self {
            browser: random.weighted(&weights),
            // Drawn in any case, so that all else is as it would be.
            lag_days: random.exponential(10.0) + if parameters.frozen_browsers { f64::INFINITY } else { 0.0 },
            is_mobile,
            cookie: random.next(),
            loss,
            last_day: None,
            last_agent: None,
        }
    }

    /// What the browser calls itself on a day.
    pub(crate) fn agent(&self, day: f64) -> Rc<str> {
        let (name, _, versions) = if self.is_mobile { MOBILE[self.browser] } else { DESKTOP[self.browser] };
        let (first, days) = match versions {
            Versions::Monthly(first) => (first, 28.0),
            Versions::Quarterly(first) => (first, 70.0),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some ten versions")]
        let newer = ((day - self.lag_days) / days).max(0.0) as u32;
        name.replace("{}", &(first + newer).to_string()).into()
    }

    /// The login of a day: the cookie may have been lost since the last one.
    pub(crate) fn use_on(&mut self, day: f64, random: &mut Random) {
        let away = self.last_day.replace(day).map_or(0.0, |last| day - last);
        let is_lost = match self.loss {
            Loss::Always => random.chance(0.95),
            Loss::Daily(rate) => random.chance(1.0 - (-rate * away).exp()),
        };
        if is_lost {
            self.cookie = random.next();
        }
    }
}
