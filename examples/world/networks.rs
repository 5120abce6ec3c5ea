//! Countries, cities, operators and their addresses; and what databases and lists make of them, errors included.

use crate::parameters::Parameters;
use crate::random::Random;
use std::net::Ipv4Addr;

/// All networks. Those of a kind lie one behind the other in /24s.
#[derive(Debug)]
pub(crate) struct Networks {
    pub(crate) countries: Vec<Country>,
    pub(crate) blocks: Vec<Block>,
    /// Indices of blocks.
    pub(crate) hosting: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Country {
    pub(crate) code: &'static str,
    pub(crate) weight: f64,
    pub(crate) cities: Vec<City>,
    pub(crate) isps: Vec<f64>,
    /// Exits of VPN providers.
    pub(crate) vpn: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct City {
    at: (f64, f64),
    pub(crate) weight: f64,
    /// By ISP: blocks of lines, and the block of the carrier's shared addresses.
    pub(crate) fixed: Vec<Vec<usize>>,
    pub(crate) mobile: Vec<usize>,
    /// Addresses of companies.
    pub(crate) companies: Vec<Ipv4Addr>,
}

/// A /24.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) first: u32,
    pub(crate) kind: Kind,
    /// What the databases say, where they say anything.
    pub(crate) row: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fixed,
    Mobile,
    Vpn,
    Hosting,
}

/// A row of each database.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) at: (f64, f64),
    pub(crate) radius_km: u16,
    pub(crate) country: &'static str,
    pub(crate) asn: Option<u32>,
    /// What the anonymiser database takes it for.
    pub(crate) known_as: Option<Kind>,
}

/// Country, middle, and how far from it cities lie, in kilometres. Rough, since only distances matter.
const COUNTRIES: [(&str, f64, f64, f64); 41] = [
    ("DE", 51.0, 10.0, 280.0),
    ("US", 39.0, -95.0, 1500.0),
    ("FR", 46.6, 2.4, 350.0),
    ("GB", 52.8, -1.6, 250.0),
    ("NL", 52.2, 5.5, 90.0),
    ("PL", 52.0, 19.3, 250.0),
    ("IT", 42.8, 12.5, 400.0),
    ("ES", 40.2, -3.6, 350.0),
    ("AT", 47.6, 14.1, 170.0),
    ("CH", 46.8, 8.2, 110.0),
    ("TR", 39.0, 35.0, 450.0),
    ("RU", 56.0, 44.0, 1200.0),
    ("BR", -12.0, -49.0, 1300.0),
    ("IN", 22.0, 79.0, 900.0),
    ("SE", 60.5, 15.5, 350.0),
    ("CZ", 49.8, 15.4, 130.0),
    ("RO", 45.9, 25.0, 200.0),
    ("DK", 56.0, 10.0, 120.0),
    ("BE", 50.7, 4.6, 80.0),
    ("NO", 61.0, 9.5, 350.0),
    ("PT", 39.6, -8.2, 200.0),
    ("GR", 39.0, 22.6, 220.0),
    ("HU", 47.1, 19.4, 130.0),
    ("CA", 48.0, -90.0, 1500.0),
    ("JP", 36.5, 138.0, 450.0),
    ("AU", -33.0, 146.0, 900.0),
    ("MX", 22.0, -101.0, 700.0),
    ("UA", 49.0, 31.5, 350.0),
    ("FI", 62.5, 26.0, 300.0),
    ("IE", 53.2, -7.8, 130.0),
    ("CN", 33.0, 110.0, 1000.0),
    ("ZA", -29.0, 25.0, 500.0),
    ("AR", -34.5, -64.0, 700.0),
    ("KR", 36.4, 127.9, 150.0),
    ("ID", -3.0, 113.0, 1000.0),
    ("VN", 16.0, 107.0, 500.0),
    ("TH", 15.0, 101.0, 400.0),
    ("EG", 28.5, 31.0, 250.0),
    ("NG", 8.5, 7.5, 400.0),
    ("MA", 32.5, -6.5, 250.0),
    ("SG", 1.35, 103.8, 12.0),
];
/// Countries where VPN providers have exits.
const VPN_COUNTRIES: usize = 24;
const VPN_PROVIDERS: u32 = 8;
const HOSTERS: u32 = 14;
const KM_PER_DEGREE: f64 = 111.2;

impl Networks {
    pub(crate) fn new(parameters: &Parameters, random: &mut Random) -> Self {
        let mut builder = Builder { parameters, random, blocks: Vec::new(), next_asn: 300_001 };
        let mut countries: Vec<Country> = (0..COUNTRIES.len()).map(|rank| builder.country(rank)).collect();
        let hosting = (0..HOSTERS).flat_map(|_| builder.hoster()).collect();
        for provider in 0..VPN_PROVIDERS {
            builder.next_asn += 1;
            for country in countries.iter_mut().take(VPN_COUNTRIES) {
                // Not everybody is everywhere.
                if provider == 0 || builder.random.chance(0.7) {
                    country.vpn.push(builder.block(Kind::Vpn, country.code, country.cities[0].at));
                }
            }
        }
        let blocks = builder.blocks;
        Self { countries, blocks, hosting }
    }

    /// Some address of a block, of its first so many.
    pub(crate) fn address(&self, block: usize, of: usize, random: &mut Random) -> Ipv4Addr {
        let host = u32::try_from(1 + random.below(of)).unwrap_or(1);
        Ipv4Addr::from_bits(self.blocks[block].first + host)
    }

    /// A line of this ISP in this city.
    pub(crate) fn fixed(&self, [country, city, isp]: [usize; 3], random: &mut Random) -> Ipv4Addr {
        let block = *random.pick(&self.countries[country].cities[city].fixed[isp]);
        self.address(block, 250, random)
    }

    /// One of the 64 addresses that the customers of a carrier share in a city.
    pub(crate) fn mobile(&self, [country, city, isp]: [usize; 3], random: &mut Random) -> Ipv4Addr {
        self.address(self.countries[country].cities[city].mobile[isp], 64, random)
    }

    /// The address behind which a company works: its own, or one of a data centre.
    pub(crate) fn office(&self, companies: &[Ipv4Addr], parameters: &Parameters, random: &mut Random) -> Ipv4Addr {
        let company = *random.pick(companies);
        if random.chance(parameters.cloud_egress) {
            let block = *random.pick(&self.hosting);
            return self.address(block, 250, random);
        }
        company
    }

    pub(crate) fn block_of(&self, address: Ipv4Addr) -> &Block {
        let at = self.blocks.partition_point(|block| block.first <= address.to_bits());
        &self.blocks[at.saturating_sub(1)]
    }

    /// Where somebody lives.
    pub(crate) fn home(&self, random: &mut Random) -> [usize; 3] {
        let weights: Vec<f64> = self.countries.iter().map(|country| country.weight).collect();
        self.somewhere_in(random.weighted(&weights), random)
    }

    /// A city and an ISP of a country, as its people are spread.
    pub(crate) fn somewhere_in(&self, country: usize, random: &mut Random) -> [usize; 3] {
        let Country { cities, isps, .. } = &self.countries[country];
        let weights: Vec<f64> = cities.iter().map(|city| city.weight).collect();
        [country, random.weighted(&weights), random.weighted(isps)]
    }

    /// A country other than this one.
    pub(crate) fn abroad(&self, from: usize, random: &mut Random) -> usize {
        let weights: Vec<f64> = self
            .countries
            .iter()
            .enumerate()
            .map(|(at, country)| if at == from { 0.0 } else { country.weight.min(0.1) })
            .collect();
        random.weighted(&weights)
    }
}

struct Builder<'a> {
    parameters: &'a Parameters,
    random: &'a mut Random,
    blocks: Vec<Block>,
    next_asn: u32,
}

impl Builder<'_> {
    fn country(&mut self, rank: usize) -> Country {
        let (code, latitude, longitude, spread_km) = COUNTRIES[rank];
        let is_home = rank == 0;
        // Zipf's law over the others.
        let harmonic: f64 = (1..COUNTRIES.len()).map(|rank| 1.0 / f64::from(u32::try_from(rank).unwrap_or(1))).sum();
        let share = 1.0 - self.parameters.home_country;
        let weight = if is_home {
            self.parameters.home_country
        } else {
            share / harmonic / f64::from(u32::try_from(rank).unwrap_or(1))
        };
        let (cities, isps) = if is_home { (12, 10) } else { (4, 5) };
        let isps = self.shares(isps);
        let asns: Vec<u32> = isps
            .iter()
            .map(|_| {
                self.next_asn += 1;
                self.next_asn
            })
            .collect();
        let cities = (0..cities)
            .map(|city| {
                let km = spread_km * self.random.unit().sqrt();
                let at = self.moved((latitude, longitude), km);
                self.city(code, at, &asns, (if is_home { 24 } else { 3 }, city))
            })
            .collect();
        Country { code, weight, cities, isps, vpn: Vec::new() }
    }

    /// The first has its share, the others halve what is left, as far as it goes.
    fn shares(&self, count: usize) -> Vec<f64> {
        let first = self.parameters.first_isp;
        let rest = (0..count - 1).map(|at| 0.68_f64.powi(i32::try_from(at).unwrap_or(0)));
        let sum: f64 = rest.clone().sum();
        std::iter::once(first).chain(rest.map(|part| part / sum * (1.0 - first))).collect()
    }

    fn city(&mut self, code: &'static str, at: (f64, f64), asns: &[u32], (lines, rank): (usize, usize)) -> City {
        let (mut fixed, mut mobile) = (Vec::new(), Vec::new());
        for asn in asns {
            fixed.push((0..lines).map(|_| self.block_of(*asn, Kind::Fixed, code, at)).collect());
            mobile.push(self.block_of(*asn, Kind::Mobile, code, at));
        }
        let companies = (0..12)
            .map(|company| {
                let of: &Vec<usize> = &fixed[company % fixed.len()];
                // The last addresses of a block, which no line gets.
                Ipv4Addr::from_bits(self.blocks[of[0]].first + 251 + u32::try_from(company / fixed.len()).unwrap_or(0))
            })
            .collect();
        City { at, weight: 1.0 / f64::from(u32::try_from(rank + 1).unwrap_or(1)), fixed, mobile, companies }
    }

    fn hoster(&mut self) -> Vec<usize> {
        self.next_asn += 1;
        (0..16)
            .map(|_| {
                let rank = if self.random.chance(0.3) { 0 } else { self.random.below(16) };
                let (code, latitude, longitude, _) = COUNTRIES[rank];
                self.block(Kind::Hosting, code, (latitude, longitude))
            })
            .collect()
    }

    fn block(&mut self, kind: Kind, country: &'static str, at: (f64, f64)) -> usize {
        self.block_of(self.next_asn, kind, country, at)
    }

    fn block_of(&mut self, asn: u32, kind: Kind, country: &'static str, at: (f64, f64)) -> usize {
        let row = self.row(asn, kind, country, at);
        let first = (11 << 24) + (u32::try_from(self.blocks.len()).unwrap_or(0) << 8);
        self.blocks.push(Block { first, kind, row });
        self.blocks.len() - 1
    }

    /// What databases believe of a network.
    fn row(&mut self, asn: u32, kind: Kind, country: &'static str, at: (f64, f64)) -> Row {
        let parameters = self.parameters;
        let (error_km, radius_km) = match kind {
            // Medians 8 and 190 km, and one in ten beyond 150 and 800.
            Kind::Fixed => (self.random.log_normal(parameters.fixed_error_km, 2.29), *self.random.pick(&[10, 20, 50])),
            Kind::Mobile => (self.random.log_normal(parameters.mobile_error_km, 1.12), *self.random.pick(&[200, 500])),
            Kind::Vpn | Kind::Hosting => (self.random.log_normal(20.0, 1.5), 50),
        };
        let is_too_sure = self.random.chance(parameters.radius_under_reported);
        let known_as = match kind {
            Kind::Fixed | Kind::Mobile => None,
            Kind::Vpn if self.random.chance(parameters.vpn_known) => Some(Kind::Vpn),
            Kind::Vpn => self.random.chance(0.5).then_some(Kind::Hosting),
            Kind::Hosting => self.random.chance(parameters.hosting_known).then_some(Kind::Hosting),
        };
        let is_misplaced = self.random.chance(0.004);
        let elsewhere = COUNTRIES[self.random.below(COUNTRIES.len())];
        Row {
            at: if is_misplaced { (elsewhere.1, elsewhere.2) } else { self.moved(at, error_km.min(3000.0)) },
            radius_km: if is_too_sure { radius_km / 5 } else { radius_km },
            country: if is_misplaced { elsewhere.0 } else { country },
            asn: (!self.random.chance(0.01)).then_some(asn),
            known_as,
        }
    }

    /// A point so far away in some direction, kept off the poles.
    fn moved(&mut self, (latitude, longitude): (f64, f64), km: f64) -> (f64, f64) {
        let angle = self.random.between(0.0, std::f64::consts::TAU);
        let moved = latitude + km * angle.sin() / KM_PER_DEGREE;
        let east = km * angle.cos() / (KM_PER_DEGREE * latitude.to_radians().cos());
        (moved.clamp(-70.0, 75.0), (longitude + east + 540.0).rem_euclid(360.0) - 180.0)
    }
}
