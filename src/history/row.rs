//! The row: how a history is kept, in memory as on a disk. Little-endian, fixed-size entries behind a version byte.
//!
//! ```text
//! version u8 | last_login_s u32 | devices | agents << 4, networks | places << 5, countries | marks << 5, seldom u8 | entries
//! seldom    : place_confirmed_s, factor_passed_s, unfinished_s, fraud_labelled_s u32; hidden: last_day u16, days u16.
//!             Each where its bit is set, from the lowest
//! device  27: tag u64, usage, generation u24, since_s u32, origin u16, first_s / 256 u24, agent u8
//! agent   12: family u32, major u16, usage      usage: last_s u32, days u16      country 8: code [u8; 2], usage
//! network 12: tag u32, asn u32, last_day u16, days u16
//! place   27: time_s u32, latitude i32, longitude i32 (1e-7 °), radius_m u32, device | is city << 7 u8, country [u8; 2],
//!             network u32, asn u32
//! mark    13: kind u8, subject [u8; 8], marked_s u32
//! ```
//! A device names its agent, and a place its device, by where they stand among theirs, counted from 1; 0 is none.
//! In tags and numbers 0 stands for "not known": 0 is no autonomous system (RFC 7607), and a tag is 0 by chance only.
//!
//! Versions 3 and 4 had all four times right behind the first one, then the counts, and then what is hidden, where the highest bit of
//! the second count said so; never in version 3.

mod aged;

use super::reports::{MARKS_MAX, Mark, Subject};
use super::token::{Accepted, GENERATION_MAX};
use super::{
    AGENTS_MAX, Agent, AgentFamily, COUNTRIES_MAX, DEVICES_MAX, FIRST_STEP_S, KnownAgent, KnownCountry, KnownDevice,
    KnownNetwork, NETWORKS_MAX, PLACES_MAX, Usage, UserHistory, ValidPlace,
};
use crate::context::{Grain, Place};
use crate::keyed_hash::{AddressTag, DeviceTag, NetworkTag};
use crate::units::{Coordinates, CountryCode, Kilometres};
use arrayvec::ArrayVec;
use std::fmt;

const VERSION: u8 = 5;
/// All times, and what is hidden.
const WITH_ALL_TIMES: u8 = 4;
/// The same, but that nothing was kept of anonymisers.
const WITHOUT_HIDDEN: u8 = 3;
/// 1e-7 degrees are 1.1 cm, and ±180° of them fit 32 bits.
const UNITS_PER_DEGREE: f64 = 1e7;
const METRES_PER_KM: f64 = 1000.0;
/// Bytes of each part, as the picture above has them.
const HEAD_BYTES: usize = 1 + 4 + 4;
/// Of a time, or of what is hidden.
const SELDOM_BYTES: usize = 4;
const DEVICE_BYTES: usize = 27;
const AGENT_BYTES: usize = 12;
const NETWORK_BYTES: usize = 12;
const COUNTRY_BYTES: usize = 8;
const PLACE_BYTES: usize = 27;
const MARK_BYTES: usize = 13;
/// Beside the number of a place's device: a city row said where it is.
const CITY: u8 = 0x80;
/// In the last byte of the head: days with an anonymiser follow, behind the times of the lower bits.
const HIDDEN: u8 = 0x10;
/// That bit and those of all times: the others are unknown.
const SELDOM_ALL: u8 = 0x1F;
/// What says so in versions that had all times, beside the counts of networks and places.
const HIDDEN_BEFORE: u8 = 0x80;

/// A row that is none: cut short, too long, of another version, or holding what cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowError;

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a history row is damaged or of another version")
    }
}

impl std::error::Error for RowError {}

impl UserHistory {
    /// Writes the row behind what `out` holds.
    pub fn write_row(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.row_len(), 0);
        self.write_row_into(&mut out[start..]);
    }

    /// The length of the row, in bytes.
    #[must_use]
    pub fn row_len(&self) -> usize {
        HEAD_BYTES
            + SELDOM_BYTES * self.seldom_s().into_iter().filter(|time_s| *time_s != 0).count()
            + self.hidden.map_or(0, |_| SELDOM_BYTES)
            + DEVICE_BYTES * self.devices.len()
            + AGENT_BYTES * self.agents.len()
            + NETWORK_BYTES * self.networks.len()
            + COUNTRY_BYTES * self.countries.len()
            + PLACE_BYTES * self.places.len()
            + MARK_BYTES * self.marks.len()
    }

    /// Times of what most users never do; 0 is never.
    fn seldom_s(&self) -> [u32; 4] {
        [self.place_confirmed_s, self.factor_passed_s, self.unfinished_s, self.fraud_labelled_s]
    }

    /// Writes the row into [`Self::row_len`] bytes.
    pub fn write_row_into(&self, row: &mut [u8]) {
        let out = &mut Writer(row);
        out.put([VERSION]);
        out.put(self.last_login_s.to_le_bytes());
        let (devices, agents, networks) = (self.devices.len(), self.agents.len(), self.networks.len());
        let (countries, places, marks) = (self.countries.len(), self.places.len(), self.marks.len());
        out.put([devices | agents << 4, networks | places << 5, countries | marks << 5].map(short));
        let seldom_s = self.seldom_s();
        let times = (0..).zip(seldom_s).map(|(bit, time_s)| u8::from(time_s != 0) << bit).sum::<u8>();
        out.put([if self.hidden.is_some() { times | HIDDEN } else { times }]);
        seldom_s.into_iter().filter(|time_s| *time_s != 0).for_each(|time_s| out.put(time_s.to_le_bytes()));
        if let Some(usage) = self.hidden {
            write_days(out, usage);
        }
        for device in &self.devices {
            out.put(device.tag.0.to_le_bytes());
            write_usage(out, device.usage);
            let Accepted { generation, since_s, origin } = device.accepted;
            write_u24(out, generation.min(GENERATION_MAX));
            out.put(since_s.to_le_bytes());
            out.put(origin.to_le_bytes());
            write_u24(out, device.first_s / FIRST_STEP_S);
            let of_family = |known: &KnownAgent| Some(known.agent.family) == device.family;
            out.put([number(self.agents.iter().position(of_family))]);
        }
        for known in &self.agents {
            out.put(known.agent.family.to_bits().to_le_bytes());
            out.put(known.agent.major.to_le_bytes());
            write_usage(out, known.usage);
        }
        for network in &self.networks {
            out.put(network.tag.0.to_le_bytes());
            out.put(network.asn.unwrap_or(0).to_le_bytes());
            write_days(out, network.usage);
        }
        for country in &self.countries {
            out.put(country.code.to_bytes());
            write_usage(out, country.usage);
        }
        for place in &self.places {
            let device = self.devices.iter().position(|known| Some(known.tag) == place.device);
            write_place(out, place, number(device));
        }
        for mark in &self.marks {
            write_mark(out, mark);
        }
    }

    /// Reads a row back.
    ///
    /// # Errors
    ///
    /// [`RowError`] for anything that [`Self::write_row`] does not write.
    pub fn read_row(row: &[u8]) -> Result<Self, RowError> {
        let mut history = Self::default();
        history.fill(row)?;
        Ok(history)
    }

    /// Reads a row into an empty history: the structure is large, and a login moves it nowhere.
    ///
    /// # Errors
    ///
    /// As for [`Self::read_row`]; the history is then of no use.
    pub fn fill(&mut self, row: &[u8]) -> Result<(), RowError> {
        let mut reader = Reader(row);
        let head = reader.head()?;
        self.last_login_s = head.last_login_s;
        [self.place_confirmed_s, self.factor_passed_s, self.unfinished_s, self.fraud_labelled_s] = head.seldom_s;
        self.hidden = head.hidden;
        let counts_max = [DEVICES_MAX, AGENTS_MAX, NETWORKS_MAX, COUNTRIES_MAX, PLACES_MAX, MARKS_MAX];
        if head.counts.iter().zip(counts_max).any(|(count, max)| *count > max) {
            return Err(RowError);
        }
        let [devices, agents, networks, countries, places, marks] = head.counts;
        let mut agent_of_device = ArrayVec::<u8, DEVICES_MAX>::new();
        for _ in 0..devices {
            self.devices.push(KnownDevice {
                tag: DeviceTag(reader.u64()?),
                usage: reader.usage()?,
                accepted: Accepted { generation: reader.u24()?, since_s: reader.u32()?, origin: reader.u16()? },
                first_s: reader.u24()? * FIRST_STEP_S,
                family: None,
            });
            agent_of_device.push(reader.u8()?);
        }
        for _ in 0..agents {
            let agent = Agent { family: AgentFamily::from_bits(reader.u32()?), major: reader.u16()? };
            self.agents.push(KnownAgent { agent, usage: reader.usage()? });
        }
        for (device, number) in self.devices.iter_mut().zip(agent_of_device) {
            device.family = numbered(&self.agents, number)?.map(|known| known.agent.family);
        }
        for _ in 0..networks {
            let (tag, asn) = (NetworkTag(reader.u32()?), known(reader.u32()?));
            self.networks.push(KnownNetwork { tag, asn, usage: reader.days()? });
        }
        for _ in 0..countries {
            self.countries.push(KnownCountry { code: reader.country()?.ok_or(RowError)?, usage: reader.usage()? });
        }
        for _ in 0..places {
            let place = reader.place(&self.devices)?;
            self.places.push(place);
        }
        for _ in 0..marks {
            self.marks.push(reader.mark()?);
        }
        if reader.0.is_empty() { Ok(()) } else { Err(RowError) }
    }

    /// When the user of this row last completed a login, in whole seconds since 1970; 0 where the row is damaged.
    #[must_use]
    pub fn last_login_of_row(row: &[u8]) -> u32 {
        row.get(1..5).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

/// What stands before the entries.
struct Head {
    last_login_s: u32,
    /// As [`UserHistory::seldom_s`] gives them.
    seldom_s: [u32; 4],
    hidden: Option<Usage>,
    /// Devices, agents, networks, countries, places and marks.
    counts: [usize; 6],
}

fn counts([a, b, c]: [u8; 3]) -> [usize; 6] {
    [a & 0x0F, a >> 4, b & 0x1F, c & 0x1F, b >> 5, c >> 5].map(usize::from)
}

/// Counts are bounded by constants that fit their bits.
fn short(counts: usize) -> u8 {
    u8::try_from(counts).unwrap_or(u8::MAX)
}

/// Where an entry stands, counted from 1; 0 is none.
fn number(position: Option<usize>) -> u8 {
    position.map_or(0, |position| short(position + 1))
}

fn numbered<T>(entries: &[T], number: u8) -> Result<Option<&T>, RowError> {
    match usize::from(number).checked_sub(1) {
        None => Ok(None),
        Some(position) => entries.get(position).map(Some).ok_or(RowError),
    }
}

fn write_u24(out: &mut Writer<'_>, value: u32) {
    let [a, b, c, _] = value.to_le_bytes();
    out.put([a, b, c]);
}

/// Days since 1970: 16 bits of them reach to 2149.
fn day(time_s: u32) -> u16 {
    u16::try_from(time_s / Usage::DAY_S).unwrap_or(u16::MAX)
}

fn known(value: u32) -> Option<u32> {
    (value != 0).then_some(value)
}

fn write_usage(out: &mut Writer<'_>, usage: Usage) {
    out.put(usage.last_s.to_le_bytes());
    out.put(usage.days.to_le_bytes());
}

/// Of what is known to the day.
fn write_days(out: &mut Writer<'_>, usage: Usage) {
    out.put(day(usage.last_s).to_le_bytes());
    out.put(usage.days.to_le_bytes());
}

fn write_place(out: &mut Writer<'_>, visit: &ValidPlace, device: u8) {
    let Place { at, radius, grain, country } = visit.place;
    out.put(visit.time_s.to_le_bytes());
    out.put(units(at.latitude()).to_le_bytes());
    out.put(units(at.longitude()).to_le_bytes());
    out.put(metres(radius).to_le_bytes());
    out.put([match grain {
        Grain::Country => device,
        Grain::City => device | CITY,
    }]);
    out.put(country.map_or([0, 0], CountryCode::to_bytes));
    out.put(visit.network.map_or(0, |tag| tag.0).to_le_bytes());
    out.put(visit.asn.unwrap_or(0).to_le_bytes());
}

fn write_mark(out: &mut Writer<'_>, mark: &Mark) {
    let (kind, subject) = match mark.subject {
        Subject::Device(tag) => (0, tag.0.to_le_bytes()),
        Subject::Address(tag) => (1, tag.0.to_le_bytes()),
        Subject::Spot(at) => {
            let ([a, b, c, d], [e, f, g, h]) =
                (units(at.latitude()).to_le_bytes(), units(at.longitude()).to_le_bytes());
            (2, [a, b, c, d, e, f, g, h])
        }
        Subject::Country(code) => {
            let [a, b] = code.to_bytes();
            (3, [a, b, 0, 0, 0, 0, 0, 0])
        }
    };
    out.put([kind]);
    out.put(subject);
    out.put(mark.marked_s.to_le_bytes());
}

fn units(degrees: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "at most 180 · 1e7, which fits 32 bits")]
    let units = (degrees * UNITS_PER_DEGREE).round() as i32;
    units
}

/// Rounded up, since a radius is a bound: the fewest metres that read back as no less. Rounding the product up would not
/// do: 2.007 km times 1000 is a little over 2007, and a row would grow by a metre each time that it is written.
fn metres(radius: Kilometres) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
    let nearest = (radius.value() * METRES_PER_KM).round() as u32;
    if f64::from(nearest) / METRES_PER_KM >= radius.value() { nearest } else { nearest.saturating_add(1) }
}

/// What is left to write.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    /// There is room: the row is as long as its parts together.
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((head, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut::<N>() {
            *head = bytes;
            self.0 = rest;
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn head(&mut self) -> Result<Head, RowError> {
        let version = self.u8()?;
        let last_login_s = self.u32()?;
        let mut seldom_s = [0; 4];
        let (counts, has_hidden) = match version {
            VERSION => {
                let [a, b, c, seldom] = self.take()?;
                for (_, time_s) in (0..).zip(&mut seldom_s).filter(|(bit, _)| seldom & 1 << bit != 0) {
                    *time_s = self.u32()?;
                }
                if seldom > SELDOM_ALL {
                    return Err(RowError);
                }
                (counts([a, b, c]), seldom & HIDDEN != 0)
            }
            WITH_ALL_TIMES | WITHOUT_HIDDEN => {
                for time_s in &mut seldom_s {
                    *time_s = self.u32()?;
                }
                let [a, b, c] = self.take()?;
                (counts([a, b & !HIDDEN_BEFORE, c]), b & HIDDEN_BEFORE != 0)
            }
            _ => return Err(RowError),
        };
        if has_hidden && version == WITHOUT_HIDDEN {
            return Err(RowError);
        }
        let hidden = if has_hidden { Some(self.days()?) } else { None };
        Ok(Head { last_login_s, seldom_s, hidden, counts })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], RowError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RowError)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, RowError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, RowError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u24(&mut self) -> Result<u32, RowError> {
        self.take().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    fn u32(&mut self) -> Result<u32, RowError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, RowError> {
        self.take().map(u64::from_le_bytes)
    }

    fn degrees(&mut self) -> Result<f64, RowError> {
        Ok(f64::from(self.take().map(i32::from_le_bytes)?) / UNITS_PER_DEGREE)
    }

    fn usage(&mut self) -> Result<Usage, RowError> {
        Ok(Usage { last_s: self.u32()?, days: self.u16()? })
    }

    fn days(&mut self) -> Result<Usage, RowError> {
        let last_s = u32::from(self.u16()?).checked_mul(Usage::DAY_S).ok_or(RowError)?;
        Ok(Usage { last_s, days: self.u16()? })
    }

    fn country(&mut self) -> Result<Option<CountryCode>, RowError> {
        self.take().map(CountryCode::from_bytes)
    }

    fn coordinates(&mut self) -> Result<Coordinates, RowError> {
        Coordinates::new(self.degrees()?, self.degrees()?).ok_or(RowError)
    }

    fn mark(&mut self) -> Result<Mark, RowError> {
        let subject = match self.u8()? {
            0 => Subject::Device(DeviceTag(self.u64()?)),
            1 => Subject::Address(AddressTag(self.u64()?)),
            2 => Subject::Spot(self.coordinates()?),
            3 => {
                let code = self.country()?.ok_or(RowError)?;
                let _unused = self.take::<6>()?;
                Subject::Country(code)
            }
            _ => return Err(RowError),
        };
        Ok(Mark { subject, marked_s: self.u32()? })
    }

    fn place(&mut self, devices: &[KnownDevice]) -> Result<ValidPlace, RowError> {
        let time_s = self.u32()?;
        let at = self.coordinates()?;
        let radius = Kilometres::new(f64::from(self.u32()?) / METRES_PER_KM).ok_or(RowError)?;
        let number = self.u8()?;
        let grain = if number & CITY == 0 { Grain::Country } else { Grain::City };
        let device = numbered(devices, number & !CITY)?;
        let country = self.country()?;
        Ok(ValidPlace {
            time_s,
            place: Place { at, radius, grain, country },
            network: known(self.u32()?).map(NetworkTag),
            asn: known(self.u32()?),
            device: device.map(|known| known.tag),
        })
    }
}
