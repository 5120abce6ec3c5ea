//! The numbers of the world. None is shared with askance.

use crate::random::Random;

/// How people and networks are. Shares and chances are 0 to 1.
///
/// **Source:** marginals of the public login data set for risk-based authentication (Wiefling et al., TOPS 2022) where it has them:
/// logins a user, mobile share, failures, list hits. comScore 2007 for lost cookies. arXiv 2605.21937 for errors of GeoIP. The
/// others are assumptions, marked so; the shifted world varies them all.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) users: usize,
    pub(crate) days: f64,
    /// Of the days, those at the end that are evaluated.
    pub(crate) evaluated: f64,
    pub(crate) logins_median: f64,
    pub(crate) logins_sigma: f64,
    pub(crate) home_country: f64,
    /// The first ISP's share of its country; the others have what is left, halving.
    pub(crate) first_isp: f64,
    pub(crate) mobile_devices: f64,
    /// Logins of mobile devices that go through a carrier's shared addresses. Assumption.
    pub(crate) carrier: f64,
    /// A home line gets another address, a login. Assumption.
    pub(crate) lease_change: f64,
    /// Users with a place of work that has an address of its own. Assumption.
    pub(crate) work: f64,
    /// Of these, whose traffic leaves through a data centre. Assumption.
    pub(crate) cloud_egress: f64,
    pub(crate) primary_device: f64,
    /// A device is replaced, a login. Assumption.
    pub(crate) replacement: f64,
    /// Somebody else's device, a login. Assumption.
    pub(crate) borrowed: f64,
    /// Devices that lose the cookie between nearly all logins; those that do now and then; and how often, a day.
    pub(crate) cleaners: f64,
    pub(crate) monthly_cleaners: f64,
    pub(crate) monthly_loss: f64,
    pub(crate) rare_loss: f64,
    /// Kilometres: median error of a fixed line and of a mobile one.
    pub(crate) fixed_error_km: f64,
    pub(crate) mobile_error_km: f64,
    /// Rows whose radius is far too small. Assumption.
    pub(crate) radius_under_reported: f64,
    pub(crate) vpn_users: f64,
    pub(crate) vpn_logins: f64,
    pub(crate) vpn_abroad: f64,
    /// A trip begins, a login. Assumption.
    pub(crate) trip: f64,
    pub(crate) trip_days: f64,
    pub(crate) trip_domestic: f64,
    pub(crate) failures: f64,
    /// Addresses of honest users on the abuse list, and exits of VPNs.
    pub(crate) listed: f64,
    pub(crate) listed_vpn: f64,
    /// Hosting and VPN networks that the anonymiser database has; half of the other VPN exits it takes for hosting. Assumption.
    pub(crate) hosting_known: f64,
    pub(crate) vpn_known: f64,
    /// Browsers stay as they are, to see what their updates cost.
    pub(crate) frozen_browsers: bool,
    /// Attacks of each cohort.
    pub(crate) attacks: usize,
}

impl Parameters {
    pub(crate) fn usual(users: usize) -> Self {
        Self {
            users,
            days: 240.0,
            evaluated: 0.4,
            logins_median: 4.0,
            logins_sigma: 1.16,
            home_country: 0.7,
            first_isp: 0.3,
            mobile_devices: 0.62,
            carrier: 0.5,
            lease_change: 0.06,
            work: 0.4,
            cloud_egress: 0.05,
            primary_device: 0.75,
            replacement: 0.012,
            borrowed: 0.012,
            cleaners: 0.08,
            monthly_cleaners: 0.27,
            monthly_loss: 0.031,
            rare_loss: 0.01 / 30.0,
            fixed_error_km: 8.0,
            mobile_error_km: 190.0,
            radius_under_reported: 1.0 / 3.0,
            vpn_users: 0.06,
            vpn_logins: 0.35,
            vpn_abroad: 0.5,
            trip: 0.03,
            trip_days: 5.0,
            trip_domestic: 0.6,
            failures: 0.26,
            listed: 0.02,
            listed_vpn: 0.25,
            hosting_known: 0.9,
            vpn_known: 0.6,
            frozen_browsers: false,
            attacks: users / 15,
        }
    }

    /// Another world: each share, rate and error three tenths more or less.
    pub(crate) fn shifted(mut self, random: &mut Random) -> Self {
        let mut shift = |value: &mut f64, max: f64| {
            *value = (*value * if random.chance(0.5) { 1.3 } else { 0.7 }).min(max);
        };
        for (value, max) in [
            (&mut self.home_country, 0.95),
            (&mut self.first_isp, 0.6),
            (&mut self.mobile_devices, 0.9),
            (&mut self.carrier, 0.9),
            (&mut self.lease_change, 1.0),
            (&mut self.work, 0.9),
            (&mut self.cloud_egress, 1.0),
            (&mut self.primary_device, 0.95),
            (&mut self.replacement, 1.0),
            (&mut self.borrowed, 1.0),
            (&mut self.cleaners, 1.0),
            (&mut self.monthly_cleaners, 0.8),
            (&mut self.monthly_loss, 1.0),
            (&mut self.fixed_error_km, f64::MAX),
            (&mut self.mobile_error_km, f64::MAX),
            (&mut self.radius_under_reported, 0.9),
            (&mut self.vpn_users, 0.9),
            (&mut self.vpn_logins, 0.9),
            (&mut self.trip, 1.0),
            (&mut self.trip_domestic, 0.9),
            (&mut self.listed, 1.0),
            (&mut self.listed_vpn, 1.0),
            (&mut self.hosting_known, 1.0),
            (&mut self.vpn_known, 1.0),
        ] {
            shift(value, max);
        }
        self
    }
}
