//! RRULE of RFC 5545, section 3.3.10, in calendar times: of its words all but `BYSECOND` and `FREQ=SECONDLY`.

use crate::time::add_days;
use jiff::civil::{Date, DateTime, Weekday};

/// Periods without a single time that are looked through before a rule counts as one that never comes; years of leap days.
const EMPTY_PERIODS: u32 = 4_000;
/// Most periods from the start on: a rule of minutes reaches it after a year and is then over.
const PERIODS: u32 = 600_000;
/// Longest interval.
const INTERVAL: u32 = 1_200;
/// Most values in one list.
const VALUES: usize = 400;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Frequency {
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A recurrence rule.
#[derive(Clone, Debug)]
pub(super) struct Recurrence {
    frequency: Frequency,
    interval: u32,
    count: Option<u32>,
    until: Option<DateTime>,
    week_starts: Weekday,
    months: Vec<i32>,
    weeks: Vec<i32>,
    year_days: Vec<i32>,
    month_days: Vec<i32>,
    /// With their ordinal in the month or year; 0: every one.
    weekdays: Vec<(i32, Weekday)>,
    hours: Vec<i32>,
    minutes: Vec<i32>,
    positions: Vec<i32>,
    start: Option<DateTime>,
}

impl Recurrence {
    /// Reads a rule, and the line `DTSTART:` that may stand beside it. Errors say what is wrong.
    pub(super) fn parse(text: &str) -> Result<Recurrence, String> {
        let (mut start, mut rule) = (None, None);
        for line in text.split(['\n', ' ', '\r']).filter(|line| !line.is_empty()) {
            let line = line.to_ascii_uppercase();
            if let Some(written) = line.strip_prefix("DTSTART:") {
                start = Some(local(written).ok_or("DTSTART is a local time such as 20260302T090000")?);
            } else if line.starts_with("DTSTART") {
                return Err("DTSTART is a local time without a zone: the campaign names the zone".to_owned());
            } else if rule.replace(line).is_some() {
                return Err("one rule, and a DTSTART at most".to_owned());
            }
        }
        let rule = rule.unwrap_or_default();
        let mut words: Vec<(&str, &str)> = Vec::new();
        for part in rule.trim_start_matches("RRULE:").split(';').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is no KEY=VALUE"))?;
            if words.iter().any(|(known, _)| *known == key) {
                return Err(format!("{key} is there twice"));
            }
            words.push((key, value));
        }
        Recurrence::of(&words, start)
    }

    fn of(words: &[(&str, &str)], start: Option<DateTime>) -> Result<Recurrence, String> {
        let mut rule = Recurrence {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            week_starts: Weekday::Monday,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            weekdays: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            positions: Vec::new(),
            start,
        };
        for (key, value) in words {
            match *key {
                "FREQ" => rule.frequency = frequency(value)?,
                "INTERVAL" => rule.interval = count(value, INTERVAL)?,
                "COUNT" => rule.count = Some(count(value, PERIODS)?),
                "UNTIL" => rule.until = Some(until(value).ok_or("UNTIL is a day such as 20261231, or a local time")?),
                "WKST" => rule.week_starts = weekday(value).ok_or("WKST is a weekday such as MO")?,
                "BYMONTH" => rule.months = numbers(value, 1, 12, Sign::Plus)?,
                "BYWEEKNO" => rule.weeks = numbers(value, 1, 53, Sign::Either)?,
                "BYYEARDAY" => rule.year_days = numbers(value, 1, 366, Sign::Either)?,
                "BYMONTHDAY" => rule.month_days = numbers(value, 1, 31, Sign::Either)?,
                "BYDAY" => rule.weekdays = weekdays(value)?,
                "BYHOUR" => rule.hours = numbers(value, 0, 23, Sign::Plus)?,
                "BYMINUTE" => rule.minutes = numbers(value, 0, 59, Sign::Plus)?,
                "BYSECOND" if *value == "0" => {}
                "BYSETPOS" => rule.positions = numbers(value, 1, 366, Sign::Either)?,
                other => return Err(format!("`{other}` is not known")),
            }
        }
        rule.check()?;
        Ok(rule)
    }

    fn check(&self) -> Result<(), String> {
        let has_ordinal = self.weekdays.iter().any(|(ordinal, _)| *ordinal != 0);
        let is = |frequency| self.frequency == frequency;
        if self.count.is_some() && self.until.is_some() {
            return Err("either COUNT or UNTIL".to_owned());
        }
        if has_ordinal && !(is(Frequency::Monthly) || is(Frequency::Yearly) && self.weeks.is_empty()) {
            return Err("a weekday with a number, such as -1FR, goes with MONTHLY or YEARLY".to_owned());
        }
        if !self.weeks.is_empty() && !is(Frequency::Yearly) {
            return Err("BYWEEKNO goes with YEARLY".to_owned());
        }
        if !self.year_days.is_empty()
            && matches!(self.frequency, Frequency::Daily | Frequency::Weekly | Frequency::Monthly)
        {
            return Err("BYYEARDAY does not go with DAILY, WEEKLY or MONTHLY".to_owned());
        }
        if !self.month_days.is_empty() && is(Frequency::Weekly) {
            return Err("BYMONTHDAY does not go with WEEKLY".to_owned());
        }
        if !self.positions.is_empty()
            && self.months.is_empty()
            && self.weeks.is_empty()
            && self.year_days.is_empty()
            && self.month_days.is_empty()
            && self.weekdays.is_empty()
            && self.hours.is_empty()
            && self.minutes.is_empty()
        {
            return Err("BYSETPOS chooses among what another BY… names".to_owned());
        }
        Ok(())
    }

    /// Whether it is over some day.
    pub(super) fn ends(&self) -> bool {
        self.until.is_some() || self.count.is_some()
    }

    /// The first time after `after`. `since`: where it counts from if it says nothing itself.
    pub(super) fn next(&self, after: DateTime, since: DateTime) -> Option<DateTime> {
        let start = self.start.unwrap_or(since);
        // Where nothing is counted, what lies far behind is passed over.
        let mut period = if self.count.is_some() { 0 } else { self.periods_before(start, after) };
        let (mut counted, mut empty) = (0, 0);
        while period < PERIODS && empty < EMPTY_PERIODS {
            let first = self.period(start, period)?;
            if self.until.is_some_and(|until| first > until) {
                return None;
            }
            let times = self.times(first, start);
            empty = if times.is_empty() { empty + 1 } else { 0 };
            for time in times.into_iter().filter(|time| *time >= start) {
                counted += 1;
                let is_over =
                    self.until.is_some_and(|until| time > until) || self.count.is_some_and(|count| counted > count);
                if is_over {
                    return None;
                }
                if time > after {
                    return Some(time);
                }
            }
            period += 1;
        }
        None
    }

    /// Periods that end surely before a time.
    fn periods_before(&self, start: DateTime, after: DateTime) -> u32 {
        let interval = i64::from(self.interval);
        let days = days_between(start.date(), after.date());
        let periods = match self.frequency {
            Frequency::Yearly => (i64::from(after.year()) - i64::from(start.year())) / interval,
            Frequency::Monthly => (months_of(after.date()) - months_of(start.date())) / interval,
            Frequency::Weekly => days / 7 / interval,
            Frequency::Daily => days / interval,
            Frequency::Hourly => days * 24 / interval,
            Frequency::Minutely => days * 24 * 60 / interval,
        };
        // Two for what was cut off, and a day for the hours of the start.
        let margin = match self.frequency {
            Frequency::Hourly => 26 / interval + 2,
            Frequency::Minutely => 26 * 60 / interval + 2,
            _ => 2,
        };
        u32::try_from((periods - margin).max(0)).unwrap_or(u32::MAX)
    }

    /// The beginning of a period counted from 0; of months and years their first day, of weeks the first of the week.
    fn period(&self, start: DateTime, number: u32) -> Option<DateTime> {
        let steps = i64::from(number) * i64::from(self.interval);
        let day = start.date();
        let span = jiff::Span::new();
        match self.frequency {
            Frequency::Yearly => {
                let year = i16::try_from(i64::from(day.year()) + steps).ok()?;
                Some(Date::new(year, 1, 1).ok()?.at(0, 0, 0, 0))
            }
            Frequency::Monthly => {
                let months = months_of(day) + steps;
                let year = i16::try_from(months.div_euclid(12)).ok()?;
                let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
                Some(Date::new(year, month, 1).ok()?.at(0, 0, 0, 0))
            }
            Frequency::Weekly => {
                let into = days_into_week(day, self.week_starts);
                Some(day.checked_add(span.try_days(steps * 7 - into).ok()?).ok()?.at(0, 0, 0, 0))
            }
            Frequency::Daily => Some(day.checked_add(span.try_days(steps).ok()?).ok()?.at(0, 0, 0, 0)),
            Frequency::Hourly => {
                let hour = day.at(start.hour(), 0, 0, 0);
                hour.checked_add(span.try_hours(steps).ok()?).ok()
            }
            Frequency::Minutely => {
                let minute = day.at(start.hour(), start.minute(), 0, 0);
                minute.checked_add(span.try_minutes(steps).ok()?).ok()
            }
        }
    }

    /// The times of a period, ascending.
    fn times(&self, first: DateTime, start: DateTime) -> Vec<DateTime> {
        let own = |list: &[i32], default: i8| if list.is_empty() { vec![i32::from(default)] } else { list.to_vec() };
        let allows = |list: &[i32], value: i8| list.is_empty() || list.contains(&i32::from(value));
        let (hours, minutes) = match self.frequency {
            Frequency::Minutely if !(allows(&self.hours, first.hour()) && allows(&self.minutes, first.minute())) => {
                return Vec::new();
            }
            Frequency::Hourly if !allows(&self.hours, first.hour()) => return Vec::new(),
            Frequency::Minutely => (vec![i32::from(first.hour())], vec![i32::from(first.minute())]),
            Frequency::Hourly => (vec![i32::from(first.hour())], own(&self.minutes, start.minute())),
            _ => (own(&self.hours, start.hour()), own(&self.minutes, start.minute())),
        };
        let part = |number: i32| i8::try_from(number).unwrap_or_default();
        let mut times = Vec::new();
        for day in self.days(first.date(), start.date()) {
            for hour in &hours {
                for minute in &minutes {
                    times.push(day.at(part(*hour), part(*minute), start.second(), 0));
                }
            }
        }
        times.sort_unstable();
        times.dedup();
        if self.positions.is_empty() {
            return times;
        }
        let length = i32::try_from(times.len()).unwrap_or(i32::MAX);
        let is_chosen = |at: usize| {
            let at = i32::try_from(at).unwrap_or(i32::MAX);
            self.positions.iter().any(|position| *position == at + 1 || *position == at - length)
        };
        times.into_iter().enumerate().filter(|(at, _)| is_chosen(*at)).map(|(_, time)| time).collect()
    }

    /// The days of a period.
    fn days(&self, first: Date, start: Date) -> Vec<Date> {
        let length = match self.frequency {
            Frequency::Yearly => i64::from(first.days_in_year()),
            Frequency::Monthly => i64::from(first.days_in_month()),
            Frequency::Weekly => 7,
            _ => 1,
        };
        // Weeks of a year reach into the years beside it.
        let (from, length) = match (self.frequency, self.weeks.is_empty()) {
            (Frequency::Yearly, false) => (add_days(first, -7), length + 14),
            _ => (first, length),
        };
        (0..length).map(|ahead| add_days(from, ahead)).filter(|day| self.is_on(*day, first, start)).collect()
    }

    fn is_on(&self, day: Date, first: Date, start: Date) -> bool {
        let (month, month_day) = (i32::from(day.month()), i32::from(day.day()));
        if !(self.months.is_empty() || self.months.contains(&month)) {
            return false;
        }
        let fits = |list: &[i32], at: i32, length: i32| {
            list.is_empty() || list.iter().any(|wanted| *wanted == at || *wanted == at - length - 1)
        };
        let in_year = i32::from(day.day_of_year());
        if !fits(&self.year_days, in_year, i32::from(day.days_in_year()))
            || !fits(&self.month_days, month_day, i32::from(day.days_in_month()))
        {
            return false;
        }
        if self.weeks.is_empty() {
            if day.year() != first.year() && self.frequency == Frequency::Yearly {
                return false;
            }
        } else if !self.is_in_week(day, first.year()) {
            return false;
        }
        if self.weekdays.is_empty() { self.is_like_start(day, start) } else { self.is_on_weekday(day) }
    }

    /// Where nothing names the day, it is the start's: its weekday, day of the month, or day of the year.
    fn is_like_start(&self, day: Date, start: Date) -> bool {
        let is_named = !self.year_days.is_empty() || !self.month_days.is_empty();
        match self.frequency {
            _ if is_named => true,
            Frequency::Weekly => day.weekday() == start.weekday(),
            Frequency::Yearly if !self.weeks.is_empty() => day.weekday() == start.weekday(),
            Frequency::Yearly if self.months.is_empty() => (day.month(), day.day()) == (start.month(), start.day()),
            Frequency::Yearly | Frequency::Monthly => day.day() == start.day(),
            _ => true,
        }
    }

    fn is_on_weekday(&self, day: Date) -> bool {
        let by_month = self.frequency == Frequency::Monthly || !self.months.is_empty();
        let (at, length) = if by_month {
            (i32::from(day.day()), i32::from(day.days_in_month()))
        } else {
            (i32::from(day.day_of_year()), i32::from(day.days_in_year()))
        };
        let (from_first, from_last) = ((at - 1) / 7 + 1, -((length - at) / 7 + 1));
        self.weekdays.iter().any(|(ordinal, weekday)| {
            *weekday == day.weekday() && (*ordinal == 0 || *ordinal == from_first || *ordinal == from_last)
        })
    }

    /// Whether a day lies in one of the weeks of a year. The first week is the one with at least four days in it.
    fn is_in_week(&self, day: Date, year: i16) -> bool {
        let first_week = |year: i16| {
            let new_year = Date::new(year, 1, 1).ok()?;
            let into = days_into_week(new_year, self.week_starts);
            Some(add_days(new_year, if into <= 3 { -into } else { 7 - into }))
        };
        let (Some(first), Some(next)) = (first_week(year), first_week(year.saturating_add(1))) else { return false };
        let (into, length) = (days_between(first, day), days_between(first, next));
        if !(0..length).contains(&into) {
            return false;
        }
        let (week, weeks) = (into / 7 + 1, length / 7);
        self.weeks.iter().any(|wanted| i64::from(*wanted) == week || i64::from(*wanted) == week - weeks - 1)
    }
}

fn months_of(day: Date) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month()) - 1
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

fn days_into_week(day: Date, week_starts: Weekday) -> i64 {
    i64::from(day.weekday().since(week_starts))
}

fn frequency(word: &str) -> Result<Frequency, String> {
    Ok(match word {
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        "SECONDLY" => return Err("nothing comes more often than every minute".to_owned()),
        other => return Err(format!("`{other}` is no frequency such as DAILY or WEEKLY")),
    })
}

fn count(word: &str, most: u32) -> Result<u32, String> {
    match word.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{word}` is no number from 1 to {most}")),
    }
}

/// Whether numbers may count from the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Either,
}

fn numbers(text: &str, low: i32, high: i32, sign: Sign) -> Result<Vec<i32>, String> {
    let read = |word: &str| {
        let number = word.parse::<i32>().ok()?;
        let fits =
            (low..=high).contains(&number) || sign == Sign::Either && (low..=high).contains(&number.checked_neg()?);
        fits.then_some(number)
    };
    let found: Option<Vec<i32>> = text.split(',').take(VALUES).map(read).collect();
    found.ok_or_else(|| format!("`{text}` are no numbers from {low} to {high}"))
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

fn weekdays(text: &str) -> Result<Vec<(i32, Weekday)>, String> {
    let read = |word: &str| {
        let (ordinal, day) = word.split_at_checked(word.len().checked_sub(2)?)?;
        let ordinal = match ordinal {
            "" => 0,
            number => number.parse::<i32>().ok().filter(|number| *number != 0 && number.abs() <= 53)?,
        };
        Some((ordinal, weekday(day)?))
    };
    let found: Option<Vec<_>> = text.split(',').take(VALUES).map(read).collect();
    found.ok_or_else(|| format!("`{text}` are no weekdays such as MO,TH or -1FR"))
}

/// `20260302T090000`; a `Z` at the end says nothing, since the zone is the campaign's.
fn local(text: &str) -> Option<DateTime> {
    let (day, time) = text.trim_end_matches('Z').split_once('T')?;
    let part = |from: usize| time.get(from..from + 2)?.parse::<i8>().ok();
    let is_time = time.len() == 6 && time.bytes().all(|b| b.is_ascii_digit());
    let time = jiff::civil::Time::new(part(0)?, part(2)?, part(4)?, 0).ok().filter(|_| is_time)?;
    Some(date(day)?.to_datetime(time))
}

fn until(text: &str) -> Option<DateTime> {
    local(text).or_else(|| Some(date(text)?.at(23, 59, 59, 0)))
}

fn date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Date::new(text.get(..4)?.parse().ok()?, text.get(4..6)?.parse().ok()?, text.get(6..)?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first times of a rule, as `MM-DD` or with the year, in the manner of the examples of RFC 5545, 3.8.5.3.
    fn times(rule: &str, start: &str, count: usize) -> Vec<String> {
        let start: DateTime = start.parse().unwrap();
        let rule = Recurrence::parse(rule).unwrap();
        let mut after = start.checked_sub(jiff::Span::new().seconds(1)).unwrap();
        let mut found = Vec::new();
        while found.len() < count
            && let Some(next) = rule.next(after, start)
        {
            found.push(next.strftime("%Y-%m-%dT%H:%M").to_string());
            after = next;
        }
        found
    }

    fn days(rule: &str, start: &str, count: usize) -> Vec<String> {
        times(rule, start, count).into_iter().map(|time| time[..10].to_owned()).collect()
    }

    const SEPTEMBER: &str = "1997-09-02T09:00:00";

    #[test]
    fn the_examples_of_the_rfc_come_out_as_it_says() {
        for (rule, start, expected) in [
            ("FREQ=DAILY;INTERVAL=10;COUNT=5", SEPTEMBER, "1997-09-02 1997-09-12 1997-09-22 1997-10-02 1997-10-12"),
            ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", SEPTEMBER, "1997-09-02 1997-09-16 1997-09-30 1997-10-14"),
            ("FREQ=WEEKLY;COUNT=4;WKST=SU;BYDAY=TU,TH", SEPTEMBER, "1997-09-02 1997-09-04 1997-09-09 1997-09-11"),
            (
                "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
                SEPTEMBER,
                "1997-09-02 1997-09-04 1997-09-16 1997-09-18 1997-09-30 1997-10-02 1997-10-14 1997-10-16",
            ),
            ("FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "1997-09-05T09:00:00", "1997-09-05 1997-10-03 1997-11-07"),
            (
                "FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU",
                "1997-09-07T09:00:00",
                "1997-09-07 1997-09-28 1997-11-02 1997-11-30",
            ),
            ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "1997-09-22T09:00:00", "1997-09-22 1997-10-20 1997-11-17"),
            ("FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28T09:00:00", "1997-09-28 1997-10-29 1997-11-28 1997-12-29"),
            (
                "FREQ=MONTHLY;COUNT=4;BYMONTHDAY=1,-1",
                "1997-09-30T09:00:00",
                "1997-09-30 1997-10-01 1997-10-31 1997-11-01",
            ),
            ("FREQ=YEARLY;COUNT=4;BYMONTH=6,7", "1997-06-10T09:00:00", "1997-06-10 1997-07-10 1998-06-10 1998-07-10"),
            (
                "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
                "1997-01-01T09:00:00",
                "1997-01-01 1997-04-10 1997-07-19 2000-01-01",
            ),
            ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19T09:00:00", "1997-05-19 1998-05-18 1999-05-17"),
            ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12T09:00:00", "1997-05-12 1998-05-11 1999-05-17"),
            (
                "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
                SEPTEMBER,
                "1998-02-13 1998-03-13 1998-11-13 1999-08-13 2000-10-13",
            ),
            (
                "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
                "1996-11-05T09:00:00",
                "1996-11-05 2000-11-07 2004-11-02",
            ),
            (
                "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
                "1997-09-04T09:00:00",
                "1997-09-04 1997-10-07 1997-11-06",
            ),
            (
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
                "1997-09-29T09:00:00",
                "1997-09-29 1997-10-30 1997-11-27",
            ),
            (
                "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
                "1997-08-05T09:00:00",
                "1997-08-05 1997-08-10 1997-08-19 1997-08-24",
            ),
            (
                "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
                "1997-08-05T09:00:00",
                "1997-08-05 1997-08-17 1997-08-19 1997-08-31",
            ),
            (
                "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
                "2007-01-15T09:00:00",
                "2007-01-15 2007-01-30 2007-02-15 2007-03-15 2007-03-30",
            ),
            (
                "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU",
                "1998-01-01T09:00:00",
                "1998-01-04 1998-01-11 1998-01-18 1998-01-25 1999-01-03",
            ),
            ("FREQ=YEARLY", "1996-02-29T09:00:00", "1996-02-29 2000-02-29 2004-02-29"),
        ] {
            let expected: Vec<&str> = expected.split(' ').collect();
            assert_eq!(days(rule, start, expected.len()), expected, "{rule}");
        }
        assert_eq!(days("FREQ=DAILY;COUNT=2", SEPTEMBER, 9).len(), 2, "and then no more");
    }

    #[test]
    fn hours_and_minutes_come_out_as_the_rfc_says_too() {
        assert_eq!(
            times("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", SEPTEMBER, 9),
            ["1997-09-02T09:00", "1997-09-02T12:00", "1997-09-02T15:00"]
        );
        assert_eq!(
            times("FREQ=MINUTELY;INTERVAL=90;COUNT=4", SEPTEMBER, 9)[2..],
            ["1997-09-02T12:00", "1997-09-02T13:30"]
        );
        let by_hour = times("FREQ=DAILY;BYHOUR=9,10,16;BYMINUTE=0,20,40", SEPTEMBER, 8);
        assert_eq!((by_hour[1].as_str(), by_hour[6].as_str()), ("1997-09-02T09:20", "1997-09-02T16:00"));
        assert_eq!(times("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,16", SEPTEMBER, 7), by_hour[..7]);
    }

    #[test]
    fn what_lies_far_behind_the_present_is_passed_over() {
        let rule = Recurrence::parse("FREQ=MINUTELY;INTERVAL=7").unwrap();
        let start: DateTime = "2024-01-01T00:00:00".parse().unwrap();
        let mut slow: DateTime = "2024-03-01T00:00:00".parse().unwrap();
        // The same by steps of seven minutes from the start on.
        let minutes = 60 * 24 * 60_i64;
        let expected = start.checked_add(jiff::Span::new().minutes((minutes / 7 + 1) * 7)).unwrap();
        slow = rule.next(slow, start).unwrap();
        assert_eq!(slow, expected);
    }
}
