//! Local times of the week: `Tue-Thu 10:00`, or a window such as `10:00-16:00`.

use crate::time::{Timestamp, Zone, add_days};
use jiff::civil::Time;
use std::fmt;

/// The days of the week, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WHOLE_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// When a step goes on, in the customer's local time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalTime {
    written: String,
    /// Monday first.
    days: [bool; 7],
    from: Time,
    /// The end of a window, itself excluded; before `from` where midnight lies between.
    to: Option<Time>,
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl LocalTime {
    /// Reads days, a time and perhaps the end of a window. Days are `Tue-Thu`, `Mon,Fri` or none for every day.
    pub fn parse(text: &str) -> Result<LocalTime, String> {
        let refuse =
            || format!("`{text}` is no local time such as \"Tue-Thu 10:00\", \"Sat 09:30-12:00\" or \"10:00\"");
        if text.len() > 100 {
            return Err("a local time has at most 100 characters".to_owned());
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times) = match words.as_slice() {
            [times] => ([true; 7], *times),
            [days, times] => (read_days(days).ok_or_else(refuse)?, *times),
            _ => return Err(refuse()),
        };
        let (from, to) = match times.split_once('-') {
            Some((from, to)) => (from, Some(to)),
            None => (times, None),
        };
        let time = |text: &str| read_time(text).ok_or_else(refuse);
        let local = LocalTime { written: text.to_owned(), days, from: time(from)?, to: to.map(time).transpose()? };
        if local.to == Some(local.from) {
            return Err(format!("`{text}` begins when it ends: that would be never or always"));
        }
        Ok(local)
    }

    /// The first instant from `now` on that is meant: now itself inside a window, or at the very time.
    pub fn next_from(&self, now: Timestamp, zone: &Zone) -> Timestamp {
        let today = zone.date(now);
        // A window over midnight may have begun yesterday; a week from now every day has come.
        for ahead in -1..=8 {
            let day = add_days(today, ahead);
            if !self.days[usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default()] {
                continue;
            }
            let from = zone.at(day.to_datetime(self.from));
            if from >= now {
                return from;
            }
            let Some(to) = self.to else { continue };
            let last_day = if to < self.from { add_days(day, 1) } else { day };
            if now < zone.at(last_day.to_datetime(to)) {
                return now;
            }
        }
        now
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (read_day(first)?, read_day(last)?);
        // `Sat-Mon` goes over the end of the week.
        let mut day = first;
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Some(days)
}

fn read_day(text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    DAYS.iter().position(|day| *day == text).or_else(|| WHOLE_DAYS.iter().position(|day| *day == text))
}

/// A time of day such as `09:00`.
pub fn read_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(local: &str, zone: &str, now: &str) -> String {
        let now = Timestamp::parse(now).unwrap();
        LocalTime::parse(local).unwrap().next_from(now, &Zone::find(zone).unwrap()).to_string()
    }

    #[test]
    fn a_time_waits_for_its_day_and_passes_at_the_very_moment() {
        // 2 March 2026 is a Monday.
        assert_eq!(next("Tue-Thu 10:00", "UTC", "2026-03-02T12:00:00Z"), "2026-03-03T10:00:00Z");
        assert_eq!(next("Tue-Thu 10:00", "UTC", "2026-03-03T10:00:00Z"), "2026-03-03T10:00:00Z");
        assert_eq!(next("Tue-Thu 10:00", "UTC", "2026-03-05T10:00:00.001Z"), "2026-03-10T10:00:00Z");
        assert_eq!(next("Mon 12:00", "UTC", "2026-03-02T12:00:01Z"), "2026-03-09T12:00:00Z");
        assert_eq!(next("09:00", "America/New_York", "2026-03-02T12:00:00Z"), "2026-03-02T14:00:00Z");
        assert_eq!(next("sat-mon 08:00", "UTC", "2026-03-02T12:00:00Z"), "2026-03-07T08:00:00Z");
        assert_eq!(next("Sun 01:30", "Europe/London", "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z");
    }

    #[test]
    fn a_window_passes_at_once_inside_and_its_end_is_outside() {
        assert_eq!(next("Tue-Thu 10:00-16:00", "UTC", "2026-03-03T15:59:59Z"), "2026-03-03T15:59:59Z");
        assert_eq!(next("Tue-Thu 10:00-16:00", "UTC", "2026-03-03T16:00:00Z"), "2026-03-04T10:00:00Z");
        assert_eq!(next("Fri 22:00-02:00", "UTC", "2026-03-07T01:00:00Z"), "2026-03-07T01:00:00Z");
        assert_eq!(next("Fri 22:00-02:00", "UTC", "2026-03-07T02:00:00Z"), "2026-03-13T22:00:00Z");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "Tue", "Tue 10", "Tue 25:00", "Tue-Xyz 10:00", "Tue 10:00-10:00", "Tue Wed 10:00", "10:00-"] {
            assert!(LocalTime::parse(bad).is_err(), "{bad}");
        }
    }
}
