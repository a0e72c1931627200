//! Days and instants: plain UTC arithmetic on the Gregorian calendar. No clock, no zones.
//!
//! Written out because 250,000 instants are printed in a blink and nothing here needs a zone; a test holds it to `jiff`.

use std::fmt::Write as _;

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// A calendar day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

impl Date {
    /// The UTC day of an instant.   Source: Hinnant, `civil_from_days`.
    pub(crate) fn of(time_ms: i64) -> Date {
        let shifted = time_ms.div_euclid(DAY_MS) + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
        Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// The first instant of the UTC day.   Source: Hinnant, `days_from_civil`.
    pub(crate) fn midnight_ms(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = i64::from((self.month + 9) % 12);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * DAY_MS
    }
}

/// The first instant of the UTC day in which `time_ms` lies.
pub(crate) fn midnight_before(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS) * DAY_MS
}

/// The UTC day of the week, 0 = Sunday.
pub(crate) fn weekday(time_ms: i64) -> usize {
    (time_ms.div_euclid(DAY_MS) + 4).rem_euclid(7) as usize
}

/// Writes RFC 3339 in UTC with milliseconds.
pub(crate) fn write_instant(into: &mut String, time_ms: i64) {
    let Date { year, month, day } = Date::of(time_ms);
    let ms = time_ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (ms / HOUR_MS, ms / 60_000 % 60, ms / 1_000 % 60);
    // Writing to a String cannot fail.
    let _ = write!(into, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_agrees_with_jiff() {
        for step in 0..4_000i64 {
            let time_ms = -3_000_000_000_000 + step * 1_987_654_321;
            let jiff = jiff::Timestamp::from_millisecond(time_ms).expect("a time within jiff's range");
            let mut ours = String::new();
            write_instant(&mut ours, time_ms);
            assert_eq!(ours, format!("{jiff:.3}"));
            assert_eq!(Date::of(time_ms).midnight_ms(), midnight_before(time_ms));
            let jiff_day = jiff.to_zoned(jiff::tz::TimeZone::UTC).weekday().to_sunday_zero_offset();
            assert_eq!(weekday(time_ms), jiff_day as usize);
        }
    }
}
