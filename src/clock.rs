//! Time. The only place that reads the wall clock; everything else is handed a [`Timestamp`].

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds of one day.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: whole milliseconds since 1970-01-01T00:00:00Z, from then up to the year 2106, so that whole seconds fit
/// the 32 bits that memory spends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    const MAX_MS: i64 = u32::MAX as i64 * 1000 + 999;

    /// `None` before 1970 or after 2106.
    #[must_use]
    pub fn from_unix_ms(ms: i64) -> Option<Self> {
        (0..=Self::MAX_MS).contains(&ms).then_some(Self(ms))
    }

    /// An instant from whole seconds, as memory keeps them.
    #[must_use]
    pub fn from_unix_s(seconds: u32) -> Self {
        Self(i64::from(seconds) * 1000)
    }

    /// Parses RFC 3339, any offset. `None` when it is none, or out of range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let ms = parsed.unix_timestamp().checked_mul(1000)?.checked_add(i64::from(parsed.millisecond()))?;
        Self::from_unix_ms(ms)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn unix_s(self) -> u32 {
        // The constructors keep the value within 32 bits of seconds.
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl Timestamp {
    /// RFC 3339 in UTC: 20 bytes, or 24 where there are milliseconds.
    pub fn encode(self, buffer: &mut [u8; 24]) -> &str {
        let instant = OffsetDateTime::from_unix_timestamp(self.0 / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = instant.to_calendar_date();
        let (hour, minute, second) = instant.to_hms();
        *buffer = *b"0000-00-00T00:00:00.000Z";
        digits(&mut buffer[0..4], year.unsigned_abs());
        for (at, value) in [(5, u8::from(month)), (8, day), (11, hour), (14, minute), (17, second)] {
            digits(&mut buffer[at..at + 2], u32::from(value));
        }
        let ms = u32::try_from(self.0 % 1000).unwrap_or(0);
        if ms == 0 {
            buffer[19] = b'Z';
        } else {
            digits(&mut buffer[20..23], ms);
        }
        std::str::from_utf8(&buffer[..if ms == 0 { 20 } else { 24 }]).unwrap_or_default()
    }
}

/// The last digits of `value`, as many as there is room for.
fn digits(into: &mut [u8], mut value: u32) {
    for byte in into.iter_mut().rev() {
        *byte = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 24]))
    }
}

/// Where the current time comes from. Copying it is free.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// The wall clock, now. A clock set before 1970 counts as 1970: every memory is then in the future, hence recent,
    /// and every list as fresh as it claims, while nothing divides by zero.
    #[must_use]
    pub fn now(self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
        let now = SystemTime::now();
        from_system(now)
    }

    /// When a file with this modification time was written.
    #[must_use]
    pub fn of_file(self, modified: SystemTime) -> Timestamp {
        from_system(modified)
    }

    /// A point of the monotonic clock, to measure durations from.
    #[must_use]
    pub fn start(self) -> Started {
        #[expect(clippy::disallowed_methods, reason = "the one reader of the monotonic clock")]
        Started(std::time::Instant::now())
    }
}

/// A point of the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Started(std::time::Instant);

impl Started {
    /// Time passed since; a jump of the wall clock does not touch it.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

fn from_system(instant: SystemTime) -> Timestamp {
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp(ms.min(Timestamp::MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_rfc_3339() {
        let instant = Timestamp::parse("2026-11-21T10:00:00.250+02:00").map(|t| t.to_string());
        assert_eq!(instant.as_deref(), Some("2026-11-21T08:00:00.250Z"));
        assert_eq!(Timestamp::from_unix_s(0).to_string(), "1970-01-01T00:00:00Z");
        for seconds in [951_782_399, 951_868_800, 1_709_164_800, u32::MAX] {
            let instant = Timestamp::from_unix_s(seconds);
            assert_eq!(Timestamp::parse(&instant.to_string()), Some(instant));
        }
    }

    #[test]
    fn refuses_what_memory_could_not_keep() {
        for bad in ["", "yesterday", "1969-12-31T23:59:59Z", "2107-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "-1"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}
