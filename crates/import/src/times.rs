//! Reads instants and days from cells, in the format and zone that the mapping names.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How a time is written, and in which zone where it does not say so itself.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat {
    pub(crate) pattern: TimePattern,
    pub(crate) zone: TimeZone,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimePattern {
    /// RFC 3339, a date-time without offset (`T` or a blank between), or a date, which is the start of that day.
    Iso,
    /// Seconds since 1970, whole or with decimal places.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// `%d/%m/%Y %H:%M` and its like, as in `strptime`.
    Pattern(String),
}

impl TimeFormat {
    /// ISO 8601 in UTC.
    pub(crate) fn iso() -> TimeFormat {
        TimeFormat { pattern: TimePattern::Iso, zone: TimeZone::UTC }
    }

    /// Reads an instant, in milliseconds since 1970; further digits are cut off.
    pub(crate) fn read(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let instant_ms = match &self.pattern {
            TimePattern::Iso => self.read_iso(text)?,
            TimePattern::UnixSeconds => read_unix_seconds(text)?,
            TimePattern::UnixMilliseconds => text.parse().ok()?,
            TimePattern::Pattern(pattern) => self.read_pattern(pattern, text)?,
        };
        is_writable(instant_ms).then_some(instant_ms)
    }

    /// Reads the calendar day that is written, without moving it to another zone.
    pub(crate) fn read_day(&self, text: &str) -> Option<Date> {
        let text = text.trim();
        match &self.pattern {
            TimePattern::Iso => text.get(..10)?.parse().ok(),
            TimePattern::Pattern(pattern) => strtime::parse(pattern, text).ok()?.to_date().ok(),
            TimePattern::UnixSeconds | TimePattern::UnixMilliseconds => {
                let instant = Timestamp::from_millisecond(self.read(text)?).ok()?;
                Some(instant.to_zoned(self.zone.clone()).date())
            }
        }
    }

    fn read_iso(&self, text: &str) -> Option<i64> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(milliseconds(instant));
        }
        // A bracketed zone or any other decoration is refused by these two.
        let local = match text.parse::<DateTime>() {
            Ok(local) => local,
            Err(_) => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
        };
        self.in_zone(local)
    }

    fn read_pattern(&self, pattern: &str, text: &str) -> Option<i64> {
        let parts = strtime::parse(pattern, text).ok()?;
        if parts.offset().is_some() || parts.iana_time_zone().is_some() {
            return parts.to_timestamp().ok().map(milliseconds);
        }
        if let Ok(instant) = parts.to_timestamp() {
            // `%s` gives the instant itself.
            return Some(milliseconds(instant));
        }
        let local = match parts.to_datetime() {
            Ok(local) => local,
            // A pattern without hours names a day: it begins at midnight.
            Err(_) => parts.to_date().ok()?.to_datetime(jiff::civil::Time::midnight()),
        };
        self.in_zone(local)
    }

    /// In the gap of a clock change the later reading counts, in the overlap the earlier one, as RFC 5545 has it.
    fn in_zone(&self, local: DateTime) -> Option<i64> {
        let zoned: Zoned = local.to_zoned(self.zone.clone()).ok()?;
        Some(milliseconds(zoned.timestamp()))
    }
}

fn read_unix_seconds(text: &str) -> Option<i64> {
    let seconds = crate::numbers::read_number(text, crate::numbers::DecimalMark::Point)?;
    let milliseconds = crate::numbers::multiply(seconds, rust_decimal::Decimal::ONE_THOUSAND)?.floor();
    i64::try_from(milliseconds.mantissa() / 10_i128.pow(milliseconds.scale())).ok()
}

fn milliseconds(instant: Timestamp) -> i64 {
    instant.as_millisecond()
}

/// RFC 3339 knows the years 0 to 9999.
fn is_writable(instant_ms: i64) -> bool {
    Timestamp::from_millisecond(instant_ms)
        .is_ok_and(|instant| (0..=9999).contains(&TimeZone::UTC.to_datetime(instant).year()))
}

/// Writes an instant as `2010-12-01T08:26:00.000Z`.
/// `instant_ms` comes from [`TimeFormat::read`], so that its year has four digits.
pub(crate) fn write_instant(out: &mut String, instant_ms: i64) {
    let instant = Timestamp::from_millisecond(instant_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let utc = TimeZone::UTC.to_datetime(instant);
    let (year, month, day) = (utc.year(), utc.month(), utc.day());
    let (hour, minute, second) = (utc.hour(), utc.minute(), utc.second());
    let millisecond = utc.subsec_nanosecond() / 1_000_000;
    out.push_str(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: TimePattern, zone: &str, text: &str) -> Option<String> {
        let format = TimeFormat { pattern, zone: TimeZone::get(zone).expect("a zone") };
        format.read(text).map(|instant_ms| {
            let mut out = String::new();
            write_instant(&mut out, instant_ms);
            out
        })
    }

    fn pattern(pattern: &str) -> TimePattern {
        TimePattern::Pattern(pattern.to_owned())
    }

    #[test]
    fn an_iso_time_is_read_with_its_offset_or_in_the_zone_of_the_mapping() {
        let iso = |text| read(TimePattern::Iso, "Europe/Berlin", text);
        assert_eq!(iso("2026-03-01T10:00:00.1239Z").as_deref(), Some("2026-03-01T10:00:00.123Z"));
        assert_eq!(iso("2026-03-01T10:00:00+05:00").as_deref(), Some("2026-03-01T05:00:00.000Z"));
        assert_eq!(iso("2026-03-01 10:00:00").as_deref(), Some("2026-03-01T09:00:00.000Z"));
        assert_eq!(iso("2026-07-01").as_deref(), Some("2026-06-30T22:00:00.000Z"), "summer time, start of the day");
        for wrong in ["", "yesterday", "2026-02-30", "2026-13-01", "1772359200", "2026-03-01T25:00:00Z"] {
            assert_eq!(iso(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pattern_reads_the_formats_that_spreadsheets_write() {
        let slashes = |text| read(pattern("%d/%m/%Y %H:%M"), "Europe/London", text);
        assert_eq!(slashes("1/7/2026 08:26").as_deref(), Some("2026-07-01T07:26:00.000Z"));
        assert_eq!(slashes("31/2/2026 08:26"), None);
        assert_eq!(slashes("1/7/2026"), None, "the hours are part of the pattern");
        assert_eq!(read(pattern("%Y%m%d"), "UTC", "19970101").as_deref(), Some("1997-01-01T00:00:00.000Z"));
        let with_offset = read(pattern("%Y-%m-%d %H:%M:%S %z"), "Europe/Berlin", "2026-03-01 10:00:00 +0000");
        assert_eq!(with_offset.as_deref(), Some("2026-03-01T10:00:00.000Z"));
    }

    #[test]
    fn unix_times_are_read_in_seconds_and_milliseconds() {
        assert_eq!(read(TimePattern::UnixSeconds, "UTC", "1772359200.5").as_deref(), Some("2026-03-01T10:00:00.500Z"));
        assert_eq!(
            read(TimePattern::UnixMilliseconds, "UTC", "1772359200500").as_deref(),
            Some("2026-03-01T10:00:00.500Z")
        );
        assert_eq!(read(TimePattern::UnixMilliseconds, "UTC", "9223372036854775807"), None, "beyond the year 9999");
        assert_eq!(read(TimePattern::UnixSeconds, "UTC", "1e28"), None);
    }

    #[test]
    fn a_time_that_the_clocks_skip_or_repeat_is_still_read() {
        let berlin = |text| read(TimePattern::Iso, "Europe/Berlin", text);
        assert_eq!(
            berlin("2026-03-29 02:30:00").as_deref(),
            Some("2026-03-29T01:30:00.000Z"),
            "skipped: read as 03:30"
        );
        assert_eq!(berlin("2026-10-25 02:30:00").as_deref(), Some("2026-10-25T00:30:00.000Z"), "twice: the first");
    }
}
