//! Dates as templates write them: reading the usual forms, and strftime.

use domain::time::{Timestamp, Zone};
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Forms in which people and shops write dates, beside RFC 3339; read in the given zone.
const FORMS: [&str; 11] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%B %d, %Y %H:%M",
    "%B %d, %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%a, %d %b %Y %H:%M:%S",
    "%a %b %d %Y",
];

/// Numbers from here on are milliseconds: as seconds they would lie beyond the year 5000.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

/// The instant that a number means: seconds since 1970, or milliseconds.
pub(super) fn from_number(number: i64) -> Timestamp {
    let millis = if number.unsigned_abs() < FIRST_MILLISECOND.unsigned_abs() { number * 1000 } else { number };
    Timestamp(millis)
}

/// Reads a text as an instant; without an offset it is local time in `zone`.
pub(super) fn read(text: &str, now: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let text = text.trim();
    if text == "now" || text == "today" {
        return Some(now);
    }
    if text.len() > 64 {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(from_number(number));
    }
    if let Some(instant) = Timestamp::parse_in(text, zone) {
        return Some(instant);
    }
    // `2026-01-15 09:30:00 +0100` and `… UTC`, as Ruby prints them.
    if let Some(local) = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")) {
        return read(local, now, &Zone::utc());
    }
    if let Ok(instant) = strtime::parse("%Y-%m-%d %H:%M:%S %z", text).and_then(|parsed| parsed.to_timestamp()) {
        return Some(Timestamp(instant.as_millisecond()));
    }
    FORMS.iter().find_map(|form| {
        let parsed = strtime::parse(form, text).ok()?;
        let local = parsed.to_datetime().or_else(|_| parsed.to_date().map(DateTime::from)).ok()?;
        Some(zone.at(local))
    })
}

fn zoned(at: Timestamp, zone: &Zone) -> Zoned {
    let time_zone = TimeZone::get(zone.name()).unwrap_or(TimeZone::UTC);
    at.as_jiff().to_zoned(time_zone)
}

/// `2026-12-01T00:00:00-05:00`.
pub(super) fn rfc3339(at: Timestamp, zone: &Zone) -> String {
    strftime("%Y-%m-%dT%H:%M:%S%:z", at, zone)
}

/// Writes an instant by a strftime pattern. What is no directive stays as it is written.
///
/// Our own, because an unknown directive must neither fail (jiff) nor panic (chrono), and templates bring Ruby's
/// flags (`%-d`, `%^b`, `%3N`). Source: Ruby's `Time#strftime`.
pub(super) fn strftime(pattern: &str, at: Timestamp, zone: &Zone) -> String {
    let zoned = zoned(at, zone);
    let mut text = String::new();
    expand(pattern, &zoned, &mut text);
    text
}

fn expand(pattern: &str, at: &Zoned, text: &mut String) {
    let mut rest = pattern;
    while let Some(begin) = rest.find('%') {
        text.push_str(&rest[..begin]);
        let directive = &rest[begin..];
        let flags_end = 1 + directive[1..]
            .find(|c: char| !matches!(c, '-' | '_' | '^' | '#' | ':' | '0'..='9'))
            .unwrap_or(directive.len() - 1);
        let Some(letter) = directive[flags_end..].chars().next() else {
            text.push_str(directive);
            return;
        };
        match write_directive(letter, &directive[1..flags_end], at) {
            Some(written) => text.push_str(&written),
            None => text.push_str(&directive[..flags_end + letter.len_utf8()]),
        }
        rest = &directive[flags_end + letter.len_utf8()..];
    }
    text.push_str(rest);
}

fn write_directive(letter: char, flags: &str, at: &Zoned) -> Option<String> {
    let composed = |pattern: &str| {
        let mut text = String::new();
        expand(pattern, at, &mut text);
        (Fill::Space, 0, text)
    };
    let number = |fill: Fill, width: usize, number: i64| (fill, width, number.to_string());
    let word = |text: &str| (Fill::Space, 0, text.to_owned());
    let zero = Fill::Zero;
    let hour = i64::from(at.hour());
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let day_of_year = i64::from(at.day_of_year());
    let from_sunday = i64::from(at.weekday().to_sunday_zero_offset());
    let from_monday = i64::from(at.weekday().to_monday_zero_offset());
    let week_date = at.date().iso_week_date();
    let year = i64::from(at.year());
    let (fill, width, mut text) = match letter {
        'Y' => number(zero, 4, year),
        'C' => number(zero, 2, year.div_euclid(100)),
        'y' => number(zero, 2, year.rem_euclid(100)),
        'm' => number(zero, 2, i64::from(at.month())),
        'B' => word(month_name(at.month())),
        'b' | 'h' => word(&month_name(at.month())[..3]),
        'd' => number(zero, 2, i64::from(at.day())),
        'e' => number(Fill::Space, 2, i64::from(at.day())),
        'j' => number(zero, 3, day_of_year),
        'H' => number(zero, 2, hour),
        'k' => number(Fill::Space, 2, hour),
        'I' => number(zero, 2, hour12),
        'l' => number(Fill::Space, 2, hour12),
        'M' => number(zero, 2, i64::from(at.minute())),
        'S' => number(zero, 2, i64::from(at.second())),
        'L' => (zero, 0, format!("{:03}", at.millisecond())),
        'N' => return Some(fraction(at, flags)),
        'P' => word(if hour < 12 { "am" } else { "pm" }),
        'p' => word(if hour < 12 { "AM" } else { "PM" }),
        'A' => word(weekday_name(from_monday)),
        'a' => word(&weekday_name(from_monday)[..3]),
        'u' => number(zero, 1, from_monday + 1),
        'w' => number(zero, 1, from_sunday),
        'G' => number(zero, 4, i64::from(week_date.year())),
        'g' => number(zero, 2, i64::from(week_date.year()).rem_euclid(100)),
        'V' => number(zero, 2, i64::from(week_date.week())),
        'U' => number(zero, 2, (day_of_year + 6 - from_sunday) / 7),
        'W' => number(zero, 2, (day_of_year + 6 - from_monday) / 7),
        's' => number(zero, 0, at.timestamp().as_second()),
        'q' => word(ordinal(at.day())),
        'z' => (zero, 0, offset(at, flags.contains(':'))),
        'Z' => word(at.time_zone().to_offset_info(at.timestamp()).abbreviation()),
        'D' | 'x' => composed("%m/%d/%y"),
        'F' => composed("%Y-%m-%d"),
        'T' | 'X' => composed("%H:%M:%S"),
        'R' => composed("%H:%M"),
        'r' => composed("%I:%M:%S %p"),
        'c' => composed("%a %b %e %H:%M:%S %Y"),
        'v' => composed("%e-%^b-%Y"),
        '+' => composed("%a %b %e %H:%M:%S %Z %Y"),
        'n' => word("\n"),
        't' => word("\t"),
        '%' => word("%"),
        _ => return None,
    };
    if flags.contains('^') {
        text = text.to_uppercase();
    } else if flags.contains('#') {
        text = if letter == 'p' { text.to_lowercase() } else { text.to_uppercase() };
    }
    Some(pad(&text, flags, fill, width))
}

#[derive(Clone, Copy)]
enum Fill {
    Zero,
    Space,
}

fn pad(text: &str, flags: &str, fill: Fill, width: usize) -> String {
    if flags.contains('-') {
        return text.to_owned();
    }
    let digits = flags.trim_start_matches(|c: char| !c.is_ascii_digit());
    let fill = match (flags.contains('_'), digits.starts_with('0')) {
        (true, _) => Fill::Space,
        (false, true) => Fill::Zero,
        (false, false) => fill,
    };
    // A width beyond this is a mistake or an attack.
    let width = digits.parse().unwrap_or(0).clamp(width, 40);
    match fill {
        Fill::Zero => format!("{text:0>width$}"),
        Fill::Space => format!("{text:>width$}"),
    }
}

fn fraction(at: &Zoned, flags: &str) -> String {
    let digits = flags.parse().unwrap_or(9).clamp(1, 9);
    format!("{:09}", at.subsec_nanosecond())[..digits].to_owned()
}

fn offset(at: &Zoned, with_colon: bool) -> String {
    let seconds = at.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    let colon = if with_colon { ":" } else { "" };
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

fn month_name(month: i8) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    NAMES[usize::try_from(month - 1).expect("months are 1 to 12") % 12]
}

fn weekday_name(from_monday: i64) -> &'static str {
    const NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    NAMES[usize::try_from(from_monday).expect("weekdays are 0 to 6") % 7]
}

fn ordinal(day: i8) -> &'static str {
    match (day % 10, day / 10) {
        (_, 1) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_date_reads_as_the_pattern_says_in_the_zone_of_the_customer() {
        let utc = Zone::utc();
        let toronto = Zone::find("America/Toronto").unwrap();
        let instant = at("2026-01-05T04:07:09.120Z");
        for (pattern, expected) in [
            ("%Y-%m-%d", "2026-01-05"),
            ("%-d %B %Y", "5 January 2026"),
            ("%a %e %^b", "Mon  5 JAN"),
            ("%I:%M %p", "04:07 AM"),
            ("%-I:%M %P", "4:07 am"),
            ("%l|%k|%j|%U|%W|%V|%G", " 4| 4|005|01|01|02|2026"),
            ("%s %L %3N %N", "1767586029 120 120 120000000"),
            ("%z %:z %Z", "+0000 +00:00 UTC"),
            ("%F %T %R %D", "2026-01-05 04:07:09 04:07 01/05/26"),
            ("%d%q", "05th"),
            ("100%% %! %", "100% %! %"),
            ("%1000000d", "0000000000000000000000000000000000000005"),
            ("%10Y %_5d %99999999999999999999999d", "0000002026     5 05"),
        ] {
            assert_eq!(strftime(pattern, instant, &utc), expected, "{pattern}");
        }
        assert_eq!(strftime("%d %b %H:%M %z %Z", instant, &toronto), "04 Jan 23:07 -0500 EST");
        assert_eq!(rfc3339(instant, &toronto), "2026-01-04T23:07:09-05:00");
    }

    #[test]
    fn dates_are_read_as_shops_write_them_and_other_words_are_none() {
        let now = at("2026-03-01T00:00:00Z");
        let berlin = Zone::find("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("now", "2026-03-01T00:00:00Z"),
            ("2026-01-15T09:30:00Z", "2026-01-15T09:30:00Z"),
            ("2026-01-15T09:30:00", "2026-01-15T08:30:00Z"),
            ("2026-01-15", "2026-01-14T23:00:00Z"),
            ("2026-01-15 09:30:00 +0000", "2026-01-15T09:30:00Z"),
            ("2026-01-15 09:30:00 UTC", "2026-01-15T09:30:00Z"),
            ("January 15, 2026", "2026-01-14T23:00:00Z"),
            ("15 Jan 2026", "2026-01-14T23:00:00Z"),
            ("1768469400", "2026-01-15T09:30:00Z"),
            ("1768469400000", "2026-01-15T09:30:00Z"),
        ] {
            assert_eq!(read(text, now, &berlin), Some(at(expected)), "{text}");
        }
        for text in ["tomorrow", "", "n/a", "2026-13-01", "12:30"] {
            assert_eq!(read(text, now, &berlin), None, "{text}");
        }
    }
}
