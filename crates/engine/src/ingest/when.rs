//! The instant from which a call counts. The clock is passed in.
//!
//! Segment's rule is `timestamp = receivedAt - (sentAt - originalTimestamp)`: the sender's clock may
//! be wrong, ours is right, and `sentAt` says how wrong. Taken to the letter it also moves each time
//! that the sender knows exactly (an order of January, sent today) by the milliseconds of the
//! journey. So the correction is made where a wrong clock is the explanation, and only there:
//!
//! - `timestamp` and `originalTimestamp` together: `timestamp` is final. Rudder's SDK sends both when
//!   the program gave the time, archives hold both after someone corrected it.
//! - One of them with `sentAt`, and |receivedAt - sentAt| above `DoorOptions::skew_tolerance`: corrected,
//!   unless the call would have waited less than nothing or longer than `DoorOptions::longest_wait`
//!   before it was sent. Then the time was not read from the clock that wrote `sentAt`, but given.
//! - Otherwise the time as it stands; without any, the time of arrival.

use super::check::{Fault, kind_of};
use super::read::{Field, Fields};
use super::{Door, DoorOptions};
use domain::call::Trust;
use domain::time::{Span, Timestamp, Zone};

/// When a call happened.
pub(super) struct When<'b> {
    /// The instant that counts.
    pub(super) timestamp: Timestamp,
    /// The sender's own, as raw JSON, where it was set aside.
    pub(super) set_aside: Option<&'b str>,
}

/// Decides when a call happened. `sent_at`: the batch's, for calls that bring none.
pub(super) fn happened<'b>(
    fields: &Fields<'b>,
    sent_at: Option<Timestamp>,
    door: &Door<'_>,
) -> Result<When<'b>, Fault> {
    let given = instant(fields, Field::Timestamp)?;
    let original = instant(fields, Field::OriginalTimestamp)?;
    let sent_at = instant(fields, Field::SentAt)?.or(sent_at);
    let timestamp = match (given, original) {
        (Some(given), Some(_)) => given,
        (Some(read), None) | (None, Some(read)) => match sent_at {
            Some(sent_at) if door.correct_skew => corrected(read, sent_at, door.now, door.options),
            _ => read,
        },
        (None, None) => door.now,
    };
    let latest = door.now.plus(door.options.max_future_for_browser);
    if door.source.trust == Trust::Browser && timestamp > latest {
        let set_aside = fields.raw(Field::Timestamp).or_else(|| fields.raw(Field::OriginalTimestamp));
        return Ok(When { timestamp: door.now, set_aside });
    }
    Ok(When { timestamp, set_aside: None })
}

fn corrected(read: Timestamp, sent_at: Timestamp, now: Timestamp, options: &DoorOptions) -> Timestamp {
    let skew = now.since(sent_at);
    let waited = sent_at.since(read);
    let clock_is_wrong = skew.0.abs() > options.skew_tolerance.0;
    let same_clock = waited.0 >= 0 && waited <= options.longest_wait;
    if clock_is_wrong && same_clock { now.minus(waited) } else { read }
}

/// Reads a field that holds an instant.
pub(super) fn instant(fields: &Fields<'_>, field: Field) -> Result<Option<Timestamp>, Fault> {
    let Some(raw) = fields.raw(field) else { return Ok(None) };
    let Some(text) = fields.text(field) else {
        return Err(Fault::at(
            field.word(),
            "bad_time",
            format!(
                "expected RFC 3339 text such as \"2026-01-15T09:30:00Z\", found {}; numbers are no instants",
                kind_of(raw)
            ),
        ));
    };
    match parse(&text) {
        Some(instant) => Ok(Some(instant)),
        None => {
            let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
            Err(Fault::at(
                field.word(),
                "bad_time",
                format!(
                    "`{shown}` is no instant of the years 1 to 9999; send RFC 3339 with Z or an offset, such as 2026-01-15T09:30:00Z"
                ),
            ))
        }
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    quick(text.as_bytes()).or_else(|| Timestamp::parse(text)).or_else(|| {
        // "The end of time" as people write it lies a few hours behind the calendar's last instant.
        let last_days = text.starts_with("9999-12-30T") || text.starts_with("9999-12-31T");
        let local = text.strip_suffix('Z').filter(|_| last_days)?;
        Timestamp::parse_in(local, &Zone::utc())
    })
}

/// The form that `Date.toISOString` and most SDKs write, `2026-01-15T09:30:00.000Z`: a tenth of the
/// cost of the general parser. Anything else, the rare or wrong included, is left to that one.
fn quick(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|&(at, mark)| text[at] != mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to]
            .iter()
            .try_fold(0_i64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days 29 to 31 depend on the month, leap seconds on the table: both go the long way.
    let is_plain = (1..9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_plain {
        return None;
    }
    let seconds = days_from_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp(seconds * 1_000 + number(20, 23)?))
}

/// Days from 1970-01-01 in the Gregorian calendar, for years from 1.
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The instants the quick way reads, for the test that compares it with the calendar library.
#[cfg(test)]
pub(super) fn quick_for_test(text: &str) -> Option<Timestamp> {
    quick(text.as_bytes())
}

/// How long a call may have waited at its sender.
pub(super) const LONGEST_WAIT: Span = Span::days(30);
