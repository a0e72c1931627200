//! Instants, spans and zones. Instants are UTC milliseconds; a calendar day always names its zone.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// The earliest instant we take: 0001-01-01T00:00:00Z.
pub const EARLIEST: Timestamp = Timestamp(-62_135_596_800_000);
/// The latest instant we take: 9999-12-30T22:00:00Z, the end of what the calendar library knows in every zone.
pub const LATEST: Timestamp = Timestamp(253_402_207_200_000);

impl Timestamp {
    /// Later by `span`, held at the ends of the calendar.
    pub fn plus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0).clamp(EARLIEST.0, LATEST.0))
    }

    /// Earlier by `span`, held at the ends of the calendar.
    pub fn minus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0).clamp(EARLIEST.0, LATEST.0))
    }

    /// Time from `earlier` to here; negative if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339 with offset. Further digits than milliseconds are cut off.
    pub fn parse(text: &str) -> Option<Timestamp> {
        Timestamp::parse_in(text, &Zone::utc()).filter(|_| has_offset(text))
    }

    /// Reads RFC 3339; without offset it is local time in `zone`; a bare date is the start of that local day.
    pub fn parse_in(text: &str, zone: &Zone) -> Option<Timestamp> {
        let text = text.trim();
        // Only forms that begin with a date are instants; a bare `12:30` or a week date is not.
        let bytes = text.as_bytes();
        if bytes.len() < 10 || bytes.len() > 40 || bytes.get(4) != Some(&b'-') {
            return None;
        }
        if bytes.len() == 10 {
            let date: Date = text.parse().ok()?;
            return Some(zone.start_of_day(date));
        }
        if has_offset(text) {
            let instant: jiff::Timestamp = text.parse().ok()?;
            return clamp(instant.as_millisecond_floor());
        }
        let local: DateTime = text.parse().ok()?;
        Some(zone.at(local))
    }

    /// The calendar library's instant.
    pub fn as_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0.clamp(EARLIEST.0, LATEST.0))
            .expect("the range was clamped to what the calendar knows")
    }
}

trait FloorMillis {
    fn as_millisecond_floor(&self) -> i64;
}

impl FloorMillis for jiff::Timestamp {
    // Cutting digits off must not move an instant before 1970 forward.
    fn as_millisecond_floor(&self) -> i64 {
        let nanos = self.as_nanosecond();
        i64::try_from(nanos.div_euclid(1_000_000)).expect("years 1 to 9999 fit in i64 milliseconds")
    }
}

fn clamp(millis: i64) -> Option<Timestamp> {
    (EARLIEST.0..=LATEST.0).contains(&millis).then_some(Timestamp(millis))
}

fn has_offset(text: &str) -> bool {
    let time = match text.find(['T', 't', ' ']) {
        Some(at) => text.get(at + 1..).unwrap_or(""),
        None => return false,
    };
    time.ends_with(['Z', 'z']) || time.contains('+') || time.contains('-')
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; milliseconds only where there are some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.as_jiff();
        if self.0.rem_euclid(1000) == 0 { write!(f, "{at:.0}") } else { write!(f, "{at:.3}") }
    }
}

/// A length of time in milliseconds. A day is 86,400 s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Span(pub i64);

impl Span {
    /// One day of 86,400 s.
    pub const DAY: Span = Span(86_400_000);

    /// So many days of 86,400 s.
    pub const fn days(days: i64) -> Span {
        Span(days * 86_400_000)
    }

    /// So many hours.
    pub const fn hours(hours: i64) -> Span {
        Span(hours * 3_600_000)
    }

    /// So many minutes.
    pub const fn minutes(minutes: i64) -> Span {
        Span(minutes * 60_000)
    }

    /// Reads `90s 15m 24h 30d 2w`: one number and one unit, at most 100 years.
    pub fn parse(text: &str) -> Result<Span, String> {
        let refuse = || {
            format!(
                "`{}` is no duration: write one number and one unit, such as 90s, 15m, 24h, 30d or 2w",
                text.chars().take(40).collect::<String>()
            )
        };
        let unit = match text.bytes().last() {
            Some(b's') => 1_000,
            Some(b'm') => 60_000,
            Some(b'h') => 3_600_000,
            Some(b'd') => 86_400_000,
            Some(b'w') => 7 * 86_400_000,
            _ => return Err(refuse()),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        let number: i64 = digits.parse().map_err(|_| refuse())?;
        let span = number.checked_mul(unit).ok_or_else(refuse)?;
        if span > 36_525 * 86_400_000 {
            return Err(format!("`{text}` is longer than 100 years"));
        }
        Ok(Span(span))
    }
}

impl fmt::Display for Span {
    /// The shortest exact form: `30d`, `36h`, `90s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, letter) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if self.0 % unit == 0 && (self.0 != 0 || letter == "s") {
                return write!(f, "{}{letter}", self.0 / unit);
            }
        }
        write!(f, "{}ms", self.0)
    }
}

/// A time zone by its IANA name.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// Finds the zone of an IANA name such as `Europe/London`; anything else is none.
    pub fn find(name: &str) -> Option<Zone> {
        if name.is_empty() || name.len() > 64 {
            return None;
        }
        jiff::tz::db().get(name).ok().map(Zone)
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The local calendar day of an instant.
    pub fn date(&self, at: Timestamp) -> Date {
        self.local(at).date()
    }

    /// The local date and time of an instant.
    pub fn local(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at.as_jiff())
    }

    /// The first instant of a local day.
    pub fn start_of_day(&self, date: Date) -> Timestamp {
        self.at(date.to_datetime(Time::midnight()))
    }

    /// The instant of a local time. One that does not exist is the first instant after the gap;
    /// one that exists twice is its first.
    pub fn at(&self, local: DateTime) -> Timestamp {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        let instant = match ambiguous.offset() {
            jiff::tz::AmbiguousOffset::Gap { before, .. } => {
                // The gap begins where the old offset ends: walk to the next transition from just before it.
                let inside = before.to_timestamp(local).ok();
                inside.and_then(|at| {
                    self.0
                        .preceding(at + jiff::SignedDuration::from_nanos(1))
                        .next()
                        .map(|transition| transition.timestamp())
                })
            }
            _ => ambiguous.earlier().ok(),
        };
        instant.map_or_else(
            || if local.year() > 5000 { LATEST } else { EARLIEST },
            |at| Timestamp(at.as_millisecond_floor().clamp(EARLIEST.0, LATEST.0)),
        )
    }
}

/// The calendar day `days` after `date`, held at the ends of the calendar.
pub fn add_days(date: Date, days: i64) -> Date {
    let span = jiff::Span::new().try_days(days).unwrap_or_default();
    date.saturating_add(span)
}

/// The same day and time of day so many months later, in UTC: the last day of the month where there is no such day; held
/// at the ends of the calendar.
pub fn add_months(at: Timestamp, months: u32) -> Timestamp {
    let span = jiff::Span::new().try_months(months).unwrap_or_default();
    let utc = Zone::utc();
    utc.at(utc.local(at).saturating_add(span))
}

/// The month and day of `MM-DD`, where such a day exists in some year.
pub fn month_and_day(text: &str) -> Option<(i8, i8)> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    let (month, day) = text.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2)?;
    let (month, day) = (digits(month)?, digits(day)?);
    // 2000 was a leap year, so that 29 February is a day.
    Date::new(2000, month, day).ok().map(|_| (month, day))
}

/// The day of a year with this month and day; 29 February counts as 1 March in a common year.
pub fn day_of_year(year: i16, month: i8, day: i8) -> Option<Date> {
    match Date::new(year, month, day) {
        Ok(date) => Some(date),
        Err(_) if (month, day) == (2, 29) => Date::new(year, 3, 1).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_number_and_one_unit() {
        assert_eq!(Span::parse("30d").unwrap(), Span::days(30));
        assert_eq!(Span::parse("2w").unwrap(), Span::days(14));
        for bad in ["", "d", "1.5d", "30", "-1d", "1d2h", "1 d", "99999999999999999999d", "ä"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn instants_need_an_offset_or_a_zone() {
        let berlin = Zone::find("Europe/Berlin").unwrap();
        assert_eq!(Timestamp::parse("2026-01-15T09:30:00.1239Z").unwrap().to_string(), "2026-01-15T09:30:00.123Z");
        assert_eq!(Timestamp::parse("2026-01-15T09:30:00"), None);
        assert_eq!(Timestamp::parse_in("2026-07-15T09:30:00", &berlin).unwrap().to_string(), "2026-07-15T07:30:00Z");
        assert_eq!(Timestamp::parse_in("2026-07-15", &berlin).unwrap().to_string(), "2026-07-14T22:00:00Z");
        for bad in ["12:30", "today", "2026-13-01", "2026-02-30T00:00:00Z", "20260115", "1768469400"] {
            assert_eq!(Timestamp::parse_in(bad, &berlin), None, "{bad}");
        }
    }

    #[test]
    fn a_local_time_in_the_gap_is_the_first_instant_after_it_and_a_double_one_its_first() {
        let london = Zone::find("Europe/London").unwrap();
        let gap: DateTime = "2026-03-29T01:30:00".parse().unwrap();
        assert_eq!(london.at(gap).to_string(), "2026-03-29T01:00:00Z");
        let fold: DateTime = "2026-10-25T01:30:00".parse().unwrap();
        assert_eq!(london.at(fold).to_string(), "2026-10-25T00:30:00Z");
    }

    #[test]
    fn months_later_is_the_same_day_or_the_last_of_the_month() {
        let later = |text: &str, months| add_months(Timestamp::parse(text).unwrap(), months).to_string();
        assert_eq!(later("2024-03-02T12:00:00Z", 24), "2026-03-02T12:00:00Z");
        assert_eq!(later("2024-02-29T23:59:59.999Z", 24), "2026-02-28T23:59:59.999Z");
        assert_eq!(later("2025-08-31T08:00:00Z", 6), "2026-02-28T08:00:00Z");
        assert_eq!(add_months(LATEST, 120), LATEST);
    }

    #[test]
    fn only_iana_names_are_zones() {
        assert!(Zone::find("Europe/London").is_some());
        for bad in ["", "Mars/Base", "+02:00", "GMT+25", "../etc/passwd"] {
            assert!(Zone::find(bad).is_none(), "{bad}");
        }
    }
}
