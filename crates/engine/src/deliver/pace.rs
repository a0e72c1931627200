//! How fast messages may set out: an even pace, and how many a day while a sender is young. Pure: time is passed in.
//!
//! Receivers judge a sender by how it begins. A new one that sends fifty thousand mails on its first day is taken for a
//! spammer; so the first days have limits that grow.

use domain::{Span, Timestamp};
use std::collections::BTreeMap;

/// How much of its pace a sender may be ahead: a second's worth leaves at once, or one message where a second has none.
const AHEAD_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60_000_000;
const DAY: Span = Span::days(1);

/// How fast a channel may be, as its owner says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Most messages on their way at a time; none: as many as are asked for.
    pub places: Option<usize>,
    /// Most messages a minute; none: no limit.
    pub per_minute: Option<u32>,
    /// Most messages a minute to one receiving domain; none: no limit.
    pub domain_per_minute: Option<u32>,
    /// Other limits for some receiving domains, in small letters.
    pub domains: BTreeMap<String, u32>,
    /// Most messages on the first day of sending, the second …; empty, and after the last: no limit. A day is 24 hours from
    /// the first message on.
    pub warm_up: Vec<u32>,
}

impl Limits {
    /// Most messages a minute to a domain.
    pub(crate) fn of_domain(&self, domain: &str) -> Option<u32> {
        self.domains.get(domain).copied().or(self.domain_per_minute)
    }
}

/// An even pace: after each message the next one waits its share of the minute. In any minute there are at most as many as
/// the limit says and one second's worth more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pace {
    /// When a sender that is never ahead would send next, in microseconds since 1970.
    next_us: i64,
}

impl Pace {
    /// When the next message may set out.
    pub(crate) fn opens(self, per_minute: Option<u32>) -> Timestamp {
        let Some(share) = share_us(per_minute) else { return Timestamp(i64::MIN) };
        let ahead = (AHEAD_US - share).max(0);
        let opens_us = self.next_us.saturating_sub(ahead);
        // Up to the next millisecond: a moment too early would be a turn for nothing.
        Timestamp(opens_us.div_euclid(1_000) + i64::from(opens_us.rem_euclid(1_000) > 0))
    }

    /// A message sets out.
    pub(crate) fn take(&mut self, now: Timestamp, per_minute: Option<u32>) {
        if let Some(share) = share_us(per_minute) {
            self.next_us = self.next_us.max(now.0.saturating_mul(1_000)).saturating_add(share);
        }
    }
}

fn share_us(per_minute: Option<u32>) -> Option<i64> {
    per_minute.map(|limit| MINUTE_US / i64::from(limit.max(1)))
}

/// How many messages went on the present day of a young sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct WarmUp {
    /// When the first message went; none: none has.
    pub(crate) since: Option<Timestamp>,
    day: i64,
    count: u32,
}

impl WarmUp {
    /// A sender whose first message went then.
    pub(crate) fn begun(since: Timestamp) -> WarmUp {
        WarmUp { since: Some(since), ..WarmUp::default() }
    }

    /// When the next message may set out.
    pub(crate) fn opens(&self, now: Timestamp, schedule: &[u32]) -> Timestamp {
        let day = self.day_of(now);
        let Some(limit) = usize::try_from(day).ok().and_then(|day| schedule.get(day)) else {
            return Timestamp(i64::MIN);
        };
        let count = if day == self.day { self.count } else { 0 };
        match (count < *limit, self.since) {
            (true, _) => Timestamp(i64::MIN),
            (false, Some(since)) => since.plus(Span(DAY.0.saturating_mul(day + 1))),
            // Those that are on their way are the first; the day begins when one of them has gone.
            (false, None) => now.plus(Span::minutes(1)),
        }
    }

    /// A message sets out, or went at an instant of the past.
    pub(crate) fn take(&mut self, at: Timestamp) {
        let day = self.day_of(at);
        if day > self.day {
            (self.day, self.count) = (day, 0);
        }
        if day == self.day {
            self.count = self.count.saturating_add(1);
        }
    }

    /// A message that set out did not go after all.
    pub(crate) fn give_back(&mut self, at: Timestamp) {
        if self.day_of(at) == self.day {
            self.count = self.count.saturating_sub(1);
        }
    }

    fn day_of(&self, at: Timestamp) -> i64 {
        self.since.map_or(0, |since| at.since(since).0.max(0) / DAY.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_767_268_800_000);

    #[test]
    fn a_pace_is_even_and_lets_a_second_ahead() {
        let limit = Some(600);
        let mut pace = Pace::default();
        let mut went = Vec::new();
        for ms in 0..120_000 {
            let now = NOON.plus(Span(ms));
            while pace.opens(limit) <= now {
                pace.take(now, limit);
                went.push(ms);
            }
        }
        assert_eq!(went.iter().filter(|ms| **ms == 0).count(), 10, "a second's worth leaves at once");
        assert_eq!(went.len(), 10 + 1_199, "then ten a second");
        for start in (0..60_000).step_by(997) {
            let within = went.iter().filter(|ms| (start..start + 60_000).contains(*ms)).count();
            assert!(within <= 610, "{within} in the minute from {start} ms on");
        }
    }

    #[test]
    fn a_slow_pace_is_one_at_a_time_and_no_limit_is_none() {
        let mut pace = Pace::default();
        pace.take(NOON, Some(2));
        assert_eq!(pace.opens(Some(2)), NOON.plus(Span(30_000)));
        assert_eq!(pace.opens(None), Timestamp(i64::MIN));
        assert_eq!(pace.opens(Some(0)), NOON.plus(Span(30_000)), "a limit of none a minute is read as one");
    }

    #[test]
    fn a_young_sender_is_let_more_each_day() {
        let schedule = [2, 4];
        let mut young = WarmUp::default();
        assert_eq!(young.opens(NOON, &schedule), Timestamp(i64::MIN));
        young.take(NOON);
        young.take(NOON);
        assert_eq!(young.opens(NOON, &schedule), NOON.plus(Span::minutes(1)), "until one of them has gone");
        young.since = Some(NOON);
        let tomorrow = NOON.plus(Span::days(1));
        assert_eq!(young.opens(NOON, &schedule), tomorrow);
        assert_eq!(young.opens(tomorrow, &schedule), Timestamp(i64::MIN));
        (0..4).for_each(|_| young.take(tomorrow));
        assert_eq!(young.opens(tomorrow, &schedule), NOON.plus(Span::days(2)));
        young.give_back(tomorrow);
        assert_eq!(young.opens(tomorrow, &schedule), Timestamp(i64::MIN), "one was put off");
        young.take(NOON);
        young.take(tomorrow);
        assert_eq!(young.opens(NOON.plus(Span::days(2)), &schedule), Timestamp(i64::MIN), "warm from the third day on");
        assert_eq!(young.opens(NOON, &[]), Timestamp(i64::MIN));
    }
}
