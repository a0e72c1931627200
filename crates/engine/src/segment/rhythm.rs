//! Conditions on the order and rhythm of events: pure functions of sorted instants.
//!
//! Windows are half open, (from, to]: an event exactly as old as the window is out.

use crate::segment::feature::{Entry, Kept};
use crate::segment::verdict::{Verdict, WALK};
use domain::value::Scalar;
use domain::{Span, Timestamp};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Whether the latest, or the first, entry at or before now passed its stream's further tests. O(log entries).
pub fn at_end(entries: &[Entry], is_last: bool, now: Timestamp) -> Verdict {
    let past = entries.partition_point(|entry| entry.order.0 <= now);
    let at = if is_last { past.checked_sub(1) } else { (past > 0).then_some(0) };
    let holds = at.is_some_and(|at| entries[at].value == Kept::Passed(true));
    // The first one ever stays the first, whatever comes after it.
    let check = if !is_last && past > 0 { None } else { entries.get(past).map(|entry| entry.order.0) };
    Verdict { holds, check }
}

/// What is asked of pairs of events.
#[derive(Clone, Copy, Debug)]
pub struct Pairs {
    /// The second must not come.
    pub absent: bool,
    /// The second lies in (first, first + within].
    pub within: Span,
    /// Both bear the same value.
    pub same: bool,
    /// The first lies in (now - recent, now].
    pub recent: Option<Span>,
}

/// Whether some event of `first` is followed, or not, by one of `then`.
///
/// Each that is makes the rule true for a time:
/// from the second on, or from the end of the wait on, until the first is no longer recent. O(entries · log).
pub fn sequence(first: &[Entry], then: &[Entry], pairs: Pairs, now: Timestamp) -> Verdict {
    if first.is_empty() {
        return Verdict::fixed(false);
    }
    let followers = Followers::of(then, pairs.same);
    let mut spells: Vec<(Timestamp, Option<Timestamp>)> = Vec::new();
    for entry in first {
        let at = entry.order.0;
        let deadline = at.plus(pairs.within);
        let follower = followers.next_after(entry, at).filter(|next| *next <= deadline);
        let from = match (follower, pairs.absent) {
            (Some(next), false) => next,
            (None, true) => deadline,
            _ => continue,
        };
        let to = pairs.recent.map(|recent| at.plus(recent));
        if to.is_none_or(|to| from < to) {
            spells.push((from, to));
        }
    }
    spells.sort_unstable();
    let mut until: Option<Option<Timestamp>> = None;
    for (from, to) in spells {
        match until {
            // The present spell goes on as long as one that has begun by its end does.
            Some(Some(end)) if from <= end => until = Some(to.map(|to| to.max(end))),
            Some(_) => break,
            None if to.is_some_and(|to| to <= now) => {}
            None if from <= now => until = Some(to),
            None => return Verdict { holds: false, check: Some(from) },
        }
    }
    Verdict { holds: until.is_some(), check: until.flatten() }
}

/// Instants of the events that may follow, by the value that both must bear.
enum Followers<'a> {
    Any(&'a [Entry]),
    Same(HashMap<&'a Scalar, Vec<Timestamp>>),
}

impl<'a> Followers<'a> {
    fn of(then: &'a [Entry], same: bool) -> Followers<'a> {
        if !same {
            return Followers::Any(then);
        }
        let mut by_value: HashMap<&Scalar, Vec<Timestamp>> = HashMap::new();
        for entry in then {
            if let Kept::Scalar(Some(value)) = &entry.value {
                by_value.entry(value).or_default().push(entry.order.0);
            }
        }
        Followers::Same(by_value)
    }

    fn next_after(&self, entry: &Entry, at: Timestamp) -> Option<Timestamp> {
        let times = match self {
            Followers::Any(then) => {
                return then.get(then.partition_point(|entry| entry.order.0 <= at)).map(|entry| entry.order.0);
            }
            Followers::Same(by_value) => match &entry.value {
                Kept::Scalar(Some(value)) => by_value.get(value.as_ref())?,
                // Without a value nothing bears the same one.
                _ => return None,
            },
        };
        times.get(times.partition_point(|time| *time <= at)).copied()
    }
}

/// Whether the first one ever lies in (now - within, now].
pub fn first_time(times: &[Timestamp], within: Span, now: Timestamp) -> Verdict {
    let first = times.get(..1).unwrap_or(&[]);
    turn_by_turn(first, &[Span(0), within], now, |at| count(first, at.minus(within), at) > 0)
}

/// Whether some lie in (now - active, now - quiet] and none in (now - quiet, now].
pub fn stopped(times: &[Timestamp], active: Span, quiet: Span, now: Timestamp) -> Verdict {
    turn_by_turn(times, &[Span(0), quiet, active], now, |at| {
        count(times, at.minus(quiet), at) == 0 && count(times, at.minus(active), at.minus(quiet)) > 0
    })
}

/// Whether some lie in (now - recent, now], none in the time of `quiet` before that, and some at or before its start.
pub fn restarted(times: &[Timestamp], quiet: Span, recent: Span, now: Timestamp) -> Verdict {
    let whole = Span(quiet.0 + recent.0);
    turn_by_turn(times, &[Span(0), recent, whole], now, |at| {
        count(times, at.minus(recent), at) > 0
            && count(times, at.minus(whole), at.minus(recent)) == 0
            && times.first().is_some_and(|first| *first <= at.minus(whole))
    })
}

/// Most moves of events between periods that are looked ahead; then the rule is asked again.
const MOVES: usize = 4_096;

/// Whether in so many of the latest periods at least so many happened. Period i is (now - (i + 1) · every,
/// now - i · every].
///
/// Each turn moves the events that cross an edge then into their next period; after so many moves the rule is asked
/// again. O(periods + (instants + moves) · log instants).
pub fn regularly(
    times: &[Timestamp],
    every: Span,
    periods: u32,
    at_least_periods: u32,
    at_least: u32,
    now: Timestamp,
) -> Verdict {
    let mut tally = Periods { counts: vec![0; periods as usize], good: 0, at_least };
    // When each event enters its next period, and which one that is.
    let mut moves: BinaryHeap<Reverse<(Timestamp, usize, Timestamp)>> = BinaryHeap::new();
    for time in times {
        let age = now.since(*time);
        let next = if age < Span(0) { 0 } else { usize::try_from(age.0 / every.0).unwrap_or(usize::MAX - 1) + 1 };
        if next > 0 {
            tally.enter(next - 1);
        }
        if next <= tally.counts.len() {
            moves.push(Reverse((time.plus(Span(every.0.saturating_mul(next as i64))), next, *time)));
        }
    }
    let holds = |tally: &Periods| tally.good >= at_least_periods;
    let present = holds(&tally);
    let (mut at, mut moved) = (now, 0);
    while moved < MOVES {
        // At the end of the calendar nothing moves any more.
        let Some(Reverse((turn, ..))) = moves.peek().copied().filter(|next| next.0.0 > at) else {
            return Verdict { holds: present, check: None };
        };
        while let Some(Reverse((_, next, time))) = moves.peek().copied().filter(|next| next.0.0 == turn) {
            moves.pop();
            moved += 1;
            tally.advance(next);
            if next < tally.counts.len() {
                let then = time.plus(Span(every.0.saturating_mul(next as i64 + 1)));
                if then > turn {
                    moves.push(Reverse((then, next + 1, time)));
                }
            }
        }
        if holds(&tally) != present {
            return Verdict { holds: present, check: Some(turn) };
        }
        at = turn;
    }
    Verdict { holds: present, check: Some(at) }
}

/// How often something happened in each of the latest periods.
struct Periods {
    counts: Vec<u32>,
    /// In how many of them it was often enough.
    good: u32,
    at_least: u32,
}

impl Periods {
    fn enter(&mut self, period: usize) {
        if let Some(count) = self.counts.get_mut(period) {
            *count += 1;
            self.good += u32::from(*count == self.at_least);
        }
    }

    /// An event moves into a period from the one before it, if there is one.
    fn advance(&mut self, to: usize) {
        if let Some(count) = to.checked_sub(1).and_then(|from| self.counts.get_mut(from)) {
            self.good -= u32::from(*count == self.at_least);
            *count -= 1;
        }
        self.enter(to);
    }
}

/// Number of instants in (from, to]. O(log instants).
fn count(times: &[Timestamp], from: Timestamp, to: Timestamp) -> usize {
    let end = times.partition_point(|time| *time <= to);
    end.saturating_sub(times.partition_point(|time| *time <= from))
}

/// Judges at now, then at each instant at which an event crosses one of the `edges` behind now, until the verdict
/// differs. O(turns · edges · log instants).
fn turn_by_turn(times: &[Timestamp], edges: &[Span], now: Timestamp, holds: impl Fn(Timestamp) -> bool) -> Verdict {
    let next_turn = |at: Timestamp| {
        let crossing = |edge: &Span| {
            let place = times.partition_point(|time| time.plus(*edge) <= at);
            times.get(place).map(|time| time.plus(*edge))
        };
        edges.iter().filter_map(crossing).min()
    };
    let present = holds(now);
    let mut at = now;
    for _ in 0..WALK {
        match next_turn(at) {
            None => return Verdict { holds: present, check: None },
            Some(turn) if holds(turn) != present => return Verdict { holds: present, check: Some(turn) },
            Some(turn) => at = turn,
        }
    }
    Verdict { holds: present, check: Some(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: &[i64]) -> Vec<Timestamp> {
        hours.iter().map(|hour| Timestamp(hour * 3_600_000)).collect()
    }

    fn entries(hours: &[i64]) -> Vec<Entry> {
        let at = |hour: &i64| Entry { order: (Timestamp(hour * 3_600_000), 0), stream: 0, value: Kept::Nothing };
        hours.iter().map(at).collect()
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp(hour * 3_600_000)
    }

    #[test]
    fn a_cart_without_an_order_counts_from_the_end_of_the_wait_and_no_longer_than_it_is_recent() {
        let pairs = Pairs { absent: true, within: Span::hours(2), same: false, recent: Some(Span::hours(10)) };
        let ask = |now| sequence(&entries(&[1]), &entries(&[4]), pairs, at(now));
        assert_eq!(ask(2), Verdict { holds: false, check: Some(at(3)) });
        assert_eq!(ask(3), Verdict { holds: true, check: Some(at(11)) });
        assert_eq!(ask(11), Verdict { holds: false, check: None });
        // An order at the very end of the wait is still in time, one at the moment of the cart is not after it.
        assert!(!sequence(&entries(&[1]), &entries(&[3]), pairs, at(5)).holds);
        assert!(sequence(&entries(&[1]), &entries(&[1]), pairs, at(5)).holds);
    }

    #[test]
    fn spells_of_several_carts_that_meet_are_one() {
        let pairs = Pairs { absent: true, within: Span::hours(1), same: false, recent: Some(Span::hours(5)) };
        let carts = entries(&[0, 3, 9]);
        assert_eq!(sequence(&carts, &[], pairs, at(1)), Verdict { holds: true, check: Some(at(8)) });
        assert_eq!(sequence(&carts, &[], pairs, at(8)), Verdict { holds: false, check: Some(at(10)) });
    }

    #[test]
    fn whoever_stopped_a_week_ago_shows_at_that_hour() {
        let ask = |now| stopped(&hours(&[0, 10]), Span::hours(20), Span::hours(5), at(now));
        assert_eq!(ask(12), Verdict { holds: false, check: Some(at(15)) });
        assert_eq!(ask(15), Verdict { holds: true, check: Some(at(30)) });
        assert_eq!(ask(30), Verdict { holds: false, check: None });
    }

    #[test]
    fn coming_back_after_a_pause_shows_until_the_return_is_old() {
        let ask = |now| restarted(&hours(&[0, 10]), Span::hours(5), Span::hours(2), at(now));
        assert!(!ask(9).holds);
        assert_eq!(ask(10), Verdict { holds: true, check: Some(at(12)) });
        assert!(!ask(12).holds);
        // Without anything before the pause it is a beginning, not a return.
        assert!(!restarted(&hours(&[10]), Span::hours(5), Span::hours(2), at(10)).holds);
    }

    #[test]
    fn a_visit_in_each_of_three_days() {
        let ask = |now| regularly(&hours(&[2, 26, 50]), Span::hours(24), 3, 3, 1, at(now));
        assert!(ask(60).holds);
        assert_eq!(ask(60).check, Some(at(74)), "then the first visit is three days old");
        assert!(!ask(74).holds);
    }

    #[test]
    fn a_visit_in_every_second_of_a_thousand_is_missed_when_one_is() {
        let visits: Vec<Timestamp> = (0..1_000).map(|second| Timestamp(second * 1_000 + 500)).collect();
        for second in 0..20 {
            let now = Timestamp(999_500 + second * 1_000);
            assert_eq!(regularly(&visits, Span(1_000), 1_000, 1_000, 1, now).holds, second == 0);
        }
        assert_eq!(
            regularly(&visits, Span(1_000), 1_000, 1_000, 1, Timestamp(999_499)).check,
            Some(Timestamp(999_500)),
            "the last visit makes it a thousand"
        );
    }
}
