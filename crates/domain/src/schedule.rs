//! Schedules: five-field cron and RRULE, read in local time.
//!
//! Only calendar times are reckoned with here; which instant a local time is, `Zone::at` says, so that changed clocks mean
//! the same as everywhere. Own code: the crates for it bring calendars and macros of their own into the innermost layer, and
//! map local times to instants each in their own way.

use crate::time::{Timestamp, Zone, add_days};
use jiff::civil::{Date, DateTime, Time};
use recurrence::Recurrence;
use std::fmt;

mod recurrence;

/// Longest schedule as text.
const LENGTH: usize = 500;
/// Most local times that are tried for the next instant: an hour of minutes that all fell into the first half of a
/// doubled hour, and some.
const TRIES: usize = 200;
/// Days that are looked through for the next day of a cron: 29 February on a given weekday comes within 40 years.
const DAYS: i64 = 41 * 366;

/// Local times that come again.
#[derive(Clone)]
pub struct Schedule {
    written: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Cron(Cron),
    Recurring(Box<Recurrence>),
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Schedule {
    /// Reads `0 9 * * MON`, or an RRULE such as `FREQ=WEEKLY;BYDAY=MO;BYHOUR=9`, the latter also after `RRULE:` and beside
    /// a line `DTSTART:20260302T090000`.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        if text.len() > LENGTH || !text.is_ascii() {
            return Err(format!("a schedule has at most {LENGTH} ASCII characters"));
        }
        let rule = if text.to_ascii_uppercase().contains("FREQ=") {
            let read = Recurrence::parse(text);
            let example = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9";
            Rule::Recurring(Box::new(read.map_err(|why| format!("`{text}` is no RRULE such as \"{example}\": {why}"))?))
        } else {
            Rule::Cron(Cron::parse(text).map_err(|why| {
                format!("`{text}` is no schedule such as \"0 9 * * MON\" (minute, hour, day, month, weekday): {why}")
            })?)
        };
        let schedule = Schedule { written: text.to_owned(), rule };
        let some_day = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
        match schedule.next_local(some_day, some_day) {
            Some(_) => Ok(schedule),
            // A rule that is over by then was not over when it was written.
            None if schedule.ends() => Ok(schedule),
            None => Err(format!("`{text}` never comes")),
        }
    }

    fn ends(&self) -> bool {
        matches!(&self.rule, Rule::Recurring(rule) if rule.ends())
    }

    /// The first instant after `now` at which it comes in a zone, with its local time. An RRULE without DTSTART counts from
    /// the local midnight before `started`.
    pub fn next_after(&self, now: Timestamp, started: Timestamp, zone: &Zone) -> Option<(Timestamp, DateTime)> {
        let since = zone.date(started).to_datetime(Time::midnight());
        let mut local = zone.local(now);
        for _ in 0..TRIES {
            local = self.next_local(local, since)?;
            let at = zone.at(local);
            // The second half of a doubled hour lies behind the first, where its local times have been.
            if at > now {
                return Some((at, local));
            }
        }
        None
    }

    fn next_local(&self, after: DateTime, since: DateTime) -> Option<DateTime> {
        match &self.rule {
            Rule::Cron(cron) => cron.next(after),
            Rule::Recurring(rule) => rule.next(after, since),
        }
    }
}

/// Five fields, each a set of numbers as bits.
#[derive(Clone, Debug)]
struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// Both days and weekdays are named: either will do.
    either_day: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    fn parse(text: &str) -> Result<Cron, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("it has {} fields, not 5", fields.len()));
        };
        let weekdays = field(weekday, 0, 7, &WEEKDAYS, 0)?;
        Ok(Cron {
            minutes: field(minute, 0, 59, &[], 0)?,
            hours: field(hour, 0, 23, &[], 0)?,
            days: field(day, 1, 31, &[], 0)?,
            months: field(month, 1, 12, &MONTHS, 1)?,
            // Sunday is 0 or 7.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        })
    }

    fn next(&self, after: DateTime) -> Option<DateTime> {
        let first = after.date();
        for ahead in 0..DAYS {
            let day = add_days(first, ahead);
            if !self.is_on(day) {
                continue;
            }
            for hour in (0..24_i8).filter(|hour| has(self.hours, *hour)) {
                for minute in (0..60_i8).filter(|minute| has(self.minutes, *minute)) {
                    let local = day.at(hour, minute, 0, 0);
                    if local > after {
                        return Some(local);
                    }
                }
            }
        }
        None
    }

    fn is_on(&self, day: Date) -> bool {
        let by_day = has(self.days, day.day());
        let by_weekday = has(self.weekdays, day.weekday().to_sunday_zero_offset());
        let fits = if self.either_day { by_day || by_weekday } else { by_day && by_weekday };
        fits && has(self.months, day.month())
    }
}

fn has(set: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| set >> number & 1 == 1)
}

/// Numbers, ranges, steps and names, with commas between them. `first`: the number of the first name.
fn field(text: &str, low: u32, high: u32, names: &[&str], first: u32) -> Result<u64, String> {
    let mut set = 0_u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (part, None),
        };
        let value = |word: &str| -> Result<u32, String> {
            let named =
                names.iter().position(|name| name.eq_ignore_ascii_case(word)).and_then(|at| u32::try_from(at).ok());
            let found = named.map_or_else(|| number(word), |at| Ok(at + first))?;
            if (low..=high).contains(&found) { Ok(found) } else { Err(format!("{found} is not in {low} to {high}")) }
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, if names.is_empty() || high != 7 { high } else { 6 }),
            Some((from, to)) => (value(from)?, value(to)?),
            // `5/15` is from 5 on, every 15.
            None if step.is_some() => (value(range)?, high),
            None => (value(range)?, value(range)?),
        };
        if from > to {
            return Err(format!("`{range}` ends before it begins"));
        }
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err("a step of 0 goes nowhere".to_owned());
        }
        let mut at = from;
        while at <= to {
            set |= 1 << at;
            at += step;
        }
    }
    Ok(set)
}

fn number(word: &str) -> Result<u32, String> {
    let digits = !word.is_empty() && word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|_| digits).ok_or_else(|| format!("`{word}` is no number or name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone: &str, after: &str) -> String {
        let (zone, after) = (Zone::find(zone).unwrap(), Timestamp::parse(after).unwrap());
        let started = Timestamp::parse("2026-03-02T12:00:00Z").unwrap();
        let next = Schedule::parse(schedule).unwrap().next_after(after, started, &zone);
        next.map_or_else(|| "never".to_owned(), |(at, _)| at.to_string())
    }

    #[test]
    fn cron_comes_at_local_times_by_number_or_name_and_sunday_is_0_or_7() {
        for monday in ["0 9 * * MON", "0 9 * * 1", "0 9 * * mon", "00 09 * * 1-1"] {
            assert_eq!(next(monday, "Europe/London", "2026-06-01T08:00:00Z"), "2026-06-08T08:00:00Z", "{monday}");
            assert_eq!(next(monday, "Europe/London", "2026-06-01T07:59:59Z"), "2026-06-01T08:00:00Z", "{monday}");
        }
        for sunday in ["30 6 * * 0", "30 6 * * 7", "30 6 * * SUN"] {
            assert_eq!(next(sunday, "UTC", "2026-06-01T00:00:00Z"), "2026-06-07T06:30:00Z", "{sunday}");
        }
        assert_eq!(next("0 12 * * 5-7", "UTC", "2026-06-06T13:00:00Z"), "2026-06-07T12:00:00Z");
        assert_eq!(next("*/15 9-17 * JAN,JUL MON-FRI", "UTC", "2026-06-01T00:00:00Z"), "2026-07-01T09:00:00Z");
        assert_eq!(next("5/20 8 * * *", "UTC", "2026-06-01T08:05:00Z"), "2026-06-01T08:25:00Z");
        // Day and weekday both named: either will do.
        assert_eq!(next("0 0 13 * FRI", "UTC", "2026-06-01T00:00:00Z"), "2026-06-05T00:00:00Z");
        assert_eq!(next("0 0 29 2 *", "UTC", "2026-06-01T00:00:00Z"), "2028-02-29T00:00:00Z");
    }

    #[test]
    fn a_local_time_that_does_not_exist_is_the_end_of_the_gap_and_a_doubled_one_comes_once() {
        assert_eq!(next("30 1 * * *", "Europe/London", "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z");
        assert_eq!(next("30 1 * * *", "Europe/London", "2026-03-29T01:00:00Z"), "2026-03-30T00:30:00Z");
        assert_eq!(next("30 1 * * *", "Europe/London", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next("30 1 * * *", "Europe/London", "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
        assert_eq!(next("* * * * *", "Europe/London", "2026-10-25T00:59:00Z"), "2026-10-25T02:00:00Z");
    }

    #[test]
    fn a_recurrence_rule_counts_from_its_start_or_from_the_day_on_which_the_campaign_began() {
        assert_eq!(
            next("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0", "UTC", "2026-06-01T09:00:00Z"),
            "2026-06-08T09:00:00Z"
        );
        assert_eq!(
            next("RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", "UTC", "2026-06-01T00:00:00Z"),
            "2026-06-26T17:00:00Z"
        );
        assert_eq!(next("FREQ=WEEKLY;INTERVAL=2;BYHOUR=8", "UTC", "2026-03-03T00:00:00Z"), "2026-03-16T08:00:00Z");
        let dated = "DTSTART:20260105T073000\nRRULE:FREQ=DAILY;COUNT=3";
        assert_eq!(next(dated, "Europe/Berlin", "2026-01-06T06:30:00Z"), "2026-01-07T06:30:00Z");
        assert_eq!(next(dated, "Europe/Berlin", "2026-01-07T06:30:00Z"), "never");
        assert_eq!(next("FREQ=DAILY;BYHOUR=9;UNTIL=20260310", "UTC", "2026-03-09T10:00:00Z"), "2026-03-10T09:00:00Z");
        assert_eq!(next("FREQ=DAILY;BYHOUR=9;UNTIL=20260310", "UTC", "2026-03-10T10:00:00Z"), "never");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_what_one_looks_like() {
        for bad in [
            "",
            "9",
            "* * * *",
            "* * * * * *",
            "60 9 * * *",
            "0 9 * * FUNDAY",
            "0 9 * * 8",
            "*/0 9 * * *",
            "5-1 9 * * *",
            "@daily",
            "0 0 30 2 *",
            "FREQ=SECONDLY",
            "FREQ=NEVER",
            "FREQ=DAILY;BYHOUR=25",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=DAILY;BYDAY=XX",
            "FREQ=WEEKLY;BYDAY=1MO",
            "FREQ=DAILY;BYEASTER=1",
            "FREQ=DAILY;COUNT=2;UNTIL=20270101",
            "DTSTART;TZID=Europe/Berlin:20260105T073000\nRRULE:FREQ=DAILY",
            "every monday",
            "ä",
        ] {
            assert!(Schedule::parse(bad).is_err(), "{bad}");
        }
    }
}
